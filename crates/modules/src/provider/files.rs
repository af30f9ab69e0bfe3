//! [`LocalFiles`]: a company's files in a local folder, behind the seam of the sdk.
//!
//! Each company has a folder of its own, opened as a sandbox: no path, and no link that somebody
//! has put there, leads out of it. A file is written beside its place, put on the disk, and given
//! its name in one step, so that a reader sees the old one or the new one. Disks are slow, so all
//! of it runs on threads that may wait.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use cap_std::time::SystemTime;
use cap_tempfile::TempFile;
use model::ids::CompanyId;
use model::time::Timestamp;
use sdk::storage::{FileInfo, Storage, StorageError};

use super::listing;
use super::path::{self, Parts};

/// The folder of a company in which its files are; beside it, files are made.
const FILES: &str = "files";

/// How often a file is written again whose folder somebody has just removed for being empty.
const TRIES: usize = 16;

/// Keeps files in a local folder.
#[derive(Debug, Clone)]
pub struct LocalFiles {
    root: Arc<Dir>,
}

impl LocalFiles {
    /// Files in that folder, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made or opened.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Dir::create_ambient_dir_all(folder, ambient_authority())?;
        Ok(Self { root: Arc::new(Dir::open_ambient_dir(folder, ambient_authority())?) })
    }

    /// Runs work on a thread that may wait.
    async fn wait<T: Send + 'static>(
        &self,
        company: CompanyId,
        work: impl FnOnce(&Company<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let root = self.root.clone();
        let work = tokio::task::spawn_blocking(move || work(&Company { root: &root, name: company.to_string() }));
        work.await.unwrap_or_else(|_| Err(StorageError::Failed("the work on the file broke off".to_owned())))
    }
}

#[async_trait]
impl Storage for LocalFiles {
    async fn read(&self, company: CompanyId, path: &str, max: usize) -> Result<Bytes, StorageError> {
        let path = Parts::of(path)?;
        self.wait(company, move |company| company.read(&path, max)).await
    }

    async fn write(&self, company: CompanyId, path: &str, bytes: Bytes) -> Result<(), StorageError> {
        let path = Parts::of(path)?;
        self.wait(company, move |company| company.write(&path, &bytes)).await
    }

    async fn rename(&self, company: CompanyId, from: &str, to: &str) -> Result<(), StorageError> {
        let (from, to) = (Parts::of(from)?, Parts::of(to)?);
        self.wait(company, move |company| company.rename(&from, &to)).await
    }

    async fn delete(&self, company: CompanyId, path: &str) -> Result<bool, StorageError> {
        let path = Parts::of(path)?;
        self.wait(company, move |company| company.delete(&path)).await
    }

    async fn head(&self, company: CompanyId, path: &str) -> Result<Option<FileInfo>, StorageError> {
        let path = Parts::of(path)?;
        self.wait(company, move |company| company.head(&path)).await
    }

    async fn list(
        &self,
        company: CompanyId,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, StorageError> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.wait(company, move |company| company.list(&prefix, after.as_deref(), limit)).await
    }
}

/// The folder of one company.
struct Company<'r> {
    root: &'r Dir,
    name: String,
}

impl Company<'_> {
    /// The folder of its files; none before the first is written.
    fn files(&self) -> io::Result<Dir> {
        self.root.open_dir(&self.name)?.open_dir(FILES)
    }

    /// The folder in which files are made, with that of its files in it.
    fn made(&self) -> io::Result<Dir> {
        make(self.root, &self.name)?;
        let home = self.root.open_dir(&self.name)?;
        make(&home, FILES)?;
        Ok(home)
    }

    fn read(&self, path: &Parts, max: usize) -> Result<Bytes, StorageError> {
        let told = |error| path.told(error);
        let files = self.files().map_err(told)?;
        is_file(&files.metadata(path.as_str()).map_err(told)?).map_err(told)?;
        let file = files.open(path.as_str()).map_err(told)?;
        let size = file.metadata().map_err(told)?.len();
        let too_large = || StorageError::TooLarge(format!("{path} has more than {max} bytes"));
        if size > max as u64 {
            return Err(too_large());
        }
        // It may grow while it is read.
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(max));
        file.take((max as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(told)?;
        if bytes.len() > max { Err(too_large()) } else { Ok(bytes.into()) }
    }

    fn write(&self, path: &Parts, bytes: &[u8]) -> Result<(), StorageError> {
        retried(|| {
            let home = self.made()?;
            let mut file = TempFile::new(&home)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            let files = home.open_dir(FILES)?;
            make_above(&files, path)?;
            file.replace(format!("{FILES}/{path}"))?;
            sync(&files, path.above())
        })
        .map_err(|error| path.told(error))
    }

    fn rename(&self, from: &Parts, to: &Parts) -> Result<(), StorageError> {
        let files = self.files().map_err(|error| from.told(error))?;
        let is_there = || is_file(&files.symlink_metadata(from.as_str())?);
        is_there().map_err(|error| from.told(error))?;
        retried(|| {
            make_above(&files, to)?;
            files.rename(from.as_str(), &files, to.as_str())?;
            sync(&files, to.above())
        })
        .map_err(|error| if is_there().is_ok() { to.told(error) } else { from.told(error) })?;
        // Its old name must not come back.
        let left = sync(&files, from.above());
        left.or_else(|error| from.unless_missing(error))?;
        clear_above(&files, from);
        Ok(())
    }

    fn delete(&self, path: &Parts) -> Result<bool, StorageError> {
        let removed = self.files().and_then(|files| {
            is_file(&files.symlink_metadata(path.as_str())?)?;
            files.remove_file(path.as_str())?;
            Ok(files)
        });
        match removed {
            Ok(files) => {
                sync(&files, path.above()).or_else(|error| path.unless_missing(error))?;
                clear_above(&files, path);
                Ok(true)
            }
            Err(error) => path.unless_missing(error).map(|()| false),
        }
    }

    fn head(&self, path: &Parts) -> Result<Option<FileInfo>, StorageError> {
        let found = self.files().and_then(|files| files.metadata(path.as_str()));
        match found.and_then(|metadata| is_file(&metadata).map(|()| metadata)) {
            Ok(metadata) => Ok(Some(info(path.as_str().to_owned(), &metadata))),
            Err(error) => path.unless_missing(error).map(|()| None),
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<FileInfo>, StorageError> {
        let files = match self.files() {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(path::told("the folder", error)),
        };
        listing::list(files, prefix, after, limit).map_err(|error| path::told("the folder", error))
    }
}

/// What is no file is not there: there are no folders in the storage.
fn is_file(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// What is told of a file.
pub(super) fn info(path: String, metadata: &Metadata) -> FileInfo {
    let epoch = SystemTime::from_std(std::time::UNIX_EPOCH);
    let modified = metadata.modified().ok().and_then(|at| at.duration_since(epoch).ok());
    let modified = modified.map_or(Timestamp::MIN, |since| Timestamp::MIN.plus(since));
    FileInfo { path, size: metadata.len(), modified }
}

/// Does it again where a folder was missing that was there, or that was to be made: another one
/// may have removed it for being empty.
fn retried(mut work: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 1..TRIES {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
    }
    work()
}

/// Makes a folder that lasts, where it is missing.
fn make(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.create_dir(name) {
        Ok(()) => sync(dir, "."),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the folders above a path that are missing.
fn make_above(files: &Dir, path: &Parts) -> io::Result<()> {
    for (outer, folder) in path.folders() {
        match files.create_dir(folder) {
            Ok(()) => sync(files, outer)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the folders above a path that are empty now. One that stays does no harm.
fn clear_above(files: &Dir, path: &Parts) {
    let folders: Vec<&str> = path.folders().map(|(_, folder)| folder).collect();
    for folder in folders.into_iter().rev() {
        if files.remove_dir(folder).is_err() {
            return;
        }
    }
}

/// Puts on the disk which names a folder holds.
fn sync(dir: &Dir, folder: &str) -> io::Result<()> {
    match dir.open(folder)?.sync_all() {
        // Some systems have no such thing for folders.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}
