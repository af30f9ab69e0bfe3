//! When a play need not be in memory: it has nothing to do now, or waits for its turn among very many.

use std::collections::BTreeSet;
use std::time::Duration;

use model::play::SlotPlace;
use model::time::Timestamp;

use super::play::Running;
use crate::state::Phase;

/// The longest wait that a play stays in memory for.
const LINGER: Duration = Duration::from_secs(1);

impl Running {
    /// Whether something is under way beyond what the records say.
    pub(super) fn is_busy(&self) -> bool {
        !self.flights.is_empty()
            || !self.errands.is_empty()
            || !self.after.is_empty()
            || !self.inputs.is_empty()
            || self.is_winding()
            || self.state.must_take_over()
            || !self.waiting_for_permit.is_empty()
    }

    /// Whether it waits for nothing but a permit, and nobody here waits for it. Then it need not be in
    /// memory, where there are many: whoever gives permits brings it back.
    pub(super) fn is_shelved(&self) -> bool {
        !self.waiting_for_permit.is_empty()
            && self.engine.plays.len() > self.engine.parts.settings.max_active / 2
            && self.header.owner.is_some()
            && self.watchers.is_empty()
            && self.after.is_empty()
            && self.flights.is_empty()
            && self.errands.is_empty()
            && self.inputs.is_empty()
            && self.pending.is_empty()
            && self.state.next_timer(&self.in_hand).is_none()
    }

    /// Whether nothing is under way, so that the play can be let go.
    pub(super) fn can_park(&self) -> bool {
        let is_idle = !self.is_busy() && !self.state.has_steps();
        is_idle || (self.engine.is_draining() && self.flights.is_empty() && self.after.is_empty())
    }

    /// Whether it waits for so short a time that it stays: to let it go, and to bring it back, would cost more than the
    /// memory that it takes. Where there are many, none stays.
    pub(super) fn lingers(&self) -> bool {
        self.state.phase != Phase::Deferred
            && !self.engine.is_draining()
            && self.engine.plays.len() <= self.engine.parts.settings.max_active / 2
            && self.state.next_timer(&BTreeSet::new()).is_some_and(|at| at.since(self.engine.now()) <= LINGER)
    }

    /// Whether the store knows that the play was let go.
    pub(super) fn is_parked(&self) -> bool {
        self.can_park() && self.header.owner.is_none() && self.pending.is_empty()
    }

    /// Whether the header must be written for the play to be let go.
    pub(super) fn must_move_out(&self) -> bool {
        let is_held = self.header.owner.is_some();
        !self.state.is_ended()
            && self.can_park()
            && if is_held { !self.lingers() } else { self.header.due != self.next_due() }
    }

    /// When somebody must look at the play next, once it is let go.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.state.phase == Phase::Deferred {
            return match self.slot.as_ref().map(|slot| slot.place) {
                // Whoever leaves the limit wakes the first in the queue.
                Some(SlotPlace::Queued) => None,
                _ => Some(self.not_before.or(self.header.start_at).unwrap_or(self.header.created_at)),
            };
        }
        if self.engine.is_draining() && (self.state.has_steps() || self.is_busy()) {
            return Some(Timestamp::MIN);
        }
        self.state.next_timer(&BTreeSet::new())
    }
}
