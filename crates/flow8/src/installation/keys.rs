//! The master key of the embedded store, made at the first start and kept in the data folder.
//! Where keys are configured, none is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use vault::MasterKey;
use zeroize::Zeroizing;

use super::OpenError;

/// The file's name.
const FILE: &str = "master.key";

/// The file of the key before it, until no data key needs it any more.
const PREVIOUS: &str = "master.key.previous";

/// Why the key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}; it holds the key of all that is sealed in this data folder", file.display())]
pub struct KeyFileError {
    file: PathBuf,
    source: io::Error,
}

/// The key in a data folder, as hex digits; made where there is none.
///
/// # Errors
/// Where it cannot be read or written.
pub(super) fn kept_in(folder: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let file = folder.join(FILE);
    let error = |source| KeyFileError { file: file.clone(), source };
    match fs::read_to_string(&file) {
        Ok(digits) => Ok(Zeroizing::new(digits.trim().to_owned())),
        Err(missing) if missing.kind() == ErrorKind::NotFound => {
            let digits = MasterKey::fresh_hex().map_err(|none| error(io::Error::other(none)))?;
            write_secret(&file, digits.as_bytes()).map_err(error)?;
            Ok(digits)
        }
        Err(other) => Err(error(other)),
    }
}

/// The key in a data folder, as hex digits. None is made.
///
/// # Errors
/// Where there is none, or it cannot be read.
pub(super) fn found_in(folder: &Path) -> Result<Zeroizing<String>, OpenError> {
    let file = folder.join(FILE);
    match fs::read_to_string(&file) {
        Ok(digits) => Ok(Zeroizing::new(digits)),
        Err(missing) if missing.kind() == ErrorKind::NotFound => Err(OpenError::NoKey(file)),
        Err(source) => Err(KeyFileError { file, source }.into()),
    }
}

/// The key before that one, as hex digits, if there is any.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn previous_in(folder: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let file = folder.join(PREVIOUS);
    match fs::read_to_string(&file) {
        Ok(digits) => Ok(Some(Zeroizing::new(digits))),
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyFileError { file, source }),
    }
}

/// Puts a fresh key in the place of the one in a data folder, which is kept beside it. A server that
/// runs goes on with the one it has. Gives where the one before is.
///
/// # Errors
/// Where there is none yet, where the one before is still there, or the folder cannot be written.
pub fn replace_in(folder: &Path) -> Result<PathBuf, OpenError> {
    let (file, previous) = (folder.join(FILE), folder.join(PREVIOUS));
    let digits = found_in(folder)?;
    let error = |source| KeyFileError { file: file.clone(), source };
    if previous.exists() {
        return Err(OpenError::OldKey(previous));
    }
    // Whenever this ends, every key that something is wrapped by is in one of the files.
    write_secret(&previous, digits.as_bytes()).map_err(error)?;
    let fresh = MasterKey::fresh_hex().map_err(|none| error(io::Error::other(none)))?;
    write_secret(&file, fresh.as_bytes()).map_err(error)?;
    Ok(previous)
}

/// Writes a file that nobody else may read, whole or not at all.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn write_secret(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&beside)?;
    new.write_all(bytes)?;
    // What it seals may be on the disk a moment later; the key must not be missing then.
    new.sync_all()?;
    fs::rename(&beside, file)?;
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = kept_in(folder.path()).expect("is made");
        assert_eq!(kept_in(folder.path()).expect("is read"), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(FILE)).expect("is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn the_key_before_is_kept_until_somebody_removes_it() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(replace_in(folder.path()), Err(OpenError::NoKey(_))));
        let first = kept_in(folder.path()).expect("is made");
        assert!(previous_in(folder.path()).expect("reads").is_none());
        let previous = replace_in(folder.path()).expect("replaces");
        assert_eq!(previous_in(folder.path()).expect("reads").as_ref(), Some(&first));
        let second = kept_in(folder.path()).expect("is read");
        assert_ne!(second, first);
        assert!(matches!(replace_in(folder.path()), Err(OpenError::OldKey(_))), "else the first would be lost");
        assert_eq!(kept_in(folder.path()).expect("is read"), second);
        fs::remove_file(previous).expect("removes");
        replace_in(folder.path()).expect("replaces");
    }
}
