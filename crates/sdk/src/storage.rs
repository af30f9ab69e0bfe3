//! [`Storage`]: a company's files, wherever they are kept.

use async_trait::async_trait;
use bytes::Bytes;
use model::ids::CompanyId;
use model::limits::FILE_PATH_BYTES;
use model::time::Timestamp;

/// How the paths of files begin that came to plays by their channels; the id of the play follows. They are cleared
/// away with it.
pub const FROM_CHANNELS: &str = "channels/";

/// Bytes of one name in a path: what every file system takes.
const NAME_BYTES: usize = 255;

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

/// Whether a text is the path of a file: what every storage asks before it does anything with one.
///
/// It refuses what would lead out of the company's files, and what means something else on some
/// system.
///
/// # Errors
/// [`StorageError::BadPath`] with what is wrong.
pub fn check_path(path: &str) -> Result<(), StorageError> {
    let bad = |why: &str| Err(StorageError::BadPath(format!("the path {why}")));
    if path.is_empty() {
        return bad("is empty");
    }
    if path.len() > FILE_PATH_BYTES {
        return bad(&format!("has more than {FILE_PATH_BYTES} bytes"));
    }
    if path.starts_with('/') {
        return bad("begins with /; paths are within the company's own files");
    }
    for name in path.split('/') {
        if matches!(name, "." | "..") {
            return bad("holds . or .. as a name");
        }
        if name.is_empty() {
            return bad("holds an empty name: // or a / at its end");
        }
        if name.len() > NAME_BYTES {
            return bad(&format!("holds a name of more than {NAME_BYTES} bytes"));
        }
        if name.contains(|char: char| char.is_control() || matches!(char, '\\' | ':')) {
            return bad("holds a backslash, a colon or a control character");
        }
    }
    Ok(())
}

/// Keeps files. Paths are within the company: no company sees another's, and each path is checked
/// with [`check_path`] first. A file is replaced as a whole: who reads it meanwhile gets what was
/// there or what is there now, never a mixture.
#[async_trait]
pub trait Storage: Send + Sync {
    /// What is in a file; at most `max` bytes.
    ///
    /// # Errors
    /// As [`StorageError`] says; likewise below.
    async fn read(&self, company: CompanyId, path: &str, max: usize) -> Result<Bytes, StorageError>;

    /// Writes a file whole, replacing what was there. It is on the disk when this returns.
    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError>;

    /// Gives a file another path, replacing what was there. A crash leaves it under its old path,
    /// under the new one, or under both; never under none.
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

    /// Removes what writes that broke off before `before` have left where no path leads to it; says
    /// how much. It does a bounded amount of work, and goes on with the rest when it is called again.
    async fn sweep(&self, before: Timestamp) -> Result<u64, StorageError> {
        let _ = before;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_path_is_refused() {
        let long = "a/".repeat(600);
        let name = "n".repeat(256);
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/./b", "a\\b", "c:a", "a\0", "a\nb", &long, &name,
        ] {
            assert!(matches!(check_path(path), Err(StorageError::BadPath(_))), "{path:?}");
        }
        for path in ["a", "a/b.c", "...", ".hidden", "a b/ä😀", "..a/b..", &name[1..]] {
            assert!(check_path(path).is_ok(), "{path:?}");
        }
    }
}
