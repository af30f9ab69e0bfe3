//! [`Faulty`]: any store, failing on purpose, for simulations.
//!
//! A commit may fail before it happens, or happen and then fail to be answered; a read may
//! fail; and anything may take its time. What happens when is up to a [`Plan`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::batch::{Batch, Chunk, Committed, Message, Wait};
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::{CompanyId, FlowId, ReplicaId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey};
use model::time::Timestamp;
use tokio::sync::mpsc;

use crate::dump::{Fill, Rows};
use crate::{
    AuditEntry, AuditPage, AuditQuery, AuditSpan, CommitError, DocQuery, FeedChunk, Lease, LimitCount, Loaded,
    PlayPage, PlayQuery, Signal, Store, StoreError, StoreSize, WaitQuery,
};

/// What becomes of one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It happens.
    Happens,
    /// It fails, and nothing has changed.
    FailsBefore,
    /// It happens, but whoever asked hears of a failure.
    FailsAfter,
}

/// Decides what fails, and how long things take.
pub trait Plan: Send + Sync + 'static {
    /// What becomes of the next commit.
    fn commit(&self) -> Fate;

    /// Whether the next read fails.
    fn read_fails(&self) -> bool;

    /// How long the next commit takes before it happens, and after.
    fn delays(&self) -> (Duration, Duration);
}

/// A store that fails as planned.
pub struct Faulty<P> {
    inner: Arc<dyn Store>,
    plan: P,
}

impl<P: Plan> Faulty<P> {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, plan: P) -> Self {
        Self { inner, plan }
    }

    fn reading(&self) -> Result<&dyn Store, StoreError> {
        if self.plan.read_fails() { Err(failure()) } else { Ok(&*self.inner) }
    }
}

fn failure() -> StoreError {
    StoreError::Failed("on purpose".into())
}

async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl<P: Plan> Store for Faulty<P> {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let (before, after) = self.plan.delays();
        let fate = self.plan.commit();
        pause(before).await;
        if fate == Fate::FailsBefore {
            return Err(failure().into());
        }
        let outcome = self.inner.commit(batch).await;
        pause(after).await;
        if fate == Fate::FailsAfter { Err(failure().into()) } else { outcome }
    }

    async fn join(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        self.inner.join(replica).await
    }

    async fn beat(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        self.inner.beat(replica).await
    }

    async fn claim(&self, plays: Vec<PlayKey>, now: Timestamp) -> Result<Vec<PlayKey>, StoreError> {
        self.inner.claim(plays, now).await
    }

    async fn take_turn(&self, chore: &str, lasts: Duration) -> Result<bool, StoreError> {
        self.inner.take_turn(chore, lasts).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), StoreError> {
        self.inner.leave(replica).await
    }

    async fn watch(&self) -> Option<mpsc::Receiver<Signal>> {
        self.inner.watch().await
    }

    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError> {
        self.inner.adopt(me).await
    }

    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError> {
        self.reading()?.header(play).await
    }

    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError> {
        self.reading()?.load(play).await
    }

    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError> {
        self.reading()?.messages(play).await
    }

    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError> {
        self.reading()?.headers(query).await
    }

    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError> {
        self.reading()?.chunks(play, from, limit).await
    }

    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.reading()?.value(play, digest).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError> {
        self.reading()?.due(now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.reading()?.next_due().await
    }

    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError> {
        self.reading()?.queue_heads(company, flow).await
    }

    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError> {
        self.reading()?.limit(company, key).await
    }

    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError> {
        self.reading()?.waits(query).await
    }

    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError> {
        self.reading()?.feed(company, after, limit).await
    }

    async fn feed_end(&self) -> Result<u64, StoreError> {
        self.reading()?.feed_end().await
    }

    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError> {
        self.reading()?.doc(key).await
    }

    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError> {
        self.reading()?.doc_by(unique).await
    }

    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError> {
        self.reading()?.docs(query).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError> {
        self.reading()?.expired(now, limit).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        self.reading()?.audit(query).await
    }

    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        self.reading()?.audit_log(span).await
    }

    async fn audit_end(&self) -> Result<u64, StoreError> {
        self.reading()?.audit_end().await
    }

    async fn shrink(&self) -> Result<bool, StoreError> {
        self.inner.shrink().await
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.inner.size().await
    }

    async fn dump(&self) -> Result<Rows, StoreError> {
        self.reading()?.dump().await
    }

    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError> {
        self.inner.fill().await
    }
}
