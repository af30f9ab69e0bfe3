//! What is kept how long: ended plays, and documents that have expired. Cleared away in small
//! batches, so that nobody waits for it; then the store gives the space back.

use std::sync::Arc;
use std::time::Duration;

use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::limits::ORPHAN_AGE;
use model::play::{PlayHeader, PlayKey, PlayState};
use model::time::Timestamp;
use sdk::storage::StorageError;
use store::{CommitError, PlayQuery, StoreError};

use super::Engine;
use super::admit::Remembered;
use super::commit::object_prefix;

/// Plays or documents that one commit clears away.
const BATCH: u32 = 100;

/// How long an idempotency key is kept on whose play still runs, before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Objects of a play that are listed at once.
const OBJECTS: usize = 1_000;

/// How long ended plays are kept.
#[derive(Debug, Clone, Copy)]
pub struct Policies {
    /// Those that ran.
    pub plays: Policy,
    /// Those whose flowlets were all filtered out.
    pub filtered: Policy,
}

/// How long one kind of play is kept.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long at least, from the end.
    pub kept: Duration,
    /// How many at least, however old.
    pub min_entries: u64,
}

/// What was cleared away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Plays.
    pub plays: u64,
    /// Documents.
    pub docs: u64,
    /// Objects that nothing refers to, and what writes that broke off have left.
    pub orphans: u64,
}

impl Engine {
    /// Clears away what is not kept any longer.
    ///
    /// # Errors
    /// Where the store fails; what was cleared away stays so.
    pub async fn clear_away(self: &Arc<Self>, company: CompanyId, policies: Policies) -> Result<Cleared, StoreError> {
        let ran = [PlayState::Done, PlayState::Fail, PlayState::Canceled, PlayState::Skip];
        let plays = self.forget_old(company, &ran, policies.plays).await?;
        let filtered = self.forget_old(company, &[PlayState::Filtered], policies.filtered).await?;
        let docs = self.expire().await?;
        while self.parts.store.shrink().await? {
            tokio::task::yield_now().await;
        }
        let orphans = self.collect_orphans(company, self.now().minus(ORPHAN_AGE)).await?;
        Ok(Cleared { plays: plays + filtered, docs, orphans })
    }

    async fn forget_old(&self, company: CompanyId, states: &[PlayState], policy: Policy) -> Result<u64, StoreError> {
        let cutoff = self.now().minus(policy.kept);
        let newer = PlayQuery { states: states.into(), from: Some(cutoff), ..PlayQuery::of(company, 1) };
        let newer = self.parts.store.headers(&newer).await?.total;
        let mut query = PlayQuery {
            states: states.into(),
            to: Some(cutoff),
            skip: policy.min_entries.saturating_sub(newer),
            ..PlayQuery::of(company, BATCH)
        };
        let mut forgotten = 0;
        loop {
            let plays = self.parts.store.headers(&query).await?.plays;
            let Some(last) = plays.last() else { return Ok(forgotten) };
            (query.after, query.skip) = (Some(last.key.play), 0);
            // A play counts from its end: one that ran for months is not gone the day it ends.
            let is_old = |play: &&PlayHeader| play.ended_at.is_none_or(|ended| ended < cutoff);
            let keys: Vec<PlayKey> = plays.iter().filter(is_old).map(|play| play.key).collect();
            forgotten += self.forget(&keys).await?;
        }
    }

    /// Removes ended plays and all that belongs to them.
    async fn forget(&self, plays: &[PlayKey]) -> Result<u64, StoreError> {
        for play in plays {
            // What cannot be removed now is found later as left behind, when the play is gone.
            if let Err(error) = self.forget_objects(*play).await {
                tracing::warn!(?error, play = %play.play, "large values could not be removed; trying again later");
            }
        }
        match self.parts.store.commit(Batch { forget: plays.into(), ..Batch::default() }).await {
            Ok(_) => Ok(plays.len() as u64),
            // Somebody else was faster.
            Err(CommitError::Conflict(_)) => Ok(0),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Removes the objects of a play, however many.
    async fn forget_objects(&self, play: PlayKey) -> Result<(), StorageError> {
        let (objects, prefix) = (&self.parts.objects, object_prefix(play));
        let mut after = None;
        loop {
            let page = objects.list(play.company, &prefix, after.as_deref(), OBJECTS).await?;
            for object in &page {
                objects.delete(play.company, &object.path).await?;
            }
            match page.last() {
                Some(last) if page.len() == OBJECTS => after = Some(last.path.clone()),
                _ => return Ok(()),
            }
        }
    }

    async fn expire(&self) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let now = self.now();
            let expired = self.parts.store.expired(now, BATCH as usize).await?;
            if expired.is_empty() {
                return Ok(removed);
            }
            for doc in &expired {
                let write = self.fate(doc, now).await?;
                removed += u64::from(write.put.is_none());
                match self.parts.store.commit(Batch { docs: vec![write], ..Batch::default() }).await {
                    // Where it changed meanwhile, it lives on.
                    Ok(_) | Err(CommitError::Conflict(_)) => {}
                    Err(CommitError::Store(error)) => return Err(error),
                }
            }
        }
    }

    /// What becomes of a document that has expired. An idempotency key is kept while its play runs.
    async fn fate(&self, doc: &Doc, now: Timestamp) -> Result<DocWrite, StoreError> {
        if doc.key.kind == DocKind::Idempotency
            && let Ok(remembered) = doc.read::<Remembered>()
        {
            let play = PlayKey { company: doc.key.company, play: remembered.play };
            if self.parts.store.header(play).await?.is_some_and(|header| !header.state.is_ended()) {
                let kept = DocWrite::put(doc.key.clone(), Expect::Revision(doc.revision), &remembered);
                return Ok(kept.expiring(now.plus(LOOK_AGAIN)));
            }
        }
        Ok(DocWrite::remove(doc.key.clone(), Expect::Revision(doc.revision)))
    }
}
