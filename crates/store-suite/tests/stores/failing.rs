//! The suite on three servers, of which the primary is killed in the middle: whoever commits or
//! reads waits for the next one, and every promise is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use store::Store;
use store_mongo::{MongoOptions, MongoStore};
use store_suite::set::ReplicaSet;
use store_suite::{CASES, Case};

use crate::runtime;

/// Cases that run side by side, so that several are in the middle of something.
const THREADS: usize = 4;

pub(crate) fn trial() -> Trial {
    Trial::test("mongo::keeps_its_promises_while_the_primary_is_killed", || {
        let set = runtime().block_on(ReplicaSet::start());
        let (begun, made, failed) = (AtomicUsize::new(0), AtomicU32::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Some(case) = CASES.get(begun.fetch_add(1, Ordering::AcqRel)) {
                        let database = format!("store{}", made.fetch_add(1, Ordering::Relaxed));
                        if !holds(&set, database, case) {
                            failed.lock().unwrap_or_else(PoisonError::into_inner).push(case.name);
                        }
                    }
                });
            }
            // By now some cases are done, and some are in the middle.
            while begun.load(Ordering::Acquire) < CASES.len() / 2 {
                std::thread::yield_now();
            }
            let primary = runtime().block_on(set.primary());
            set.members()[primary].server.signal("KILL");
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        if failed.is_empty() { Ok(()) } else { Err(Failed::from(failed.join(", "))) }
    })
}

fn holds(set: &ReplicaSet, database: String, case: &Case) -> bool {
    let options = MongoOptions { uri: set.uri(), database: Some(database), migrates: true, ..MongoOptions::default() };
    let run = || {
        let runtime = runtime();
        let store: Arc<dyn Store> = Arc::new(runtime.block_on(MongoStore::open(&options)).expect("opens"));
        runtime.block_on((case.run)(store));
    };
    catch_unwind(AssertUnwindSafe(run)).is_ok()
}
