//! What becomes of writes that were not synced when the power goes.
//!
//! Nothing holds a disk to any order: each write may be there or not, sector by sector, and so
//! may a new length. Only bytes that nobody wrote stay as they were; that much SQLite relies on
//! (its "powersafe overwrite"), by default and so here.

use crate::random::Random;

/// A change to a file.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    pub(crate) fn make(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => put(file, *at, bytes),
            Self::Length(length) => file.resize(*length, 0),
        }
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// How kind the disk is.
#[derive(Debug, Clone, Copy)]
enum Mood {
    /// Nothing survives.
    Forgets,
    /// All survives.
    Keeps,
    /// All up to some point survives; the change there is torn.
    InOrder,
    /// Any change survives or does not, or is torn.
    Anyhow,
}

/// A file after the power cut.
pub(crate) fn survivor(synced: &[u8], unsynced: &[Change], sector: usize, random: &mut Random) -> Vec<u8> {
    let mut file = synced.to_vec();
    let mood = *random.pick(&[Mood::Forgets, Mood::Keeps, Mood::InOrder, Mood::Anyhow, Mood::Anyhow]);
    let torn_at = random.below(unsynced.len() as u64 + 1) as usize;
    let kept = 10 + random.below(85);
    for (number, change) in unsynced.iter().enumerate() {
        match mood {
            Mood::Forgets => {}
            Mood::Keeps => change.make(&mut file),
            Mood::InOrder if number < torn_at => change.make(&mut file),
            Mood::InOrder if number == torn_at => tear(&mut file, change, sector, 50, random),
            Mood::InOrder => {}
            Mood::Anyhow if random.percent(kept) => change.make(&mut file),
            Mood::Anyhow => tear(&mut file, change, sector, 30, random),
        }
    }
    file
}

/// Makes some sectors of a change; the file may have grown to hold the rest even so.
fn tear(file: &mut Vec<u8>, change: &Change, sector: usize, kept: u64, random: &mut Random) {
    match change {
        Change::Length(length) => {
            if random.percent(kept) {
                file.resize(*length, 0);
            }
        }
        Change::Write { at, bytes } => {
            let end = at + bytes.len();
            let mut from = *at;
            while from < end {
                let to = ((from / sector + 1) * sector).min(end);
                if random.percent(kept) {
                    put(file, from, &bytes[from - at..to - at]);
                }
                from = to;
            }
            if file.len() < end && random.percent(kept) {
                file.resize(end, 0);
            }
        }
    }
}
