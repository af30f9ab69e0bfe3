//! What is kept how long: ended plays, and documents that have expired. Cleared away in small
//! batches, so that nobody waits for it; then the store gives the space back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, FlowId};
use model::limits::ORPHAN_AGE;
use model::play::{PlayHeader, PlayKey, PlayState, Trigger};
use model::time::Timestamp;
use sdk::storage::StorageError;
use store::{CommitError, PlayQuery, StoreError};

use super::Engine;
use super::admit::Remembered;
use super::belongings::Belonging;
use crate::kept::{Kept, PlaysKept, Policy};

/// Plays or documents that one commit clears away.
const BATCH: u32 = 100;

/// How long an idempotency key is kept on whose play still runs, before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// Belongings of a play that are listed at once.
const LISTED: usize = 1_000;

/// What was cleared away, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Plays.
    pub plays: u64,
    /// Documents.
    pub docs: u64,
    /// Objects that nothing refers to, files that came for plays which are not there, and what writes that broke off have left.
    pub orphans: u64,
}

/// Whether what is not kept goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clearing {
    /// It does.
    Remove,
    /// It is counted and stays.
    Count,
}

/// Plays in the states of those that ran.
const RAN: [PlayState; 4] = [PlayState::Done, PlayState::Fail, PlayState::Canceled, PlayState::Skip];

/// Of which flows plays are looked at.
#[derive(Clone, Copy)]
enum Among<'a> {
    Flow(FlowId),
    AllBut(&'a BTreeMap<FlowId, Option<PlaysKept>>),
}

impl Among<'_> {
    fn flow(self) -> Option<FlowId> {
        match self {
            Self::Flow(flow) => Some(flow),
            Self::AllBut(_) => None,
        }
    }

    fn others(self) -> impl Iterator<Item = FlowId> {
        match self {
            Self::Flow(_) => None,
            Self::AllBut(others) => Some(others),
        }
        .into_iter()
        .flat_map(|others| others.keys().copied())
    }

    fn has(self, flow: FlowId) -> bool {
        match self {
            Self::Flow(own) => own == flow,
            Self::AllBut(others) => !others.contains_key(&flow),
        }
    }
}

impl Engine {
    /// Clears away what is not kept any longer. Of what expires by itself and of objects that nothing refers to,
    /// nothing is counted beforehand.
    ///
    /// # Errors
    /// Where the store fails; what was cleared away stays so.
    pub async fn clear_away(
        self: &Arc<Self>,
        company: CompanyId,
        kept: &Kept,
        clearing: Clearing,
    ) -> Result<Cleared, StoreError> {
        let mut plays = 0;
        if !kept.is_held {
            for (flow, kept) in &kept.flows {
                if let Some(kept) = kept {
                    plays += self.forget_of(company, Among::Flow(*flow), kept, clearing).await?;
                }
            }
            plays += self.forget_of(company, Among::AllBut(&kept.flows), &kept.plays, clearing).await?;
        }
        if clearing == Clearing::Count {
            return Ok(Cleared { plays, ..Cleared::default() });
        }
        let docs = self.expire().await?;
        while self.parts.store.shrink().await? {
            tokio::task::yield_now().await;
        }
        let orphans = self.collect_orphans(company, self.now().minus(ORPHAN_AGE)).await?;
        Ok(Cleared { plays, docs, orphans })
    }

    async fn forget_of(
        &self,
        company: CompanyId,
        among: Among<'_>,
        kept: &PlaysKept,
        clearing: Clearing,
    ) -> Result<u64, StoreError> {
        let ran = self.forget_old(company, among, &RAN, kept.ran, clearing).await?;
        Ok(ran + self.forget_old(company, among, &[PlayState::Filtered], kept.filtered, clearing).await?)
    }

    async fn forget_old(
        &self,
        company: CompanyId,
        among: Among<'_>,
        states: &[PlayState],
        rule: Policy,
        clearing: Clearing,
    ) -> Result<u64, StoreError> {
        let cutoff = self.now().minus(rule.kept);
        let all = PlayQuery { states: states.into(), flow: among.flow(), ..PlayQuery::of(company, BATCH) };
        let mut newer = self.newer(&all, cutoff).await?;
        for flow in among.others() {
            newer = newer.saturating_sub(self.newer(&PlayQuery { flow: Some(flow), ..all.clone() }, cutoff).await?);
        }
        // So many of the older ones stay, the newest of them.
        let mut spared = rule.min_entries.saturating_sub(newer);
        let mut query = PlayQuery { to: Some(cutoff), ..all };
        if among.others().next().is_none() {
            query.skip = std::mem::take(&mut spared);
        }
        let mut forgotten = 0;
        loop {
            let plays = self.parts.store.headers(&query).await?.plays;
            let Some(last) = plays.last() else { return Ok(forgotten) };
            (query.after, query.skip) = (Some(last.key.play), 0);
            // A play counts from its end: one that ran for months is not gone the day it ends.
            let is_old = |play: &&PlayHeader| play.ended_at.is_none_or(|ended| ended < cutoff);
            let mut of_these = plays.iter().filter(|play| among.has(play.flow.id)).collect::<Vec<_>>();
            let stay = usize::try_from(spared).unwrap_or(usize::MAX).min(of_these.len());
            spared -= stay as u64;
            of_these.drain(..stay);
            of_these.retain(is_old);
            forgotten += match clearing {
                Clearing::Count => of_these.len() as u64,
                Clearing::Remove => self.forget(&of_these).await?,
            };
        }
    }

    async fn newer(&self, among: &PlayQuery, cutoff: Timestamp) -> Result<u64, StoreError> {
        let query = PlayQuery { from: Some(cutoff), limit: 1, ..among.clone() };
        Ok(self.parts.store.headers(&query).await?.total)
    }

    /// Removes ended plays and all that belongs to them.
    pub(super) async fn forget(&self, plays: &[&PlayHeader]) -> Result<u64, StoreError> {
        for play in plays {
            // What cannot be removed now is found later as left behind, when the play is gone.
            // Of what came by no channel, no files did.
            let kinds = Belonging::ALL.into_iter().filter(|kind| match kind {
                Belonging::Value => true,
                Belonging::File => play.trigger == Trigger::Channel,
            });
            for kind in kinds {
                if let Err(error) = self.forget_belongings(kind, play.key).await {
                    tracing::warn!(?error, play = %play.key.play, ?kind, "what belongs to a play could not be removed; trying again later");
                }
            }
        }
        match self
            .parts
            .store
            .commit(Batch { forget: plays.iter().map(|play| play.key).collect(), ..Batch::default() })
            .await
        {
            Ok(_) => Ok(plays.len() as u64),
            // Somebody else was faster.
            Err(CommitError::Conflict(_)) => Ok(0),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// Removes what belongs to a play of one kind, however much.
    async fn forget_belongings(&self, kind: Belonging, play: PlayKey) -> Result<(), StorageError> {
        let (storage, prefix) = (kind.storage(self), kind.prefix(play.play));
        let mut after = None;
        loop {
            let page = storage.list(play.company, &prefix, after.as_deref(), LISTED).await?;
            for file in &page {
                storage.delete(play.company, &file.path).await?;
            }
            match page.last() {
                Some(last) if page.len() == LISTED => after = Some(last.path.clone()),
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
