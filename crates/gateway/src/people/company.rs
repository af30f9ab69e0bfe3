//! [`Company`]: a tenant.

use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, Id};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use vault::{KeyError, KeyRing};

use super::User;

/// A tenant. Whatever is stored belongs to one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Company {
    pub(crate) id: CompanyId,
    pub(crate) name: String,
    /// Since when it is being erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) erasing: Option<Timestamp>,
}

impl Company {
    /// The company as the store keeps it.
    pub(crate) fn write(&self, expect: Expect) -> DocWrite {
        DocWrite::put(Self::key(self.id), expect, self)
    }

    /// Where it is kept.
    pub(crate) fn key(id: CompanyId) -> DocKey {
        DocKey::new(CompanyId::INSTALLATION, DocKind::Company, id)
    }
}

/// What a new company begins with: itself, its data key, and somebody who lets others in. The key
/// is at hand from now on.
///
/// # Errors
/// Where the system has no randomness.
pub(crate) fn founding(ring: &KeyRing, company: &Company, owner: &User, key: Id) -> Result<[DocWrite; 3], KeyError> {
    let wrapped = ring.make(company.id, key)?;
    Ok([
        company.write(Expect::Absent),
        DocWrite::put(DocKey::new(company.id, DocKind::DataKey, key), Expect::Absent, &wrapped),
        owner.write(company.id, Expect::Absent),
    ])
}
