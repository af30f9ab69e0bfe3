//! [`Parts`]: a path within a company's files, checked, and what goes wrong with it.
//!
//! The sandbox keeps paths in; this refuses those that mean something else on some system.

use std::fmt;
use std::io;

use model::limits::FILE_PATH_BYTES;
use sdk::storage::StorageError;

/// Bytes of one name that every file system takes.
const NAME_BYTES: usize = 255;

/// A path: names joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts(String);

impl Parts {
    /// The path of a text.
    pub(super) fn of(path: &str) -> Result<Self, StorageError> {
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
        Ok(Self(path.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder that holds it.
    pub(super) fn above(&self) -> &str {
        self.0.rsplit_once('/').map_or(".", |(above, _)| above)
    }

    /// The folders above it, outermost first, each behind the one that holds it.
    pub(super) fn folders(&self) -> impl Iterator<Item = (&str, &str)> {
        let ends = self.0.match_indices('/').map(|(at, _)| at);
        ends.scan(".", |outer, end| {
            let folder = &self.0[..end];
            Some((std::mem::replace(outer, folder), folder))
        })
    }

    /// What an error means for it.
    pub(super) fn told(&self, error: io::Error) -> StorageError {
        told(&self.0, error)
    }

    /// Nothing where there is no such file; what it means otherwise.
    pub(super) fn unless_missing(&self, error: io::Error) -> Result<(), StorageError> {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(()),
            _ => Err(self.told(error)),
        }
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an error means.
pub(super) fn told(path: &str, error: io::Error) -> StorageError {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => StorageError::NotFound(format!("there is no file {path}")),
        Kind::NotADirectory => StorageError::BadPath(format!("a part of {path} is a file, not a folder")),
        Kind::IsADirectory | Kind::DirectoryNotEmpty | Kind::AlreadyExists => {
            StorageError::BadPath(format!("{path} is a folder with files in it"))
        }
        // The sandbox says so of what leads out of it.
        Kind::PermissionDenied if error.raw_os_error().is_none() => {
            StorageError::BadPath(format!("{path} leads out of the folder"))
        }
        Kind::InvalidInput | Kind::InvalidFilename => StorageError::BadPath(format!("{path} cannot be a path here")),
        Kind::StorageFull | Kind::QuotaExceeded => StorageError::Full(format!("no space is left for {path}")),
        Kind::FileTooLarge => StorageError::TooLarge(format!("{path} is larger than a file may be here")),
        _ => StorageError::Failed(format!("{path}: {error}")),
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
            assert!(matches!(Parts::of(path), Err(StorageError::BadPath(_))), "{path:?}");
        }
        for path in ["a", "a/b.c", "...", ".hidden", "a b/ä😀", "..a/b..", &name[1..]] {
            assert!(Parts::of(path).is_ok(), "{path:?}");
        }
    }

    #[test]
    fn folders_are_named_from_the_outermost() {
        let path = Parts::of("a/b/c").expect("a path");
        assert_eq!(path.folders().collect::<Vec<_>>(), [(".", "a"), ("a", "a/b")]);
        assert_eq!(path.above(), "a/b");
        assert_eq!(Parts::of("a").expect("a path").above(), ".");
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let full = told("a", io::Error::from_raw_os_error(28));
        assert!(matches!(full, StorageError::Full(_)), "{full:?}");
    }
}
