//! [`Files`]: whether files have changed since they were looked at. It compares what the system
//! says of them, and reads none of them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Files of one folder that are looked at.
const FILES_IN_FOLDER: usize = 1_000;

/// What the system said of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files(Vec<(PathBuf, Option<Stamp>)>);

/// Which file it is, how long, and when it was last touched in any way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    seconds: i64,
    nanos: i64,
}

impl Files {
    /// Looks at files, and at all that lie in folders.
    pub(super) fn look<'p>(
        files: impl IntoIterator<Item = &'p Path>,
        folders: impl IntoIterator<Item = &'p Path>,
    ) -> Self {
        let mut paths: Vec<PathBuf> = files.into_iter().map(Path::to_owned).collect();
        for folder in folders {
            let within = fs::read_dir(folder).into_iter().flatten();
            paths.extend(within.take(FILES_IN_FOLDER).filter_map(|entry| Some(entry.ok()?.path())));
        }
        paths.sort_unstable();
        // Links are followed: a secret that is mounted is one, and is exchanged by changing where it leads.
        let stamp = |path: &Path| fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata));
        let seen = paths.into_iter().map(|path| {
            let stamp = stamp(&path);
            (path, stamp)
        });
        Self(seen.collect())
    }

    /// Whether a file is another one than it was.
    pub(super) fn differ_at(&self, before: &Self, path: &Path) -> bool {
        let find = |files: &Self| files.0.iter().find(|(known, _)| known == path).and_then(|(_, stamp)| *stamp);
        find(self) != find(before)
    }

    /// Whether the same files were looked at.
    pub(super) fn has_the_files_of(&self, other: &Self) -> bool {
        self.0.iter().map(|(path, _)| path).eq(other.0.iter().map(|(path, _)| path))
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self { inode: metadata.ino(), size: metadata.size(), seconds: metadata.ctime(), nanos: metadata.ctime_nsec() }
    }
}
