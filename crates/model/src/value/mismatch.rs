//! [`Mismatch`]: what does not fit, in words of those who write JSON and YAML, not of those who write Rust.
//!
//! Text that was given is not repeated, unless it is a key or a choice: it may be a secret.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::suggest::nearest;

/// What serde says went wrong, before the path is known.
#[derive(Debug)]
pub(super) struct Mismatch(pub(super) String);

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // All that serde tells here is the name of a type.
        if message.starts_with("data did not match any variant of untagged enum ") {
            return Self("has none of the shapes that it may have".into());
        }
        Self(message)
    }

    fn invalid_type(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("expects {}, not {}", type_in_words(&expected.to_string()), given_in_words(given)))
    }

    fn invalid_value(given: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(given, expected)
    }

    fn invalid_length(items: usize, expected: &dyn Expected) -> Self {
        Self(format!("expects {}, not {items} items", type_in_words(&expected.to_string())))
    }

    fn unknown_variant(given: &str, known: &'static [&'static str]) -> Self {
        Self(format!("{given:?} is no choice here; {}", hint(given, known)))
    }

    fn unknown_field(given: &str, known: &'static [&'static str]) -> Self {
        Self(format!("is no key here; {}", hint(given, known)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self(format!("lacks {name}"))
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self(format!("has {name} twice"))
    }
}

impl serde::ser::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

fn hint(given: &str, known: &[&str]) -> String {
    match nearest(given, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "there is none".into(),
        None => format!("known are {}", known.join(", ")),
    }
}

/// A type of Rust, as people call what it holds.
fn type_in_words(name: &str) -> Cow<'_, str> {
    Cow::Borrowed(match name {
        "u8" => return format!("a whole number from 0 to {}", u8::MAX).into(),
        "u16" => return format!("a whole number from 0 to {}", u16::MAX).into(),
        "u32" => return format!("a whole number from 0 to {}", u32::MAX).into(),
        "u64" | "usize" => "a whole number of 0 or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        name if name.starts_with("a nonzero ") => "a whole number above 0",
        name if name.starts_with("struct ") || name.starts_with("internally tagged enum ") => "an object",
        name if name.starts_with("enum ") => "one of its choices",
        name if name.starts_with("a tuple of size ") => {
            return format!("a list of {}", name.trim_start_matches("a tuple of size ")).into();
        }
        name => name,
    })
}

fn given_in_words(given: Unexpected<'_>) -> Cow<'static, str> {
    Cow::Borrowed(match given {
        Unexpected::Bool(truth) => return truth.to_string().into(),
        Unexpected::Unsigned(number) => return number.to_string().into(),
        Unexpected::Signed(number) => return number.to_string().into(),
        Unexpected::Float(number) => return number.to_string().into(),
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        Unexpected::Bytes(_) => "bytes",
        _ => "something else",
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::value::{Value, from_value};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "read, and never looked at")]
    struct Order {
        id: u16,
        #[serde(default)]
        lines: Vec<Line>,
        #[serde(default)]
        state: State,
        #[serde(default)]
        pair: Option<(u8, u8)>,
        #[serde(default)]
        either: Option<Either>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "read, and never looked at")]
    struct Line {
        text: String,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum State {
        #[default]
        Open,
        Closed,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "read, and never looked at")]
    enum Either {
        Text(String),
        Truth(bool),
    }

    #[test]
    fn nothing_is_said_in_words_of_rust() {
        for (json, message) in [
            ("{}", "lacks id"),
            ("7", "expects an object, not 7"),
            (r#"{"id":70000}"#, "id: expects a whole number from 0 to 65535, not 70000"),
            (r#"{"id":"s3cr3t"}"#, "id: expects a whole number from 0 to 65535, not a string"),
            (r#"{"id":null}"#, "id: expects a whole number from 0 to 65535, not null"),
            (r#"{"id":1,"lines":{}}"#, "lines: expects a list, not an object"),
            (r#"{"id":1,"lines":["x"]}"#, "lines[0]: expects an object, not a string"),
            (r#"{"id":1,"lines":[{"text":1.5}]}"#, "lines[0].text: expects a string, not 1.5"),
            (r#"{"id":1,"state":"colsed"}"#, r#"state: "colsed" is no choice here; did you mean closed?"#),
            (r#"{"id":1,"state":3}"#, "state: expects one of open, closed, not a value of type number"),
            (r#"{"id":1,"pair":[1]}"#, "pair: expects a list of 2, not 1 items"),
            (r#"{"id":1,"either":3}"#, "either: has none of the shapes that it may have"),
            (r#"{"id":1,"colour":3}"#, "colour: is no key here; known are id, lines, state, pair, either"),
            (r#"{"id":1,"stat":3}"#, "stat: is no key here; did you mean state?"),
        ] {
            let value = Value::from_json(json.as_bytes()).expect("JSON");
            assert_eq!(from_value::<Order>(&value).expect_err(json).to_string(), message, "{json}");
        }
    }
}
