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

/// Writes a file that nobody else may read, whole or not at all.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn write_secret(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("new");
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
}
