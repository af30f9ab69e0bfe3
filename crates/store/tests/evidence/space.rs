//! What is forgotten gives its space back, while others write.
//!
//! How long that takes is no matter of this test: that nobody waits for the whole is shown by
//! counts. Each step gives back few pages, and while a commit waits, at most a step or two happen.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use libtest_mimic::Failed;
use model::batch::Batch;
use rusqlite::{Connection, OpenFlags};
use store::sqlite::{FILE_NAME, SqliteOptions, SqliteStore};
use store::{PlayQuery, Store};

use crate::history::{COMPANY, end, going_on, marked, play_key, value};
use crate::random::Random;
use crate::{Folder, Test, runtime};

pub(crate) const TESTS: &[Test] =
    &[("space::what_is_forgotten_gives_its_space_back", what_is_forgotten_gives_its_space_back)];

/// The history: plays of 100 KB each.
const PLAYS: u64 = 1_000;
const PLAY_BYTES: usize = 100_000;

/// Of these, the oldest are forgotten, as many in one batch.
const FORGOTTEN: u64 = 900;
const AT_ONCE: u64 = 30;

/// Pages that one step may give back: those it moves, and one that says where they were.
const STEP_PAGES: u64 = 64 + 1;

/// Commits until the file must have become shorter.
const MOST_TURNS: u64 = 20_000;

fn what_is_forgotten_gives_its_space_back() -> Result<(), Failed> {
    let folder = Folder::new();
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime(), give_back(folder.path()));
    Ok(())
}

async fn give_back(folder: &Path) {
    let store = Rc::new(SqliteStore::open(&SqliteOptions::in_folder(folder)).expect("opens"));
    let mut random = Random::new(1);
    for from in (0..PLAYS).step_by(20) {
        let plays = (from..from + 20).map(|play| {
            let mut write = going_on(play_key(play), None, b"large".to_vec());
            write.values = vec![value(random.bytes(PLAY_BYTES))];
            end(&mut write.header);
            write
        });
        store.commit(Batch { plays: plays.collect(), ..Batch::default() }).await.expect("commits");
    }
    let before = on_disk(folder);
    assert!(before >= PLAYS * PLAY_BYTES as u64, "{before}");

    let steps = Rc::new(Cell::new(0));
    let is_over = Rc::new(Cell::new(false));
    let writer = tokio::task::spawn_local(write_on(store.clone(), steps.clone(), is_over.clone()));
    for from in (0..FORGOTTEN).step_by(AT_ONCE as usize) {
        let forget = (from..from + AT_ONCE).map(play_key).collect();
        store.commit(Batch { forget, ..Batch::default() }).await.expect("forgets");
        steps.set(steps.get() + 1);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let beside = Connection::open_with_flags(folder.join(FILE_NAME), flags).expect("opens");
    let pages = || beside.pragma_query_value(None, "page_count", |row| row.get::<_, u64>(0)).expect("reads");
    let mut left = pages();
    while store.shrink().await.expect("shrinks") {
        steps.set(steps.get() + 1);
        let now = pages();
        assert!(left - now <= STEP_PAGES, "one step gave back {} pages", left - now);
        left = now;
    }
    is_over.set(true);
    let commits = writer.await.expect("no panic");

    // The file gets shorter by a checkpoint, which a thread beside the writer makes.
    let mut turns = 0;
    while on_disk(folder) * 4 > before {
        turns += 1;
        assert!(turns < MOST_TURNS, "of {before} bytes on disk {} are left", on_disk(folder));
        store.commit(marked(1_000_000 + turns)).await.expect("commits");
    }
    let steps = steps.get();
    assert!(commits >= steps / 2, "{commits} commits beside {steps} steps");
    let kept = store.headers(&PlayQuery::of(COMPANY, 1_000)).await.expect("reads").plays.len();
    assert_eq!(kept as u64, PLAYS - FORGOTTEN);
}

/// Commits one batch after another until it is over, and says how many. None waits for more than
/// the step that was going on when it came, and one that was asked for just before it.
async fn write_on(store: Rc<SqliteStore>, steps: Rc<Cell<u64>>, is_over: Rc<Cell<bool>>) -> u64 {
    let mut commits = 0;
    while !is_over.get() {
        commits += 1;
        let before = steps.get();
        store.commit(marked(commits)).await.expect("commits");
        let waited = steps.get() - before;
        assert!(waited <= 2, "a commit waited for {waited} steps");
    }
    commits
}

/// All that the folder takes up.
fn on_disk(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).expect("is there");
    files.map(|file| file.expect("is there").metadata().expect("is there").len()).sum()
}
