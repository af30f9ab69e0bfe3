//! [`Ticks`]: when a schedule is due, one moment after the other. Pure.
//!
//! Over a change of the clocks it does as Debian's cron: what is due at times of the day runs right after the
//! change where its time does not come, and once where it comes twice; what is due every so often (`*` at the
//! front of the minutes or the hours) goes on as if nothing had happened.

use std::sync::Arc;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{ToSpan as _, Zoned};
use model::time::Timestamp;

use crate::calendar::Calendar;
use crate::schedule::{InvalidSchedule, RestDays, Timing};

/// Business days at which the next tick is looked for: what comes on the 29th of February may be eight years off.
const DAYS_AHEAD: usize = 10 * 366;

/// Ticks that are counted one by one.
pub(crate) const COUNTED: u64 = 10_000;

/// When a schedule is due.
#[derive(Debug, Clone)]
pub struct Ticks {
    cron: Cron,
    /// Whether it names times of the day, rather than how often.
    is_fixed: bool,
    zone: TimeZone,
    calendar: Option<(Arc<Calendar>, RestDays)>,
    start: Timestamp,
    end: Timestamp,
}

/// A cron expression, a time zone or a calendar cannot be used.
pub type BadTiming = InvalidSchedule;

impl Ticks {
    /// The ticks of a timing, over the calendar that it names.
    ///
    /// # Errors
    /// With what is wrong.
    pub fn new(timing: &Timing, calendar: Option<Arc<Calendar>>) -> Result<Self, BadTiming> {
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let problem = |error: croner::errors::CronError| BadTiming::new("cron", error.to_string());
        let cron = parser.parse(&timing.cron).map_err(problem)?;
        let zone = TimeZone::get(&timing.time_zone).map_err(|_| {
            let problem = format!("there is no time zone {:?}; name one such as Europe/Zurich", timing.time_zone);
            BadTiming::new("timeZone", problem)
        })?;
        let calendar = match (timing.calendar, calendar) {
            (Some(on), Some(calendar)) => Some((calendar, on.rest_days)),
            (Some(on), None) => {
                return Err(BadTiming::new("calendar", format!("there is no calendar {}", on.id)));
            }
            (None, _) => None,
        };
        let (start, end) = (timing.start_at.unwrap_or(Timestamp::MIN), timing.end_at.unwrap_or(Timestamp(i64::MAX)));
        Ok(Self { cron, is_fixed: names_times(&timing.cron), zone, calendar, start, end })
    }

    /// The first tick after a moment; none where there is none any more.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let just_before = Timestamp(self.start.0.saturating_sub(1));
        let after = self.local(after.max(just_before))?;
        let next = match &self.calendar {
            None => self.raw(&after, false)?,
            Some((calendar, RestDays::Skip)) => self.on_business_days(calendar, after)?,
            Some((calendar, shift)) => self.shifted(calendar, *shift, &after)?,
        };
        let next = Timestamp(next.timestamp().as_millisecond());
        (next <= self.end).then_some(next)
    }

    /// The ticks after a moment, in order.
    pub fn after(&self, moment: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(moment), |tick| self.next(*tick))
    }

    /// The newest tick after one moment and not after another.
    pub(crate) fn newest(&self, after: Timestamp, upto: Timestamp) -> Option<Timestamp> {
        // From behind, in steps that grow: it is likely to be near, and ticks may be a second apart.
        let mut back = 60_000;
        loop {
            let from = Timestamp(upto.0.saturating_sub(back)).max(after);
            let newest = self.after(from).take_while(|tick| *tick <= upto).last();
            if newest.is_some() || from == after {
                return newest;
            }
            back = back.saturating_mul(8);
        }
    }

    /// How many ticks there are after one moment and not after another; [`COUNTED`] where there are more.
    pub(crate) fn count(&self, after: Timestamp, upto: Timestamp) -> u64 {
        self.after(after).take_while(|tick| *tick <= upto).zip(1..=COUNTED).last().map_or(0, |(_, count)| count)
    }

    /// A moment on the clocks of the zone, to the second: ticks have no fractions.
    fn local(&self, moment: Timestamp) -> Option<Zoned> {
        let seconds = moment.0.div_euclid(1_000);
        Some(jiff::Timestamp::from_second(seconds).ok()?.to_zoned(self.zone.clone()))
    }

    /// The first tick after a moment, or at it, without regard to calendars.
    fn raw(&self, from: &Zoned, inclusive: bool) -> Option<Zoned> {
        if !self.is_fixed {
            return self.cron.find_next_occurrence(from, inclusive).ok();
        }
        let (clock, inclusive) = match self.end_of_repetition(from) {
            // What is due at these times has run when they came first.
            Some(end) => (end, true),
            None => (from.datetime(), inclusive),
        };
        let due = self.cron.find_next_occurrence(&clock, inclusive).ok()?;
        let due = self.zone.to_ambiguous_zoned(due);
        match due.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => due.earlier().ok(),
            // By the clock of before, the time would be this; the change comes at or before it.
            AmbiguousOffset::Gap { before, .. } => {
                let as_before = before.to_timestamp(due.datetime()).ok()?;
                let change = self.zone.preceding(as_before.checked_add(1.nanosecond()).ok()?).next()?;
                Some(change.timestamp().to_zoned(self.zone.clone()))
            }
        }
    }

    /// Where the clocks were put back and show a time for the second time: when that is over.
    fn end_of_repetition(&self, moment: &Zoned) -> Option<DateTime> {
        let AmbiguousOffset::Fold { before, after } = self.zone.to_ambiguous_zoned(moment.datetime()).offset() else {
            return None;
        };
        if moment.offset() != after {
            return None;
        }
        let change = self.zone.preceding(moment.timestamp().checked_add(1.nanosecond()).ok()?).next()?;
        Some(before.to_datetime(change.timestamp()))
    }

    fn on_business_days(&self, calendar: &Calendar, after: Zoned) -> Option<Zoned> {
        let mut tick = self.raw(&after, false)?;
        for _ in 0..DAYS_AHEAD {
            if calendar.is_business_day(tick.date()) {
                return Some(tick);
            }
            let day = calendar.next_business_day(tick.date())?;
            tick = self.raw(&self.at(day, Time::midnight())?, true)?;
        }
        None
    }

    /// Where ticks of days of rest move to a business day: the ticks of each such day are its own, and those of
    /// the days of rest beside it.
    fn shifted(&self, calendar: &Calendar, shift: RestDays, after: &Zoned) -> Option<Zoned> {
        let today = after.date();
        let mut day = if calendar.is_business_day(today) { today } else { calendar.next_business_day(today)? };
        for _ in 0..DAYS_AHEAD {
            let mut sources = match shift {
                RestDays::Previous => calendar.rest_after(day),
                RestDays::Next | RestDays::Skip => calendar.rest_before(day),
            };
            sources.push(day);
            let moved = sources.into_iter().filter_map(|source| self.moved(source, day, after));
            if let Some(first) = moved.min_by_key(Zoned::timestamp) {
                return Some(first);
            }
            day = calendar.next_business_day(day)?;
        }
        None
    }

    /// The first tick of a day, at the same time of another day and after a moment.
    fn moved(&self, source: Date, day: Date, after: &Zoned) -> Option<Zoned> {
        let is_today = day == after.date();
        let time = if is_today { after.time() } else { Time::midnight() };
        let mut tick = self.raw(&self.at(source, time)?, !is_today)?;
        while tick.date() == source {
            let moved = self.at(day, tick.time())?;
            if moved > *after {
                return Some(moved);
            }
            tick = self.raw(&tick, false)?;
        }
        None
    }

    fn at(&self, day: Date, time: Time) -> Option<Zoned> {
        day.to_datetime(time).to_zoned(self.zone.clone()).ok()
    }
}

/// Whether an expression names times of the day.
fn names_times(cron: &str) -> bool {
    if cron.trim_start().starts_with('@') {
        return !cron.trim().eq_ignore_ascii_case("@hourly");
    }
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let days = 3;
    fields[..fields.len().saturating_sub(days)].iter().all(|field| !field.starts_with('*'))
}
