//! How a play's slot moves from one header to the next: the whole of the concurrency limiter.
//!
//! Pure, and shared by the stores that keep the counts themselves. A slot is what the stored
//! header says; the counts follow from the headers that pass by here, and from nothing else.

use model::limits::{QUEUED_PER_FLOW, QUEUED_PER_KEY};
use model::play::{Slot, SlotPlace};

use crate::Conflict;

/// How the counts under a key change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Move {
    pub(crate) held: i64,
    pub(crate) queued: i64,
}

impl Move {
    /// From one header's slot to the next one's.
    pub(crate) fn between(before: Option<SlotPlace>, after: Option<SlotPlace>) -> Self {
        let at = |place: Option<SlotPlace>, wanted: SlotPlace| i64::from(place == Some(wanted));
        Self {
            held: at(after, SlotPlace::Held) - at(before, SlotPlace::Held),
            queued: at(after, SlotPlace::Queued) - at(before, SlotPlace::Queued),
        }
    }

    /// Whether the first in the queue should look again: a slot was freed, or the one ahead of it went.
    pub(crate) fn wakes_next(self) -> bool {
        self.held < 0 || self.queued < 0
    }
}

/// Whether a slot is free for those in the queue.
///
/// Asked whenever a play goes to the queue or stays there: a slot may have come free after it had
/// found none, and nobody else would wake the first in the queue then.
pub(crate) fn finds_room(held: u64, limit: u32) -> bool {
    held < u64::from(limit)
}

/// What a play meets that wants to move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// Slots held under the key.
    pub(crate) held: u64,
    /// Plays queued under the key.
    pub(crate) queued: u64,
    /// Plays queued under any key of the flow.
    pub(crate) queued_in_flow: u64,
    /// Whether nobody queues ahead of this play.
    pub(crate) is_first: bool,
}

/// Whether the play may move so.
pub(crate) fn check(step: Move, slot: &Slot, standing: Standing) -> Result<(), Conflict> {
    if step.held > 0 && (standing.held >= u64::from(slot.limit) || !standing.is_first) {
        return Err(Conflict::SlotBusy);
    }
    if step.queued > 0 && (standing.queued >= QUEUED_PER_KEY || standing.queued_in_flow >= QUEUED_PER_FLOW) {
        return Err(Conflict::QueueFull);
    }
    Ok(())
}
