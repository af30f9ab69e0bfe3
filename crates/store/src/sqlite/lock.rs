//! One process per data folder: a lock on a file that holds the process id.

use std::fs::{self, File, OpenOptions, TryLockError};
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
        let cannot = |error: Error| {
            let message = format!("{}: {error}", folder.display());
            match error.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(message),
                ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                    StoreError::ReadOnly(format!("{} is not a folder", folder.display()))
                }
                _ => StoreError::ReadOnly(message),
            }
        };
        make(folder).map_err(cannot)?;
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(folder.join("flow8.lock"))
            .map_err(cannot)?;
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

/// Makes a folder and those above it. Each is synced into the one above: what is in a folder is
/// lost with its name.
fn make(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Err(ErrorKind::NotFound.into()),
    };
    make(above)?;
    match fs::create_dir(folder) {
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
