//! Reads and writes a [`Value`] as JSON text.
//!
//! Reading is strict (RFC 8259), bounded in depth, refuses a key given twice, and says line
//! and column. The tokens come from `jiter`, since `serde_json` rounds fractions to floats.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiter::{Jiter, JiterError, JiterErrorType, JsonErrorType, Peek};

use super::{Map, Number, Value};
use crate::limits::JSON_DEPTH;

/// Why a text is not JSON that flow8 takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct JsonError {
    /// What is wrong.
    pub message: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
}

impl Value {
    /// Reads one JSON value and nothing after it.
    ///
    /// # Errors
    /// Where the text is not JSON, nests deeper than [`JSON_DEPTH`], or gives a key twice.
    pub fn from_json(text: &[u8]) -> Result<Self, JsonError> {
        let mut reader = Reader { jiter: Jiter::new(text), keys: HashMap::default() };
        let outcome = reader.value(JSON_DEPTH).and_then(|value| {
            reader.jiter.finish()?;
            Ok(value)
        });
        outcome.map_err(|refusal| reader.explain(&refusal))
    }

    /// The value as JSON in one line, with numbers as they were written.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends the value as JSON in one line.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Number(number) => write_number(number, out),
            Self::Text(text) => write_text(text, out),
            Self::List(items) => write_all('[', ']', items.iter(), out, |item, out| item.write_json(out)),
            Self::Map(fields) => write_all('{', '}', fields.iter(), out, |(key, value), out| {
                write_text(key, out);
                out.push(':');
                value.write_json(out);
            }),
        }
    }

    /// The same JSON for equal values: keys sorted, numbers in their shortest form.
    pub fn to_canonical_json(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Number(number) => match number.decimal() {
                Some(decimal) => out.push_str(&decimal.normalize().to_string()),
                None => write_number(number, out),
            },
            Self::List(items) => write_all('[', ']', items.iter(), out, |item, out| item.write_canonical(out)),
            Self::Map(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(b.0));
                write_all('{', '}', sorted.into_iter(), out, |(key, value), out| {
                    write_text(key, out);
                    out.push(':');
                    value.write_canonical(out);
                });
            }
            scalar => scalar.write_json(out),
        }
    }
}

fn write_number(number: &Number, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

/// Appends a JSON string: quotes, backslash and control characters escaped.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

fn write_all<T>(
    open: char,
    close: char,
    items: impl Iterator<Item = T>,
    out: &mut String,
    mut one: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(',');
        }
        one(item, out);
    }
    out.push(close);
}

struct Reader<'j> {
    jiter: Jiter<'j>,
    /// Keys seen so far: the rows of a long list share them.
    keys: HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>,
}

/// How many different keys are shared; a document with more pays for each of its own.
const SHARED_KEYS: usize = 1024;

enum Refusal {
    Syntax(JiterError),
    TooDeep(usize),
    TwiceGiven(Arc<str>, usize),
}

impl From<JiterError> for Refusal {
    fn from(error: JiterError) -> Self {
        Self::Syntax(error)
    }
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Refusal> {
        let peek = self.jiter.peek()?;
        self.peeked(peek, depth)
    }

    fn peeked(&mut self, peek: Peek, depth: usize) -> Result<Value, Refusal> {
        match peek {
            Peek::Null => {
                self.jiter.known_null()?;
                Ok(Value::Null)
            }
            Peek::True | Peek::False => Ok(Value::Bool(self.jiter.known_bool(peek)?)),
            Peek::String => Ok(Value::Text(self.jiter.known_str()?.into())),
            Peek::Array => self.list(depth),
            Peek::Object => self.map(depth),
            _ => {
                let digits = self.jiter.known_number_bytes(peek)?;
                // Digits, signs, dots and exponents are ASCII.
                let text = std::str::from_utf8(digits).unwrap_or_default();
                Ok(Value::Number(Number::from_checked(text)))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Refusal> {
        let below = self.step_down(depth)?;
        let mut items = Vec::new();
        let mut next = self.jiter.known_array()?;
        while let Some(peek) = next {
            items.push(self.peeked(peek, below)?);
            next = self.jiter.array_step()?;
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn map(&mut self, depth: usize) -> Result<Value, Refusal> {
        let below = self.step_down(depth)?;
        let mut fields = Map::default();
        let mut next = match self.jiter.known_object()? {
            Some(key) => Some(shared(&mut self.keys, key)),
            None => None,
        };
        while let Some(key) = next {
            let at = self.jiter.current_index();
            let value = self.value(below)?;
            if fields.insert(key.clone(), value).is_some() {
                return Err(Refusal::TwiceGiven(key, at));
            }
            next = match self.jiter.next_key()? {
                Some(key) => Some(shared(&mut self.keys, key)),
                None => None,
            };
        }
        Ok(Value::Map(Arc::new(fields)))
    }

    fn step_down(&self, depth: usize) -> Result<usize, Refusal> {
        depth.checked_sub(1).ok_or(Refusal::TooDeep(self.jiter.current_index()))
    }

    fn explain(&self, refusal: &Refusal) -> JsonError {
        let (message, index) = match refusal {
            Refusal::Syntax(error) => match &error.error_type {
                JiterErrorType::JsonError(JsonErrorType::TrailingCharacters) => {
                    ("nothing may follow the value".to_owned(), error.index)
                }
                JiterErrorType::JsonError(kind) => (kind.to_string(), error.index),
                kind @ JiterErrorType::WrongType { .. } => (kind.to_string(), error.index),
            },
            Refusal::TooDeep(index) => (format!("nests deeper than {JSON_DEPTH} levels"), *index),
            Refusal::TwiceGiven(key, index) => (format!("the key \"{key}\" is given twice"), *index),
        };
        let position = self.jiter.error_position(index);
        JsonError { message, line: position.line, column: position.column }
    }
}

fn shared(keys: &mut HashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>, key: &str) -> Arc<str> {
    if let Some(known) = keys.get(key) {
        return known.clone();
    }
    let fresh: Arc<str> = key.into();
    if keys.len() < SHARED_KEYS {
        keys.insert(key.into(), fresh.clone());
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> String {
        Value::from_json(text.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn numbers_keep_their_text() {
        let text = r#"{"price":1.10,"big":123456789012345678901234567890,"exp":1E5,"neg":-0.0}"#;
        assert_eq!(Value::from_json(text.as_bytes()).expect("JSON").to_json(), text);
    }

    #[test]
    fn an_error_names_line_and_column() {
        assert_eq!(refusal("{\"a\": 1,\n \"b\": tru}"), "expected ident (line 2, column 10)");
        assert!(refusal("").contains("line 1"));
        assert_eq!(refusal("1 2"), "nothing may follow the value (line 1, column 3)");
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(refusal(r#"{"a":1,"a":2}"#).starts_with("the key \"a\" is given twice"));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Value::from_json(nested(JSON_DEPTH).as_bytes()).is_ok());
        assert!(refusal(&nested(JSON_DEPTH + 1)).starts_with("nests deeper than 128 levels"));
        assert!(refusal(&"[".repeat(10_000_000)).starts_with("nests deeper"));
    }

    #[test]
    fn rows_share_their_keys() {
        let value = Value::from_json(br#"[{"name":1},{"name":2}]"#).expect("JSON");
        let keys: Vec<_> = value
            .as_list()
            .expect("list")
            .iter()
            .map(|row| row.as_map().expect("object").get_index(0).expect("field").0.clone())
            .collect();
        assert!(Arc::ptr_eq(&keys[0], &keys[1]));
    }

    #[test]
    fn canonical_json_is_the_same_for_equal_values() {
        let a = Value::from_json(br#"{"b":[1.50,"x"],"a":100}"#).expect("JSON");
        let b = Value::from_json(br#"{"a":1e2,"b":[1.5,"x"]}"#).expect("JSON");
        assert_eq!(a, b);
        assert_eq!(a.to_canonical_json(), b.to_canonical_json());
        assert_eq!(a.to_canonical_json(), r#"{"a":100,"b":[1.5,"x"]}"#);
    }

    /// Any JSON value, small.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".*".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_and_writes_what_serde_json_does(json in any_json()) {
            let text = json.to_string();
            let value = Value::from_json(text.as_bytes()).expect("JSON");
            let back: serde_json::Value = serde_json::from_str(&value.to_json()).expect("JSON");
            prop_assert_eq!(back, json);
        }

        #[test]
        fn it_never_panics_and_agrees_on_what_is_json(text in "[\\[\\]{}\",:0-9eE.+\\-truefalsn \\\\u]{0,40}") {
            let ours = Value::from_json(text.as_bytes());
            let theirs = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text);
            if let Err(error) = &ours {
                prop_assert!(theirs.is_err() || error.message.contains("twice") || error.message.contains("surrogate"), "{}: {}", text, error);
            } else {
                prop_assert!(theirs.is_ok(), "{}", text);
            }
        }
    }
}
