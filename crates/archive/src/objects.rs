//! [`Objects`]: what is kept outside the store: files, and values that are too large for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use model::ids::CompanyId;
use sdk::storage::{FileInfo, Storage, StorageError};
use serde::{Deserialize, Serialize};

use crate::entry::ObjectHead;
use crate::error::ArchiveError;
use crate::totals::{Counting, Totals};

/// Where an object is kept. The names are in every archive: they never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Area {
    Files,
    Values,
}

impl Area {
    pub(crate) const ALL: [Self; 2] = [Self::Files, Self::Values];

    fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Values => "large values",
        }
    }
}

/// Names that are read at once.
const PAGE: usize = 1_000;

/// What is kept outside the store.
#[derive(Clone)]
pub struct Objects {
    /// Files that flows read and write.
    pub files: Arc<dyn Storage>,
    /// Values that are too large for the store.
    pub values: Arc<dyn Storage>,
}

impl Objects {
    pub(crate) fn of(&self, area: Area) -> &dyn Storage {
        match area {
            Area::Files => &*self.files,
            Area::Values => &*self.values,
        }
    }

    /// Calls `each` with every object of some companies, in the one order. An object that is removed
    /// meanwhile is not there.
    pub(crate) async fn each(
        &self,
        companies: &BTreeSet<CompanyId>,
        mut each: impl FnMut(&ObjectHead, &[u8]) -> Result<(), ArchiveError> + Send,
    ) -> Result<(), ArchiveError> {
        for area in Area::ALL {
            for company in companies {
                let storage = self.of(area);
                let mut after: Option<String> = None;
                loop {
                    let page = list(storage, *company, after.as_deref()).await?;
                    let Some(last) = page.last() else { break };
                    after = Some(last.path.clone());
                    for FileInfo { path, .. } in page {
                        let Some(bytes) = read(storage, *company, &path).await? else { continue };
                        let head = ObjectHead { area, company: *company, path, size: bytes.len() as u64 };
                        each(&head, &bytes)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// What some companies have.
    pub(crate) async fn totals(&self, companies: &BTreeSet<CompanyId>) -> Result<Totals, ArchiveError> {
        let mut counting = Counting::default();
        self.each(companies, |head, bytes| counting.whole_object(head, bytes)).await?;
        Ok(counting.totals())
    }

    /// What stands where the objects of an archive are to go.
    pub(crate) async fn standing(
        &self,
        companies: &BTreeSet<CompanyId>,
        wanted: &Totals,
    ) -> Result<Standing, ArchiveError> {
        let found = self.totals(companies).await?;
        if found == wanted.part(true) {
            return Ok(Standing::Same);
        }
        for area in Area::ALL {
            for company in companies {
                if !list(self.of(area), *company, None).await?.is_empty() {
                    return Ok(Standing::Others(area.as_str()));
                }
            }
        }
        Ok(Standing::Nothing)
    }
}

/// What stands where objects are to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Nothing,
    /// Just these.
    Same,
    /// Others, of this kind.
    Others(&'static str),
}

/// The next objects of a company after a path, by path; none after the last.
async fn list(storage: &dyn Storage, company: CompanyId, after: Option<&str>) -> Result<Vec<FileInfo>, ArchiveError> {
    Ok(storage.list(company, "", after, PAGE).await?)
}

async fn read(storage: &dyn Storage, company: CompanyId, path: &str) -> Result<Option<Bytes>, ArchiveError> {
    match storage.read(company, path, usize::MAX).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StorageError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
