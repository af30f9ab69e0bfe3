//! `$date.…`: times as RFC 3339 text, in any time zone, without a clock.
//!
//! The zones come with the program. Where a time has no offset it is taken to be UTC.

mod calendar;
mod instant;
mod layout;
pub(super) mod parts;

use jiff::Timestamp;
use model::Value;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use self::instant::{is_time, time, time_in, write, zone};
use self::parts::number;
use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    date(
        "$date.format(layout, zone?, time)",
        r#"The time as text, by a layout of Go ("02.01.2006 15:04", "RFC1123") or of strftime ("%d.%m.%Y")."#,
        r#"$date.format "02.01.2006 15:04" $date.now"#,
        r#""01.03.2026 09:30""#,
        format,
    )
    .subject(is_time),
    date(
        "$date.parse(layout?, zone?, text)",
        "The time that a text says: RFC 3339, RFC 2822, a date, or by a layout; in the zone where it names none.",
        r#"$date.parse "02.01.2006" "Europe/Berlin" "01.07.2026""#,
        r#""2026-07-01T00:00:00+02:00""#,
        parse,
    ),
    date(
        "$date.add(duration, zone?, time)",
        r#"The time so much later: "36h", "1h30m", "2d", "3mo", "1y"; days and longer by the zone's calendar."#,
        r#"$date.add "1mo" "2026-01-31T08:00:00Z""#,
        r#""2026-02-28T08:00:00Z""#,
        |of, budget| calendar::shift(of, budget, true),
    )
    .subject(is_time),
    date(
        "$date.sub(duration, zone?, time)",
        "The time so much earlier.",
        r#"$date.sub "36h" "2026-03-01T09:30:00Z""#,
        r#""2026-02-27T21:30:00Z""#,
        |of, budget| calendar::shift(of, budget, false),
    )
    .subject(is_time),
    date(
        "$date.addWorkdays(count, time)",
        "The time so many days later, not counting Saturdays and Sundays.",
        r#"$date.addWorkdays 3 "2026-02-27T08:00:00Z""#,
        r#""2026-03-04T08:00:00Z""#,
        calendar::add_workdays,
    )
    .subject(is_time),
    date(
        "$date.diff(unit?, from, to)",
        r#"How long it is from one time to another: in seconds or "ms" to "weeks"; in whole "months" or "years"."#,
        r#"$date.diff "days" "2026-03-01" "2026-03-04T12:00:00Z""#,
        "3.5",
        calendar::diff,
    )
    .alias(&["$date.between"]),
    date(
        "$date.truncate(unit, zone?, time)",
        "The start of the year, quarter, month, week (Monday), day, hour, minute or second that the time is in.",
        r#"$date.truncate "month" $date.now"#,
        r#""2026-03-01T00:00:00Z""#,
        |of, budget| calendar::edge(of, budget, true),
    )
    .alias(&["$date.startOf"])
    .subject(is_time),
    date(
        "$date.endOf(unit, zone?, time)",
        "The last millisecond of the year, quarter, month, week, day, hour, minute or second.",
        r#"$date.endOf "month" "2026-02-10""#,
        r#""2026-02-28T23:59:59.999Z""#,
        |of, budget| calendar::edge(of, budget, false),
    )
    .subject(is_time),
    date(
        "$date.in(zone, time)",
        "The same time as the clocks of a zone show it.",
        r#"$date.in "Europe/Berlin" "2026-07-01T10:00:00Z""#,
        r#""2026-07-01T12:00:00+02:00""#,
        in_zone,
    )
    .alias(&["$date.tz", "$date.toZone"])
    .subject(is_time),
    date(
        "$date.utc(time)",
        "The same time in UTC.",
        r#"$date.utc "2026-07-01T12:00:00+02:00""#,
        r#""2026-07-01T10:00:00Z""#,
        utc,
    )
    .alias(&["$date.toUtc"]),
    date(
        "$date.of(year, month, day, hour?, minute?, second?)",
        "The time of these numbers, in UTC.",
        "$date.of 2026 3 1 9",
        r#""2026-03-01T09:00:00Z""#,
        calendar::of_numbers,
    ),
    date(
        "$date.unix(time)",
        "The seconds since 1970, as a whole number.",
        r#"$date.unix "1970-01-02""#,
        "86400",
        |of, budget| number(of, budget, |time| time.timestamp().as_second()),
    ),
    date(
        "$date.unixMs(time)",
        "The milliseconds since 1970, as a whole number.",
        r#"$date.unixMs "1970-01-01T00:00:01.5Z""#,
        "1500",
        |of, budget| number(of, budget, |time| time.timestamp().as_millisecond()),
    ),
    date(
        "$date.fromUnix(seconds)",
        "The time so many seconds after 1970, in UTC.",
        "$date.fromUnix 86400.5",
        r#""1970-01-02T00:00:00.5Z""#,
        |of, budget| from_unix(of, budget, 1_000_000_000),
    ),
    date(
        "$date.fromUnixMs(milliseconds)",
        "The time so many milliseconds after 1970, in UTC.",
        "$date.fromUnixMs 1500",
        r#""1970-01-01T00:00:01.5Z""#,
        |of, budget| from_unix(of, budget, 1_000_000),
    ),
    date(
        "$date.isBefore(a, b)",
        "Whether a is before b.",
        r#"$date.isBefore "2026-01-01" $date.now"#,
        "true",
        |of, budget| compare(of, budget, |a, b| a < b),
    ),
    date(
        "$date.isAfter(a, b)",
        "Whether a is after b.",
        r#"$date.isAfter "2026-01-01" $date.now"#,
        "false",
        |of, budget| compare(of, budget, |a, b| a > b),
    ),
    date(
        "$date.isSame(a, b)",
        "Whether two times are the same instant, whatever their zones.",
        r#"$date.isSame "2026-01-01T00:00:00Z" "2026-01-01T01:00:00+01:00""#,
        "true",
        |of, budget| compare(of, budget, |a, b| a == b),
    ),
    date(
        "$date.isTime(value)",
        "Whether a value is a time, or a date, that these functions take.",
        r#"$date.isTime "2026-02-30""#,
        "false",
        valid,
    )
    .alias(&["$date.isValid"]),
];

/// A function of times.
const fn date(
    signature: &'static str,
    doc: &'static str,
    example: &'static str,
    result: &'static str,
    run: super::Strict,
) -> Function {
    strict(Kind::Date, signature, doc, example, result, run)
}

fn format(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let time = time_in(of, budget)?;
    let layout = layout(of, budget)?;
    layout::format(layout, &time).map(Value::from).map_err(|why| {
        // The reason may quote the layout, which is not for all eyes where it is data.
        let why = if of.is_literal(0) { format!(": {why}") } else { String::new() };
        of.refuse(0, &format!("cannot be used as a layout{why}"))
    })
}

/// The layout in the first operand, paid for.
fn layout<'o>(of: &'o Operands<'_>, budget: &mut Budget) -> Outcome<&'o str> {
    let layout = of.text(0)?;
    layout::pay(layout, budget)?;
    if layout::is_time(layout) {
        return Err(of.refuse(0, "must be a layout, and says a time; the time comes last"));
    }
    Ok(layout)
}

fn parse(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let last = of.last();
    if last == 0 {
        let time = time(of, 0, budget)?;
        return write(&time, budget);
    }
    let (layout, text) = (layout(of, budget)?, of.text(last)?);
    let default = if last > 1 { zone(of, 1, budget)? } else { jiff::tz::TimeZone::UTC };
    budget.scan(text.len())?;
    match layout::parse(layout, text, default) {
        Some(time) => write(&time, budget),
        None => Err(of.refuse(last, "does not say a time by this layout")),
    }
}

fn in_zone(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let time = time(of, 1, budget)?.with_time_zone(zone(of, 0, budget)?);
    write(&time, budget)
}

fn utc(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let time = time(of, 0, budget)?.with_time_zone(jiff::tz::TimeZone::UTC);
    write(&time, budget)
}

fn from_unix(of: &Operands<'_>, budget: &mut Budget, nanoseconds: i64) -> Outcome {
    let count = of.decimal(0)?.checked_mul(Decimal::from(nanoseconds));
    let instant = count
        .and_then(|count| count.trunc().to_i128())
        .and_then(|count| Timestamp::from_nanosecond(count).ok())
        .ok_or_else(|| of.refuse(0, "is beyond the years that have a name"))?;
    write(&instant.to_zoned(jiff::tz::TimeZone::UTC), budget)
}

fn compare(of: &Operands<'_>, budget: &mut Budget, holds: fn(Timestamp, Timestamp) -> bool) -> Outcome {
    let (a, b) = (time(of, 0, budget)?, time(of, 1, budget)?);
    Ok(holds(a.timestamp(), b.timestamp()).into())
}

fn valid(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let Value::Text(text) = of.value(0) else { return Ok(false.into()) };
    budget.scan(text.len())?;
    Ok(instant::read(text).is_some().into())
}
