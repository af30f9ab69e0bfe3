//! [`Number`]: a JSON number that keeps its text.
//!
//! Money must not pass through binary floats, so a number is either a 64-bit integer or the
//! text it was written with; [`Number::decimal`] gives the 28-digit decimal to compute with.

use std::fmt;
use std::sync::Arc;

use rust_decimal::Decimal;

/// A JSON number, exact. `==` compares by value: `1.10 == 1.1`.
#[derive(Clone)]
pub struct Number(Repr);

#[derive(Clone)]
enum Repr {
    Int(i64),
    /// Any other number, as written: a fraction, an exponent, or too long for 64 bits.
    Text(Arc<str>),
}

impl Number {
    /// Reads the text of a JSON number; `None` where it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        is_json_number(text).then(|| Self::from_checked(text))
    }

    /// A number from text that a JSON reader has already accepted.
    pub(super) fn from_checked(text: &str) -> Self {
        match text.parse::<i64>() {
            // "-0" and the like keep their text: it is not what the integer would print.
            Ok(int) if int != 0 || text == "0" => Self(Repr::Int(int)),
            _ => Self(Repr::Text(text.into())),
        }
    }

    /// The shortest decimal that reads back as this float; `None` for NaN and infinities.
    pub fn from_f64(float: f64) -> Option<Self> {
        float.is_finite().then(|| Self::from_checked(&format!("{float}")))
    }

    /// The integer, where the number is one without a fraction or an exponent in its text.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Int(int) => Some(*int),
            Repr::Text(_) => None,
        }
    }

    /// The exact decimal; `None` where the number has more than 28 significant digits or is
    /// out of a decimal's range (about ±7.9e28).
    pub fn decimal(&self) -> Option<Decimal> {
        match &self.0 {
            Repr::Int(int) => Some(Decimal::from(*int)),
            Repr::Text(text) => parse_decimal(text),
        }
    }

    /// The exact sum; `None` where it, or one of the two, does not fit a decimal.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        Some(Self::from(self.decimal()?.checked_add(other.decimal()?)?))
    }

    /// The nearest binary float, for what is not money: durations, ratios, graphs.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Repr::Int(int) => *int as f64,
            Repr::Text(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    /// The text of the number, for a reader that wants it borrowed; `None` for integers.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.0 {
            Repr::Int(_) => None,
            Repr::Text(text) => Some(text),
        }
    }
}

/// A decimal of the text, only where no digit is lost.
fn parse_decimal(text: &str) -> Option<Decimal> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    // Zeros at the end of a fraction carry no value but would count against the 28 digits.
    let mantissa = if mantissa.contains('.') && mantissa.len() > 28 {
        mantissa.trim_end_matches('0').trim_end_matches('.')
    } else {
        mantissa
    };
    let exact = Decimal::from_str_exact(mantissa).ok()?;
    if exponent == 0 || exact.is_zero() {
        return Some(exact);
    }
    shift(exact.normalize(), exponent)
}

/// `decimal × 10^exponent`, or `None` where the result does not fit exactly.
fn shift(decimal: Decimal, exponent: i32) -> Option<Decimal> {
    let scale = i64::from(decimal.scale()) - i64::from(exponent);
    if let Ok(scale) = u32::try_from(scale) {
        let mut shifted = decimal;
        return (scale <= Decimal::MAX_SCALE && shifted.set_scale(scale).is_ok()).then_some(shifted);
    }
    let power = u32::try_from(-scale).ok().filter(|power| *power <= Decimal::MAX_SCALE)?;
    let mut whole = decimal;
    whole.set_scale(0).ok()?;
    whole.checked_mul(Decimal::from_i128_with_scale(10_i128.pow(power), 0))
}

/// The grammar of RFC 8259: `-? int frac? exp?`.
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let digits = |from: usize| rest[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let int = digits(0);
    if int == 0 || (int > 1 && rest[0] == b'0') {
        return false;
    }
    let mut at = int;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(rest.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == rest.len()
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Repr::Int(a), Repr::Int(b)) => a == b,
            (Repr::Text(a), Repr::Text(b)) if a == b => true,
            _ => match (self.decimal(), other.decimal()) {
                (Some(a), Some(b)) => a == b,
                // Beyond 28 digits only the same text is surely the same number.
                _ => false,
            },
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Int(int) => int.fmt(f),
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<i64> for Number {
    fn from(int: i64) -> Self {
        Self(Repr::Int(int))
    }
}

impl From<u64> for Number {
    fn from(int: u64) -> Self {
        match i64::try_from(int) {
            Ok(int) => Self(Repr::Int(int)),
            Err(_) => Self(Repr::Text(int.to_string().into())),
        }
    }
}

impl From<usize> for Number {
    fn from(int: usize) -> Self {
        Self::from(int as u64)
    }
}

macro_rules! from_small {
    ($($int:ty),*) => {$(
        impl From<$int> for Number {
            fn from(int: $int) -> Self {
                Self(Repr::Int(int.into()))
            }
        }
    )*};
}
from_small!(i32, u16, u32);

impl From<Decimal> for Number {
    fn from(decimal: Decimal) -> Self {
        Self::from_checked(&decimal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::parse(text).expect("a number")
    }

    #[test]
    fn text_is_kept() {
        for text in ["1.10", "-0", "1e2", "123456789012345678901234567890", "0.000", "-12"] {
            assert_eq!(number(text).to_string(), text);
        }
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(number("1.10"), number("1.1"));
        assert_eq!(number("1e2"), number("100"));
        assert_eq!(number("12.5e-1"), number("1.25"));
        assert_eq!(number("-0"), number("0"));
        assert_ne!(number("0.1"), number("0.10000000000000001"));
        // Too long to compute with: equal only to itself.
        let long = "1".repeat(40);
        assert_eq!(number(&long), number(&long));
        assert_ne!(number(&long), number(&"1".repeat(41)));
    }

    #[test]
    fn what_json_does_not_allow_is_refused() {
        for text in ["", "-", "01", "1.", ".5", "1e", "+1", "1e+", "NaN", "0x1", " 1", "1 "] {
            assert!(Number::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_decimal_is_exact_or_absent() {
        assert_eq!(number("0.1").decimal(), Some(Decimal::new(1, 1)));
        assert_eq!(number("1e-28").decimal(), Some(Decimal::new(1, 28)));
        assert_eq!(number("1e-29").decimal(), None);
        assert_eq!(number("1e28").decimal().map(|d| d.to_string()), Some(format!("1{}", "0".repeat(28))));
        assert_eq!(number("1e29").decimal(), None);
        assert_eq!(number("1e999999999").decimal(), None);
        assert_eq!(number("0e999999999").decimal(), Some(Decimal::ZERO));
        assert_eq!(number(&format!("1.5{}", "0".repeat(60))).decimal(), Some(Decimal::new(15, 1)));
    }

    proptest! {
        #[test]
        fn the_grammar_agrees_with_a_json_reader(text in "-?[0-9]{0,4}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{0,3})?") {
            let expected = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text).is_ok();
            prop_assert_eq!(Number::parse(&text).is_some(), expected);
        }

        #[test]
        fn floats_come_back(float in proptest::num::f64::NORMAL) {
            prop_assert_eq!(Number::from_f64(float).expect("finite").to_f64(), float);
        }
    }
}
