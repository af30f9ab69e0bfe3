//! Settings that are numbers: ports, counts, and quantities whose unit is in their type.

use std::time::Duration;

use model::Value;
use model::value::Number;

use super::{Kind, scalar, unfit};

/// A port; 0 takes any that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Port(pub u16);

impl Kind for Port {
    fn expected() -> String {
        "a port, 0 to 65535 (0 takes a free one)".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        whole(given).and_then(|number| u16::try_from(number).ok()).map(Self).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.into()
    }
}

/// Ports that lie next to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Whether a port is one of them.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl Kind for PortRange {
    fn expected() -> String {
        "two ports from 1 to 65535, the lower one first: 7702-7799".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let ports = || {
            let (first, last) = given.as_str()?.split_once('-')?;
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first > 0 && first <= last).then_some(Self { first, last })
        };
        ports().ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        format!("{}-{}", self.first, self.last).into()
    }
}

/// A part of a whole, from nothing to all of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ratio(f64);

impl Ratio {
    /// The number, from 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Kind for Ratio {
    fn expected() -> String {
        "a number from 0 to 1".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let number = scalar(given).and_then(|text| text.parse().ok()).filter(|number| (0.0..=1.0).contains(number));
        number.map(Self).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        Number::from_f64(self.0).map(Value::Number).unwrap_or_default()
    }
}

/// The whole number that was given; digits alone, so that `1e3` and `+5` are not taken.
fn whole(given: &Value) -> Option<u64> {
    let text = scalar(given)?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Declares a whole number between bounds, of a unit.
macro_rules! quantity {
    ($(#[$about:meta])* $name:ident, $unit:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $name<const MIN: u64, const MAX: u64>(u64);

        impl<const MIN: u64, const MAX: u64> $name<MIN, MAX> {
            /// The number.
            pub fn get(self) -> u64 {
                self.0
            }
        }

        impl<const MIN: u64, const MAX: u64> Kind for $name<MIN, MAX> {
            fn expected() -> String {
                format!("a whole number{} from {MIN} to {MAX}", $unit)
            }

            fn read(given: &Value) -> Result<Self, String> {
                let number = whole(given).filter(|number| (MIN..=MAX).contains(number));
                number.map(Self).ok_or_else(|| unfit::<Self>(given))
            }

            fn show(&self) -> Value {
                self.0.into()
            }
        }
    };
}

quantity! {
    /// A count.
    Whole, ""
}

quantity! {
    /// Seconds.
    Seconds, " of seconds"
}

quantity! {
    /// Hours.
    Hours, " of hours"
}

quantity! {
    /// Megabytes, of 1,048,576 bytes.
    Megabytes, " of megabytes"
}

impl<const MIN: u64, const MAX: u64> Seconds<MIN, MAX> {
    /// How long that is.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> Hours<MIN, MAX> {
    /// How long that is.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.saturating_mul(3600))
    }
}

impl<const MIN: u64, const MAX: u64> Megabytes<MIN, MAX> {
    /// How many bytes that is.
    pub fn bytes(self) -> u64 {
        self.0.saturating_mul(1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_their_bounds() {
        let of = |json: &str| Value::from_json(json.as_bytes()).expect("JSON");
        for (json, fits) in [
            ("80", true),
            ("\"80\"", true),
            ("\" 80 \"", true),
            ("0", true),
            ("65535", true),
            ("65536", false),
            ("-1", false),
            ("80.0", false),
            ("\"+80\"", false),
            ("\"\"", false),
            ("true", false),
            ("null", false),
            ("[80]", false),
        ] {
            assert_eq!(Port::read(&of(json)).is_ok(), fits, "{json}");
        }
        assert_eq!(Seconds::<1, 60>::read(&of("60")).map(Seconds::duration), Ok(Duration::from_secs(60)));
        assert_eq!(Megabytes::<1, 60>::read(&of("2")).map(Megabytes::bytes), Ok(2_097_152));
        assert_eq!(Hours::<1, 60>::read(&of("2")).map(Hours::duration), Ok(Duration::from_secs(7200)));
        assert_eq!(
            Seconds::<1, 60>::read(&of("61")),
            Err("expects a whole number of seconds from 1 to 60, not 61".to_owned())
        );
    }

    #[test]
    fn a_ratio_is_no_more_than_all() {
        for (text, shown) in [("0", "0"), ("1", "1"), (" 0.25 ", "0.25"), ("1.0", "1"), ("1e-3", "0.001")] {
            assert_eq!(Ratio::read(&text.into()).expect(text).show().to_json(), shown);
        }
        for bad in ["1.001", "-0.1", "nan", "inf", "25%", ""] {
            assert!(Ratio::read(&bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_range_has_its_lower_end_first() {
        let read = |text: &str| PortRange::read(&text.into()).ok();
        assert_eq!(read("7702-7799"), Some(PortRange { first: 7702, last: 7799 }));
        assert_eq!(read(" 1 - 1 "), Some(PortRange { first: 1, last: 1 }));
        for bad in ["7799-7702", "7702", "0-5", "1-65536", "a-b", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
