//! [`Lockout`]: whoever guesses passwords is made to wait.
//!
//! Failures are counted by the address that somebody signs in with and by the address that the
//! connection comes from; no header changes either. Each replica counts for itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::time::Timestamp;

/// Failures for one person before a wait.
const FAILURES_OF_PERSON: u32 = 10;

/// Failures from one address before a wait: many people may share one.
const FAILURES_OF_PLACE: u32 = 100;

/// How long failures count.
const WINDOW: Duration = Duration::from_secs(300);

/// Counts that are kept at once.
const KEPT: usize = 100_000;

/// Failed sign-ins, for a while.
#[derive(Debug, Default)]
pub(crate) struct Lockout(Mutex<HashMap<String, Count>>);

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    until: Timestamp,
}

impl Lockout {
    fn counts(&self) -> MutexGuard<'_, HashMap<String, Count>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long to wait before the next try; none where a try is welcome.
    pub(crate) fn wait(&self, email: &str, ip: Option<&str>, now: Timestamp) -> Option<Duration> {
        let counts = self.counts();
        let limits = [(person(email), FAILURES_OF_PERSON), (place(ip), FAILURES_OF_PLACE)];
        let over = limits.into_iter().filter_map(|(key, most)| {
            counts.get(&key).filter(|count| count.failures >= most && count.until > now).map(|count| count.until)
        });
        over.max().map(|until| until.since(now))
    }

    /// How long to wait before the next try from an address, whoever it is for.
    pub(crate) fn wait_at(&self, ip: Option<&str>, now: Timestamp) -> Option<Duration> {
        let until = self.counts().get(&place(ip)).filter(|count| count.failures >= FAILURES_OF_PLACE)?.until;
        (until > now).then(|| until.since(now))
    }

    /// A sign-in failed that was nobody's.
    pub(crate) fn failed_at(&self, ip: Option<&str>, now: Timestamp) {
        self.count([place(ip)], now);
    }

    /// A sign-in failed.
    pub(crate) fn failed(&self, email: &str, ip: Option<&str>, now: Timestamp) {
        self.count([person(email), place(ip)], now);
    }

    fn count<const N: usize>(&self, keys: [String; N], now: Timestamp) {
        let mut counts = self.counts();
        if counts.len() >= KEPT {
            counts.retain(|_, count| count.until > now);
        }
        for key in keys {
            // Where there is no room left, what is counted already still counts.
            if counts.len() >= KEPT && !counts.contains_key(&key) {
                continue;
            }
            let count = counts.entry(key).or_insert(Count { failures: 0, until: now });
            let failures = if count.until > now { count.failures } else { 0 };
            *count = Count { failures: failures.saturating_add(1), until: now.plus(WINDOW) };
        }
    }

    /// A sign-in succeeded: the person's failures are forgotten, the place's are not.
    pub(crate) fn succeeded(&self, email: &str) {
        self.counts().remove(&person(email));
    }
}

fn person(email: &str) -> String {
    let email = email.trim().to_lowercase();
    format!("person {}", vault::TokenHash::of(&email).0)
}

fn place(ip: Option<&str>) -> String {
    format!("place {}", ip.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_waits_after_ten_failures_and_a_place_after_a_hundred() {
        let (lockout, now) = (Lockout::default(), Timestamp(1_000));
        (0..9).for_each(|_| lockout.failed("Ada@x.y", Some("1.1.1.1"), now));
        assert_eq!(lockout.wait("ada@x.y", Some("2.2.2.2"), now), None);
        lockout.failed("ada@x.y ", Some("1.1.1.1"), now);
        assert_eq!(lockout.wait("ADA@x.y", Some("2.2.2.2"), now), Some(WINDOW));
        assert_eq!(lockout.wait("bob@x.y", Some("1.1.1.1"), now), None);
        assert_eq!(lockout.wait("ada@x.y", None, now.plus(WINDOW)), None, "it ends");
        (0..90).for_each(|other| lockout.failed(&format!("{other}@x.y"), Some("1.1.1.1"), now));
        assert_eq!(lockout.wait("bob@x.y", Some("1.1.1.1"), now), Some(WINDOW));
        lockout.succeeded("ada@x.y");
        assert_eq!(lockout.wait("ada@x.y", Some("2.2.2.2"), now), None);
    }
}
