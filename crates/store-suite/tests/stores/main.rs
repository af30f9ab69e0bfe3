//! The suite against every store: memory, SQLite, and a real MongoDB.

mod failing;
mod moving;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Arguments, Trial};
use proptest::test_runner::{Config, TestRunner};
use store::Store;
use store::memory::MemoryStore;
use store::sqlite::{SqliteOptions, SqliteStore};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use store_suite::{CASES, compare, ops};
use tokio::runtime::Runtime;

/// How often the model is compared with a store that is on this machine.
const COMPARED: u32 = 48;

/// How often with one that is behind a network.
const COMPARED_AFAR: u32 = 12;

/// A store, and what must live as long as it does.
type Fresh = (Arc<dyn Store>, Option<tempfile::TempDir>);

/// Makes an empty store.
type Maker = Arc<dyn Fn(&Runtime) -> Fresh + Send + Sync>;

fn memory(_: &Runtime) -> Fresh {
    (Arc::new(MemoryStore::default()), None)
}

fn sqlite(_: &Runtime) -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&SqliteOptions::in_folder(folder.path())).expect("opens");
    (Arc::new(store), Some(folder))
}

/// A database of its own on one server for each store.
fn mongo(server: &Mongod) -> Maker {
    let (uri, made) = (server.uri(), AtomicU32::new(0));
    Arc::new(move |runtime| {
        let database = Some(format!("store{}", made.fetch_add(1, Ordering::Relaxed)));
        let options = MongoOptions { uri: uri.clone(), database, migrates: true, ..MongoOptions::default() };
        (Arc::new(runtime.block_on(MongoStore::open(&options)).expect("opens")), None)
    })
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn compared(make: &Maker, cases: u32) -> Result<(), libtest_mimic::Failed> {
    let cases = std::option_env!("PROPTEST_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(cases);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&ops(), |ops| {
            let runtime = runtime();
            let (store, _folder) = make(&runtime);
            runtime.block_on(compare(store, &ops));
            Ok(())
        })
        .map_err(|failure| failure.to_string().into())
}

fn main() {
    let server = Mongod::start();
    runtime().block_on(server.initiate());
    let stores: [(&str, Maker); 3] =
        [("memory", Arc::new(memory)), ("sqlite", Arc::new(sqlite)), ("mongo", mongo(&server))];
    let mut trials = Vec::new();
    for (name, make) in &stores {
        for case in CASES {
            let make = make.clone();
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                let runtime = runtime();
                let (store, _folder) = make(&runtime);
                runtime.block_on((case.run)(store));
                Ok(())
            }));
        }
    }
    for (at, cases) in [(1, COMPARED), (2, COMPARED_AFAR)] {
        let (name, make) = stores[at].clone();
        trials.push(Trial::test(format!("{name}::does_what_the_model_does"), move || compared(&make, cases)));
    }
    trials.extend(moving::trials(&stores, &server));
    trials.push(failing::trial());
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // `exit` runs no destructors.
    drop(server);
    conclusion.exit();
}
