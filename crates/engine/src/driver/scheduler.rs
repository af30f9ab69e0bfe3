//! The scheduler: it brings plays back into memory when they are due.
//!
//! It sleeps until the earliest due time that the store knows, or until somebody sets the
//! alarm to an earlier one. It never polls.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use model::time::Timestamp;
use tokio::sync::Notify;

use super::Engine;
use crate::failpoint::FailPoint;

/// Plays that are brought back in one go.
const BATCH: usize = 512;

/// How long to wait after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// When the scheduler must wake up.
pub(super) struct Alarm {
    at: AtomicI64,
    bell: Notify,
}

impl Default for Alarm {
    fn default() -> Self {
        Self { at: AtomicI64::new(i64::MAX), bell: Notify::new() }
    }
}

impl Alarm {
    /// Something is due then.
    pub(super) fn set(&self, at: Timestamp) {
        if self.at.fetch_min(at.0, Ordering::AcqRel) > at.0 {
            self.bell.notify_one();
        }
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
        engine.alarm.at.store(i64::MAX, Ordering::Release);
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
        return Ok(Next::At(engine.parts.store.next_due().await?));
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
        let set = Timestamp(engine.alarm.at.load(Ordering::Acquire));
        left = left.min(set.since(engine.now()));
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
