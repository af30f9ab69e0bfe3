//! [`RateLimits`]: how many requests may come from one address that has not signed in, and from one
//! key or session. Each replica counts for itself. It keeps one number for whoever came lately, and
//! never more of them than it has room for.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::limits::{RATE_BUCKETS, RATE_BURST};
use tokio::time::Instant;

use crate::access::Caller;

/// Requests a second; none where there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// From one address, of whoever has not signed in.
    pub per_address: Option<u32>,
    /// By one API key or session.
    pub per_key: Option<u32>,
}

/// Too many requests came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverRate {
    pub(crate) per_second: u32,
    /// How long until the next one may.
    pub(crate) wait: Duration,
}

/// Both limits, and who came lately.
#[derive(Debug)]
pub(crate) struct RateLimits {
    began: Instant,
    addresses: Buckets,
    keys: Buckets,
}

impl RateLimits {
    pub(crate) fn new(rates: Rates) -> Self {
        let limits = Self { began: Instant::now(), addresses: Buckets::default(), keys: Buckets::default() };
        limits.set(rates);
        limits
    }

    /// Other limits from now on.
    pub(crate) fn set(&self, rates: Rates) {
        self.addresses.per_second.store(rates.per_address.unwrap_or(0), Ordering::Relaxed);
        self.keys.per_second.store(rates.per_key.unwrap_or(0), Ordering::Relaxed);
    }

    /// A request from an address, of somebody who has not signed in.
    ///
    /// # Errors
    /// Where it is one too many.
    pub(crate) fn of_address(&self, address: IpAddr, now: Instant) -> Result<(), OverRate> {
        let whole = match address {
            IpAddr::V4(v4) => IpAddr::V4(v4),
            // Whoever has one such address has all of its network.
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        };
        self.addresses.take(whole, now - self.began)
    }

    /// A request by a key or a session.
    ///
    /// # Errors
    /// Where it is one too many.
    pub(crate) fn of_caller(&self, caller: &Caller, now: Instant) -> Result<(), OverRate> {
        self.keys.take((caller.actor.id, caller.session.as_ref().map(|session| &session.0)), now - self.began)
    }
}

/// Parts of the table, so that threads seldom wait for each other.
const PARTS: usize = 16;

/// How long a part that is full is not swept again.
const SWEEP_REST: Duration = Duration::from_secs(1);

/// One bucket for each of whom there is one; it holds what [`RATE_BURST`] gives.
#[derive(Debug, Default)]
struct Buckets {
    per_second: AtomicU32,
    hasher: RandomState,
    parts: [Mutex<Part>; PARTS],
}

/// When each bucket will be full again, in nanoseconds; whoever is not here has a full one.
#[derive(Debug, Default)]
struct Part {
    full_at: HashMap<u64, u64>,
    swept: u64,
}

/// What all those share for whom there is no room.
const THE_REST: u64 = 0;

impl Buckets {
    fn take(&self, who: impl Hash, now: Duration) -> Result<(), OverRate> {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return Ok(());
        }
        // Nobody outside knows the seed, so nobody can choose whom to share a bucket with.
        let who = self.hasher.hash_one(who).max(THE_REST + 1);
        let now = nanos(now);
        let mut part = self.parts[who as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner);
        let who = if part.has_room_for(who, now) { who } else { THE_REST };
        let one = nanos(Duration::from_secs(1)) / u64::from(per_second);
        let full_at = part.full_at.entry(who).or_insert(now);
        let next = (*full_at).max(now) + one;
        let over = next.saturating_sub(now + nanos(RATE_BURST));
        if over > 0 {
            return Err(OverRate { per_second, wait: Duration::from_nanos(over) });
        }
        *full_at = next;
        Ok(())
    }
}

impl Part {
    /// Whether somebody has a bucket, or may have one.
    fn has_room_for(&mut self, who: u64, now: u64) -> bool {
        if self.full_at.len() < RATE_BUCKETS / PARTS || self.full_at.contains_key(&who) {
            return true;
        }
        if now >= self.swept + nanos(SWEEP_REST) || self.swept == 0 {
            self.swept = now.max(1);
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.len() < RATE_BUCKETS / PARTS
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(per_second: u32) -> Buckets {
        Buckets { per_second: per_second.into(), ..Buckets::default() }
    }

    #[test]
    fn a_bucket_holds_a_burst_and_fills_again() {
        let buckets = buckets(2);
        let burst = 2 * RATE_BURST.as_secs();
        let at = Duration::from_secs;
        for _ in 0..burst {
            assert_eq!(buckets.take("a", at(5)), Ok(()));
        }
        let wait = Duration::from_millis(500);
        assert_eq!(buckets.take("a", at(5)), Err(OverRate { per_second: 2, wait }));
        assert_eq!(buckets.take("b", at(5)), Ok(()), "others have their own");
        assert_eq!(buckets.take("a", at(5) + wait), Ok(()));
        assert!(buckets.take("a", at(5) + wait).is_err());
        (0..burst).for_each(|_| assert_eq!(buckets.take("a", at(100)), Ok(())));
        assert!(buckets.take("a", at(100)).is_err(), "never more than a burst");
        buckets.per_second.store(0, Ordering::Relaxed);
        assert_eq!(buckets.take("a", at(100)), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_whoever_came_long_ago_makes_room() {
        let buckets = buckets(1);
        let kept = |buckets: &Buckets| buckets.parts.iter().map(|part| part.lock().expect("kept").full_at.len()).sum();
        for who in 0..2 * RATE_BUCKETS {
            // The rest share a bucket, which is empty soon.
            let _ = buckets.take(who, Duration::ZERO);
        }
        let most: usize = kept(&buckets);
        assert!(most <= RATE_BUCKETS + PARTS, "{most}");
        assert!(buckets.take("new", Duration::ZERO).is_err());
        assert_eq!(buckets.take("new", Duration::from_secs(60)), Ok(()));
        let left: usize = kept(&buckets);
        assert!(left < most, "{left}");
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let limits = RateLimits::new(Rates { per_address: Some(1), per_key: None });
        let now = limits.began;
        let from = |text: &str| limits.of_address(text.parse().expect("an address"), now);
        (0..RATE_BURST.as_secs()).for_each(|host| assert_eq!(from(&format!("2001:db8::{host}")), Ok(())));
        assert!(from("2001:db8::ffff:1").is_err());
        assert_eq!(from("2001:db8:0:1::1"), Ok(()));
    }
}
