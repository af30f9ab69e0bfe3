//! [`Storage`]: a company's files, wherever they are kept.

use async_trait::async_trait;
use bytes::Bytes;
use model::ids::CompanyId;
use model::time::Timestamp;

/// A file, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path: names joined by `/`, none of them `.` or `..`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// Why a file could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// There is none.
    NotFound(String),
    /// The path is not one.
    BadPath(String),
    /// It is larger than may be read at once.
    TooLarge(String),
    /// No space is left.
    Full(String),
    /// Anything else.
    Failed(String),
}

/// Keeps files. Paths are within the company: no company sees another's.
#[async_trait]
pub trait Storage: Send + Sync {
    /// What is in a file; at most `max` bytes.
    ///
    /// # Errors
    /// As [`StorageError`] says; likewise below.
    async fn read(&self, company: CompanyId, path: &str, max: usize) -> Result<Bytes, StorageError>;

    /// Writes a file whole, replacing what was there. It is on the disk when this returns.
    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError>;

    /// Gives a file another path, replacing what was there.
    async fn rename(&self, company: CompanyId, from: &str, to: &str) -> Result<(), StorageError>;

    /// Removes a file; says whether there was one.
    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError>;

    /// A file, without what is in it.
    async fn head(&self, company: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError>;

    /// The files whose paths begin with `prefix`, in the order of the bytes of their paths; at most
    /// `limit`, and only those whose paths come after `after`. Fewer than `limit` are the last.
    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError>;
}
