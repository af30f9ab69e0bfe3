//! [`SystemWorld`]: the clock and the randomness of the machine. Nothing else in flow8 makes them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use engine::world::World;
use model::time::Timestamp;

/// Random numbers that are fetched from the system at once: each play takes several, and asking
/// the system for each is most of what they would cost.
const FETCHED: usize = 256;

/// The clock and the randomness of the machine.
#[derive(Debug)]
pub(super) struct SystemWorld {
    began: Instant,
    /// Milliseconds by which the clock is wrong, in tests.
    skew: i64,
    /// Numbers of the system that nobody was given yet.
    random: Mutex<Vec<u64>>,
}

impl Default for SystemWorld {
    fn default() -> Self {
        Self::with_skew(0)
    }
}

impl SystemWorld {
    /// A world whose clock is wrong by so many milliseconds.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub(super) fn with_skew(skew: i64) -> Self {
        Self { began: Instant::now(), skew, random: Mutex::default() }
    }
}

#[async_trait]
impl World for SystemWorld {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(self.skew))
    }

    fn steady(&self) -> Duration {
        self.began.elapsed()
    }

    fn random(&self) -> u64 {
        let mut left = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = left.pop() {
                return number;
            }
            let mut fetched = [0; FETCHED * size_of::<u64>()];
            // A system without randomness cannot make ids that nobody guesses: better to stop here.
            getrandom::fill(&mut fetched).unwrap_or_else(|error| panic!("the system has no randomness: {error}"));
            left.extend(fetched.as_chunks().0.iter().copied().map(u64::from_ne_bytes));
        }
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let world = SystemWorld::default();
        let numbers: HashSet<u64> = (0..10 * FETCHED).map(|_| world.random()).collect();
        assert_eq!(numbers.len(), 10 * FETCHED);
    }
}
