//! One process per data folder: a lock on a file that holds the process id.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::StoreError;

/// Held as long as the store is open. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a folder, and makes the folder where it is missing.
    pub(super) fn take(folder: &Path) -> Result<Self, StoreError> {
        let cannot = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::StorageFull => StoreError::Full(error.to_string()),
            _ => StoreError::ReadOnly(format!("{}: {error}", folder.display())),
        };
        fs::create_dir_all(folder).map_err(cannot)?;
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
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let known = file.read_to_string(&mut pid).is_ok() && !pid.is_empty();
                Err(StoreError::InUse { pid: if known { pid } else { "?".into() } })
            }
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}
