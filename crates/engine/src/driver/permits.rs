//! [`Permits`]: how many attempts may be under way at once, and which plays wait for their turn.
//!
//! A play that waits for nothing but a permit is let go of: of a hundred thousand such plays only
//! the keys are in memory. It stays this replica's in the store, so that another takes it up at once
//! where this one dies. When its turn comes it is loaded, and finds its permit here.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use model::ids::CompanyId;
use model::play::PlayKey;
use store::turns::Turns;
use tokio::sync::{Notify, oneshot};

use super::Engine;
use super::play::Note;

/// This part of the permits is never one company's, once there are others: it finds one at once
/// that calls out little, however much another has to do.
const FOR_OTHERS: usize = 8;

/// The permits of one replica.
pub(super) struct Permits(Arc<Table>);

pub(super) struct Table {
    total: usize,
    state: Mutex<State>,
    /// Somebody came, or a permit was given back.
    bell: Notify,
}

/// Who has permits, who waits, and who has been given one and did not take it yet.
#[derive(Default)]
struct State {
    free: usize,
    /// What each company has; one that has asked stays.
    held: HashMap<CompanyId, usize>,
    queues: Turns<Waiter>,
    /// The plays that wait. In a queue may be more: those that have left.
    queued: HashSet<PlayKey>,
    granted: HashMap<PlayKey, Permit>,
}

enum Waiter {
    /// A play that need not be in memory.
    Play(PlayKey),
    /// Somebody who waits here.
    Here(oneshot::Sender<Permit>),
}

/// One attempt may be under way for as long as this lives.
pub(super) struct Permit {
    company: CompanyId,
    table: Arc<Table>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.table.state();
        state.free += 1;
        if let Some(held) = state.held.get_mut(&self.company) {
            *held -= 1;
        }
        self.table.bell.notify_one();
    }
}

impl Table {
    // Nobody may drop a permit while this is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A permit of those that are free, if the company may have one more.
    fn take(self: &Arc<Self>, state: &mut State, company: CompanyId) -> Option<Permit> {
        state.held.entry(company).or_default();
        if !self.may_have(&state.held, company) {
            return None;
        }
        state.free = state.free.checked_sub(1)?;
        *state.held.entry(company).or_default() += 1;
        Some(Permit { company, table: self.clone() })
    }

    /// Whether a company may have one more.
    fn may_have(&self, held: &HashMap<CompanyId, usize>, company: CompanyId) -> bool {
        let share = if held.len() > 1 { self.total - self.total / FOR_OTHERS } else { self.total };
        held.get(&company).is_none_or(|held| *held < share)
    }
}

impl Permits {
    pub(super) fn new(total: usize) -> Self {
        let state = State { free: total, ..State::default() };
        Self(Arc::new(Table { total, state: Mutex::new(state), bell: Notify::new() }))
    }

    /// What [`run`] gives from.
    pub(super) fn table(&self) -> Arc<Table> {
        self.0.clone()
    }

    /// Permits that nobody has.
    pub(super) fn free(&self) -> usize {
        self.0.state().free
    }

    /// Plays that wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.0.state().queued.len()
    }

    /// A permit for a play: the one that it was given, or a free one. Where there is none, it is
    /// told when its turn has come.
    pub(super) fn ask(&self, play: PlayKey) -> Option<Permit> {
        let mut state = self.0.state();
        let permit = state.granted.remove(&play).or_else(|| self.0.take(&mut state, play.company));
        if permit.is_none() && state.queued.insert(play) {
            state.queues.push(play.company, Waiter::Play(play));
            self.0.bell.notify_one();
        }
        permit
    }

    /// Waits for one, in memory.
    pub(super) async fn wait(&self, company: CompanyId) -> Option<Permit> {
        let (give, given) = oneshot::channel();
        self.0.state().queues.push(company, Waiter::Here(give));
        self.0.bell.notify_one();
        given.await.ok()
    }

    /// What a play was given, if its turn has come.
    pub(super) fn given(&self, play: PlayKey) -> Option<Permit> {
        self.0.state().granted.remove(&play)
    }

    /// A play is not here any more: what it was given, or waited for, is for others.
    pub(super) fn forget(&self, play: PlayKey) {
        self.0.state().queued.remove(&play);
        drop(self.given(play));
    }

    /// Whether a play waits, in memory or not.
    pub(super) fn awaited_by(&self, play: PlayKey) -> bool {
        self.0.state().queued.contains(&play)
    }
}

/// What became of a free permit.
enum Given {
    /// A play has it, and must be told.
    To(PlayKey),
    /// Somebody who waits here has it, or had gone away.
    Here,
    /// Nobody waits who may have one, or none is free.
    Nobody,
}

impl Table {
    /// Gives a free permit to whose turn it is. A play that need not be in memory is given nothing any
    /// more where the engine drains.
    fn give(self: &Arc<Self>, drains: bool) -> Given {
        let mut guard = self.state();
        let state = &mut *guard;
        while state.free > 0 {
            let held = &state.held;
            let Some((company, waiter)) = state.queues.pop_of(|company| self.may_have(held, company)) else { break };
            match waiter {
                // One that has left, or may as well go on elsewhere.
                Waiter::Play(play) if !state.queued.remove(&play) || drains => {}
                Waiter::Play(play) => {
                    let Some(permit) = self.take(state, company) else { break };
                    state.granted.insert(play, permit);
                    return Given::To(play);
                }
                Waiter::Here(give) => {
                    let Some(permit) = self.take(state, company) else { break };
                    drop(guard);
                    // Where nobody waits for it any more, it comes back by itself.
                    drop(give.send(permit));
                    return Given::Here;
                }
            }
        }
        Given::Nobody
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        self.0.bell.notify_one();
    }
}

/// Gives permits as they become free, as long as there is the engine. Where it drains, what is
/// under way still needs some.
pub(super) async fn run(engine: Weak<Engine>, permits: Arc<Table>) {
    while let Some(engine) = engine.upgrade() {
        loop {
            match permits.give(engine.is_draining()) {
                Given::To(play) => engine.note(play, Note::Permit),
                Given::Here => {}
                Given::Nobody => break,
            }
        }
        drop(engine);
        permits.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{Id, PlayId};

    use super::*;

    fn company(number: u64) -> CompanyId {
        CompanyId(Id::from_parts(number, 0))
    }

    fn play(of: u64, play: u64) -> PlayKey {
        PlayKey { company: company(of), play: PlayId(Id::from_parts(play, 0)) }
    }

    /// Gives what is free; the plays that were given something, in order.
    fn given(permits: &Permits) -> Vec<PlayKey> {
        let mut plays = Vec::new();
        loop {
            match permits.0.give(false) {
                Given::To(play) => plays.push(play),
                Given::Here => {}
                Given::Nobody => return plays,
            }
        }
    }

    #[test]
    fn companies_take_turns_and_nobody_waits_twice() {
        let permits = Permits::new(1);
        let mut held = permits.ask(play(1, 0));
        assert!(held.is_some());
        for number in [1, 2, 3, 2, 4] {
            assert!(permits.ask(play(1, number)).is_none());
        }
        assert!(permits.ask(play(2, 9)).is_none());
        permits.forget(play(1, 4));
        let mut order = Vec::new();
        while held.take().is_some() {
            let turn = given(&permits);
            held = turn.first().and_then(|play| permits.given(*play));
            order.extend(turn);
        }
        assert_eq!(order, [play(1, 1), play(2, 9), play(1, 2), play(1, 3)]);
        assert_eq!((permits.free(), permits.awaited_by(play(1, 4))), (1, false));
    }

    #[test]
    fn one_company_has_all_until_there_is_another_which_then_always_finds_some() {
        let permits = Permits::new(16);
        let mut held: Vec<_> = (0..16).filter_map(|number| permits.ask(play(1, number))).collect();
        assert_eq!(held.len(), 16);
        assert!(permits.ask(play(1, 20)).is_none() && permits.ask(play(2, 21)).is_none());
        held.truncate(13);
        // The first one's share is 14: of three, it is given one, and one is left for whoever comes.
        assert_eq!(given(&permits), [play(1, 20), play(2, 21)]);
        assert!(permits.ask(play(1, 22)).is_none() && permits.ask(play(2, 23)).is_some());
        // Given back at once.
        assert_eq!(permits.free(), 1);
        permits.forget(play(2, 21));
        assert_eq!(permits.free(), 2);
    }

    #[tokio::test]
    async fn whoever_waits_in_memory_has_a_place_in_the_queue() {
        let permits = Permits::new(1);
        let held = permits.ask(play(1, 0));
        let (mut first, mut gone) = (Box::pin(permits.wait(company(1))), Box::pin(permits.wait(company(1))));
        assert!(futures::poll!(&mut gone).is_pending() && futures::poll!(&mut first).is_pending());
        drop((held, gone));
        assert!(given(&permits).is_empty());
        assert!(first.await.is_some());
        assert_eq!(permits.free(), 1);
    }
}
