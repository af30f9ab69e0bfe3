//! Schedules: when they are due, and what a moment asks of them.

mod calendars;
mod due;
mod ticks;

use std::sync::Arc;

use model::time::Timestamp;
use schedules::calendar::Calendar;
use schedules::{Ticks, Timing};

/// The ticks of a cron expression in a time zone.
fn ticks(cron: &str, zone: &str) -> Ticks {
    on(cron, zone, None)
}

fn on(cron: &str, zone: &str, calendar: Option<(Arc<Calendar>, schedules::RestDays)>) -> Ticks {
    let on =
        calendar.as_ref().map(|(calendar, rest_days)| schedules::OnCalendar { id: calendar.id, rest_days: *rest_days });
    let timing =
        Timing { cron: cron.to_owned(), time_zone: zone.to_owned(), calendar: on, start_at: None, end_at: None };
    Ticks::new(&timing, calendar.map(|(calendar, _)| calendar)).expect("ticks")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The next few ticks after a moment, as text.
fn next(ticks: &Ticks, after: &str, count: usize) -> Vec<String> {
    ticks.after(at(after)).take(count).map(|tick| tick.to_string().replace(":00.000Z", "Z")).collect()
}
