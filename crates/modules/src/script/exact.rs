//! Numbers on their way into a script: those that a double holds as they are, the others marked.

use std::sync::Arc;

use model::{Map, Number, Value};

/// The longest whole number that becomes a `BigInt`.
const BIG_INT_DIGITS: usize = 1_000;

/// The same value, with texts that start with the mark in place of the numbers that a double
/// does not hold: `i` and the digits of a whole number, `d` and any other. `None` where there
/// is no such number.
pub(super) fn marked(value: &Value, mark: &str) -> Option<Value> {
    match value {
        Value::Number(number) => {
            let kind = kind(number)?;
            Some(Value::from(format!("{mark}{kind}{number}")))
        }
        Value::List(items) => {
            let marks: Vec<Option<Value>> = items.iter().map(|item| marked(item, mark)).collect();
            if marks.iter().all(Option::is_none) {
                return None;
            }
            let items = marks.into_iter().zip(items.iter()).map(|(mark, item)| mark.unwrap_or_else(|| item.clone()));
            Some(items.collect::<Vec<_>>().into())
        }
        Value::Map(fields) => {
            let marks: Vec<Option<Value>> = fields.values().map(|field| marked(field, mark)).collect();
            if marks.iter().all(Option::is_none) {
                return None;
            }
            let fields = marks.into_iter().zip(fields.iter()).map(|(mark, (key, field))| {
                let key: Arc<str> = key.clone();
                (key, mark.unwrap_or_else(|| field.clone()))
            });
            Some(fields.collect::<Map>().into())
        }
        _ => None,
    }
}

/// How a number is marked; `None` where a double holds it.
fn kind(number: &Number) -> Option<char> {
    const SAFE: i64 = (1 << 53) - 1;
    if number.as_i64().is_some_and(|int| (-SAFE..=SAFE).contains(&int)) {
        return None;
    }
    let text = number.to_string();
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_whole && text.len() <= BIG_INT_DIGITS && text != "-0" {
        return Some('i');
    }
    let float = number.to_f64();
    let survives = float.is_finite() && digits(&text) == digits(&format!("{float:e}"));
    (!survives).then_some('d')
}

/// The significant digits of a number and where its point is: the same for equal numbers.
fn digits(text: &str) -> (bool, String, i64) {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        // An exponent that is no i64 is larger than any double's.
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().unwrap_or(i64::MAX / 4)),
        None => (text, 0),
    };
    let (is_negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let trimmed = all.trim_start_matches('0');
    let leading = (all.len() - trimmed.len()) as i64;
    let point = whole.len() as i64 + exponent - leading;
    let significant = trimmed.trim_end_matches('0');
    if significant.is_empty() { (false, String::new(), 0) } else { (is_negative, significant.to_owned(), point) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::json;

    #[test]
    fn only_what_a_double_does_not_hold_is_marked() {
        for (text, mark) in [
            ("0", None),
            ("-0", None),
            ("-0.0", None),
            ("1.10", None),
            ("0.1", None),
            ("1e2", None),
            ("100e-2", None),
            ("1E300", None),
            ("0e999999999999999999999", None),
            ("9007199254740991", None),
            ("9007199254740993", Some('i')),
            ("9007199254740992", Some('i')),
            ("-9223372036854775808", Some('i')),
            ("12345678901234567890123", Some('i')),
            ("0.1234567890123456789", Some('d')),
            ("100000000000000000000.5", Some('d')),
            ("1e400", Some('d')),
            ("1e-400", Some('d')),
            ("1e99999999999999999999", Some('d')),
        ] {
            assert_eq!(kind(&Number::parse(text).expect("a number")), mark, "{text}");
        }
        assert_eq!(kind(&Number::parse(&"1".repeat(1_001)).expect("a number")), Some('d'));
    }

    #[test]
    fn only_what_changes_is_copied() {
        assert_eq!(marked(&json(r#"{"a":[1.10,"x"]}"#), "~"), None);
        let value = json(r#"{"a":[1],"b":[9007199254740993,0.5]}"#);
        let changed = marked(&value, "~").expect("changed");
        assert_eq!(changed.to_json(), r#"{"a":[1],"b":["~i9007199254740993",0.5]}"#);
        assert_eq!(changed.get("a").and_then(Value::address), value.get("a").and_then(Value::address));
    }
}
