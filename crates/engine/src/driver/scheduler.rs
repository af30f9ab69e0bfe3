//! The scheduler: it brings plays back into memory when they are due.
//!
//! It sleeps until the earliest due time that the store knows, or until somebody sets the
//! alarm to an earlier one. It never polls.
//!
//! Among several replicas, each knows of every due time. The one that wrote it down looks when it has
//! come, the others a little later: what was taken by then, nobody competes for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::time::Timestamp;
use tokio::sync::Notify;

use super::Engine;
use crate::failpoint::FailPoint;

/// Plays that are brought back in one go.
const BATCH: usize = 512;

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How much later than the replica that wrote a due time down the others look.
const GRACE: Duration = Duration::from_millis(100);

/// Due times that are remembered as this replica's own. Beyond, it comes to the latest of them as others do.
const OWN: usize = 16_384;

/// When the scheduler must wake up.
#[derive(Default)]
pub(super) struct Alarm {
    own: Mutex<BTreeSet<Timestamp>>,
    bell: Notify,
}

impl Alarm {
    /// Something is due then that is for this replica first.
    pub(super) fn set(&self, at: Timestamp) {
        let mut own = self.own();
        let is_earlier = own.first().is_none_or(|first| at < *first);
        own.insert(at);
        if own.len() > OWN {
            own.pop_last();
        }
        drop(own);
        if is_earlier {
            self.bell.notify_one();
        }
    }

    /// Another replica has written down that something is due then.
    pub(super) fn hear(&self, at: Timestamp, now: Timestamp) {
        self.set(at.max(now).plus(GRACE));
    }

    /// Forgets what was due until now: it is looked for.
    fn forget(&self, now: Timestamp) {
        let mut own = self.own();
        while own.first().is_some_and(|first| *first <= now) {
            own.pop_first();
        }
    }

    fn first(&self) -> Option<Timestamp> {
        self.own().first().copied()
    }

    fn own(&self) -> MutexGuard<'_, BTreeSet<Timestamp>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the scheduler now.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }
}

/// Runs until the engine drains.
pub(super) async fn run(engine: Arc<Engine>) {
    while !engine.is_draining() {
        // What is set from here on is seen by the next round.
        engine.alarm.forget(engine.now());
        let room = engine.parts.settings.max_active.saturating_sub(engine.plays.len());
        if room == 0 {
            let limit = engine.parts.settings.max_active;
            let has_room = engine.plays.until(|count| count < limit);
            tokio::select! {
                biased;
                () = has_room => {}
                () = engine.alarm.bell.notified() => {}
            }
            continue;
        }
        match bring_back(&engine, room.min(BATCH)).await {
            Ok(Next::Now) => tokio::task::yield_now().await,
            Ok(Next::Change(seen)) => {
                tokio::select! {
                    biased;
                    () = engine.plays.until(|count| count != seen) => {}
                    () = engine.alarm.bell.notified() => {}
                    // Others may have become due meanwhile.
                    () = engine.parts.world.sleep(engine.parts.world.longest_sleep()) => {}
                }
            }
            Ok(Next::At(due)) => sleep_until(&engine, due).await,
            Err(error) => {
                tracing::error!(%error, "cannot look for what is due");
                engine.parts.world.sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// When to look again.
enum Next {
    /// At once: there may be more.
    Now,
    /// When the plays in memory have changed: all that is due is among them.
    Change(usize),
    /// Then, or when the alarm is set to an earlier time.
    At(Option<Timestamp>),
}

async fn bring_back(engine: &Arc<Engine>, room: usize) -> Result<Next, store::StoreError> {
    let seen = engine.plays.len();
    // Those that were just brought back are still due until their first commit.
    let due = engine.parts.store.due(engine.now(), seen + room).await?;
    if due.is_empty() {
        let grace = if engine.is_alone() { Duration::ZERO } else { GRACE };
        return Ok(Next::At(engine.parts.store.next_due().await?.map(|due| due.plus(grace))));
    }
    let new = due.into_iter().filter(|play| !engine.plays.has(*play)).take(room).collect();
    let mut brought = 0;
    for play in engine.parts.store.claim(new, engine.now()).await? {
        if let Some(inbox) = engine.plays.take_in(play) {
            brought += 1;
            engine.at(FailPoint::Timer);
            engine.wake(play, inbox);
        }
    }
    Ok(if brought == 0 { Next::Change(seen) } else { Next::Now })
}

async fn sleep_until(engine: &Engine, due: Option<Timestamp>) {
    let now = engine.now();
    let longest = engine.parts.world.longest_sleep();
    let until_due = due.map_or(longest, |due| due.since(now)).min(longest);
    let mut left = until_due;
    loop {
        left = engine.alarm.first().map_or(left, |first| left.min(first.since(engine.now())));
        if left.is_zero() {
            return;
        }
        tokio::select! {
            biased;
            () = engine.parts.world.sleep(left) => return,
            () = engine.alarm.bell.notified() => {
                if engine.is_draining() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_down_comes_a_little_later() {
        let (alarm, now) = (Alarm::default(), Timestamp(1_000));
        alarm.hear(Timestamp(5_000), now);
        alarm.hear(Timestamp::MIN, now);
        assert_eq!(alarm.first(), Some(now.plus(GRACE)));
        alarm.set(Timestamp(1_050));
        assert_eq!(alarm.first(), Some(Timestamp(1_050)));
        alarm.forget(Timestamp(1_100));
        assert_eq!(alarm.first(), Some(Timestamp(5_000).plus(GRACE)));
    }

    #[test]
    fn of_very_many_the_earliest_are_kept() {
        let alarm = Alarm::default();
        (0..2 * OWN as i64).rev().for_each(|at| alarm.set(Timestamp(at)));
        assert_eq!((alarm.first(), alarm.own().len()), (Some(Timestamp(0)), OWN));
    }
}
