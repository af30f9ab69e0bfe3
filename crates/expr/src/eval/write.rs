//! Writes values as text and as JSON, paying for every part before it is written.

use std::sync::Arc;

use model::Value;

use crate::budget::Budget;
use crate::stop::Outcome;

/// A value as it stands inside a longer string: null is nothing, text is itself, lists and
/// objects are JSON.
pub(crate) fn text_of(value: &Value, budget: &mut Budget) -> Outcome<Arc<str>> {
    if let Value::Text(text) = value {
        return Ok(text.clone());
    }
    let mut out = String::new();
    write_text(value, &mut out, budget)?;
    Ok(out.into())
}

/// Appends a value as it stands inside a longer string.
pub(crate) fn write_text(value: &Value, out: &mut String, budget: &mut Budget) -> Outcome<()> {
    match value {
        Value::Null => Ok(()),
        Value::Text(text) => push(text, out, budget),
        other => write_json(other, None, out, budget),
    }
}

/// Appends text.
pub(crate) fn push(text: &str, out: &mut String, budget: &mut Budget) -> Outcome<()> {
    budget.text(text.len())?;
    out.push_str(text);
    Ok(())
}

/// A value as JSON: in one line, or indented by so many spaces a level.
pub(crate) fn json_of(value: &Value, indent: Option<usize>, budget: &mut Budget) -> Outcome<String> {
    let mut out = String::new();
    write_json(value, indent, &mut out, budget)?;
    Ok(out)
}

fn write_json(value: &Value, indent: Option<usize>, out: &mut String, budget: &mut Budget) -> Outcome<()> {
    Writer { out, budget, indent }.value(value, 1)
}

struct Writer<'w> {
    out: &'w mut String,
    budget: &'w mut Budget,
    indent: Option<usize>,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, level: usize) -> Outcome<()> {
        match value {
            Value::List(items) if !items.is_empty() => {
                self.budget.go_through(items.len())?;
                for (at, item) in items.iter().enumerate() {
                    self.push(if at == 0 { "[" } else { "," })?;
                    self.line(level)?;
                    self.value(item, level + 1)?;
                }
                self.line(level - 1)?;
                self.push("]")
            }
            Value::Map(fields) if !fields.is_empty() => {
                self.budget.go_through(fields.len())?;
                for (at, (key, field)) in fields.iter().enumerate() {
                    self.push(if at == 0 { "{" } else { "," })?;
                    self.line(level)?;
                    self.scalar(&Value::Text(key.clone()))?;
                    self.push(if self.indent.is_some() { ": " } else { ":" })?;
                    self.value(field, level + 1)?;
                }
                self.line(level - 1)?;
                self.push("}")
            }
            scalar => self.scalar(scalar),
        }
    }

    fn scalar(&mut self, value: &Value) -> Outcome<()> {
        if let Value::Text(text) = value {
            self.budget.text(quoted_length(text))?;
            value.write_json(self.out);
            return Ok(());
        }
        self.push(&value.to_json())
    }

    fn push(&mut self, text: &str) -> Outcome<()> {
        self.budget.build(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    /// A new line of this level, where there are lines.
    fn line(&mut self, level: usize) -> Outcome<()> {
        let Some(indent) = self.indent else { return Ok(()) };
        let spaces = indent.saturating_mul(level);
        self.budget.build(1 + spaces)?;
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', spaces));
        Ok(())
    }
}

/// How long a text is as JSON.
fn quoted_length(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    });
    2 + escaped.sum::<usize>()
}

/// How many bytes a value takes as JSON; pays for looking at all of it.
pub(crate) fn json_length(value: &Value, budget: &mut Budget) -> Outcome<usize> {
    Ok(match value {
        Value::List(items) => {
            budget.go_through(items.len())?;
            items.iter().try_fold(1 + items.len().max(1), |sum, item| Ok(sum + json_length(item, budget)?))?
        }
        Value::Map(fields) => {
            budget.go_through(fields.len())?;
            fields.iter().try_fold(1 + fields.len().max(1), |sum, (key, field)| {
                Ok(sum + quoted_length(key) + 1 + json_length(field, budget)?)
            })?
        }
        Value::Text(text) => {
            budget.scan(text.len())?;
            quoted_length(text)
        }
        scalar => scalar.to_json().len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(json: &str) -> Value {
        Value::from_json(json.as_bytes()).expect("JSON")
    }

    #[test]
    fn inside_a_string_null_is_nothing_and_lists_are_json() {
        let mut budget = Budget::default();
        for (json, text) in [
            ("null", ""),
            ("\"a\"", "a"),
            ("1.10", "1.10"),
            ("true", "true"),
            ("[1,\"a\",null]", "[1,\"a\",null]"),
            ("{\"a\":{}}", "{\"a\":{}}"),
        ] {
            assert_eq!(&*text_of(&value(json), &mut budget).expect("affordable"), text);
        }
    }

    #[test]
    fn pretty_json_is_indented() {
        let pretty = json_of(&value(r#"{"a":[1,[]],"b":{}}"#), Some(2), &mut Budget::default()).expect("affordable");
        assert_eq!(pretty, "{\n  \"a\": [\n    1,\n    []\n  ],\n  \"b\": {}\n}");
    }

    #[test]
    fn a_shared_value_is_paid_for_each_time_it_is_written() {
        let mut value = Value::from("x".repeat(1000));
        for _ in 0..40 {
            value = Value::list([value.clone(), value]);
        }
        assert!(json_of(&value, None, &mut Budget::default()).is_err());
        assert!(json_length(&value, &mut Budget::default()).is_err());
    }

    proptest! {
        #[test]
        fn the_length_is_known_beforehand(text in ".{0,20}", number in any::<i64>()) {
            let items = [Value::from(number), Value::from(text.as_str()), Value::Null];
            let value = Value::map([(text.as_str(), Value::list(items))]);
            let json = value.to_json();
            prop_assert_eq!(json_length(&value, &mut Budget::default()).expect("affordable"), json.len());
            let written = json_of(&value, None, &mut Budget::default()).expect("affordable");
            prop_assert_eq!(written, json);
        }
    }
}
