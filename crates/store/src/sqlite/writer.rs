//! The thread that writes: group commit.
//!
//! It never waits to fill a group: it takes what is there, and while it syncs, the next group
//! gathers. A batch that conflicts is left out of its group; a group that the disk refuses is
//! tried again batch by batch, so that a large one does not take small ones with it.

use std::sync::Arc;
use std::thread;

use model::batch::{Batch, Committed};
use model::ids::ReplicaId;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::apply::{Counters, apply, id};
use super::space::{Checkpoints, Shrunk, shrink};
use super::store_error;
use crate::{CommitError, Conflict, StoreError};

/// Batches that may wait for the writer; beyond, whoever commits waits.
const QUEUE: usize = 4_096;

/// Batches in one transaction.
const GROUP: usize = 512;

/// Bytes of values and records in one transaction, about.
const GROUP_BYTES: usize = 8 << 20;

/// One batch, encoded, and where its answer goes.
pub(super) struct Work {
    pub(super) batch: Batch,
    /// The plays' headers, encoded, in order.
    pub(super) headers: Vec<Vec<u8>>,
    /// The audit rows, encoded, in order.
    pub(super) audit: Vec<Vec<u8>>,
    /// The messages' bodies, encoded, in order.
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) answer: oneshot::Sender<Result<Committed, CommitError>>,
}

impl Work {
    fn bytes(&self) -> usize {
        let of_play = |write: &model::batch::PlayWrite| {
            write.chunk.as_ref().map_or(0, |chunk| chunk.bytes.len())
                + write.snapshot.as_ref().map_or(0, |bytes| bytes.len())
                + write.values.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
        };
        self.batch.plays.iter().map(of_play).sum()
    }
}

/// Something rare that is done on the thread.
pub(super) type Other = Box<dyn FnOnce(&mut Connection, &mut Counters) + Send>;

/// What the thread is asked to do.
pub(super) enum Job {
    Commit(Box<Work>),
    Adopt(ReplicaId, oneshot::Sender<Result<u64, StoreError>>),
    Shrink(oneshot::Sender<Result<bool, StoreError>>),
    FeedEnd(oneshot::Sender<u64>),
    /// Something rare; it answers by itself.
    Other(Other),
}

/// The way to the thread. Dropping it ends the thread, after what is queued.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(mut connection: Connection, checkpointer: Connection) -> Result<Self, StoreError> {
        let (jobs, inbox) = mpsc::channel(QUEUE);
        let counters = Counters::read(&connection).map_err(|error| store_error(&connection, &error))?;
        let checkpoints = Checkpoints::start(&mut connection, checkpointer)?;
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, counters, inbox, checkpoints))
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands a job over and waits for its answer.
    pub(super) async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, StoreError> {
        let gone = || StoreError::Failed("the store is closing".into());
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was already told to those who waited.
            let _ = thread.join();
        }
    }
}

fn run(
    mut connection: Connection,
    mut counters: Counters,
    mut inbox: mpsc::Receiver<Job>,
    mut checkpoints: Checkpoints,
) {
    let mut group = Vec::new();
    while let Some(job) = inbox.blocking_recv() {
        let mut next = Some(job);
        let mut bytes = 0;
        while let Some(job) = next.take() {
            match job {
                Job::Commit(work) => {
                    bytes += work.bytes();
                    group.push(*work);
                    if group.len() < GROUP && bytes < GROUP_BYTES {
                        next = inbox.try_recv().ok();
                    }
                }
                other => {
                    commit_all(&mut connection, &mut counters, &mut group);
                    run_other(&mut connection, &mut counters, &mut checkpoints, other);
                    next = inbox.try_recv().ok();
                }
            }
        }
        commit_all(&mut connection, &mut counters, &mut group);
        checkpoints.after_commit(&connection);
    }
}

fn run_other(connection: &mut Connection, counters: &mut Counters, checkpoints: &mut Checkpoints, job: Job) {
    // Whoever asked may have gone away; then nobody needs the answer.
    match job {
        Job::Commit(_) => {}
        Job::Adopt(me, answer) => {
            let adopted = connection.execute(
                "UPDATE plays SET owner = NULL, due = 0, revision = revision + 1 WHERE owner IS NOT NULL AND owner <> ?",
                [id(me.0)],
            );
            let _ = answer.send(adopted.map(|plays| plays as u64).map_err(|error| store_error(connection, &error)));
        }
        Job::Shrink(answer) => {
            let shrunk = shrink(connection).map_err(|error| store_error(connection, &error));
            if let Ok(Shrunk { gave_back: true, has_more: false }) = shrunk {
                checkpoints.want();
            }
            let _ = answer.send(shrunk.map(|shrunk| shrunk.has_more));
        }
        Job::FeedEnd(answer) => {
            let _ = answer.send(counters.feed);
        }
        Job::Other(work) => work(connection, counters),
    }
}

fn commit_all(connection: &mut Connection, counters: &mut Counters, group: &mut Vec<Work>) {
    if group.is_empty() {
        return;
    }
    match commit_group(connection, counters, group) {
        Ok(outcomes) => {
            for (work, outcome) in group.drain(..).zip(outcomes) {
                let _ = work.answer.send(outcome.map_err(CommitError::Conflict));
            }
        }
        Err(error) if group.len() == 1 => {
            for work in group.drain(..) {
                let _ = work.answer.send(Err(store_error(connection, &error).into()));
            }
        }
        Err(_) => {
            for work in group.drain(..) {
                commit_all(connection, counters, &mut vec![work]);
            }
        }
    }
}

fn commit_group(
    connection: &mut Connection,
    counters: &mut Counters,
    group: &[Work],
) -> rusqlite::Result<Vec<Result<Committed, Conflict>>> {
    let mut after = *counters;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let outcomes = group.iter().map(|work| apply(&transaction, &mut after, work)).collect::<Result<Vec<_>, _>>()?;
    transaction.commit()?;
    *counters = after;
    Ok(outcomes)
}

/// Shares bytes with a statement without copying them.
pub(super) fn blob(bytes: &Arc<[u8]>) -> &[u8] {
    bytes
}
