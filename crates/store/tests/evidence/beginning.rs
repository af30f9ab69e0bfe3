//! What runs on a simulated disk begin with, and how they commit.

use std::path::Path;
use std::sync::Arc;

use model::batch::{Batch, Committed};
use store::sqlite::{SqliteOptions, SqliteStore, Synchronous};
use store::{CommitError, Store};

use crate::history::{History, end, going_on, marked, play_key, value};
use crate::platter::{Image, Platter};
use crate::random::Random;
use crate::{Folder, runtime, vfs};

pub(crate) const LOG_NAME: &str = "flow8.db-wal";

/// What a seed begins with.
pub(crate) struct Beginning {
    pub(crate) image: Image,
    pub(crate) history: History,
}

pub(crate) fn fresh() -> Beginning {
    Beginning { image: Image::new(), history: History::default() }
}

/// A store with more unused space than it keeps, and either a log that is nearly due for a
/// checkpoint, or none.
pub(crate) fn used(with_log: bool) -> Beginning {
    let folder = Folder::new();
    let platter = Arc::new(Platter::default());
    let _mount = vfs::mount(folder.path(), platter.clone());
    let mut history = History::default();
    runtime().block_on(async {
        let options = options(folder.path(), Synchronous::Full);
        let mut store = SqliteStore::open(&options).expect("opens");
        for number in 0..3 {
            history.batches += 1;
            let mut batch = marked(history.batches);
            let mut write = going_on(play_key(100 + number), None, b"large".to_vec());
            write.values = vec![value(Random::new(number).bytes(1_700_000))];
            end(&mut write.header);
            batch.plays.push(write);
            commit(&store, &mut history, batch).await;
        }
        // Closing empties the log, so that its length below is known.
        drop(store);
        store = SqliteStore::open(&options).expect("opens");
        for number in 0..3 {
            history.batches += 1;
            let mut batch = marked(history.batches);
            batch.forget.push(play_key(100 + number));
            commit(&store, &mut history, batch).await;
        }
        while with_log && platter.image()[LOG_NAME].len() < 1_000 * 4_120 {
            let mut random = Random::new(history.batches);
            for batch in history.next(1, &mut random).await {
                commit(&store, &mut history, batch).await;
            }
        }
        if with_log {
            return Beginning { image: platter.image(), history };
        }
        drop(store);
        Beginning { image: platter.image(), history }
    })
}

pub(crate) async fn commit(store: &SqliteStore, history: &mut History, batch: Batch) {
    store.commit(batch.clone()).await.expect("commits");
    history.committed(&batch);
}

pub(crate) fn options(folder: &Path, synchronous: Synchronous) -> SqliteOptions {
    SqliteOptions { synchronous, vfs: Some(vfs::NAME.into()), ..SqliteOptions::in_folder(folder) }
}

/// Commits the first batch, and all others in one group: while the writer is held up in the first,
/// they gather behind it.
pub(crate) async fn send_together(
    store: &Arc<SqliteStore>,
    platter: &Platter,
    batches: Vec<Batch>,
) -> Vec<(Batch, Result<Committed, CommitError>)> {
    let mut answers = Vec::new();
    platter.hold();
    for (number, batch) in batches.into_iter().enumerate() {
        let (store, sent) = (store.clone(), batch.clone());
        answers.push((batch, tokio::spawn(async move { store.commit(sent).await })));
        // The task runs as far as the writer's queue.
        tokio::task::yield_now().await;
        if number == 0 {
            platter.until_somebody_waits();
        }
    }
    platter.release();
    let mut outcomes = Vec::new();
    for (batch, answer) in answers {
        outcomes.push((batch, answer.await.expect("no panic")));
    }
    outcomes
}
