//! Space: moving pages from the log into the database, and giving unused ones back.
//!
//! A checkpoint copies pages and syncs, which takes long; so it runs on a connection and a
//! thread of its own, beside the writer. Unused pages are given back a few at a time, between
//! two groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::store_error;
use crate::StoreError;

/// Pages in the log at which the checkpoint thread is woken: 4 MiB.
const WAKE_AT: u64 = 1_024;

/// Pages in the log at which the writer itself makes the next checkpoint: 64 MiB. It has then
/// outrun the thread, and the log must not grow without bound.
const FORCE_AT: u64 = 16_384;

/// Bytes of the log that are kept once all of it was moved; a longer one is cut: 8 MiB.
pub(super) const LOG_KEEPS: u64 = 8 << 20;

/// Pages given back in one step: about a millisecond.
const SHRINK_PAGES: u32 = 64;

/// Unused pages that are kept for what is written next: 4 MiB.
const KEEP_PAGES: u64 = 1_024;

/// The checkpoint thread, seen from the writer.
pub(super) struct Checkpoints {
    /// There until the store closes.
    wake: Option<SyncSender<()>>,
    /// Pages in the log after the last commit.
    log_pages: Arc<AtomicU64>,
    /// Set when the thread has made a checkpoint that the writer may finish.
    finished: Arc<AtomicBool>,
    /// A checkpoint is due however short the log is.
    is_wanted: bool,
    thread: Option<thread::JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread on its own connection, and watches the log of the writer's.
    pub(super) fn start(writer: &mut Connection, own: Connection) -> Result<Self, StoreError> {
        let log_pages = Arc::new(AtomicU64::new(0));
        let seen = log_pages.clone();
        writer
            .wal_hook(Some(move |_: &mut Wal, pages: i32| {
                seen.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|error| store_error(&own, &error))?;
        let (wake, woken) = sync_channel(1);
        let finished = Arc::new(AtomicBool::new(false));
        let done = finished.clone();
        let thread = thread::Builder::new()
            .name("store-checkpoint".into())
            .spawn(move || run(&own, &woken, &done))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { wake: Some(wake), log_pages, finished, is_wanted: false, thread: Some(thread) })
    }

    /// Asks for a checkpoint: the file gets shorter only with one that moves all of the log.
    pub(super) fn want(&mut self) {
        self.is_wanted = true;
        self.finished.store(false, Ordering::Release);
    }

    /// Looks after the log; called between two groups.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        let is_due = pages >= WAKE_AT || self.is_wanted;
        if pages >= FORCE_AT || (is_due && self.finished.swap(false, Ordering::AcqRel)) {
            // The thread has moved nearly all of it. With the few pages written since, the log is
            // empty, and the next group begins at its start instead of growing it.
            checkpoint(writer);
            self.is_wanted = false;
        } else if is_due && let Some(wake) = &self.wake {
            match wake.try_send(()) {
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => checkpoint(writer),
            }
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // Nothing of the store goes on once it is closed. A panic was told where it happened.
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>, finished: &AtomicBool) {
    while woken.recv().is_ok() {
        checkpoint(connection);
        finished.store(true, Ordering::Release);
    }
}

/// Moves what can be moved without waiting for anybody. A failure is not lost: the log stays,
/// and the next commit or checkpoint meets the same trouble and tells of it.
fn checkpoint(connection: &Connection) {
    let outcome = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| row.get::<_, i64>(1));
    if let Err(error) = outcome {
        tracing::warn!(%error, "checkpoint failed");
    }
}

/// What one step did.
pub(super) struct Shrunk {
    pub(super) gave_back: bool,
    pub(super) has_more: bool,
}

/// Gives some unused pages back, if there are more than are kept.
pub(super) fn shrink(connection: &Connection) -> rusqlite::Result<Shrunk> {
    let unused: u64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if unused <= KEEP_PAGES {
        return Ok(Shrunk { gave_back: false, has_more: false });
    }
    let pages = u64::from(SHRINK_PAGES).min(unused - KEEP_PAGES);
    // The pragma gives a row for each page; the work is done as the rows are read.
    let mut statement = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    Ok(Shrunk { gave_back: true, has_more: unused - pages > KEEP_PAGES })
}
