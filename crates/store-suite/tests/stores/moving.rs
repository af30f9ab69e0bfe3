//! What any store holds goes into any other, and plays go on there as if nothing had happened.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use proptest::test_runner::{Config, TestRunner};
use store::memory::MemoryStore;
use store::sqlite::{self, SqliteOptions, SqliteStore};
use store::{Store, StoreError};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use store_suite::{all_rows, begin_and_break_off, fill, go_on_alike, go_through, ops};

use crate::{Maker, runtime};

/// How many histories move from each store to each, on this machine.
const MOVES: u32 = 12;

/// How many where one of them is behind a network.
const MOVES_AFAR: u32 = 2;

/// A trial for each pair of stores, and those of what did not finish.
pub(crate) fn trials(stores: &[(&'static str, Maker)], server: &Mongod) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (from, make_from) in stores {
        for (to, make_to) in stores {
            let (make_from, make_to) = (make_from.clone(), make_to.clone());
            let moves = if [from, to].contains(&&"mongo") { MOVES_AFAR } else { MOVES };
            trials.push(Trial::test(format!("moving::{from}_to_{to}"), move || moved(&make_from, &make_to, moves)));
        }
    }
    let unfinished = MongoOptions {
        uri: server.uri(),
        database: Some("unfinished".into()),
        migrates: true,
        ..MongoOptions::default()
    };
    trials.push(Trial::test("moving::a_half_filled_mongo_store_opens_for_nobody", move || {
        runtime().block_on(half_filled_mongo(unfinished));
        Ok(())
    }));
    trials.push(Trial::test("moving::a_half_filled_sqlite_store_opens_for_nobody", || {
        runtime().block_on(half_filled_sqlite());
        Ok(())
    }));
    trials
}

fn moved(make_from: &Maker, make_to: &Maker, moves: u32) -> Result<(), Failed> {
    let cases = std::option_env!("PROPTEST_CASES").and_then(|cases| cases.parse().ok()).unwrap_or(moves);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&(ops(), ops()), |(before, after)| {
            let runtime = runtime();
            let ((from, _from_folder), (to, _to_folder)) = (make_from(&runtime), make_to(&runtime));
            runtime.block_on(async {
                go_through(&*from, &before).await;
                let rows = all_rows(&*from).await;
                fill(&*to, &rows).await;
                assert_eq!(all_rows(&*to).await, rows);
                let model: Arc<dyn Store> = Arc::new(MemoryStore::default());
                fill(&*model, &rows).await;
                go_on_alike(to, model, &after).await;
            });
            Ok(())
        })
        .map_err(|failure| failure.to_string().into())
}

/// A history that everything can come of.
async fn some_rows() -> Vec<store::row::Row> {
    let model = MemoryStore::default();
    let mut runner = TestRunner::deterministic();
    for _ in 0..8 {
        let ops = proptest::strategy::ValueTree::current(
            &proptest::strategy::Strategy::new_tree(&ops(), &mut runner).expect("a history"),
        );
        go_through(&model, &ops).await;
    }
    all_rows(&model).await
}

async fn half_filled_sqlite() {
    let (folder, rows) = (tempfile::tempdir().expect("a folder"), some_rows().await);
    let options = SqliteOptions::in_folder(folder.path());
    let again = SqliteOptions { over_unfinished: true, ..options.clone() };
    assert_eq!(SqliteStore::is_vacant(&options), Ok(true));
    begin_and_break_off(&SqliteStore::open(&options).expect("opens"), &rows).await;
    assert!(matches!(SqliteStore::open(&options).map(drop), Err(StoreError::Unfinished(_))));
    assert!(matches!(SqliteStore::is_vacant(&options), Err(StoreError::Unfinished(_))));
    assert!(matches!(sqlite::dump(&options).await.map(drop), Err(StoreError::Unfinished(_))));
    assert_eq!(SqliteStore::is_vacant(&again), Ok(true));
    fill(&SqliteStore::open(&again).expect("opens"), &rows).await;
    let store = SqliteStore::open(&options).expect("opens, since it is whole now");
    assert_eq!(all_rows(&store).await, rows);
    assert_eq!(SqliteStore::is_vacant(&options), Ok(false));
}

async fn half_filled_mongo(options: MongoOptions) {
    let rows = some_rows().await;
    let again = MongoOptions { over_unfinished: true, ..options.clone() };
    assert_eq!(MongoStore::is_vacant(&options).await, Ok(true));
    let first = MongoStore::open(&options).await.expect("opens");
    begin_and_break_off(&first, &rows).await;
    assert!(matches!(MongoStore::open(&options).await.map(drop), Err(StoreError::Unfinished(_))));
    assert!(matches!(MongoStore::is_vacant(&options).await, Err(StoreError::Unfinished(_))));
    assert_eq!(MongoStore::is_vacant(&again).await, Ok(true));
    let second = MongoStore::open(&again).await.expect("opens");
    let slow = second.fill().await.expect("begins");
    fill(&MongoStore::open(&again).await.expect("opens"), &rows).await;
    assert!(slow.finish().await.is_err(), "another one went over it");
    assert_eq!(all_rows(&MongoStore::open(&options).await.expect("opens, since it is whole now")).await, rows);
    assert_eq!(MongoStore::is_vacant(&options).await, Ok(false));
}
