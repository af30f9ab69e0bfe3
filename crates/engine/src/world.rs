//! [`World`]: the clock and the randomness. Nothing else in the engine makes them, so a
//! simulation owns both.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::ids::Id;
use model::time::Timestamp;

/// The longest sleep where the clock may be set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// The clock and the randomness.
#[async_trait]
pub trait World: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// How long it is since some moment, by a clock that nobody sets; the wall clock where there is no other.
    fn steady(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now().0).unwrap_or_default())
    }

    /// Random bits.
    fn random(&self) -> u64;

    /// Returns after a while.
    async fn sleep(&self, duration: Duration);

    /// The longest that anybody sleeps for something that is due: the wall clock may be set meanwhile.
    fn longest_sleep(&self) -> Duration {
        LONGEST_SLEEP
    }
}

/// Makes ids, rising within a process even where the clock does not.
#[derive(Debug, Default)]
pub struct Ids {
    last: Mutex<(u64, u64)>,
}

impl Ids {
    /// The next id.
    pub fn next(&self, world: &dyn World) -> Id {
        self.next_at(world.now(), world)
    }

    /// The next id at a time that is better known than by the clock.
    pub(crate) fn next_at(&self, now: Timestamp, world: &dyn World) -> Id {
        let now = u64::try_from(now.0).unwrap_or(0);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (ms, random) = *last;
        // 46 random bits leave room to count upwards within a millisecond.
        *last = if now > ms { (now, world.random() >> 18) } else { (ms, random + 1 + (world.random() & 0xff)) };
        Id::from_parts(last.0, last.1)
    }
}
