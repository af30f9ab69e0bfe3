//! Calculating with times: by the calendar of their zone, or by the clock.

use jiff::civil::{Date, Weekday};
use jiff::{RoundMode, Span, ToSpan, Unit, Zoned, ZonedRound};
use model::Value;
use rust_decimal::Decimal;

use super::instant::{time, time_in, write};
use crate::budget::Budget;
use crate::eval::arith;
use crate::functions::Operands;
use crate::stop::{Halt, Outcome};

/// A unit of time, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// So many nanoseconds.
    Clock(i64),
    Week,
    Month,
    Quarter,
    Year,
}

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The unit of a word: singular, plural or short.
fn length(word: &str) -> Option<Length> {
    Some(match word {
        "ms" | "millisecond" | "milliseconds" => Length::Clock(SECOND / 1000),
        "s" | "second" | "seconds" => Length::Clock(SECOND),
        "m" | "min" | "minute" | "minutes" => Length::Clock(60 * SECOND),
        "h" | "hour" | "hours" => Length::Clock(3600 * SECOND),
        "d" | "day" | "days" => Length::Clock(DAY),
        "w" | "week" | "weeks" => Length::Week,
        "mo" | "month" | "months" => Length::Month,
        "q" | "quarter" | "quarters" => Length::Quarter,
        "y" | "year" | "years" => Length::Year,
        _ => return None,
    })
}

/// The unit in the first operand.
fn unit(of: &Operands<'_>) -> Outcome<Length> {
    length(of.text(0)?)
        .ok_or_else(|| of.refuse(0, "must be a unit: year, quarter, month, week, day, hour, minute, second or ms"))
}

/// The time would be before the year -9999 or after 9999.
fn out_of_range(of: &Operands<'_>) -> Halt {
    of.refuse(of.last(), "would leave the years -9999 to 9999")
}

/// `$date.add`, `$date.sub`
pub(super) fn shift(of: &Operands<'_>, budget: &mut Budget, later: bool) -> Outcome {
    let time = time_in(of, budget)?;
    let text = of.text(0)?.trim();
    budget.scan(text.len())?;
    let span: Span = text.parse().map_err(|_| {
        of.refuse(0, "must be a duration such as \"36h\", \"1h30m\", \"2d\", \"3mo\", \"1y\" or \"P1M\"")
    })?;
    let moved = if later { time.checked_add(span) } else { time.checked_sub(span) };
    write(&moved.map_err(|_| out_of_range(of))?, budget)
}

/// `$date.addWorkdays`
pub(super) fn add_workdays(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (count, time) = (of.whole(0)?, time(of, 1, budget)?);
    let date = workdays_after(time.date(), count).ok_or_else(|| out_of_range(of))?;
    let moved = time.with().date(date).build().map_err(|_| out_of_range(of))?;
    write(&moved, budget)
}

/// The day so many workdays later; a weekend counts as the Friday before, or the Monday after
/// where it goes back.
fn workdays_after(mut date: Date, count: i64) -> Option<Date> {
    let step = count.signum();
    let is_workday = |date: Date| !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    date = date.checked_add(Span::new().try_weeks(count / 5).ok()?).ok()?;
    let mut left = count % 5;
    while left != 0 {
        date = date.checked_add(Span::new().try_days(step).ok()?).ok()?;
        if is_workday(date) {
            left -= step;
        }
    }
    // Whole weeks alone may have left it on a weekend.
    while count != 0 && !is_workday(date) {
        date = date.checked_sub(Span::new().try_days(step).ok()?).ok()?;
    }
    Some(date)
}

/// `$date.diff`
pub(super) fn diff(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let last = of.last();
    let (from, to) = (time(of, last - 1, budget)?, time(of, last, budget)?);
    let length = if last > 1 { unit(of)? } else { Length::Clock(SECOND) };
    let months = || -> Outcome {
        let to = to.with_time_zone(from.time_zone().clone());
        let span = from.until((Unit::Month, &to)).map_err(|_| out_of_range(of))?;
        let months = span.get_months();
        Ok(Value::from(match length {
            Length::Quarter => months / 3,
            Length::Year => months / 12,
            _ => months,
        }))
    };
    let nanoseconds = match length {
        Length::Clock(nanoseconds) => nanoseconds,
        Length::Week => 7 * DAY,
        Length::Month | Length::Quarter | Length::Year => return months(),
    };
    let between = to.timestamp().as_nanosecond() - from.timestamp().as_nanosecond();
    let units = Decimal::try_from_i128_with_scale(between, 0)
        .ok()
        .and_then(|between| between.checked_div(Decimal::from(nanoseconds)));
    units.map(arith::value).ok_or_else(|| out_of_range(of))
}

/// `$date.truncate`, `$date.endOf`
pub(super) fn edge(of: &Operands<'_>, budget: &mut Budget, start: bool) -> Outcome {
    let (length, time) = (unit(of)?, time_in(of, budget)?);
    let first = first_of(length, &time).ok_or_else(|| out_of_range(of))?;
    if start {
        return write(&first, budget);
    }
    let last = end_of(length, &first).ok_or_else(|| out_of_range(of))?;
    write(&last, budget)
}

/// The start of the unit that a time is in.
fn first_of(length: Length, time: &Zoned) -> Option<Zoned> {
    let date = time.date();
    let day = match length {
        Length::Clock(DAY) => date,
        Length::Clock(nanoseconds) => {
            let unit = match nanoseconds / SECOND {
                3600 => Unit::Hour,
                60 => Unit::Minute,
                1 => Unit::Second,
                _ => Unit::Millisecond,
            };
            return time.round(ZonedRound::new().smallest(unit).mode(RoundMode::Trunc)).ok();
        }
        Length::Week => date.checked_sub(i32::from(date.weekday().to_monday_zero_offset()).days()).ok()?,
        Length::Month => date.first_of_month(),
        Length::Quarter => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok()?,
        Length::Year => date.first_of_year(),
    };
    // A day may start after midnight where clocks are put forward then.
    time.time_zone().to_zoned(day.at(12, 0, 0, 0)).ok()?.start_of_day().ok()
}

/// The last millisecond of the unit that starts here.
fn end_of(length: Length, first: &Zoned) -> Option<Zoned> {
    let span = match length {
        Length::Clock(DAY) => 1.day(),
        Length::Clock(nanoseconds) => nanoseconds.nanoseconds(),
        Length::Week => 1.week(),
        Length::Month => 1.month(),
        Length::Quarter => 3.months(),
        Length::Year => 1.year(),
    };
    let next = first.checked_add(span).ok()?;
    // The next day may start after midnight, too.
    let next = if matches!(length, Length::Clock(nanoseconds) if nanoseconds != DAY) {
        next
    } else {
        next.start_of_day().ok()?
    };
    next.checked_sub(1.millisecond()).ok()
}

/// `$date.of`
pub(super) fn of_numbers(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let mut numbers = [0, 1, 1, 0, 0, 0];
    for (index, number) in numbers.iter_mut().enumerate().take(of.len()) {
        *number = of.whole(index)?;
    }
    let [year, month, day, hour, minute, second] = numbers;
    let small = |number: i64| i8::try_from(number).ok();
    let made = || {
        let date = Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
        let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
        jiff::tz::TimeZone::UTC.to_zoned(date.to_datetime(time)).ok()
    };
    let time = made().ok_or_else(|| Halt::operand("$date.of: there is no such date or time"))?;
    write(&time, budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn workdays_leave_out_weekends() {
        // 2026-02-27 is a Friday.
        let friday = date(2026, 2, 27);
        for (from, count, expected) in [
            (friday, 1, date(2026, 3, 2)),
            (friday, 5, date(2026, 3, 6)),
            (friday, 6, date(2026, 3, 9)),
            (friday, -1, date(2026, 2, 26)),
            (friday, -5, date(2026, 2, 20)),
            (date(2026, 3, 2), -1, friday),
            (date(2026, 2, 28), 1, date(2026, 3, 2)),
            (date(2026, 2, 28), -1, friday),
            (date(2026, 2, 28), 5, date(2026, 3, 6)),
            (date(2026, 2, 28), 0, date(2026, 2, 28)),
        ] {
            assert_eq!(workdays_after(from, count), Some(expected), "{from} {count}");
        }
        assert_eq!(workdays_after(friday, i64::MAX), None);
        assert_eq!(workdays_after(friday, i64::MIN), None);
    }

    #[test]
    fn units_have_short_and_long_names() {
        assert_eq!(length("days"), length("d"));
        assert_eq!(length("mo"), Some(Length::Month));
        assert_eq!(length("m"), Some(Length::Clock(60 * SECOND)));
        assert_eq!(length("fortnight"), None);
    }
}
