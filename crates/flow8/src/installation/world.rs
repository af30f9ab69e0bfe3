//! [`SystemWorld`]: the clock and the randomness of the machine. Nothing else in flow8 makes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use engine::world::World;
use model::time::Timestamp;

/// The clock and the randomness of the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemWorld;

#[async_trait]
impl World for SystemWorld {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn random(&self) -> u64 {
        // A system without randomness cannot make ids that nobody guesses: better to stop here.
        getrandom::u64().unwrap_or_else(|error| panic!("the system has no randomness: {error}"))
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
