//! What a plain scalar says, by the core schema of YAML 1.2.

use model::{Number, Value};

/// The value of a scalar without quotes; what is wrong with it otherwise.
pub(crate) fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    match number(text) {
        Some(Ok(number)) => Ok(Value::Number(number)),
        Some(Err(message)) => Err(message),
        None => Ok(Value::from(text)),
    }
}

/// The number that a text says; what is wrong with it where it says one that flow8 does not
/// take; `None` where it says none.
pub(crate) fn number(text: &str) -> Option<Result<Number, String>> {
    let first = text.bytes().next()?;
    if !matches!(first, b'0'..=b'9' | b'+' | b'-' | b'.') {
        return None;
    }
    if let Some(number) = Number::parse(text) {
        return Some(Ok(number));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            return whole(digits, radix);
        }
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_infinite = matches!(digits, ".inf" | ".Inf" | ".INF");
    if is_infinite || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err(format!("{text} is no JSON number; quote it where it is text")));
    }
    decimal(sign, digits)
}

/// A whole number of a power of two.
fn whole(digits: &str, radix: u32) -> Option<Result<Number, String>> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).map(Number::from);
    Some(number.map_err(|_| "the number has more than 64 bits; write it with decimal digits".to_owned()))
}

/// `.5`, `5.`, `007`: what JSON writes otherwise, as JSON writes it.
fn decimal(sign: &str, digits: &str) -> Option<Result<Number, String>> {
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_whole = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_digits = exponent.get(1..).unwrap_or("");
    let exponent_digits = exponent_digits.strip_prefix(['+', '-']).unwrap_or(exponent_digits);
    let is_number = is_whole(whole)
        && is_whole(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && (exponent.is_empty() || (!exponent_digits.is_empty() && is_whole(exponent_digits)));
    if !is_number {
        return None;
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Some(Err("a number does not start with zeros; quote it where it is text".to_owned()));
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Number::parse(&format!("{sign}{whole}{point}{fraction}{exponent}")).map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        plain(text).map_or_else(|message| format!("refused: {message}"), |value| value.to_json())
    }

    #[test]
    fn the_core_schema() {
        for (text, json) in [
            ("", "null"),
            ("~", "null"),
            ("Null", "null"),
            ("nULL", "\"nULL\""),
            ("True", "true"),
            ("yes", "\"yes\""),
            ("off", "\"off\""),
            ("1.10", "1.10"),
            ("-0", "-0"),
            ("1E400", "1E400"),
            ("+1", "1"),
            (".5", "0.5"),
            ("-.5e3", "-0.5e3"),
            ("5.", "5"),
            ("5.e-2", "5e-2"),
            ("0", "0"),
            ("0.5", "0.5"),
            ("0x1F", "31"),
            ("0xffffffffffffffff", "18446744073709551615"),
            ("0o17", "15"),
            ("0b11", "\"0b11\""),
            ("0x", "\"0x\""),
            ("0xg", "\"0xg\""),
            ("-0x1", "\"-0x1\""),
            ("1_000", "\"1_000\""),
            ("2026-01-31", "\"2026-01-31\""),
            ("1.2.3", "\"1.2.3\""),
            ("1e", "\"1e\""),
            ("1e+", "\"1e+\""),
            (".", "\".\""),
            ("-", "\"-\""),
            ("+", "\"+\""),
            ("-.", "\"-.\""),
            (".e1", "\".e1\""),
            ("+.nan", "\"+.nan\""),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ] {
            assert_eq!(read(text), json, "{text:?}");
        }
    }

    #[test]
    fn what_json_cannot_say_or_readers_take_differently_is_refused() {
        for text in [".inf", "-.INF", "+.Inf", ".NaN", "007", "-01.5", "00", "0x10000000000000000"] {
            assert!(read(text).starts_with("refused: "), "{text}");
        }
    }
}
