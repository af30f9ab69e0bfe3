//! [`Identity`]: who this replica is, and until when that is certain.
//!
//! Among several replicas, one that is silent for too long is given up, and others go on with its
//! plays. It may only have been paused: then its own clock tells it that it cannot be certain any
//! more, and it asks before it does anything that cannot be taken back.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::ids::ReplicaId;
use model::time::Timestamp;
use store::{Lease, StoreError};

use super::Engine;
use super::commit::{FIRST_PAUSE, LONGEST_PAUSE};

/// What part of a lease a replica relies on. The rest is for what lies between a look at the
/// clock and what is done after it.
const RELIED_ON: f64 = 2.0 / 3.0;

/// By how much the clocks of this machine and of the store may differ: replicas whose clocks differ by more go by the store's.
const SKEW: Duration = Duration::from_secs(1);

/// An answer that took longer says nothing about the clock.
const QUICK: Duration = Duration::from_millis(500);

/// Who this replica is.
pub(super) struct Identity {
    now: Mutex<Now>,
    /// Held while it is asked for, so that a thousand plays ask once.
    asking: tokio::sync::Mutex<()>,
    /// Milliseconds by which the store's clock is ahead of this machine's, where that matters.
    ahead: AtomicI64,
}

#[derive(Clone, Copy)]
struct Now {
    replica: ReplicaId,
    certain: Certain,
}

/// Until when nobody else has what this replica has.
#[derive(Clone, Copy)]
enum Certain {
    /// There is nobody else.
    Always,
    /// Until then, by both clocks: one of them may stand still while the machine sleeps, the other may be set.
    Until { steady: Duration, wall: Timestamp },
}

impl Identity {
    pub(super) fn new(replica: ReplicaId) -> Self {
        Self {
            now: Mutex::new(Now { replica, certain: Certain::Always }),
            asking: tokio::sync::Mutex::default(),
            ahead: AtomicI64::new(0),
        }
    }

    /// What time it is for all replicas, where it is this for this machine.
    pub(super) fn corrected(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }

    pub(super) fn replica(&self) -> ReplicaId {
        self.now().replica
    }

    fn now(&self) -> Now {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, replica: ReplicaId, certain: Certain) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Now { replica, certain };
    }
}

impl Engine {
    /// Makes this replica known; no lease where it is alone.
    pub(super) async fn join(&self) -> Result<Option<Lease>, StoreError> {
        let _asking = self.identity.asking.lock().await;
        self.join_as(self.replica()).await
    }

    async fn join_as(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        let asked = self.read_clocks();
        let Some(lease) = self.parts.store.join(replica).await? else { return Ok(None) };
        self.identity.set(replica, certain(asked, lease));
        self.compare_clocks(asked, lease);
        Ok(Some(lease))
    }

    /// Says that this replica is alive. If it was given up, it goes on as another: what it had is not its own any more.
    pub(super) async fn beat(&self) -> Result<Option<Lease>, StoreError> {
        let _asking = self.identity.asking.lock().await;
        self.beat_now().await
    }

    async fn beat_now(&self) -> Result<Option<Lease>, StoreError> {
        let (replica, asked) = (self.replica(), self.read_clocks());
        if let Some(lease) = self.parts.store.beat(replica).await? {
            self.identity.set(replica, certain(asked, lease));
            self.compare_clocks(asked, lease);
            return Ok(Some(lease));
        }
        tracing::warn!(%replica, "this replica was silent for so long that others took over what it had; it goes on anew");
        self.join_as(ReplicaId(self.new_id())).await
    }

    /// This replica goes. Nothing that it had is its own any more.
    pub(super) async fn leave_all(&self) -> Result<(), StoreError> {
        let replica = self.replica();
        self.identity.set(ReplicaId(self.new_id()), self.identity.now().certain);
        self.parts.store.leave(replica).await
    }

    /// Whether what that replica had is this one's own at this moment. Where it is not certain,
    /// the store is asked until it answers.
    pub(super) async fn is_still(&self, owner: ReplicaId) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(known) = self.knows_to_be(owner) {
                return known;
            }
            let asking = self.identity.asking.lock().await;
            if let Some(known) = self.knows_to_be(owner) {
                return known;
            }
            let Err(error) = self.beat_now().await else { continue };
            drop(asking);
            tracing::warn!(%error, "cannot find out whether this replica was given up; nothing is begun until then");
            self.parts.world.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn knows_to_be(&self, owner: ReplicaId) -> Option<bool> {
        let now = self.identity.now();
        if now.replica != owner {
            return Some(false);
        }
        match now.certain {
            Certain::Always => Some(true),
            Certain::Until { steady, wall } => {
                let (steady_now, wall_now) = self.read_clocks();
                (steady_now < steady && wall_now < wall).then_some(true)
            }
        }
    }

    fn read_clocks(&self) -> (Duration, Timestamp) {
        (self.parts.world.steady(), self.parts.world.now())
    }

    /// Replicas must agree on what is due: one whose clock is wrong goes by the store's.
    fn compare_clocks(&self, (asked, wall): (Duration, Timestamp), lease: Lease) {
        let took = self.parts.world.steady().saturating_sub(asked);
        if took > QUICK {
            return;
        }
        let difference = lease.now.0 - wall.plus(took / 2).0;
        let ahead = if difference.unsigned_abs() > SKEW.as_millis() as u64 { difference } else { 0 };
        let before = self.identity.ahead.swap(ahead, Ordering::Relaxed);
        if ahead != 0 && before == 0 {
            let (by, way) =
                (Duration::from_millis(ahead.unsigned_abs()), if ahead > 0 { "behind" } else { "ahead of" });
            tracing::warn!(
                "the clock of this machine is {by:.1?} {way} that of the store, which it goes by from now on; set the clock"
            );
        }
    }
}

fn certain((steady, wall): (Duration, Timestamp), lease: Lease) -> Certain {
    let lasts = lease.lasts.mul_f64(RELIED_ON);
    Certain::Until { steady: steady + lasts, wall: wall.plus(lasts) }
}
