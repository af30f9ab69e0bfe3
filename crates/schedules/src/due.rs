//! What a moment asks of a schedule. Pure.

use std::time::Duration;

use model::limits::MISSED_RUNS;
use model::time::Timestamp;

use crate::schedule::Missed;
use crate::ticks::Ticks;

/// How late a tick may be dealt with and is still no missed one: a replica may have been lost meanwhile.
const LATE: Duration = Duration::from_secs(60);

/// What a moment asks of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nothing until then; nothing ever again where none.
    Wait(Option<Timestamp>),
    /// A play for a tick.
    Run {
        /// The tick.
        tick: Timestamp,
        /// The ticks before it that it stands for.
        missed: u64,
        /// Whether it is one of those that were missed.
        late: bool,
    },
    /// To note that ticks were missed, and to run nothing for them.
    PassOver {
        /// The first of them.
        first: Timestamp,
        /// The last.
        last: Timestamp,
        /// How many; counted up to ten thousand.
        count: u64,
    },
}

/// What is to be done now for a schedule whose ticks up to `after` have been dealt with, of which `caught_up` in a
/// row had been missed.
pub fn asked(ticks: &Ticks, missed: Missed, after: Timestamp, caught_up: u32, now: Timestamp) -> Asked {
    let Some(first) = ticks.next(after) else { return Asked::Wait(None) };
    if first > now {
        return Asked::Wait(Some(first));
    }
    let in_time = Timestamp(now.minus(LATE).0 - 1);
    if first > in_time {
        return Asked::Run { tick: first, missed: 0, late: false };
    }
    let last = || ticks.newest(after, in_time).unwrap_or(first);
    match missed {
        Missed::All if caught_up < MISSED_RUNS => Asked::Run { tick: first, missed: 0, late: true },
        Missed::All | Missed::Skip => {
            let last = last();
            Asked::PassOver { first, last, count: ticks.count(after, last) }
        }
        Missed::One => {
            let last = last();
            Asked::Run { tick: last, missed: ticks.count(after, last).saturating_sub(1), late: true }
        }
    }
}
