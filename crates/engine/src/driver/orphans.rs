//! Objects that were left behind: put there before a commit that never happened, or of a play that
//! was cleared away while its objects could not be removed. Likewise the files that came for a play.
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
use super::belongings::Belonging;

/// Objects that are listed at once.
const PAGE: usize = 1_000;

/// How far objects that were left behind have been looked for.
#[derive(Debug, Default)]
pub(super) struct Orphans(Mutex<BTreeMap<(CompanyId, Belonging), Round>>);

/// Where the next round among the belongings of a company begins.
#[derive(Debug, Clone)]
struct Round {
    /// The last path that was looked at; none where all have been.
    after: Option<String>,
    /// When it begins. Whoever has looked at all objects has no reason to begin anew at once.
    from: Timestamp,
}

impl Orphans {
    /// Where to go on; none where it is not time yet.
    fn begin(&self, of: (CompanyId, Belonging), now: Timestamp) -> Option<Option<String>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&of) {
            None => Some(None),
            Some(round) => (round.from <= now).then(|| round.after.clone()),
        }
    }

    fn end(&self, of: (CompanyId, Belonging), round: Round) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(of, round);
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
        for kind in Belonging::ALL {
            match kind.storage(self).sweep(before).await {
                Ok(swept) => removed += swept,
                Err(error) => tracing::warn!(?error, "what writes have left behind could not be removed"),
            }
            removed += self.collect_orphans_of(kind, company, before).await?;
        }
        Ok(removed)
    }

    async fn collect_orphans_of(
        &self,
        kind: Belonging,
        company: CompanyId,
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let of = (company, kind);
        let Some(mut after) = self.orphans.begin(of, self.now()) else { return Ok(0) };
        let (mut removed, mut checked) = (0, 0);
        while checked < ORPHANS_CHECKED {
            let page = match kind.storage(self).list(company, kind.root(), after.as_deref(), PAGE).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(?error, "objects could not be listed; trying again later");
                    break;
                }
            };
            removed += self.remove_orphans(of, &page, before).await?;
            checked += page.len();
            after = page.last().map(|last| last.path.clone());
            if page.len() < PAGE {
                self.orphans.end(of, Round { after: None, from: self.now().plus(ORPHAN_AGE) });
                return Ok(removed);
            }
        }
        self.orphans.end(of, Round { after, from: Timestamp::MIN });
        Ok(removed)
    }

    /// Removes those of a page that nothing refers to.
    async fn remove_orphans(
        &self,
        (company, kind): (CompanyId, Belonging),
        page: &[FileInfo],
        before: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut removed = 0;
        // The objects of a play stand together.
        let mut last: Option<(PlayId, bool)> = None;
        for object in page.iter().filter(|object| object.modified < before) {
            // What is no large value was put there by somebody else.
            let Some(play) = kind.owner(&object.path) else { continue };
            let is_there = match last {
                Some((known, is_there)) if known == play => is_there,
                _ => self.parts.store.header(PlayKey { company, play }).await?.is_some(),
            };
            last = Some((play, is_there));
            if is_there {
                continue;
            }
            match kind.storage(self).delete(company, &object.path).await {
                Ok(was_there) => removed += u64::from(was_there),
                Err(StorageError::NotFound(_)) => {}
                Err(error) => tracing::warn!(?error, path = object.path, "an object that was left behind stays"),
            }
        }
        Ok(removed)
    }
}
