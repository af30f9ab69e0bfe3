//! [`Span`]: a length of time as people write it: `2m`, `30d`, `1h30m`.

use std::time::Duration;

use model::Value;

use super::{Kind, scalar, unfit};

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(Duration);

/// The units and their seconds, the longest first.
const UNITS: [(char, u64); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A hundred years: beyond it, a number was mistyped.
const LONGEST: u64 = 36_525 * 86_400;

impl Span {
    /// So many days.
    pub const fn days(days: u64) -> Self {
        Self(Duration::from_secs(days * 86_400))
    }

    /// How long that is.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Whether it is no time at all.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let mut seconds = 0_u64;
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|char: char| !char.is_ascii_digit())?;
            let number: u64 = rest[..end].parse().ok()?;
            let unit = rest[end..].chars().next()?;
            let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
            seconds = seconds.checked_add(number.checked_mul(*factor)?)?;
            rest = &rest[end + 1..];
        }
        (!text.is_empty() && seconds <= LONGEST).then(|| Self(Duration::from_secs(seconds)))
    }
}

impl std::fmt::Display for Span {
    /// In the longest unit that needs no rest: 90 minutes are `90m`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.0.as_secs();
        let fits = |(_, factor): &&(char, u64)| seconds.is_multiple_of(*factor) && *factor != UNITS[0].1;
        match UNITS.iter().find(fits) {
            Some((unit, factor)) if seconds > 0 => write!(f, "{}{unit}", seconds / factor),
            _ => f.write_str("0s"),
        }
    }
}

impl Kind for Span {
    fn expected() -> String {
        "a length of time with its unit, such as 30s, 2m, 12h, 30d or 2w".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        scalar(given).and_then(|text| Self::parse(&text)).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("0", 0, "0s"),
            ("0d", 0, "0s"),
            ("2m", 120, "2m"),
            ("30d", 2_592_000, "30d"),
            ("1h30m", 5_400, "90m"),
            ("2w", 1_209_600, "14d"),
            ("61s", 61, "61s"),
        ] {
            let span = Span::read(&text.into()).expect(text);
            assert_eq!((span.duration().as_secs(), &*span.to_string()), (seconds, shown), "{text}");
            assert_eq!(Span::read(&Kind::show(&span)), Ok(span), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for bad in ["30", "m", "", "2x", "2 m", "-2m", "1.5h", "2m3", "2é", "99999999999999999999d", "99999999d"] {
            assert!(Span::read(&bad.into()).is_err(), "{bad}");
        }
        assert!(Span::read(&30.into()).is_err());
    }
}
