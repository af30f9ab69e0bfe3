//! Objects that were left behind: put there before a commit that never happened, or of a play that
//! was cleared away while its objects could not be removed.
//!
//! An object belongs to the play in its path. Where there is no such play, and the object is older
//! than any commit that may still refer to it, it is removed. An object is written anew each time its
//! commit is tried, so its age counts from the last try. Objects of a play that is there stay, even
//! where an attempt that broke off wrote them and no record refers to them: they are few, since the
//! same value has the same name when it is worked out again; to know them, each play would have to
//! be read; and they go with the play.
//!
//! A round looks at a bounded number of objects, and the next one goes on behind them. Replicas may
//! do it at the same time: what one has removed is gone for the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use model::ids::{CompanyId, PlayId};
use model::limits::{ORPHAN_AGE, ORPHANS_CHECKED};
use model::play::PlayKey;
use model::time::Timestamp;
use sdk::storage::{FileInfo, StorageError};
use store::StoreError;

use super::Engine;
use super::commit::{OBJECTS, play_of};

/// Objects that are listed at once.
const PAGE: usize = 1_000;

/// How far objects that were left behind have been looked for.
#[derive(Debug, Default)]
pub(super) struct Orphans(Mutex<BTreeMap<CompanyId, Round>>);

/// Where the next round of a company begins.
#[derive(Debug, Clone)]
struct Round {
    /// The last path that was looked at; none where all have been.
    after: Option<String>,
    /// When it begins. Whoever has looked at all objects has no reason to begin anew at once.
    from: Timestamp,
}

impl Orphans {
    /// Where to go on; none where it is not time yet.
    fn begin(&self, company: CompanyId, now: Timestamp) -> Option<Option<String>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&company) {
            None => Some(None),
            Some(round) => (round.from <= now).then(|| round.after.clone()),
        }
    }

    fn end(&self, company: CompanyId, round: Round) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(company, round);
    }
}

impl Engine {
    /// Removes objects that nothing refers to and that were written before `before`; says how many.
    /// Where objects cannot be reached, there is another round.
    ///
    /// # Errors
    /// Where the store fails.
    pub(super) async fn collect_orphans(&self, company: CompanyId, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for kind in [&self.parts.files, &self.parts.objects] {
            match kind.sweep(before).await {
                Ok(swept) => removed += swept,
                Err(error) => tracing::warn!(?error, "what writes have left behind could not be removed"),
            }
        }
        let Some(mut after) = self.orphans.begin(company, self.now()) else { return Ok(removed) };
        let mut checked = 0;
        while checked < ORPHANS_CHECKED {
            let page = match self.parts.objects.list(company, OBJECTS, after.as_deref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(?error, "objects could not be listed; trying again later");
                    break;
                }
            };
            removed += self.remove_orphans(company, &page, before).await?;
            checked += page.len();
            after = page.last().map(|last| last.path.clone());
            if page.len() < PAGE {
                self.orphans.end(company, Round { after: None, from: self.now().plus(ORPHAN_AGE) });
                return Ok(removed);
            }
        }
        self.orphans.end(company, Round { after, from: Timestamp::MIN });
        Ok(removed)
    }

    /// Removes those of a page that nothing refers to.
    async fn remove_orphans(
        &self,
        company: CompanyId,
        page: &[FileInfo],
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        // The objects of a play stand together.
        let mut last: Option<(PlayId, bool)> = None;
        for object in page.iter().filter(|object| object.modified < before) {
            // What is no large value was put there by somebody else.
            let Some(play) = play_of(&object.path) else { continue };
            let is_there = match last {
                Some((known, is_there)) if known == play => is_there,
                _ => self.parts.store.header(PlayKey { company, play }).await?.is_some(),
            };
            last = Some((play, is_there));
            if is_there {
                continue;
            }
            match self.parts.objects.delete(company, &object.path).await {
                Ok(was_there) => removed += u64::from(was_there),
                Err(StorageError::NotFound(_)) => {}
                Err(error) => tracing::warn!(?error, path = object.path, "an object that was left behind stays"),
            }
        }
        Ok(removed)
    }
}
