//! [`Pace`]: how many things a channel takes in a second. One number for each: when its bucket will be full again.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

/// A bucket that fills as time goes by.
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Instant>);

impl Default for Pace {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Pace {
    /// Takes one of so many a second, and so many at once.
    ///
    /// # Errors
    /// Where there is none: how long until there is one.
    pub(crate) fn take(&self, per_second: u32, burst: u32, now: Instant) -> Result<(), Duration> {
        let one = Duration::from_secs(1) / per_second.max(1);
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + one;
        let over = next.saturating_duration_since(now + one * burst.max(1));
        if over.is_zero() {
            *full_at = next;
            return Ok(());
        }
        Err(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_burst_and_fills_again() {
        let (pace, now) = (Pace::default(), Instant::now() + Duration::from_secs(1));
        for _ in 0..3 {
            assert_eq!(pace.take(2, 3, now), Ok(()));
        }
        assert_eq!(pace.take(2, 3, now), Err(Duration::from_millis(500)));
        assert_eq!(pace.take(2, 3, now + Duration::from_millis(500)), Ok(()));
        assert!(pace.take(2, 3, now + Duration::from_millis(500)).is_err());
    }
}
