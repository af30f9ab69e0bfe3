//! Layouts of times: Go's, which write a sample time, and strftime's, which have a `%`.
//!
//! A layout of Go becomes one of strftime, apart from what that cannot say: a `Z` for UTC, and
//! fractions without zeros at their end.

use jiff::Zoned;
use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};

use super::instant::ZONES;
use crate::budget::Budget;
use crate::stop::Outcome;

/// The widest that one byte of a layout becomes.
const GROWTH: usize = 24;

/// Pays for writing or reading by a layout.
pub(super) fn pay(layout: &str, budget: &mut Budget) -> Outcome<()> {
    budget.text(layout.len().saturating_mul(GROWTH))
}

/// Go's named layouts.
const NAMED: &[(&str, &str)] = &[
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339Nano", "2006-01-02T15:04:05.999999999Z07:00"),
    ("Kitchen", "3:04PM"),
    ("Stamp", "Jan _2 15:04:05"),
    ("DateTime", "2006-01-02 15:04:05"),
    ("DateOnly", "2006-01-02"),
    ("TimeOnly", "15:04:05"),
];

/// What Go writes for each part, and the part of strftime. A longer one comes before a shorter
/// one that it starts with.
const PARTS: &[(&str, &str)] = &[
    ("January", "%B"),
    ("Jan", "%b"),
    ("Monday", "%A"),
    ("Mon", "%a"),
    ("MST", "%Z"),
    ("2006", "%Y"),
    ("002", "%j"),
    ("01", "%m"),
    ("02", "%d"),
    ("03", "%I"),
    ("04", "%M"),
    ("05", "%S"),
    ("06", "%y"),
    ("15", "%H"),
    ("__2", "%_j"),
    ("_2006", "_%Y"),
    ("_2", "%e"),
    ("1", "%-m"),
    ("2", "%-d"),
    ("3", "%-I"),
    ("4", "%-M"),
    ("5", "%-S"),
    ("PM", "%p"),
    ("pm", "%P"),
    ("-07:00:00", "%::z"),
    ("-07:00", "%:z"),
    ("-0700", "%z"),
    ("-07", "%:::z"),
];

/// Offsets of which UTC is written `Z`, and the part of strftime for the others.
const ZULU: &[(&str, &str)] = &[("Z07:00:00", "%::z"), ("Z07:00", "%:z"), ("Z0700", "%z"), ("Z07", "%:::z")];

/// A part of a layout of Go.
#[derive(Debug, PartialEq)]
enum Part<'l> {
    Text(&'l str),
    /// As strftime says it.
    Spec(&'static str),
    /// `Z` for UTC, else the spec.
    Zulu(&'static str),
    /// `.000`, `,999`: the mark, how many digits, and whether zeros at the end go.
    Fraction {
        mark: char,
        digits: usize,
        trim: bool,
    },
}

/// The part that a layout of Go starts with, and how many bytes it takes; `None` for plain text.
fn part(layout: &str) -> Option<(Part<'_>, usize)> {
    let find = |table: &'static [(&str, &'static str)]| {
        table.iter().find(|(sample, _)| layout.starts_with(sample)).map(|(sample, spec)| (*spec, sample.len()))
    };
    if let Some((spec, length)) = find(ZULU) {
        return Some((Part::Zulu(spec), length));
    }
    if let Some(mark @ ('.' | ',')) = layout.chars().next() {
        let digit = layout.as_bytes().get(1).copied().filter(|digit| matches!(digit, b'0' | b'9'))?;
        let digits = layout.bytes().skip(1).take_while(|byte| *byte == digit).count();
        let ends = !layout[1 + digits..].starts_with(|char: char| char.is_ascii_digit());
        return (ends && digits <= 9).then_some((Part::Fraction { mark, digits, trim: digit == b'9' }, 1 + digits));
    }
    let (spec, length) = find(PARTS)?;
    // "January" is a month and "Janet" is not.
    let is_short_name = matches!(spec, "%b" | "%a");
    if is_short_name && layout[length..].starts_with(|char: char| char.is_ascii_lowercase()) {
        return None;
    }
    Some((Part::Spec(spec), length))
}

/// The parts of a layout of Go.
fn parts(layout: &str) -> Vec<Part<'_>> {
    let (mut parts, mut from, mut at) = (Vec::new(), 0, 0);
    while let Some(char) = layout[at..].chars().next() {
        match part(&layout[at..]) {
            Some((part, length)) => {
                if from < at {
                    parts.push(Part::Text(&layout[from..at]));
                }
                parts.push(part);
                at += length;
                from = at;
            }
            None => at += char.len_utf8(),
        }
    }
    if from < layout.len() {
        parts.push(Part::Text(&layout[from..]));
    }
    parts
}

/// The layout behind a name of Go, else the layout itself.
fn named(layout: &str) -> &str {
    NAMED.iter().find(|(name, _)| *name == layout).map_or(layout, |(_, layout)| layout)
}

/// Whether a layout says a time itself, other than Go's sample: two operands in the wrong order.
pub(super) fn is_time(layout: &str) -> bool {
    super::instant::read(layout).is_some_and(|time| time.date() != jiff::civil::date(2006, 1, 2))
}

/// A time by a layout; why it cannot be used otherwise.
pub(super) fn format(layout: &str, time: &Zoned) -> Result<String, String> {
    let layout = named(layout);
    let pattern = if layout.contains('%') { layout.to_owned() } else { pattern_for(&parts(layout), time) };
    BrokenDownTime::from(time).to_string(&pattern).map_err(|error| error.to_string())
}

/// The pattern of strftime that writes this time as the parts say.
fn pattern_for(parts: &[Part<'_>], time: &Zoned) -> String {
    let mut pattern = String::new();
    for part in parts {
        match part {
            Part::Text(text) => pattern.push_str(text),
            Part::Spec(spec) => pattern.push_str(spec),
            Part::Zulu(_) if time.offset() == Offset::UTC => pattern.push('Z'),
            Part::Zulu(spec) => pattern.push_str(spec),
            Part::Fraction { mark, digits, trim } => {
                let nanoseconds = format!("{:09}", time.subsec_nanosecond());
                let shown = &nanoseconds[..*digits];
                let shown = if *trim { shown.trim_end_matches('0') } else { shown };
                if !shown.is_empty() {
                    pattern.push(*mark);
                    pattern.push_str(shown);
                }
            }
        }
    }
    pattern
}

/// The time that a text says by a layout, in this zone where it names none.
pub(super) fn parse(layout: &str, text: &str, zone: TimeZone) -> Option<Zoned> {
    let layout = named(layout);
    if layout.contains('%') {
        return parse_pattern(layout, text, zone);
    }
    let parts = parts(layout);
    let has_zulu = parts.iter().any(|part| matches!(part, Part::Zulu(_)));
    if has_zulu && let Some(time) = parse_pattern(&reading(&parts, true), text, TimeZone::UTC) {
        return Some(time);
    }
    parse_pattern(&reading(&parts, false), text, zone)
}

/// The pattern of strptime that reads what the parts say. A fraction may always stand behind
/// the seconds.
fn reading(parts: &[Part<'_>], zulu: bool) -> String {
    let mut pattern = String::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(text) => pattern.push_str(text),
            Part::Spec(spec) => {
                pattern.push_str(spec);
                let fraction_follows = matches!(parts.get(at + 1), Some(Part::Fraction { .. }));
                if matches!(*spec, "%S" | "%-S") && !fraction_follows {
                    pattern.push_str("%.f");
                }
            }
            Part::Zulu(_) if zulu => pattern.push('Z'),
            Part::Zulu(spec) => pattern.push_str(spec),
            Part::Fraction { mark: '.', .. } => pattern.push_str("%.f"),
            Part::Fraction { mark, .. } => {
                pattern.push(*mark);
                pattern.push_str("%f");
            }
        }
    }
    pattern
}

fn parse_pattern(pattern: &str, text: &str, zone: TimeZone) -> Option<Zoned> {
    let read = BrokenDownTime::parse(pattern, text).ok()?;
    if read.offset().is_some() || read.iana_time_zone().is_some() || read.timestamp().is_some() {
        return read.to_zoned_with(&ZONES).ok().map(|time| in_fixed(&time, &read));
    }
    let date = read.to_date().ok()?;
    let time = if read.hour().is_some() { read.to_time().ok()? } else { Time::midnight() };
    zone.to_zoned(DateTime::from_parts(date, time)).ok()
}

/// A time that was read from a Unix timestamp alone is in UTC.
fn in_fixed(time: &Zoned, read: &BrokenDownTime) -> Zoned {
    if read.offset().is_none() && read.iana_time_zone().is_none() {
        return time.with_time_zone(TimeZone::UTC);
    }
    time.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Zoned {
        super::super::instant::read(text).expect("a time")
    }

    #[test]
    fn layouts_of_go_are_written() {
        let berlin = time("2026-07-05T15:04:09.120+02:00");
        let utc = time("2026-01-31T08:05:00Z");
        for (layout, time, expected) in [
            ("2006-01-02", &utc, "2026-01-31"),
            ("02.01.06 15:04:05", &berlin, "05.07.26 15:04:09"),
            ("Monday, January 2, 2006", &berlin, "Sunday, July 5, 2026"),
            ("Mon Jan _2 3:04PM", &berlin, "Sun Jul  5 3:04PM"),
            ("3:04 pm", &utc, "8:05 am"),
            ("2006-01-02T15:04:05Z07:00", &utc, "2026-01-31T08:05:00Z"),
            ("2006-01-02T15:04:05Z07:00", &berlin, "2026-07-05T15:04:09+02:00"),
            ("15:04:05.000", &berlin, "15:04:09.120"),
            ("15:04:05.999999", &berlin, "15:04:09.12"),
            ("15:04:05.999", &utc, "08:05:00"),
            ("15:04:05,00", &berlin, "15:04:09,12"),
            ("-0700 -07:00 -07 Z0700", &berlin, "+0200 +02:00 +02 +0200"),
            ("RFC1123Z", &berlin, "Sun, 05 Jul 2026 15:04:09 +0200"),
            ("Kitchen", &berlin, "3:04PM"),
            ("Janet 1", &berlin, "Janet 7"),
            ("002", &utc, "031"),
            ("Uhrzeit: 15 Uhr", &berlin, "Uhrzeit: 15 Uhr"),
            ("%d.%m.%Y", &utc, "31.01.2026"),
            ("%A", &utc, "Saturday"),
        ] {
            assert_eq!(format(layout, time).as_deref(), Ok(expected), "{layout}");
        }
        assert!(format("%", &utc).is_err());
        assert!(format("%!", &utc).is_err());
    }

    #[test]
    fn layouts_are_read() {
        for (layout, text, expected) in [
            ("2006-01-02", "2026-01-31", "2026-01-31T00:00:00+00:00"),
            ("2.1.2006 15:04", "5.7.2026 9:30", "2026-07-05T09:30:00+00:00"),
            ("2006-01-02T15:04:05Z07:00", "2026-01-31T08:05:00.5+01:00", "2026-01-31T08:05:00.5+01:00"),
            ("2006-01-02T15:04:05Z07:00", "2026-01-31T08:05:00Z", "2026-01-31T08:05:00+00:00"),
            ("January 2, 2006 3:04 PM", "July 5, 2026 3:04 PM", "2026-07-05T15:04:00+00:00"),
            ("%d.%m.%Y", "31.01.2026", "2026-01-31T00:00:00+00:00"),
            ("%s", "86400", "1970-01-02T00:00:00+00:00"),
            ("%Y-%m-%d %H:%M %Q", "2026-07-05 09:30 Europe/Berlin", "2026-07-05T09:30:00+02:00"),
        ] {
            let read = parse(layout, text, TimeZone::UTC).unwrap_or_else(|| panic!("{layout}"));
            assert_eq!(read.timestamp().display_with_offset(read.offset()).to_string(), expected, "{layout}");
        }
        for (layout, text) in [("2006-01-02", "31.01.2026"), ("15:04", "08:00"), ("MST", "CET"), ("%", "x")] {
            assert!(parse(layout, text, TimeZone::UTC).is_none(), "{layout}");
        }
    }
}
