//! [`ArchiveError`]: why an archive cannot be made, read or restored.

use std::io;

use model::codec::CodecError;
use sdk::storage::StorageError;
use store::StoreError;
use vault::KeyError;

/// Why an archive cannot be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("the backup cannot be read: {0}")]
    Read(io::Error),
    /// The file cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(io::Error),
    /// It begins as no archive does.
    #[error("this is no backup of flow8")]
    NotAnArchive,
    /// A newer version made it.
    #[error("the backup has format {found}, this flow8 knows up to {known}; use a newer flow8")]
    Newer {
        /// What it has.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// Its header was altered.
    #[error("the header of the backup does not read: {0}")]
    Header(String),
    /// Another master key sealed it.
    #[error(
        "the backup was sealed with the master key {archive}, and the key given here is {given}; give the key of the \
         installation that it was made of: its master.key, or its ENCRYPTION_KEY and ENCRYPTION_KEY_SALT"
    )]
    WrongKey {
        /// The id of the key that sealed it.
        archive: String,
        /// The id of the one that was given.
        given: String,
    },
    /// Its end is missing.
    #[error("the backup is cut off after {0} bytes")]
    Torn(u64),
    /// Bytes of it were changed.
    #[error("the backup was altered: the frame at byte {0} is not what was written")]
    Altered(u64),
    /// Something comes behind its end.
    #[error("the backup was altered: something stands behind its end, at byte {0}")]
    Trailing(u64),
    /// It was sealed by the right key, and holds what cannot be.
    #[error("the backup does not read: {0}; perhaps a newer flow8 made it")]
    Unreadable(String),
    /// It does not hold what its end says.
    #[error("the backup does not hold what it says at its end: {0}")]
    Miscounted(String),
    /// Something is larger than an archive takes.
    #[error("{0} is larger than a backup takes")]
    TooLarge(String),
    /// After all was written, the target holds something else.
    #[error("what was restored is not what the backup holds: {0}")]
    Differs(String),
    /// The target's objects are others.
    #[error(
        "the storage of objects is not empty, and holds other {0} than the backup; choose another with storage.dir, or \
         empty it"
    )]
    OtherObjects(&'static str),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The storage of objects failed.
    #[error("the storage of objects failed: {0}")]
    Storage(String),
    /// There is no randomness.
    #[error("{0}")]
    Key(#[from] KeyError),
}

impl From<CodecError> for ArchiveError {
    fn from(error: CodecError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl From<StorageError> for ArchiveError {
    fn from(error: StorageError) -> Self {
        Self::Storage(match error {
            StorageError::NotFound(what) => format!("{what} is gone"),
            StorageError::Full(what) => format!("no space is left: {what}"),
            StorageError::BadPath(what) | StorageError::TooLarge(what) | StorageError::Failed(what) => what,
        })
    }
}
