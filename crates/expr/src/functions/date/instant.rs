//! Reads times and zones from operands, and writes times as RFC 3339.

use std::sync::LazyLock;

use jiff::civil::Time;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use model::Value;

use super::super::Operands;
use crate::budget::Budget;
use crate::stop::Outcome;

/// The zones that come with the program; no file is read for them.
pub(super) static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// No time is written with more bytes than this.
const LONGEST: usize = 100;

/// The time that a text says: RFC 3339, with or without a zone in brackets, a date and a time
/// without an offset (UTC), a date, or RFC 2822.
pub(super) fn read(text: &str) -> Option<Zoned> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    read_pieces(text).or_else(|| jiff::fmt::rfc2822::parse(text).ok())
}

fn read_pieces(text: &str) -> Option<Zoned> {
    let pieces = Pieces::parse(text).ok()?;
    let civil = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let zone = pieces.to_time_zone_with(&ZONES).ok()?;
    match (pieces.to_numeric_offset(), zone) {
        (Some(offset), zone) => {
            let instant = offset.to_timestamp(civil).ok()?;
            Some(instant.to_zoned(zone.unwrap_or_else(|| TimeZone::fixed(offset))))
        }
        (None, zone) => zone.unwrap_or(TimeZone::UTC).to_zoned(civil).ok(),
    }
}

/// Whether a value is an instant, with date, time and offset, and so surely no layout.
pub(super) fn is_time(value: &Value) -> bool {
    let Some(text) = value.as_str().filter(|text| text.len() <= LONGEST) else { return false };
    Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}

/// The time in an operand.
pub(super) fn time(of: &Operands<'_>, index: usize, budget: &mut Budget) -> Outcome<Zoned> {
    let text = match of.value(index) {
        Value::Text(text) => text,
        Value::Number(_) => {
            return Err(of.advise(index, "a time as text", "$date.fromUnix and $date.fromUnixMs read numbers"));
        }
        _ => return Err(of.wrong(index, "a time as text, such as \"2026-01-31T08:00:00Z\"")),
    };
    budget.scan(text.len())?;
    read(text).ok_or_else(|| {
        of.refuse(
            index,
            "must be a time such as \"2026-01-31T08:00:00Z\" or \"2026-01-31\"; $date.parse reads other layouts",
        )
    })
}

/// The time in the last operand, in the zone of the one before where there are three.
pub(super) fn time_in(of: &Operands<'_>, budget: &mut Budget) -> Outcome<Zoned> {
    let time = time(of, of.last(), budget)?;
    if of.len() < 3 {
        return Ok(time);
    }
    Ok(time.with_time_zone(zone(of, 1, budget)?))
}

/// The zone in an operand: a name of the tz database, or an offset.
pub(super) fn zone(of: &Operands<'_>, index: usize, budget: &mut Budget) -> Outcome<TimeZone> {
    let text = of.text(index)?.trim();
    budget.scan(text.len())?;
    let known = if text.len() > LONGEST {
        None
    } else if text.starts_with(['+', '-']) {
        offset(text).map(TimeZone::fixed)
    } else if text == "Z" {
        Some(TimeZone::UTC)
    } else {
        ZONES.get(text).ok()
    };
    known.ok_or_else(|| of.refuse(index, "must be a time zone such as \"Europe/Berlin\", \"UTC\" or \"+02:00\""))
}

/// An offset as it is written: `+02:00`, `+0200`, `+02`.
fn offset(text: &str) -> Option<Offset> {
    ["%:z", "%z", "%:::z"].iter().find_map(|pattern| BrokenDownTime::parse(pattern, text).ok()?.offset())
}

/// A time as RFC 3339 text; `Z` where the offset is zero.
pub(super) fn write(time: &Zoned, budget: &mut Budget) -> Outcome {
    budget.text(40)?;
    Ok(rfc3339(time.timestamp(), time.offset()).into())
}

/// RFC 3339 has no seconds in an offset, as zones had them long ago: the clock is taken to have
/// shown that much less, so that the instant stays the same.
fn rfc3339(instant: Timestamp, offset: Offset) -> String {
    let offset = Offset::from_seconds(offset.seconds() / 60 * 60).unwrap_or(offset);
    if offset == Offset::UTC { instant.to_string() } else { instant.display_with_offset(offset).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        read(text).map(|time| rfc3339(time.timestamp(), time.offset()))
    }

    #[test]
    fn times_are_read_in_the_usual_forms() {
        for (text, expected) in [
            ("2026-01-31T08:00:00Z", Some("2026-01-31T08:00:00Z")),
            ("2026-01-31T08:00:00.120Z", Some("2026-01-31T08:00:00.12Z")),
            ("2026-01-31 08:00:00+01:00", Some("2026-01-31T08:00:00+01:00")),
            ("2026-01-31T08:00", Some("2026-01-31T08:00:00Z")),
            ("2026-01-31", Some("2026-01-31T00:00:00Z")),
            ("2026-07-01T08:00:00[Europe/Berlin]", Some("2026-07-01T08:00:00+02:00")),
            ("Sat, 31 Jan 2026 08:00:00 GMT", Some("2026-01-31T08:00:00Z")),
            ("2026-02-30", None),
            ("08:00", None),
            ("", None),
            ("tomorrow", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn only_an_instant_is_surely_a_time() {
        assert!(is_time(&"2026-01-31T08:00:00Z".into()));
        for other in ["2006-01-02", "2006-01-02T15:04:05Z07:00", "month", "+02:00"] {
            assert!(!is_time(&other.into()), "{other}");
        }
    }
}
