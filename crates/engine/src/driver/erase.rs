//! What is left of a company that is erased: its plays, documents, files and audit rows, in small batches, so that
//! nobody waits for it. It may end anywhere and begin anew: what is gone is gone, and the rest is found again.

use model::batch::{Batch, PlayWrite, WaitKind};
use model::doc::{DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::play::{PlayHeader, PlayState, SlotPlace};
use sdk::storage::{Storage, StorageError};
use store::{AuditSpan, CommitError, DocQuery, PlayQuery, StoreError, WaitQuery};

use super::Engine;

/// Plays or documents that one commit removes.
const BATCH: usize = 100;

/// How often in a row plays may move on meanwhile, before the rest is left to the next time.
const PATIENCE: usize = 10;

/// What a play waits for that is read at once.
const WAITS: u32 = 1_000;

/// Files that are listed at once.
const FILES: usize = 1_000;

impl Engine {
    /// Removes whatever belongs to a company; says how much that was. What is under way at another replica may still
    /// write something: whoever asks again and finds nothing has removed everything.
    ///
    /// # Errors
    /// Where the store fails; what was removed stays so.
    pub async fn erase_rest(&self, company: CompanyId) -> Result<u64, StoreError> {
        // Without flows no play begins any more.
        let mut gone = self.erase_docs(company, DocKind::Flow).await?;
        self.forget_flows();
        self.ways_in_have_changed();
        gone += self.erase_plays(company).await?;
        for kind in DocKind::ALL {
            gone += self.erase_docs(company, kind).await?;
        }
        gone += self.erase_audit(company).await?;
        for files in [&self.parts.files, &self.parts.objects] {
            gone += match erase_files(&**files, company).await {
                Ok(gone) => gone,
                Err(error) => {
                    tracing::warn!(?error, %company, "files could not be removed; trying again later");
                    1
                }
            };
        }
        Ok(gone)
    }

    async fn erase_docs(&self, company: CompanyId, kind: DocKind) -> Result<u64, StoreError> {
        let mut gone = 0;
        loop {
            let docs = self.parts.store.docs(&DocQuery::all(company, kind, BATCH)).await?;
            if docs.is_empty() {
                return Ok(gone);
            }
            gone += docs.len() as u64;
            let docs = docs.into_iter().map(|doc| DocWrite::remove(doc.key, Expect::Anything)).collect();
            self.erase(Batch { docs, ..Batch::default() }).await?;
        }
    }

    /// Ends plays where they stand, and removes them. Whoever has one in memory finds at the next commit that it is
    /// not theirs any more, and lets go of it.
    async fn erase_plays(&self, company: CompanyId) -> Result<u64, StoreError> {
        let (mut gone, mut in_vain) = (0, 0);
        loop {
            let plays = self.parts.store.headers(&PlayQuery::of(company, BATCH as u32)).await?.plays;
            if plays.is_empty() {
                return Ok(gone);
            }
            for play in plays.iter().filter(|play| !play.state.is_ended()) {
                self.drop_play(play.clone()).await?;
            }
            let forgotten = self.forget(&plays.iter().collect::<Vec<_>>()).await?;
            gone += forgotten;
            in_vain = if forgotten > 0 { 0 } else { in_vain + 1 };
            if in_vain >= PATIENCE {
                return Ok(gone + 1);
            }
        }
    }

    /// Ends a play without a word of its own: nobody will read it.
    async fn drop_play(&self, before: PlayHeader) -> Result<(), StoreError> {
        let (store, key) = (&self.parts.store, before.key);
        let mut waited = Vec::new();
        for kind in WaitKind::ALL {
            let query = WaitQuery { company: key.company, kind, play: Some(key.play), skip: 0, limit: WAITS };
            waited.extend(store.waits(&query).await?.into_iter().map(|wait| (wait.kind, wait.key, wait.layer)));
        }
        let read = store.messages(key).await?.into_iter().map(|message| message.id).collect();
        let mut slot = before.slot.clone();
        if let Some(slot) = &mut slot {
            slot.place = SlotPlace::Left;
        }
        let header = PlayHeader {
            revision: before.revision + 1,
            state: PlayState::Canceled,
            ended_at: Some(self.now()),
            due: None,
            owner: None,
            slot,
            ..before
        };
        let write =
            PlayWrite { header, chunk: None, snapshot: None, values: Vec::new(), waits: Vec::new(), waited, read };
        self.erase(Batch { plays: vec![write], ..Batch::default() }).await
    }

    async fn erase_audit(&self, company: CompanyId) -> Result<u64, StoreError> {
        let upto = self.parts.store.audit_end().await?;
        let span = AuditSpan { company: Some(company), after: 0, upto, limit: 1 };
        if self.parts.store.audit_log(&span).await?.is_empty() {
            return Ok(0);
        }
        self.erase(Batch { drop_audit: Some((company, upto)), ..Batch::default() }).await?;
        Ok(1)
    }

    /// Commits; where something moved on meanwhile, it is looked at again later.
    async fn erase(&self, batch: Batch) -> Result<(), StoreError> {
        match self.parts.store.commit(batch).await {
            Ok(_) | Err(CommitError::Conflict(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
        }
    }
}

async fn erase_files(files: &dyn Storage, company: CompanyId) -> Result<u64, StorageError> {
    let (mut gone, mut after) = (0, None);
    loop {
        let page = files.list(company, "", after.as_deref(), FILES).await?;
        for file in &page {
            gone += u64::from(files.delete(company, &file.path).await?);
        }
        match page.last() {
            Some(last) if page.len() == FILES => after = Some(last.path.clone()),
            _ => return Ok(gone),
        }
    }
}
