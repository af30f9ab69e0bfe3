//! [`Permits`]: how many attempts may be under way at once, and which plays wait for their turn.
//!
//! A play that waits for nothing but a permit is let go of: of a hundred thousand such plays only
//! the keys are in memory. It stays this replica's in the store, so that another takes it up at once
//! where this one dies. When its turn comes it is loaded, and finds its permit here.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::ids::CompanyId;
use model::play::PlayKey;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::Engine;
use super::play::Note;

/// The permits of one replica.
pub(super) struct Permits {
    free: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
    bell: Notify,
}

/// Who waits, and who has been given a permit and did not take it yet.
#[derive(Default)]
struct Waiting {
    /// By company, each in the order in which they came.
    queues: BTreeMap<CompanyId, VecDeque<PlayKey>>,
    queued: HashSet<PlayKey>,
    /// Whose turn was last.
    last: Option<CompanyId>,
    granted: HashMap<PlayKey, OwnedSemaphorePermit>,
}

impl Waiting {
    /// The next play: companies take turns, so that one with very many does not hold up another.
    fn next(&mut self) -> Option<PlayKey> {
        let after = |last| self.queues.range((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next();
        let company = *self.last.and_then(after).or_else(|| self.queues.first_key_value())?.0;
        let play = self.queues.get_mut(&company)?.pop_front()?;
        self.last = Some(company);
        self.left(play);
        Some(play)
    }

    /// A play does not wait any more.
    fn left(&mut self, play: PlayKey) {
        self.queued.remove(&play);
        if self.queues.get(&play.company).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&play.company);
        }
    }
}

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), waiting: Mutex::default(), bell: Notify::new() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permits that nobody has.
    pub(super) fn free(&self) -> usize {
        self.free.available_permits()
    }

    /// A permit for a play: the one that it was given, or a free one. Where there is none, it is
    /// told when its turn has come.
    pub(super) fn ask(&self, play: PlayKey) -> Option<OwnedSemaphorePermit> {
        let mut waiting = self.waiting();
        if let Some(permit) = waiting.granted.remove(&play) {
            return Some(permit);
        }
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(permit);
        }
        if waiting.queued.insert(play) {
            waiting.queues.entry(play.company).or_default().push_back(play);
            self.bell.notify_one();
        }
        None
    }

    /// Waits for one, in memory.
    pub(super) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.free.clone().acquire_owned().await.ok()
    }

    /// What a play was given, if its turn has come.
    pub(super) fn given(&self, play: PlayKey) -> Option<OwnedSemaphorePermit> {
        self.waiting().granted.remove(&play)
    }

    /// A play is not here any more: what it was given, or waited for, is for others.
    pub(super) fn forget(&self, play: PlayKey) {
        let mut waiting = self.waiting();
        waiting.granted.remove(&play);
        if waiting.queued.contains(&play)
            && let Some(queue) = waiting.queues.get_mut(&play.company)
        {
            queue.retain(|other| *other != play);
            waiting.left(play);
        }
    }

    /// Whether a play waits, in memory or not.
    pub(super) fn awaited_by(&self, play: PlayKey) -> bool {
        self.waiting().queued.contains(&play)
    }
}

/// Gives permits as they become free, until the engine drains.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut draining = engine.draining.subscribe();
    let permits = &engine.permits;
    loop {
        let turn = async {
            loop {
                if !permits.waiting().queues.is_empty() {
                    return permits.free.clone().acquire_owned().await;
                }
                permits.bell.notified().await;
            }
        };
        let permit = tokio::select! {
            permit = turn => permit,
            // The sender lives as long as the engine.
            _ = draining.wait_for(|draining| *draining) => return,
        };
        let Ok(permit) = permit else { return };
        let play = {
            let mut waiting = permits.waiting();
            let Some(play) = waiting.next() else { continue };
            waiting.granted.insert(play, permit);
            play
        };
        engine.note(play, Note::Permit);
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{Id, PlayId};

    use super::*;

    fn play(company: u64, play: u64) -> PlayKey {
        PlayKey { company: CompanyId(Id::from_parts(company, 0)), play: PlayId(Id::from_parts(play, 0)) }
    }

    #[test]
    fn companies_take_turns_and_nobody_waits_twice() {
        let permits = Permits::new(1);
        let first = permits.ask(play(1, 0)).expect("is free");
        for number in [1, 2, 3, 2] {
            assert!(permits.ask(play(1, number)).is_none());
        }
        assert!(permits.ask(play(2, 9)).is_none());
        drop(first);
        let order: Vec<PlayKey> = std::iter::from_fn(|| permits.waiting().next()).collect();
        assert_eq!(order, [play(1, 1), play(2, 9), play(1, 2), play(1, 3)]);
    }
}
