//! The data keys of companies, as they are stored, and that they are at hand.

use model::doc::DocKind;
use model::ids::CompanyId;
use model::seal::{Seal, SealError};

use crate::{DocQuery, Store, StoreError};

/// Data keys that one company may have.
const KEYS: usize = 10_000;

/// Why the keys of a company are not at hand.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key cannot be used.
    #[error(transparent)]
    Key(#[from] SealError),
}

/// Takes the data keys of a company to hand, all of them.
///
/// # Errors
/// Where the store fails, or a key cannot be used.
pub async fn learn_keys(store: &dyn Store, seal: &dyn Seal, company: CompanyId) -> Result<(), KeysError> {
    for key in store.docs(&DocQuery::all(company, DocKind::DataKey, KEYS)).await? {
        seal.learn(&key)?;
    }
    Ok(())
}

/// Makes sure that the keys of a company are at hand: it may have been made by another replica.
///
/// # Errors
/// Where the store fails, or a key cannot be used.
pub async fn bring_keys(store: &dyn Store, seal: &dyn Seal, company: CompanyId) -> Result<(), KeysError> {
    match seal.knows(company) {
        true => Ok(()),
        false => learn_keys(store, seal, company).await,
    }
}
