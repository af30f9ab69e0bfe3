//! [`AuditError`]: why the audit log could not be sealed or read.

use model::doc::DocError;
use model::seal::SealError;
use store::StoreError;
use store::keys::KeysError;
use vault::KeyError;

/// Why the audit log could not be sealed or read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept of the chain does not read.
    #[error(transparent)]
    Doc(#[from] DocError),
    /// What was being exported has meanwhile been dropped.
    #[error("a part of the audit log was dropped while it was being exported, by its age; export it again")]
    Dropped,
    /// The keys of the company are not at hand.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The signing key does not open.
    #[error("the key that signs the audit log: {0}")]
    Seal(#[from] SealError),
    /// There is no signing key, or it cannot be used.
    #[error("the key that signs the audit log: {0}")]
    Key(#[from] KeyError),
}
