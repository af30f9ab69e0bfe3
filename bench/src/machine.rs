//! The machine: where data lies meanwhile, and what the table says of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Outcome;
use crate::table::{figure, median};

/// How long syncs are tried.
const SYNCS: Duration = Duration::from_secs(1);

/// A folder for the data: the one that is asked for, or the first that is not memory.
pub(crate) fn folder(asked: Option<PathBuf>) -> Outcome<TempDir> {
    let usual = [std::env::temp_dir(), "/var/tmp".into(), std::env::current_dir()?];
    let on_disk = usual.iter().find(|folder| folder.is_dir() && !is_memory(&file_system(folder)));
    let parent = asked.or_else(|| on_disk.cloned()).unwrap_or_else(std::env::temp_dir);
    Ok(tempfile::Builder::new().prefix("flow8-bench-").tempdir_in(parent)?)
}

/// One line about the machine and the disk under a folder.
pub(crate) fn about(folder: &Path) -> Outcome<String> {
    let cores = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let system = file_system(folder);
    let warning = if is_memory(&system) { " (memory, not a disk: the figures say little)" } else { "" };
    let took = sync_time(folder)?;
    Ok(format!(
        "{cores} cores shared with the load generator, Linux {}; data on {system}{warning}; \
         one fdatasync of 4 kB takes {} ms ({}/s); every commit is synced, full history is kept.",
        kernel.trim(),
        figure(took * 1e3),
        figure(1.0 / took),
    ))
}

/// Seconds that it takes to append a page and sync it: the median.
fn sync_time(folder: &Path) -> Outcome<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let (page, begun) = ([7_u8; 4_096], Instant::now());
    let mut times = Vec::new();
    while begun.elapsed() < SYNCS {
        let since = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(since.elapsed().as_secs_f64());
    }
    fs::remove_file(&path)?;
    Ok(median(times))
}

/// The type of the file system that a folder is on.
fn file_system(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let found = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        folder.starts_with(at).then(|| (at.len(), kind.to_owned()))
    });
    // Of two mounts at one place, the later one is seen.
    found.max_by_key(|(length, _)| *length).map_or_else(|| "an unknown file system".into(), |(_, kind)| kind)
}

fn is_memory(system: &str) -> bool {
    matches!(system, "tmpfs" | "ramfs")
}
