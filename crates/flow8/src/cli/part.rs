//! [`Part`]: a file that gets its name when all of it is on the disk, and not before.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A file under way, beside its place. Unless it is finished, it is removed.
pub(super) struct Part {
    file: File,
    path: PathBuf,
    to: PathBuf,
    is_finished: bool,
}

impl Part {
    /// Begins a file that nobody else may read.
    ///
    /// # Errors
    /// Where there is such a file already, another process is at work on it, or it cannot be written.
    pub(super) fn begin(to: &Path) -> io::Result<Self> {
        if to.try_exists()? {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "is there already; choose another name"));
        }
        let mut path = to.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "another process is at work on its .part"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // One may be left from a process that was killed.
        file.set_len(0)?;
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(Self { file, path, to: to.to_owned(), is_finished: false })
    }

    /// Where to write.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Puts it on the disk, and gives it its name.
    ///
    /// # Errors
    /// Where the disk refuses; it is removed then.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.to)?;
        self.is_finished = true;
        let above = self.to.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_finished {
            // It is no backup. Where it cannot be removed, its name says so.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn it_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (to, beside) = (folder.path().join("a"), folder.path().join("a.part"));
        fs::write(&beside, "left from a process that was killed").expect("is written");
        let part = Part::begin(&to).expect("begins");
        part.file().write_all(b"whole").expect("is written");
        assert!(Part::begin(&to).is_err_and(|error| error.kind() == ErrorKind::ResourceBusy));
        assert!(!to.exists() && beside.exists());
        part.finish().expect("finishes");
        assert_eq!(fs::read(&to).expect("is there"), b"whole");
        assert!(!beside.exists());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&to).expect("is there").permissions().mode() & 0o777, 0o600);
        }
        assert!(Part::begin(&to).is_err_and(|error| error.kind() == ErrorKind::AlreadyExists));

        let other = folder.path().join("b");
        drop(Part::begin(&other).expect("begins"));
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "what is not finished is removed");
    }
}
