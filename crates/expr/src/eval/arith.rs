//! Arithmetic on exact decimals. Integers take a short way that gives the same results.
//!
//! A result has at most 28 digits and no zeros at the end of its fraction; what does not fit is
//! rounded half to even, and a number that is too large is an error.

use model::{Number, Value};
use rust_decimal::Decimal;

use super::compare::{decimal, described};
use crate::budget::Budget;
use crate::stop::{Halt, Outcome, Reason};

/// A decimal as a value, without zeros at the end of its fraction.
pub(crate) fn value(decimal: Decimal) -> Value {
    Value::Number(Number::from(decimal.normalize()))
}

/// `a + b`: the sum of two numbers, or two texts joined.
pub(crate) fn add(left: &Value, right: &Value, budget: &mut Budget) -> Outcome {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.text(a.len().saturating_add(b.len()))?;
            let mut joined = String::with_capacity(a.len() + b.len());
            joined.push_str(a);
            joined.push_str(b);
            Ok(joined.into())
        }
        (Value::Text(_), Value::Number(_)) | (Value::Number(_), Value::Text(_)) => Err(Halt::operand(
            "+ adds two numbers or joins two strings, not one of each: text(…) or number(…) turns one into the other",
        )),
        (Value::List(_), Value::List(_)) => {
            Err(Halt::operand("+ adds two numbers or joins two strings; lists are joined with concat(a, b)"))
        }
        _ => compute("+", left, right, i64::checked_add, Decimal::checked_add),
    }
}

/// `a - b`
pub(crate) fn subtract(left: &Value, right: &Value) -> Outcome {
    compute("-", left, right, i64::checked_sub, Decimal::checked_sub)
}

/// `a * b`
pub(crate) fn multiply(left: &Value, right: &Value) -> Outcome {
    compute("*", left, right, i64::checked_mul, Decimal::checked_mul)
}

/// `a / b`, exact where it can be.
pub(crate) fn divide(left: &Value, right: &Value) -> Outcome {
    refuse_zero("/", right)?;
    let whole = |a: i64, b: i64| if a.checked_rem(b) == Some(0) { a.checked_div(b) } else { None };
    compute("/", left, right, whole, Decimal::checked_div)
}

/// `a % b`, with the sign of `a`.
pub(crate) fn remainder(left: &Value, right: &Value) -> Outcome {
    refuse_zero("%", right)?;
    compute("%", left, right, i64::checked_rem, Decimal::checked_rem)
}

/// `-a`
pub(crate) fn negate(operand: &Value) -> Outcome {
    match operand {
        Value::Number(number) => match number.as_i64().and_then(i64::checked_neg) {
            Some(int) => Ok(int.into()),
            None => Ok(value(-decimal(number)?)),
        },
        other => Err(Halt::operand(format!("- needs a number, not {}", described(other)))),
    }
}

fn refuse_zero(sign: &str, divisor: &Value) -> Outcome<()> {
    match divisor {
        Value::Number(number) if number.decimal().is_some_and(|decimal| decimal.is_zero()) => {
            Err(Halt::operand(format!("{sign} cannot divide by zero")))
        }
        _ => Ok(()),
    }
}

fn compute(
    sign: &str,
    left: &Value,
    right: &Value,
    integers: impl Fn(i64, i64) -> Option<i64>,
    decimals: fn(Decimal, Decimal) -> Option<Decimal>,
) -> Outcome {
    let (Value::Number(a), Value::Number(b)) = (left, right) else {
        return Err(Halt::operand(format!(
            "{sign} needs two numbers, not {} and {}",
            described(left),
            described(right)
        )));
    };
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64())
        && let Some(result) = integers(a, b)
    {
        return Ok(result.into());
    }
    match decimals(decimal(a)?, decimal(b)?) {
        Some(result) => Ok(value(result)),
        None => Err(overflow(sign)),
    }
}

/// The result has more than 28 digits before the point.
pub(crate) fn overflow(what: &str) -> Halt {
    Halt::failed(Reason::Limit, format!("the result of {what} is larger than the 28 digits that a number can have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(Number::parse(text).expect("a number"))
    }

    fn text(outcome: Outcome) -> String {
        outcome.map_or_else(|halt| format!("{halt:?}"), |value| value.to_json())
    }

    #[test]
    fn decimals_are_exact() {
        let mut budget = Budget::default();
        assert_eq!(text(add(&number("0.1"), &number("0.2"), &mut budget)), "0.3");
        assert_eq!(text(add(&number("1.10"), &number("2.20"), &mut budget)), "3.3");
        assert_eq!(text(add(&number("9223372036854775807"), &number("1"), &mut budget)), "9223372036854775808");
        assert_eq!(text(subtract(&number("1"), &number("0.9"))), "0.1");
        assert_eq!(text(multiply(&number("1.15"), &number("1.15"))), "1.3225");
        assert_eq!(text(divide(&number("10"), &number("4"))), "2.5");
        assert_eq!(text(divide(&number("10"), &number("5"))), "2");
        assert_eq!(text(divide(&number("1"), &number("3"))), "0.3333333333333333333333333333");
        assert_eq!(text(divide(&number("2"), &number("3"))), "0.6666666666666666666666666667");
        assert_eq!(text(remainder(&number("-7"), &number("3"))), "-1");
        assert_eq!(text(remainder(&number("7.5"), &number("2"))), "1.5");
        assert_eq!(text(negate(&number("0.0"))), "0");
        assert_eq!(text(negate(&number("-9223372036854775808"))), "9223372036854775808");
    }

    #[test]
    fn what_cannot_be_computed_is_an_error() {
        let large = number("79228162514264337593543950335");
        assert!(text(add(&large, &number("1"), &mut Budget::default())).contains("28 digits"));
        assert!(text(multiply(&large, &number("2"))).contains("28 digits"));
        assert!(text(multiply(&number(&"1".repeat(40)), &number("2"))).contains("28 digits"));
        assert!(text(divide(&number("1"), &number("0.0"))).contains("by zero"));
        assert!(text(remainder(&number("1"), &number("0"))).contains("by zero"));
        assert!(text(subtract(&"1".into(), &number("1"))).contains("a string and a number"));
        assert!(text(add(&"1".into(), &number("1"), &mut Budget::default())).contains("not one of each"));
    }

    #[test]
    fn texts_are_joined() {
        assert_eq!(text(add(&"a".into(), &"b".into(), &mut Budget::default())), "\"ab\"");
        assert!(add(&"aaaa".into(), &"b".into(), &mut Budget::new(10, 4)).is_err());
    }
}
