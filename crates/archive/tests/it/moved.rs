//! What goes in comes out, on any store.

use std::sync::Arc;

use archive::{About, ArchiveError, Objects, Target};
use bytes::Bytes;
use model::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::memory::MemoryStore;
use store::sqlite::{SqliteOptions, SqliteStore};
use store::{Store, StoreError};
use store_suite::{all_rows, go_through, ops};

use crate::stage::{InMemory, archived, check, company, history, master, no_objects, restored};

async fn with_objects() -> Objects {
    let objects = no_objects();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    objects.files.write(company(), "reports/a.csv", Bytes::from_static(b"a;b")).await.expect("is written");
    objects.files.write(company(), "empty", Bytes::new()).await.expect("is written");
    objects.values.write(company(), "plays/1/large", large.into()).await.expect("is written");
    objects
}

#[tokio::test]
async fn an_archive_restores_to_what_it_was_made_of() {
    let (from, objects) = (history(6).await, with_objects().await);
    let (bytes, totals) = archived(&from, &objects).await;
    assert_eq!((totals.count("objects"), totals.count("counters")), (3, 1));
    for kind in ["plays", "docs", "records", "snapshots", "values", "messages", "waits", "audit"] {
        assert!(totals.count(kind) > 0, "the history has no {kind}");
    }

    let (folder, to) = (tempfile::tempdir().expect("a folder"), no_objects());
    let store = SqliteStore::open(&SqliteOptions::in_folder(folder.path())).expect("opens");
    assert_eq!(restored(&bytes, &store, &to).await.expect("restores"), totals);
    assert_eq!(all_rows(&store).await, all_rows(&from).await);
    let large = to.values.read(company(), "plays/1/large", usize::MAX).await.expect("is there");
    assert_eq!(large, objects.values.read(company(), "plays/1/large", usize::MAX).await.expect("is there"));
    // And what is made of that is the same again.
    assert_eq!(archived(&store, &to).await.1, totals);
}

#[test]
fn any_history_goes_through_an_archive() {
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let files =
        proptest::collection::btree_map("[a-c]{1,3}(/[a-c])?", proptest::collection::vec(any::<u8>(), 0..50), 0..4);
    let outcome = runner.run(&(ops(), files), |(ops, files)| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (from, objects, to) = (MemoryStore::default(), no_objects(), MemoryStore::default());
            go_through(&from, &ops).await;
            for (path, bytes) in files {
                objects.files.write(company(), &path, bytes.into()).await.expect("is written");
            }
            let (bytes, totals) = archived(&from, &objects).await;
            assert_eq!(restored(&bytes, &to, &no_objects()).await.expect("restores"), totals);
            assert_eq!(all_rows(&to).await, all_rows(&from).await);
        });
        Ok(())
    });
    outcome.expect("every history");
}

#[tokio::test]
async fn what_is_there_already_is_kept() {
    let (bytes, _) = archived(&history(1).await, &with_objects().await).await;
    // Where the same objects lie there, nothing is in the way.
    restored(&bytes, &MemoryStore::default(), &with_objects().await).await.expect("restores");

    let (others, empty) = (with_objects().await, MemoryStore::default());
    others.files.write(company(), "mine", Bytes::from_static(b"mine")).await.expect("is written");
    assert!(matches!(restored(&bytes, &empty, &others).await, Err(ArchiveError::OtherObjects("files"))));
    assert_eq!(all_rows(&empty).await.len(), 1, "nothing was written");

    let full = history(1).await;
    let before = all_rows(&full).await;
    let refused = restored(&bytes, &full, &no_objects()).await;
    assert!(matches!(refused, Err(ArchiveError::Store(StoreError::NotEmpty(_)))));
    assert_eq!(all_rows(&full).await, before);
}

#[tokio::test]
async fn a_target_that_holds_something_else_afterwards_opens_for_nobody() {
    let (bytes, _) = archived(&history(2).await, &with_objects().await).await;
    let folder = tempfile::tempdir().expect("a folder");
    let options = SqliteOptions::in_folder(folder.path());
    let forgetful = || InMemory::losing("reports/a.csv");
    let objects = Objects { files: Arc::new(forgetful()), values: Arc::new(InMemory::default()) };
    let store = SqliteStore::open(&options).expect("opens");
    let error = restored(&bytes, &store, &objects).await.expect_err("something is missing");
    assert!(error.to_string().contains("2 objects in place of 3"), "{error}");
    drop(store);
    assert!(matches!(SqliteStore::open(&options).map(drop), Err(StoreError::Unfinished(_))));

    // A second try begins anew, over what is there.
    let again = SqliteStore::open(&SqliteOptions { over_unfinished: true, ..options.clone() }).expect("opens");
    let objects = Objects { files: Arc::new(InMemory::default()), ..objects };
    let target = Target { store: &again, objects: &objects, over_objects: true };
    let checked = check(&bytes).expect("is sound");
    archive::restore(bytes.as_slice(), &checked, &master(), &target, &mut |_| {}).await.expect("restores");
    drop(again);
    SqliteStore::open(&options).expect("opens");
}

/// A disk with room for so many bytes.
struct Disk(usize);

impl std::io::Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_is_told_of() {
    let (store, objects) = (history(2).await, with_objects().await);
    let length = archived(&store, &objects).await.0.len();
    for room in [0, 10, 300, length / 2, length - 1] {
        let about = About::new("1.2.3", Timestamp(5), &master()).expect("random");
        let rows = store.dump().await.expect("begins");
        let outcome = archive::write(Disk(room), &about, &master(), rows, &objects, &mut |_| {}).await;
        assert!(matches!(outcome, Err(ArchiveError::Write(_))), "{room}");
    }
}
