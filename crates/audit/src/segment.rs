//! [`Segment`]: some rows of a company's audit log, sealed. [`Checkpoint`]: what was before the first that is
//! still there. [`Signed`]: either, as it is stored and exported.

use std::fmt;

use model::ids::CompanyId;
use model::payload::Digest;
use model::time::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vault::{PublicKey, Signature, SigningKey};

/// Rows of one segment, at most.
pub const SEGMENT_ROWS: usize = 1_000;

/// Some rows of a company's audit log, in order, sealed at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// What this is; so that one kind of signed text is never taken for the other.
    kind: SegmentKind,
    /// Whose rows they are.
    pub company: CompanyId,
    /// 1 for the first of the company, then one more each.
    pub number: u64,
    /// When it was sealed.
    pub sealed_at: Timestamp,
    /// The SHA-256 of the text of the segment before; zeros where there is none.
    pub previous: Digest,
    /// The numbers of its rows, rising.
    pub numbers: Vec<u64>,
    /// The SHA-256 of the text of each row.
    pub digests: Vec<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SegmentKind {
    #[serde(rename = "segment")]
    Segment,
}

/// What was sealed, and is not kept any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    kind: CheckpointKind,
    /// Whose rows they were.
    pub company: CompanyId,
    /// Segments that are gone: the first so many.
    pub segments: u64,
    /// Rows that are gone.
    pub rows: u64,
    /// The number of the last of them.
    pub last_number: u64,
    /// The SHA-256 of the text of the last segment that is gone.
    pub digest: Digest,
    /// When they were dropped.
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CheckpointKind {
    #[serde(rename = "checkpoint")]
    Checkpoint,
}

impl Segment {
    /// Seals rows, given as number and digest.
    pub(crate) fn new(
        company: CompanyId,
        (number, previous): (u64, Digest),
        sealed_at: Timestamp,
        rows: impl IntoIterator<Item = (u64, Digest)>,
    ) -> Self {
        let (numbers, digests) = rows.into_iter().unzip();
        Self { kind: SegmentKind::Segment, company, number, sealed_at, previous, numbers, digests }
    }

    /// The number of its last row.
    pub(crate) fn last_number(&self) -> Option<u64> {
        self.numbers.last().copied()
    }

    /// Its rows, as number and digest.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.numbers.iter().copied().zip(self.digests.iter().copied())
    }

    /// Whether it can be what was sealed: as many numbers as digests, and the numbers rise.
    pub(crate) fn is_sound(&self) -> bool {
        !self.numbers.is_empty()
            && self.numbers.len() == self.digests.len()
            && self.numbers.is_sorted_by(|one, next| one < next)
    }
}

impl Checkpoint {
    /// What a segment leaves that is dropped behind others.
    pub(crate) fn after(before: Option<&Self>, segment: &Segment, digest: Digest, at: Timestamp) -> Self {
        let (segments, rows) = before.map_or((0, 0), |before| (before.segments, before.rows));
        Self {
            kind: CheckpointKind::Checkpoint,
            company: segment.company,
            segments: segments + 1,
            rows: rows + segment.numbers.len() as u64,
            last_number: segment.last_number().unwrap_or(0),
            digest,
            at,
        }
    }
}

/// A text and who has signed it. The text is kept as it was signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// JSON.
    pub text: String,
    /// Of the text's bytes.
    pub signature: Signature,
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({})", self.text)
    }
}

impl Signed {
    /// Signs a thing.
    pub(crate) fn new<T: Serialize>(thing: &T, key: &SigningKey) -> Self {
        // What is signed here has no map with odd keys: it always has JSON.
        let text = serde_json::to_string(thing).unwrap_or_default();
        Self { signature: key.sign(text.as_bytes()), text }
    }

    /// The digest by which the next segment names this one.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    /// What the text says, whoever has signed it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&self.text).ok()
    }

    /// What the text says, where this key has signed it.
    pub(crate) fn by<T: DeserializeOwned>(&self, key: &PublicKey) -> Option<T> {
        key.has_signed(self.text.as_bytes(), &self.signature).then(|| self.read()).flatten()
    }
}
