//! The disk is full, or fails: whoever commits is told so, nothing is lost, and when the disk is
//! well again the store works on.

use std::sync::Arc;

use libtest_mimic::Failed;
use model::batch::Batch;
use rusqlite::ffi;
use store::sqlite::{FILE_NAME, SqliteStore, Synchronous};
use store::{CommitError, Store, StoreError};

use crate::beginning::{commit, options, send_together};
use crate::history::{History, View, going_on, marked, play_key};
use crate::platter::{Image, Platter};
use crate::random::Random;
use crate::vfs::Mount;
use crate::{Folder, Test, runtime, vfs};

pub(crate) const TESTS: &[Test] = &[
    ("disk::a_full_disk_is_told_and_nothing_is_lost", a_full_disk_is_told_and_nothing_is_lost),
    ("disk::a_large_batch_that_does_not_fit_leaves_the_small_ones_be", a_large_batch_leaves_the_small_ones_be),
    ("disk::a_store_does_not_open_on_a_full_disk", a_store_does_not_open_on_a_full_disk),
    ("disk::a_disk_that_fails_is_told_and_nothing_is_lost", a_disk_that_fails_is_told_and_nothing_is_lost),
];

/// A store on a simulated disk, and what happened in it.
struct Stage {
    folder: Folder,
    platter: Arc<Platter>,
    _mount: Mount,
    store: Arc<SqliteStore>,
    history: History,
    random: Random,
}

impl Stage {
    async fn new() -> Self {
        let folder = Folder::new();
        let platter = Arc::new(Platter::holding(Image::new(), None));
        let mount = vfs::mount(folder.path(), platter.clone());
        let store = Arc::new(SqliteStore::open(&options(folder.path(), Synchronous::Full)).expect("opens"));
        let mut stage =
            Self { folder, platter, _mount: mount, store, history: History::default(), random: Random::new(1) };
        for _ in 0..10 {
            stage.commit_one().await;
        }
        stage
    }

    async fn next(&mut self, count: u64) -> Vec<Batch> {
        self.history.next(count, &mut self.random).await
    }

    async fn commit_one(&mut self) {
        for batch in self.next(1).await {
            commit(&self.store, &mut self.history, batch).await;
        }
    }

    /// Commits batches so that they come to lie in one group, behind one more.
    async fn commit_in_one_group(&mut self, batches: Vec<Batch>) -> Vec<Result<(), CommitError>> {
        let mut all = self.next(1).await;
        all.extend(batches);
        let mut outcomes = Vec::new();
        for (batch, outcome) in send_together(&self.store, &self.platter, all).await {
            if outcome.is_ok() {
                self.history.committed(&batch);
            }
            outcomes.push(outcome.map(drop));
        }
        outcomes.split_off(1)
    }

    /// All that was acknowledged is there, and nothing else.
    async fn holds_what_it_answered_for(&self) {
        let seen = View::of(&*self.store).await.expect("reads");
        let model = View::of(&self.history.model().await).await.expect("reads");
        assert_eq!(seen.differences(&model), [""; 0]);
    }

    /// The disk is well again: the store works on, and does so when it is opened anew.
    async fn works_on(mut self) {
        self.holds_what_it_answered_for().await;
        for _ in 0..10 {
            self.commit_one().await;
        }
        self.store.shrink().await.expect("shrinks");
        self.holds_what_it_answered_for().await;
        let opened = |store| Arc::try_unwrap(store).map_err(|_| "is used").expect("is used no more");
        drop(opened(self.store));
        self.store = Arc::new(SqliteStore::open(&options(self.folder.path(), Synchronous::Full)).expect("opens"));
        self.holds_what_it_answered_for().await;
    }
}

fn says(error: &StoreError, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "\"{text}\" does not say \"{word}\"");
    }
}

fn is_full(error: &StoreError) {
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    says(error, &[FILE_NAME, "the disk is full", "free some space"]);
}

fn a_full_disk_is_told_and_nothing_is_lost() -> Result<(), Failed> {
    runtime().block_on(async {
        let mut stage = Stage::new().await;
        // Wherever in a commit the space ends, down to none at all.
        for room in [20_000, 4_200, 4_096, 100, 24, 1, 0] {
            stage.platter.set_capacity(Some(stage.platter.used() + room));
            let mut refused = 0;
            while refused < 3 {
                let batches = stage.next(3).await;
                for outcome in stage.commit_in_one_group(batches).await {
                    match outcome {
                        Ok(()) => {}
                        Err(CommitError::Store(error)) => {
                            refused += 1;
                            is_full(&error);
                        }
                        Err(CommitError::Conflict(conflict)) => panic!("{conflict}"),
                    }
                }
            }
            // Whoever reads is not held up.
            stage.holds_what_it_answered_for().await;
            stage.platter.set_capacity(None);
            stage.commit_one().await;
        }
        stage.works_on().await;
    });
    Ok(())
}

fn a_large_batch_leaves_the_small_ones_be() -> Result<(), Failed> {
    runtime().block_on(async {
        let mut stage = Stage::new().await;
        let mut batches: Vec<Batch> = Vec::new();
        for number in 0..3 {
            stage.history.batches += 1;
            let mut batch = marked(stage.history.batches);
            let size = if number == 1 { 3_000_000 } else { 100 };
            let bytes = stage.random.bytes(size);
            batch.plays.push(going_on(play_key(50 + number), None, bytes));
            batches.push(batch);
        }
        stage.platter.set_capacity(Some(stage.platter.used() + 1_000_000));
        let outcomes = stage.commit_in_one_group(batches).await;
        match outcomes.as_slice() {
            [Ok(()), Err(CommitError::Store(error)), Ok(())] => is_full(error),
            other => panic!("{other:?}"),
        }
        stage.platter.set_capacity(None);
        stage.works_on().await;
    });
    Ok(())
}

fn a_store_does_not_open_on_a_full_disk() -> Result<(), Failed> {
    let folder = Folder::new();
    for room in [0, 4_000, 10_000, 40_000] {
        let platter = Arc::new(Platter::default());
        let _mount = vfs::mount(folder.path(), platter.clone());
        platter.set_capacity(Some(room));
        match SqliteStore::open(&options(folder.path(), Synchronous::Full)) {
            Err(error) => is_full(&error),
            Ok(_) => return Err(format!("it opened in {room} bytes").into()),
        }
        // What is left behind is no hindrance.
        platter.set_capacity(None);
        SqliteStore::open(&options(folder.path(), Synchronous::Full)).map_err(|error| format!("{room}: {error}"))?;
    }
    Ok(())
}

fn a_disk_that_fails_is_told_and_nothing_is_lost() -> Result<(), Failed> {
    let failed: fn(&StoreError) -> bool = |error| matches!(error, StoreError::Failed(_));
    let read_only: fn(&StoreError) -> bool = |error| matches!(error, StoreError::ReadOnly(_));
    let cases: [(_, _, &[&str]); 4] = [
        (ffi::SQLITE_IOERR_FSYNC, failed, &[FILE_NAME, "look at the disk"]),
        (ffi::SQLITE_IOERR_WRITE, failed, &[FILE_NAME, "look at the disk"]),
        (ffi::SQLITE_IOERR, failed, &[FILE_NAME, "look at the disk"]),
        (ffi::SQLITE_READONLY, read_only, &[FILE_NAME, "cannot be written", "check the owner and the mode"]),
    ];
    for (code, is_kind, words) in cases {
        runtime().block_on(async {
            let mut stage = Stage::new().await;
            stage.platter.refuse(Some(code));
            let batches = stage.next(4).await;
            for outcome in stage.commit_in_one_group(batches).await {
                match outcome {
                    Err(CommitError::Store(error)) if is_kind(&error) => says(&error, words),
                    other => panic!("{code}: {other:?}"),
                }
            }
            stage.holds_what_it_answered_for().await;
            stage.platter.refuse(None);
            stage.works_on().await;
        });
    }
    Ok(())
}
