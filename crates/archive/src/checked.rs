//! [`check`]: reads an archive to its end and changes nothing.

use std::collections::BTreeSet;
use std::io::Read;

use model::ids::CompanyId;
use vault::MasterKey;

use crate::about::About;
use crate::entry::{Entry, Reading};
use crate::error::ArchiveError;
use crate::stream::Opening;
use crate::totals::Totals;
use crate::{Progress, Told};

/// An archive that was read to its end and found sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What its header says.
    pub about: About,
    /// What is in it.
    pub totals: Totals,
    /// Whose things are in it.
    pub(crate) companies: BTreeSet<CompanyId>,
}

/// Reads an archive to its end: every frame, every entry, the counts and hashes, and that nothing follows.
///
/// # Errors
/// What is wrong with it.
pub fn check(input: impl Read, master: &MasterKey, told: Told<'_>) -> Result<Checked, ArchiveError> {
    let mut companies = BTreeSet::new();
    let (about, mut reading) = open(input, master)?;
    let mut read = 0;
    while let Some(entry) = reading.next()? {
        match entry {
            Entry::Row(row) => companies.extend(row.company()),
            Entry::Object(head) => {
                companies.insert(head.company);
            }
            Entry::Piece(_) => {}
            Entry::End(totals) => return Ok(Checked { about, totals, companies }),
        }
        read += 1;
        if read % 1_000 == 0 {
            let (things, bytes) = reading.counting.so_far();
            told(Progress { doing: "checking the backup", things, bytes });
        }
    }
    Err(ArchiveError::Unreadable("it has no end".into()))
}

/// Opens an archive up to its first entry.
pub(crate) fn open<R: Read>(mut input: R, master: &MasterKey) -> Result<(About, Reading<R>), ArchiveError> {
    let (about, frames, read) = About::read(&mut input, master)?;
    Ok((about, Reading::new(Opening::new(input, frames, read))))
}
