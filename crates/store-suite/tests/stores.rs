//! The suite against the stores that need nothing else: memory and SQLite.

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use proptest::test_runner::{Config, TestRunner};
use store::Store;
use store::memory::MemoryStore;
use store::sqlite::{SqliteOptions, SqliteStore};
use store_suite::{CASES, compare, ops};

/// A fresh store, and what must live as long as it does.
type Fresh = fn() -> (Arc<dyn Store>, Option<tempfile::TempDir>);

fn memory() -> (Arc<dyn Store>, Option<tempfile::TempDir>) {
    (Arc::new(MemoryStore::default()), None)
}

fn sqlite() -> (Arc<dyn Store>, Option<tempfile::TempDir>) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&SqliteOptions::in_folder(folder.path())).expect("opens");
    (Arc::new(store), Some(folder))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn main() {
    let stores: [(&str, Fresh); 2] = [("memory", memory), ("sqlite", sqlite)];
    let mut trials = Vec::new();
    for (name, fresh) in stores {
        for case in CASES {
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                let (store, _folder) = fresh();
                runtime().block_on((case.run)(store));
                Ok(())
            }));
        }
    }
    trials.push(Trial::test("sqlite::does_what_the_model_does", || {
        let cases = std::option_env!("PROPTEST_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(48);
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        runner
            .run(&ops(), |ops| {
                let (store, _folder) = sqlite();
                runtime().block_on(compare(store, &ops));
                Ok(())
            })
            .map_err(|failure| failure.to_string().into())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
