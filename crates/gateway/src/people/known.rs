//! [`Known`]: what tokens stand for, remembered for a few seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::time::Timestamp;
use vault::TokenHash;

use crate::access::Caller;

/// Tokens that are remembered at once.
const TOKENS: usize = 10_000;

/// What tokens stand for, for a few seconds.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    callers: HashMap<TokenHash, (Arc<Caller>, Timestamp)>,
    /// How often everything was forgotten.
    forgotten: u64,
    /// How often something had changed at another replica when all of this was looked up.
    elsewhere: u64,
}

impl Table {
    fn forget(&mut self) {
        self.callers.clear();
        self.forgotten += 1;
    }
}

/// The moment at which somebody began to look a token up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since(u64);

impl Known {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a token stands for; and, where that is not known, since when it is looked up. Everything is
    /// forgotten where `elsewhere` has risen: see [`engine::Engine::access`].
    pub(super) fn get(&self, hash: &TokenHash, now: Timestamp, elsewhere: u64) -> Result<Arc<Caller>, Since> {
        let mut table = self.table();
        if elsewhere > table.elsewhere {
            table.elsewhere = elsewhere;
            table.forget();
        }
        let live = table.callers.get(hash).filter(|(_, until)| now < *until);
        live.map(|(caller, _)| caller.clone()).ok_or(Since(table.forgotten))
    }

    /// Remembers what was looked up, unless everything was forgotten meanwhile: then it may be
    /// what was just revoked.
    pub(super) fn put(&self, since: Since, hash: TokenHash, caller: Arc<Caller>, until: Timestamp) {
        let mut table = self.table();
        if table.forgotten != since.0 {
            return;
        }
        if table.callers.len() >= TOKENS {
            table.callers.clear();
        }
        table.callers.insert(hash, (caller, until));
    }

    /// Forgets everything: somebody's roles, keys or sessions changed.
    pub(crate) fn forget(&self) {
        self.table().forget();
    }
}

#[cfg(test)]
mod tests {
    use model::ids::CompanyId;

    use super::*;

    #[test]
    fn what_was_looked_up_before_a_revocation_is_not_remembered_after_it() {
        let (known, hash, now) = (Known::default(), TokenHash::of("token"), Timestamp(0));
        let caller = Arc::new(Caller::cli(CompanyId::default()));
        let since = known.get(&hash, now, 0).expect_err("not known yet");
        known.forget();
        known.put(since, hash.clone(), caller.clone(), Timestamp(5));
        let since = known.get(&hash, now, 0).expect_err("still not known");
        known.put(since, hash.clone(), caller, Timestamp(5));
        assert!(known.get(&hash, now, 0).is_ok());
        assert!(known.get(&hash, Timestamp(5), 0).is_err(), "and not for longer than it holds");
    }
    #[test]
    fn a_revocation_at_another_replica_is_heeded() {
        let (known, hash, now) = (Known::default(), TokenHash::of("token"), Timestamp(0));
        let caller = Arc::new(Caller::cli(CompanyId::default()));
        let since = known.get(&hash, now, 1).expect_err("not known yet");
        known.put(since, hash.clone(), caller.clone(), Timestamp(5));
        assert!(known.get(&hash, now, 1).is_ok());
        let before = known.get(&hash, now, 2).expect_err("something changed elsewhere");
        known.get(&hash, now, 3).expect_err("and again, while it was looked up");
        known.put(before, hash.clone(), caller, Timestamp(5));
        assert!(known.get(&hash, now, 3).is_err());
    }
}
