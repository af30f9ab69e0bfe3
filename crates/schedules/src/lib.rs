//! Schedules: flows that start at certain times.
//!
//! - [`Ticks`] says when: a cron expression, in a time zone, over a [`calendar::Calendar`]. Pure.
//! - [`due`] says what a moment asks for: to run a tick, to skip some. Pure.
//! - [`Keeper`] does it, at every replica: how far a schedule has come stands in the store and moves in the
//!   commit of the play that it starts, so that each tick is dealt with once, by whoever is first.

pub mod calendar;
pub mod due;
mod figures;
mod keeper;
mod kept;
mod schedule;
mod ticks;

pub use figures::Figures;
pub use keeper::{Keeper, wish_by_hand};
pub use kept::{Progress, calendar_key, calendar_of, progress_key, progress_of, schedule_key};
pub use schedule::{InvalidSchedule, Jitter, Missed, OnCalendar, Overlap, RestDays, Schedule, Timing};
pub use ticks::{BadTiming, Ticks};
