//! Truth, emptiness, equality and order of values. The only place that decides them.

use std::cmp::Ordering;

use model::{Number, Value};
use rust_decimal::Decimal;

use crate::budget::Budget;
use crate::stop::{Halt, Outcome, Reason};

/// Whether a value holds as a condition: a boolean as it is, null does not, and no other value
/// is a condition.
pub(crate) fn truth(value: &Value) -> Outcome<bool> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Null => Ok(false),
        other => Err(Halt::operand(format!(
            "a condition is true or false, not {}: compare it (a == b), or ask notEmpty(…) or bool(…); for a \
             fallback write a ?? b",
            described(other)
        ))),
    }
}

/// A value's type, as a sentence names it: "a number", "null".
pub(crate) fn described(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Text(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "an object",
    }
}

/// Whether a value is null, `""`, `[]` or `{}`.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether two values are the same by value; those of different types are not.
pub(crate) fn equal(left: &Value, right: &Value, budget: &mut Budget) -> Outcome<bool> {
    if left.address().is_some_and(|address| right.address() == Some(address)) {
        return Ok(true);
    }
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.scan(a.len().min(b.len()))?;
            Ok(a == b)
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.go_through(a.len())?;
            for (a, b) in a.iter().zip(b.iter()) {
                if !equal(a, b, budget)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            budget.go_through(a.len())?;
            for (key, a) in a.iter() {
                match b.get(key) {
                    Some(b) if equal(a, b, budget)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (scalar, other) => Ok(scalar == other),
    }
}

/// Which of two numbers, or of two texts, comes first. Texts go by their characters' codes.
pub(crate) fn order(left: &Value, right: &Value) -> Outcome<Ordering> {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => Ok(decimal(a)?.cmp(&decimal(b)?)),
        },
        (Value::Text(a), Value::Text(b)) => Ok(a.cmp(b)),
        (a, b) => Err(Halt::operand(format!(
            "only two numbers or two strings have an order, not {} and {}{}",
            described(a),
            described(b),
            if matches!((a, b), (Value::Text(_), Value::Number(_)) | (Value::Number(_), Value::Text(_))) {
                "; number(…) reads a string"
            } else {
                ""
            }
        ))),
    }
}

/// The decimal of a number that has at most 28 digits.
pub(crate) fn decimal(number: &Number) -> Outcome<Decimal> {
    number
        .decimal()
        .ok_or_else(|| Halt::failed(Reason::Limit, "the number has more than the 28 digits that can be computed with"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn only_booleans_and_null_are_conditions() {
        assert!(truth(&json("true")).expect("a condition"));
        assert!(!truth(&json("false")).expect("a condition"));
        assert!(!truth(&json("null")).expect("a condition"));
        for other in ["0", "1", "\"\"", "\"true\"", "[]", "{}"] {
            assert!(truth(&json(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn equality_is_by_value_and_costs_what_it_reads() {
        let mut budget = Budget::new(1000, 0);
        for (a, b, same) in [
            ("1.0", "1", true),
            ("\"1\"", "1", false),
            ("[1,{\"a\":2,\"b\":3}]", "[1.0,{\"b\":3,\"a\":2}]", true),
            ("[1]", "[2]", false),
            ("{\"a\":1}", "{\"b\":1}", false),
            ("null", "false", false),
        ] {
            assert_eq!(equal(&json(a), &json(b), &mut budget).expect("affordable"), same, "{a} {b}");
        }
        let long = || Value::list(vec![Value::Null; 10_000]);
        assert!(equal(&long(), &long(), &mut Budget::new(100, 0)).is_err());
        // What is shared is the same without looking.
        let shared = long();
        assert!(equal(&shared, &shared.clone(), &mut Budget::new(0, 0)).is_ok_and(|same| same));
    }

    #[test]
    fn only_like_things_have_an_order() {
        assert_eq!(order(&json("1.5"), &json("2")).expect("ordered"), Ordering::Less);
        assert_eq!(order(&json("\"b\""), &json("\"a\"")).expect("ordered"), Ordering::Greater);
        for (a, b) in [("1", "\"2\""), ("null", "1"), ("true", "false"), ("[]", "[]")] {
            assert!(order(&json(a), &json(b)).is_err(), "{a} {b}");
        }
        assert!(order(&json(&"1".repeat(40)), &json("1")).is_err());
    }
}
