//! [`Totals`]: how many of each kind there are, and their hashes.
//!
//! Rows and objects come in one order from whatever holds them, so the same content has the same
//! hashes everywhere.

use std::collections::BTreeMap;

use model::codec;
use model::doc::DocKind;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use store::row::Row;

use crate::entry::ObjectHead;
use crate::error::ArchiveError;

/// How many there are of a kind, and their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes of them, as an archive holds them before they are compressed.
    pub bytes: u64,
    /// The SHA-256 of all of them, as hex digits.
    pub sha256: String,
}

/// How many of each kind there are: of `plays`, `flows`, `docs` (flows among them), `records`, `objects` and
/// so on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Totals(pub BTreeMap<String, Tally>);

/// Under which objects are counted.
const OBJECTS: &str = "objects";

impl Totals {
    /// How many there are of a kind.
    pub fn count(&self, kind: &str) -> u64 {
        self.0.get(kind).map_or(0, |tally| tally.count)
    }

    /// The kinds in which two differ, and how.
    pub(crate) fn differences(&self, is: &Self) -> Vec<String> {
        let kinds = self.0.keys().chain(is.0.keys().filter(|kind| !self.0.contains_key(*kind)));
        let differ = kinds.filter(|kind| self.0.get(*kind) != is.0.get(*kind));
        let tell = |kind: &String| match (self.count(kind), is.count(kind)) {
            (expected, found) if expected == found => format!("{expected} {kind}, but others"),
            (expected, found) => format!("{found} {kind} in place of {expected}"),
        };
        differ.map(tell).collect()
    }

    /// Those of objects alone, or of all but objects.
    pub(crate) fn part(&self, of_objects: bool) -> Self {
        let wanted = self.0.iter().filter(|(kind, _)| (*kind == OBJECTS) == of_objects);
        Self(wanted.map(|(kind, tally)| (kind.clone(), tally.clone())).collect())
    }
}

#[derive(Default)]
struct Counted {
    count: u64,
    bytes: u64,
    hash: Sha256,
}

impl Counted {
    fn add(&mut self, count: u64, bytes: &[u8]) {
        self.count += count;
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }
}

/// Counts what passes by.
#[derive(Default)]
pub(crate) struct Counting {
    of: BTreeMap<&'static str, Counted>,
}

impl Counting {
    /// A row and its encoded form. Encoded rows say where they end, so that no two lists of them have the same bytes.
    pub(crate) fn row(&mut self, row: &Row, encoded: &[u8]) {
        let (kind, count) = match row {
            Row::Chunk { count, .. } => ("records", u64::from(*count)),
            other => (other.kind().as_str(), 1),
        };
        self.of.entry(kind).or_default().add(count, encoded);
        if matches!(row, Row::Doc { kind: DocKind::Flow, .. }) {
            self.of.entry("flows").or_default().add(1, encoded);
        }
    }

    /// A row.
    pub(crate) fn plain_row(&mut self, row: &Row) -> Result<(), ArchiveError> {
        self.row(row, &codec::encode(row)?);
        Ok(())
    }

    /// An object, of which so many bytes follow.
    pub(crate) fn object(&mut self, encoded: &[u8]) {
        self.of.entry(OBJECTS).or_default().add(1, encoded);
    }

    /// Bytes of the last object.
    pub(crate) fn piece(&mut self, bytes: &[u8]) {
        self.of.entry(OBJECTS).or_default().add(0, bytes);
    }

    /// A whole object.
    pub(crate) fn whole_object(&mut self, head: &ObjectHead, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.object(&codec::encode(head)?);
        self.piece(bytes);
        Ok(())
    }

    /// Rows and objects so far, and bytes of them.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        let kinds = self.of.iter().filter(|(kind, _)| **kind != "flows").map(|(_, counted)| counted);
        kinds.fold((0, 0), |(count, bytes), counted| (count + counted.count, bytes + counted.bytes))
    }

    pub(crate) fn totals(self) -> Totals {
        let tally = |(kind, counted): (&str, Counted)| {
            let sha256 = hex::encode(counted.hash.finalize());
            (kind.to_owned(), Tally { count: counted.count, bytes: counted.bytes, sha256 })
        };
        Totals(self.of.into_iter().map(tally).collect())
    }
}
