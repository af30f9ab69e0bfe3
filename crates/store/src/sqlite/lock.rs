//! One process per data folder: a lock on a file that holds the process id.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::StoreError;

/// Held as long as the store is open. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // To close the file is not enough: a process that is just being started has a copy of it, and with it the
        // lock, until it runs a program of its own. Where this fails, closing is all there is.
        let _ = self.file.unlock();
    }
}

impl Lock {
    /// Takes the lock of a folder, and makes the folder where it is missing.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        let cannot = |error: Error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                StoreError::ReadOnly(format!("{} is not a folder", folder.display()))
            }
            _ => unwritable(folder, &error),
        };
        make_folder(folder).map_err(cannot)?;
        let mut file = private(OpenOptions::new().read(true)).open(folder.join("flow8.lock")).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {
                let pid = std::process::id().to_string();
                let written =
                    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(pid.as_bytes()));
                written.map_err(cannot)?;
                Ok(Self { file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let known = file.read_to_string(&mut pid).is_ok() && !pid.is_empty();
                let pid = if known { pid } else { "?".into() };
                Err(StoreError::InUse { folder: folder.display().to_string(), pid })
            }
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}

/// Why something in the data folder cannot be made.
fn unwritable(path: &Path, error: &Error) -> StoreError {
    let message = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(message),
        _ => StoreError::ReadOnly(message),
    }
}

/// Makes the file of the database where it is missing, for its owner alone: it holds hashes of passwords, and what
/// plays were given. SQLite takes an empty file for a new database, and gives its log the mode of the database.
pub(super) fn make_database(file: &Path) -> Result<(), StoreError> {
    if file.exists() {
        // Whoever may only read it is told so when it is opened, in words for that.
        return Ok(());
    }
    private(&mut OpenOptions::new()).open(file).map(drop).map_err(|error| unwritable(file, &error))
}

/// Opens a file to write to it, and makes it where it is missing: then nobody else may read it. One that is there
/// keeps its mode.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.create(true).write(true).truncate(false)
}

/// Makes a folder and those above it, where they are missing; nobody else may look into what is made. Each is
/// synced into the one above: what is in a folder is lost with its name.
///
/// # Errors
/// Where it cannot be made, or something else has its name.
pub fn make_folder(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Err(ErrorKind::NotFound.into()),
    };
    make_folder(above)?;
    #[cfg_attr(not(unix), expect(unused_mut, reason = "modes are a matter of Unix"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        made => made?,
    }
    File::open(above)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// A process that is being started has a copy of every open file until it runs a program of its own.
    #[cfg(unix)]
    #[test]
    fn what_is_made_is_nobody_elses_and_what_was_there_keeps_its_mode() {
        use std::fs::{self, Permissions};
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        let above = tempfile::tempdir().expect("a folder");
        fs::set_permissions(above.path(), Permissions::from_mode(0o755)).expect("is set");
        let folder = above.path().join("made/data");
        let database = folder.join("flow8.db");
        drop(Lock::take(&folder).expect("takes"));
        make_database(&database).expect("is made");
        assert_eq!(
            (mode(above.path()), mode(folder.parent().expect("a folder")), mode(&folder)),
            (0o755, 0o700, 0o700)
        );
        assert_eq!((mode(&folder.join("flow8.lock")), mode(&database)), (0o600, 0o600));

        for path in [&folder, &database] {
            fs::set_permissions(path, Permissions::from_mode(0o750)).expect("is set");
        }
        drop(Lock::take(&folder).expect("takes"));
        make_database(&database).expect("is there");
        assert_eq!((mode(&folder), mode(&database)), (0o750, 0o750));
    }

    #[test]
    fn whoever_lets_go_does_not_wait_for_processes_that_it_starts() {
        let folder = tempfile::tempdir().expect("a folder");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Acquire) {
                    Command::new("true").status().expect("runs");
                }
            });
            let taken = (0..3_000).map(|_| Lock::take(folder.path()).map(drop)).find(Result::is_err);
            is_over.store(true, Ordering::Release);
            assert_eq!(taken, None);
        });
    }
}
