//! Turning a value into another type. Only here does text become a number or a boolean.

use std::sync::Arc;

use model::{Number, Value};
use rust_decimal::Decimal;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::{arith, compare, write};
use crate::stop::{Halt, Outcome};

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Type,
        "number(value)",
        "The number that a string says, exact to the digit; true is 1 and false is 0.",
        r#"number " 1.50 ""#,
        "1.50",
        number,
    )
    .alias(&["decimal", "toNumber", "float", "float64", "toDecimal"]),
    strict(
        Kind::Type,
        "int(value)",
        "The whole part of a number, or of the number that a string says.",
        r#"int "12.7""#,
        "12",
        int,
    )
    .alias(&["toInt", "int64"]),
    strict(
        Kind::Type,
        "text(value)",
        r#"The value as it stands inside a longer string: null is "", lists and objects are JSON."#,
        "text 1.50",
        r#""1.50""#,
        text,
    )
    .alias(&["string", "toString"]),
    strict(
        Kind::Type,
        "bool(value)",
        r#"The truth of a boolean, of "true" and "false", and of 1 and 0; null is false."#,
        r#"bool "TRUE""#,
        "true",
        bool,
    )
    .alias(&["boolean", "toBool"]),
];

fn number(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    as_number(of.value(0), budget).map_err(|halt| blame(of, halt))
}

fn int(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let number = as_number(of.value(0), budget).map_err(|halt| blame(of, halt))?;
    match &number {
        Value::Number(read) if read.as_i64().is_none() => Ok(arith::value(compare::decimal(read)?.trunc())),
        _ => Ok(number),
    }
}

fn text(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    write::text_of(of.value(0), budget).map(Value::Text)
}

fn bool(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    as_boolean(of.value(0)).map(Value::Bool).map_err(|halt| blame(of, halt))
}

/// The same failure, said of the first operand.
fn blame(of: &Operands<'_>, halt: Halt) -> Halt {
    match halt {
        Halt::Failed(failure) if failure.reason == crate::stop::Reason::Operand => of.refuse(0, &failure.message),
        other => other,
    }
}

/// The number that a value is or says.
pub(crate) fn as_number(value: &Value, budget: &mut Budget) -> Outcome {
    match value {
        Value::Number(_) => Ok(value.clone()),
        Value::Bool(truth) => Ok(i64::from(*truth).into()),
        Value::Text(text) => {
            budget.scan(text.len())?;
            read_number(text).map(Value::Number).ok_or_else(|| {
                Halt::operand("must say a number, such as \"12.50\" (no spaces, commas or units inside)")
            })
        }
        other => {
            Err(Halt::operand(format!("cannot be turned into a number, since it is {}", compare::described(other))))
        }
    }
}

/// Whether a value is or says true.
pub(crate) fn as_boolean(value: &Value) -> Outcome<bool> {
    let one_or_zero = |decimal: Decimal| {
        if decimal.is_zero() {
            Some(false)
        } else if decimal == Decimal::ONE {
            Some(true)
        } else {
            None
        }
    };
    let truth = match value {
        Value::Null => Some(false),
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => number.decimal().and_then(one_or_zero),
        Value::Text(text) => match text.trim() {
            said if said.eq_ignore_ascii_case("true") || said == "1" => Some(true),
            said if said.eq_ignore_ascii_case("false") || said == "0" => Some(false),
            _ => None,
        },
        Value::List(_) | Value::Map(_) => None,
    };
    truth.ok_or_else(|| Halt::operand("must be a boolean, \"true\", \"false\", 1, 0 or null"))
}

/// The number that a text says: as JSON writes it, with white space around it, a `+` or zeros in
/// front. The digits stay as they are.
pub(super) fn read_number(text: &str) -> Option<Number> {
    let text = text.trim();
    if let Some(number) = Number::parse(text) {
        return Some(number);
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = match digits.trim_start_matches('0') {
        rest if rest.starts_with(|char: char| char.is_ascii_digit()) => Arc::from(rest),
        rest if digits.starts_with('0') => Arc::from(format!("0{rest}")),
        rest => Arc::<str>::from(rest),
    };
    if !digits.starts_with(|char: char| char.is_ascii_digit()) {
        return None;
    }
    Number::parse(&format!("{sign}{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_say_a_number() {
        for (text, number) in [
            ("1.50", Some("1.50")),
            (" +7 ", Some("7")),
            ("-007.10", Some("-7.10")),
            ("000", Some("0")),
            ("00.5", Some("0.5")),
            ("1e3", Some("1e3")),
            ("", None),
            ("-", None),
            ("+-1", None),
            ("1,000", None),
            ("1 000", None),
            ("0x10", None),
            (".5", None),
            ("NaN", None),
            ("12 EUR", None),
        ] {
            assert_eq!(read_number(text).map(|number| number.to_string()).as_deref(), number, "{text:?}");
        }
    }

    #[test]
    fn values_that_say_true_or_false() {
        for (value, truth) in [
            (Value::from("True"), Some(true)),
            (Value::from(" false "), Some(false)),
            (Value::from(1), Some(true)),
            (Value::from(0), Some(false)),
            (Value::Null, Some(false)),
            (Value::from("yes"), None),
            (Value::from(""), None),
            (Value::from(2), None),
            (Value::empty_map(), None),
        ] {
            assert_eq!(as_boolean(&value).ok(), truth, "{value}");
        }
    }
}
