//! Lists files in the order of their paths, without ever holding more names than are asked for.

use std::collections::BTreeMap;
use std::io;

use cap_std::fs::Dir;
use sdk::storage::FileInfo;

use super::files;

/// Names of one folder that are held at once, at least.
const AT_ONCE: usize = 64;

/// The files whose paths begin with `prefix` and come after `after`, by path; at most `limit`.
pub(super) fn list(files: Dir, prefix: &str, after: Option<&str>, limit: usize) -> io::Result<Vec<FileInfo>> {
    let wanted = Wanted { prefix, after };
    let mut found = Vec::new();
    let mut open =
        vec![Folder { dir: files, path: String::new(), names: BTreeMap::new(), after: None, is_whole: false }];
    while let Some(folder) = open.last_mut() {
        if found.len() >= limit {
            break;
        }
        if folder.names.is_empty() && !folder.is_whole {
            folder.fill(&wanted, (limit - found.len()).max(AT_ONCE))?;
        }
        let Some((name, is_folder)) = folder.names.pop_first() else {
            open.pop();
            continue;
        };
        let path = format!("{}{name}", folder.path);
        folder.after = Some(name.clone());
        let name = name.trim_end_matches('/');
        if is_folder {
            match folder.dir.open_dir(name) {
                Ok(dir) => open.push(Folder { dir, path, names: BTreeMap::new(), after: None, is_whole: false }),
                Err(error) => gone(error)?,
            }
        } else {
            match folder.dir.symlink_metadata(name) {
                Ok(metadata) => found.push(files::info(path, &metadata)),
                Err(error) => gone(error)?,
            }
        }
    }
    Ok(found)
}

/// What is removed while it is listed is not there.
fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

struct Folder {
    dir: Dir,
    /// Its path, with a `/` at its end; empty for the outermost.
    path: String,
    /// The next names; folders with a `/` at their ends, so that they are in the order of paths.
    names: BTreeMap<String, bool>,
    /// The last name that was taken.
    after: Option<String>,
    /// Whether there are no names behind those that are held.
    is_whole: bool,
}

impl Folder {
    /// Takes up the first names behind the last one, at most `most`.
    fn fill(&mut self, wanted: &Wanted<'_>, most: usize) -> io::Result<()> {
        self.is_whole = true;
        for entry in self.dir.entries()? {
            let entry = entry?;
            // Links lead to what has a path of its own, or out of here.
            let kind = entry.file_type()?;
            let Ok(mut name) = entry.file_name().into_string() else { continue };
            if kind.is_dir() {
                name.push('/');
            } else if !kind.is_file() {
                continue;
            }
            let is_taken = self.after.as_ref().is_some_and(|after| name <= *after);
            if is_taken || !wanted.may_be_in(&format!("{}{name}", self.path), kind.is_dir()) {
                continue;
            }
            self.names.insert(name, kind.is_dir());
            if self.names.len() > most {
                self.names.pop_last();
                self.is_whole = false;
            }
        }
        Ok(())
    }
}

/// Which files are asked for.
struct Wanted<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
}

impl Wanted<'_> {
    /// Whether a file is one of them, or a folder, whose path ends with `/`, may hold one.
    fn may_be_in(&self, path: &str, is_folder: bool) -> bool {
        let leads_to = |to: &str| is_folder && to.starts_with(path);
        (path.starts_with(self.prefix) || leads_to(self.prefix))
            && self.after.is_none_or(|after| path > after || leads_to(after))
    }
}
