//! How a play's slot moves from one header to the next: the whole of the concurrency limiter.
//!
//! Pure, and shared by the stores that keep the counts themselves. A slot is what the stored
//! header says; the counts follow from the headers that pass by here, and from nothing else.

use model::limits::{QUEUED_PER_FLOW, QUEUED_PER_KEY};
use model::play::{LimitKey, Slot, SlotPlace};

use crate::Conflict;

/// How the counts under a key change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Move {
    /// Slots held.
    pub held: i64,
    /// Plays in the queue.
    pub queued: i64,
}

impl Move {
    /// From one header's slot to the next one's.
    pub fn between(before: Option<SlotPlace>, after: Option<SlotPlace>) -> Self {
        let at = |place: Option<SlotPlace>, wanted: SlotPlace| i64::from(place == Some(wanted));
        Self {
            held: at(after, SlotPlace::Held) - at(before, SlotPlace::Held),
            queued: at(after, SlotPlace::Queued) - at(before, SlotPlace::Queued),
        }
    }

    /// Whether the first in the queue should look again: a slot was freed, or the one ahead of it went.
    pub fn wakes_next(self) -> bool {
        self.held < 0 || self.queued < 0
    }
}

/// Whether a slot is free for those in the queue.
///
/// Asked whenever a play goes to the queue or stays there: a slot may have come free after it had
/// found none, and nobody else would wake the first in the queue then.
pub fn finds_room(held: u64, limit: u32) -> bool {
    held < u64::from(limit)
}

/// What a play meets that wants to move.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Slots held under the key.
    pub held: u64,
    /// Plays queued under the key.
    pub queued: u64,
    /// Plays queued under any key of the flow.
    pub queued_in_flow: u64,
    /// Whether nobody queues ahead of this play.
    pub is_first: bool,
}

/// Whether the play may move so.
///
/// # Errors
/// Where no slot is free for it, or no room in the queue.
pub fn check(step: Move, slot: &Slot, standing: Standing) -> Result<(), Conflict> {
    if step.held > 0 && (standing.held >= u64::from(slot.limit) || !standing.is_first) {
        return Err(Conflict::SlotBusy);
    }
    if step.queued > 0 && (standing.queued >= QUEUED_PER_KEY || standing.queued_in_flow >= QUEUED_PER_FLOW) {
        return Err(Conflict::QueueFull);
    }
    Ok(())
}

/// A key as a store keeps it: the flow's id, then the digest. The id alone stands for all keys of the flow.
pub fn limit_key_bytes(key: &LimitKey) -> [u8; 44] {
    let mut bytes = [0; 44];
    bytes[..12].copy_from_slice(key.flow.0.as_bytes());
    bytes[12..].copy_from_slice(&key.key.0);
    bytes
}

/// The number under which a store keeps a place. Never changes.
pub fn place_number(place: SlotPlace) -> i64 {
    match place {
        SlotPlace::Later => 0,
        SlotPlace::Queued => 1,
        SlotPlace::Held => 2,
        SlotPlace::Left => 3,
    }
}

/// The place of that number.
pub fn place_of(number: i64) -> Option<SlotPlace> {
    [SlotPlace::Later, SlotPlace::Queued, SlotPlace::Held, SlotPlace::Left]
        .into_iter()
        .nth(usize::try_from(number).ok()?)
}
