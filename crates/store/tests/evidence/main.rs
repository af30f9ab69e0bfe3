//! Evidence that the store keeps what it has answered for: a power cut, the order of system calls,
//! space that comes back, and bad disks.
//!
//! `FLOW8_SEEDS` says how many power cuts are tried (`10000`), or which (`17..18`).

mod beginning;
mod disk;
mod history;
mod locks;
mod open;
mod platter;
mod power;
mod random;
mod space;
mod survival;
mod trace;
mod vfs;

use std::ops::Range;
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Failed, Trial};

/// A test, and its name.
pub(crate) type Test = (&'static str, fn() -> Result<(), Failed>);

/// Power cuts that are tried where nothing else is said.
const SEEDS: u64 = 1_000;

/// A folder that goes when it is dropped, by its real path.
pub(crate) struct Folder {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { path: folder.path().canonicalize().expect("is there"), _folder: folder }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn seeds() -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "how long to search is up to whoever runs the test")]
    let Ok(wanted) = std::env::var("FLOW8_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("FLOW8_SEEDS is a number, or a range such as 17..18");
    match wanted.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&wanted),
    }
}

fn main() -> std::process::ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [role, folder] = words.as_slice()
        && role == open::ROLE
    {
        open::hold(folder);
        return std::process::ExitCode::SUCCESS;
    }
    if let [role, folder, synchronous] = words.as_slice()
        && role == trace::ROLE
    {
        trace::commit_and_answer(folder, synchronous);
        return std::process::ExitCode::SUCCESS;
    }
    let mut trials = vec![
        Trial::test("power::what_was_answered_survives", || power::what_was_answered_survives(seeds())),
        Trial::test("power::without_sync_the_same_check_fails", || power::without_sync_the_same_check_fails(0..SEEDS)),
    ];
    for (name, test) in [disk::TESTS, open::TESTS, space::TESTS, trace::TESTS].concat() {
        trials.push(Trial::test(name, test));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
