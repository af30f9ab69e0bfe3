//! [`Parts`]: a path within a company's files, checked, and what goes wrong with it in a folder.

use std::fmt;
use std::io;

use sdk::storage::{StorageError, check_path};

/// A path: names joined by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parts(String);

impl Parts {
    /// The path of a text.
    pub(super) fn of(path: &str) -> Result<Self, StorageError> {
        check_path(path)?;
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
