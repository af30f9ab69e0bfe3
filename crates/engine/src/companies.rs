//! The companies of the installation, and that their keys are at hand where they are needed.
//!
//! A company may have been made at another replica. Its data key is looked for when a request of
//! somebody of it comes in, or a play of it is brought into memory.

use model::doc::{Doc, DocKind};
use model::ids::CompanyId;
use store::keys::{KeysError, bring_keys};
use store::{DocQuery, Store, StoreError};

use crate::Engine;

/// Companies that one installation may have.
pub const COMPANIES: usize = 10_000;

/// All companies, the oldest first.
///
/// # Errors
/// Where the store fails or is damaged.
pub async fn companies(store: &dyn Store) -> Result<Vec<CompanyId>, StoreError> {
    let query = DocQuery::all(CompanyId::INSTALLATION, DocKind::Company, COMPANIES);
    let damaged = |doc: &Doc| StoreError::Damaged(format!("there is a company {:?}, which is no id", doc.key.id));
    let docs = store.docs(&query).await?;
    docs.iter().map(|doc| doc.key.id.parse().map(CompanyId).map_err(|_| damaged(doc))).collect()
}

impl Engine {
    /// Makes sure that the keys of a company are at hand.
    ///
    /// # Errors
    /// Where the store fails, or a key cannot be used.
    pub async fn bring_keys(&self, company: CompanyId) -> Result<(), KeysError> {
        bring_keys(&**self.store(), self.seal(), company).await
    }
}
