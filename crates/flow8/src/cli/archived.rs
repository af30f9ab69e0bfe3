//! What `backup`, `restore` and `verify-backup` have in common: how far they have come, what they
//! say at the end, and what goes wrong.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::path::Path;

use archive::{About, ArchiveError, Checked, Progress, Totals};
use serde::Serialize;
use store::StoreError;
use vault::MasterKey;

use super::{CommandError, Exit, Session};
use crate::config::Config;
use crate::installation::{OpenError, moving};

/// What the table tells first; the rest follows by name.
const FIRST: [&str; 5] = ["plays", "flows", "docs", "records", "objects"];

/// Digits of a hash that the table shows; the JSON has all of them.
const DIGITS: usize = 16;

/// What is told at the end.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'r> {
    /// The archive.
    pub(super) file: &'r Path,
    /// Its bytes.
    pub(super) bytes: u64,
    #[serde(flatten)]
    pub(super) about: &'r About,
    /// What is in it.
    pub(super) totals: &'r Totals,
}

impl Report<'_> {
    /// Prints it, after a line of what was done.
    pub(super) fn tell(&self, session: &mut Session<'_, '_>, done: &str) -> Result<(), CommandError> {
        if session.globals.json {
            return Ok(session.console.json(self)?);
        }
        let paint = session.console.paint_out();
        let out = &mut session.console.out;
        writeln!(out, "{} {done}", paint.strong(&self.file.display().to_string()))?;
        writeln!(out, "  made {} by flow8 {}, {} bytes", self.about.created_at, self.about.flow8, self.bytes)?;
        let heading = format!("  {:<10}  {:>12}  {:>15}  SHA-256", "", "COUNT", "BYTES");
        writeln!(out, "{}", paint.faint(&heading))?;
        let others = self.totals.0.keys().map(String::as_str).filter(|kind| !FIRST.contains(kind));
        for kind in FIRST.into_iter().chain(others) {
            let (count, bytes, hash) = match self.totals.0.get(kind) {
                Some(tally) => (tally.count, tally.bytes, tally.sha256.get(..DIGITS).unwrap_or_default()),
                None => (0, 0, "-"),
            };
            writeln!(out, "  {kind:<10}  {count:>12}  {bytes:>15}  {hash}")?;
        }
        Ok(())
    }
}

/// Tells people how far it has come; nobody, where no terminal is.
pub(super) struct Meter {
    is_shown: bool,
    was_told: bool,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), was_told: false }
    }

    pub(super) fn tell(&mut self, progress: Progress) {
        if self.is_shown {
            let Progress { doing, things, bytes } = progress;
            let line = format!("{doing}: {things} things, {} MB", bytes / 1_000_000);
            // Where it cannot be told, it goes on all the same.
            let _ = write!(io::stderr(), "\r{line:<60}");
            self.was_told = true;
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.was_told {
            let _ = writeln!(io::stderr());
        }
    }
}

/// An archive that is to be read.
pub(super) fn open(file: &Path) -> Result<BufReader<File>, CommandError> {
    let opened = File::open(file).and_then(|opened| match opened.metadata()?.is_file() {
        true => Ok(opened),
        // It is read twice.
        false => Err(io::Error::other("a backup is read from a file that stays as it is")),
    });
    Ok(BufReader::new(opened.map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?))
}

/// Reads an archive to its end, with the key that is configured.
pub(super) fn check(file: &Path, master: &MasterKey) -> Result<Checked, CommandError> {
    let mut meter = Meter::new();
    archive::check(open(file)?, master, &mut |progress| meter.tell(progress)).map_err(|error| wrong(file, &error))
}

/// The key that is configured.
pub(super) fn master(config: &Config) -> Result<MasterKey, CommandError> {
    moving::master(config).map_err(|error| CommandError::usage(error.to_string()))
}

/// Why a store or a folder cannot be used.
pub(super) fn unusable(error: &OpenError) -> CommandError {
    CommandError { exit: Exit::Unreachable, message: error.to_string() }
}

/// Why a store cannot be read or filled.
pub(super) fn of_store(error: &StoreError) -> CommandError {
    let exit = match error {
        StoreError::NotEmpty(_) | StoreError::Unfinished(_) => Exit::Usage,
        _ => Exit::Unreachable,
    };
    CommandError { exit, message: error.to_string() }
}

/// Why an archive cannot be made or used.
pub(super) fn wrong(file: &Path, error: &ArchiveError) -> CommandError {
    let exit = match error {
        ArchiveError::Store(error) => return of_store(error),
        ArchiveError::Storage(_) => Exit::Unreachable,
        ArchiveError::Differs(_) | ArchiveError::Key(_) => Exit::Fault,
        ArchiveError::OtherObjects(_) => return CommandError::usage(error.to_string()),
        _ => Exit::Usage,
    };
    CommandError { exit, message: format!("{}: {error}", file.display()) }
}

/// The same, where the question was whether it is sound.
pub(super) fn unsound(file: &Path, error: &ArchiveError) -> CommandError {
    let is_answer = matches!(
        error,
        ArchiveError::Torn(_)
            | ArchiveError::Altered(_)
            | ArchiveError::Trailing(_)
            | ArchiveError::Unreadable(_)
            | ArchiveError::Miscounted(_)
    );
    let wrong = wrong(file, error);
    if is_answer { CommandError { exit: Exit::Negative, ..wrong } } else { wrong }
}
