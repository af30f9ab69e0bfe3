//! [`Process`]: one life of the engine's process, and [`Fenced`], its way to the store. When the
//! process ends, nothing that it was about to do reaches the store any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use model::batch::{Batch, Chunk, Committed, Message, Wait};
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::{CompanyId, FlowId, ReplicaId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey};
use model::time::Timestamp;
use store::dump::{Fill, Rows};
use store::{
    AuditEntry, AuditPage, AuditQuery, AuditSpan, CommitError, DocQuery, FeedChunk, LimitCount, Loaded, PlayPage,
    PlayQuery, Store, StoreError, StoreSize, WaitQuery,
};
use tokio::sync::Notify;

use crate::watch::Watch;

/// One life of the process.
#[derive(Default)]
pub(crate) struct Process {
    dead: AtomicBool,
    bell: Notify,
}

impl Process {
    /// Ends it, now.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.bell.notify_waiters();
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Returns when it has ended.
    pub(crate) async fn ended(&self) {
        let bell = self.bell.notified();
        if !self.is_dead() {
            bell.await;
        }
    }

    /// Never returns once it has ended.
    pub(crate) async fn goes_on(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

/// A process's way to the store.
pub(crate) struct Fenced {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) process: Arc<Process>,
    pub(crate) watch: Arc<Watch>,
}

impl Fenced {
    async fn there(&self) -> &dyn Store {
        self.process.goes_on().await;
        &*self.inner
    }
}

#[async_trait]
impl Store for Fenced {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let store = self.there().await;
        let headers: Vec<PlayHeader> = batch.plays.iter().map(|write| write.header.clone()).collect();
        let outcome = store.commit(batch).await;
        self.watch.committed(store, &headers, &outcome).await;
        outcome
    }

    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError> {
        self.there().await.adopt(me).await
    }

    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError> {
        self.there().await.header(play).await
    }

    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError> {
        self.there().await.load(play).await
    }

    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError> {
        self.there().await.messages(play).await
    }

    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError> {
        self.there().await.headers(query).await
    }

    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError> {
        self.there().await.chunks(play, from, limit).await
    }

    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.there().await.value(play, digest).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError> {
        self.there().await.due(now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.there().await.next_due().await
    }

    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError> {
        self.there().await.queue_heads(company, flow).await
    }

    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError> {
        self.there().await.limit(company, key).await
    }

    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError> {
        self.there().await.waits(query).await
    }

    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError> {
        self.there().await.feed(company, after, limit).await
    }

    async fn feed_end(&self) -> Result<u64, StoreError> {
        self.there().await.feed_end().await
    }

    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError> {
        self.there().await.doc(key).await
    }

    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError> {
        self.there().await.doc_by(unique).await
    }

    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError> {
        self.there().await.docs(query).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError> {
        self.there().await.expired(now, limit).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        self.there().await.audit(query).await
    }

    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        self.there().await.audit_log(span).await
    }

    async fn audit_end(&self) -> Result<u64, StoreError> {
        self.there().await.audit_end().await
    }

    async fn shrink(&self) -> Result<bool, StoreError> {
        self.there().await.shrink().await
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.there().await.size().await
    }

    async fn dump(&self) -> Result<Rows, StoreError> {
        self.there().await.dump().await
    }

    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError> {
        self.there().await.fill().await
    }
}
