//! The parts of a time: its year, its day of the week, and so on, in its own zone.

use jiff::Zoned;
use jiff::civil::Weekday;

use super::date;
use super::instant::time;
use crate::budget::Budget;
use crate::functions::{Function, Operands};
use crate::stop::Outcome;

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    date(
        "$date.isWeekend(time)",
        "Whether it is a Saturday or a Sunday.",
        "$date.isWeekend $date.now",
        "true",
        is_weekend,
    ),
    date("$date.weekday(time)", "The name of the day of the week.", "$date.weekday $date.now", r#""Sunday""#, weekday),
    date(
        "$date.weekdayNumber(time)",
        "The day of the week: 1 for Monday to 7 for Sunday.",
        "$date.weekdayNumber $date.now",
        "7",
        |of, budget| number(of, budget, |time| time.weekday().to_monday_one_offset()),
    ),
    date("$date.date(time)", "The date alone.", "$date.date $date.now", r#""2026-03-01""#, date_alone),
    date("$date.year(time)", "The year, as a number.", "$date.year $date.now", "2026", |of, budget| {
        number(of, budget, Zoned::year)
    }),
    date(
        "$date.quarter(time)",
        "The quarter of the year, 1 to 4.",
        r#"$date.quarter "2026-05-01""#,
        "2",
        |of, budget| number(of, budget, |time| (time.month() + 2) / 3),
    ),
    date("$date.month(time)", "The month, 1 to 12.", "$date.month $date.now", "3", |of, budget| {
        number(of, budget, Zoned::month)
    }),
    date(
        "$date.week(time)",
        "The week of the year by ISO 8601, 1 to 53.",
        r#"$date.week "2026-12-31""#,
        "53",
        |of, budget| number(of, budget, |time| time.date().iso_week_date().week()),
    ),
    date("$date.day(time)", "The day of the month.", "$date.day $date.now", "1", |of, budget| {
        number(of, budget, Zoned::day)
    }),
    date("$date.dayOfYear(time)", "The day of the year, 1 to 366.", "$date.dayOfYear $date.now", "60", |of, budget| {
        number(of, budget, Zoned::day_of_year)
    }),
    date(
        "$date.daysInMonth(time)",
        "How many days the month has.",
        r#"$date.daysInMonth "2028-02-01""#,
        "29",
        |of, budget| number(of, budget, Zoned::days_in_month),
    ),
    date("$date.hour(time)", "The hour, 0 to 23.", "$date.hour $date.now", "9", |of, budget| {
        number(of, budget, Zoned::hour)
    }),
    date("$date.minute(time)", "The minute.", "$date.minute $date.now", "30", |of, budget| {
        number(of, budget, Zoned::minute)
    }),
    date("$date.second(time)", "The second.", "$date.second $date.now", "0", |of, budget| {
        number(of, budget, Zoned::second)
    }),
];

/// A number of the time in the last operand.
pub(super) fn number<N: Into<i64>>(of: &Operands<'_>, budget: &mut Budget, of_time: impl Fn(&Zoned) -> N) -> Outcome {
    let time = time(of, of.last(), budget)?;
    let number: i64 = of_time(&time).into();
    Ok(number.into())
}

fn date_alone(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.text(10)?;
    Ok(time(of, 0, budget)?.date().to_string().into())
}

fn is_weekend(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    Ok(matches!(time(of, 0, budget)?.weekday(), Weekday::Saturday | Weekday::Sunday).into())
}

fn weekday(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let name = match time(of, 0, budget)?.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    budget.text(name.len())?;
    Ok(name.into())
}
