//! [`Pause`]: how long until something is tried again: longer each time, within a bound, and never the same for all.

use std::time::Duration;

use model::limits::{INTAKE_FIRST_PAUSE, INTAKE_LONGEST_PAUSE};

/// How long until the next try.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// Tries that failed in a row.
    failed: u32,
}

impl Pause {
    /// It went well: the next failure is the first.
    pub(super) fn reset(&mut self) {
        self.failed = 0;
    }

    /// It failed: how long to wait.
    pub(super) fn next(&mut self) -> Duration {
        let whole = INTAKE_FIRST_PAUSE.saturating_mul(1 << self.failed.min(16)).min(INTAKE_LONGEST_PAUSE);
        self.failed = self.failed.saturating_add(1);
        jittered(whole)
    }
}

/// Between half of it and all of it.
pub(super) fn jittered(whole: Duration) -> Duration {
    // Where there is no randomness, all wait the longest, which does no harm.
    let dice = vault::random::<2>().map_or(u16::MAX, u16::from_le_bytes);
    whole / 2 + (whole / 2).mul_f64(f64::from(dice) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_longer_up_to_a_bound_and_the_first_again_after_it_went_well() {
        let mut pause = Pause::default();
        let mut least = INTAKE_FIRST_PAUSE / 2;
        for _ in 0..40 {
            let waits = pause.next();
            assert!(waits >= least.min(INTAKE_LONGEST_PAUSE / 2) && waits <= INTAKE_LONGEST_PAUSE, "{waits:?}");
            least *= if least < INTAKE_LONGEST_PAUSE { 2 } else { 1 };
        }
        pause.reset();
        assert!(pause.next() <= INTAKE_FIRST_PAUSE);
    }
}
