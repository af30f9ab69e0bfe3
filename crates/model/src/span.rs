//! [`Span`]: a length of time as people write it: `2m`, `30d`, `1h30m`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Span(Duration);

/// A text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expects {}", Span::EXPECTED)]
pub struct NoSpan;

/// The units and their seconds, the longest first.
const UNITS: [(char, u64); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// A hundred years: beyond it, a number was mistyped.
const LONGEST: u64 = 36_525 * 86_400;

impl Span {
    /// What a text must be.
    pub const EXPECTED: &str = "a length of time with its unit, such as 30s, 2m, 12h, 30d or 2w";

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

impl fmt::Display for Span {
    /// In the longest unit that needs no rest: 90 minutes are `90m`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let fits = |(_, factor): &&(char, u64)| seconds.is_multiple_of(*factor) && *factor != UNITS[0].1;
        match UNITS.iter().find(fits) {
            Some((unit, factor)) if seconds > 0 => write!(f, "{}{unit}", seconds / factor),
            _ => f.write_str("0s"),
        }
    }
}

impl FromStr for Span {
    type Err = NoSpan;

    fn from_str(text: &str) -> Result<Self, NoSpan> {
        Self::parse(text).ok_or(NoSpan)
    }
}

/// Seconds count; what is less is left out.
impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(Duration::from_secs(duration.as_secs()))
    }
}

impl TryFrom<String> for Span {
    type Error = NoSpan;

    fn try_from(text: String) -> Result<Self, NoSpan> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
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
            let span: Span = text.parse().expect(text);
            assert_eq!((span.duration().as_secs(), &*span.to_string()), (seconds, shown), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for bad in ["30", "m", "", "2x", "2 m", "-2m", "1.5h", "2m3", "2é", "99999999999999999999d", "99999999d"] {
            assert_eq!(bad.parse::<Span>(), Err(NoSpan), "{bad}");
        }
    }
}
