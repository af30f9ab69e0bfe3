//! [`Checker`]: whether segments and rows are what was sealed, wherever they come from. [`Report`]: what was
//! found. [`Broken`]: the first thing that is not as it was.

use model::ids::CompanyId;
use model::payload::Digest;
use serde::Serialize;
use vault::PublicKey;

use crate::segment::{Checkpoint, Segment, Signed};

/// What verification has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that are as they were sealed.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that no segment lists yet: nothing is known of them.
    pub unsealed: u64,
    /// What was sealed before, and is not kept any more.
    pub dropped: Option<Checkpoint>,
    /// The digest of the last segment. Whoever has kept it can tell whether a later chain goes on from it.
    pub head: Digest,
    /// The key that signs; none where nothing was ever sealed.
    pub public_key: Option<PublicKey>,
    /// The first thing that is not as it was sealed; verification stops there.
    pub broken: Option<Broken>,
}

/// Something is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Broken {
    /// The text of a row is another.
    #[error("row {row} is not what segment {segment} sealed: it was altered")]
    RowAltered {
        /// The row's number.
        row: u64,
        /// The segment that lists it.
        segment: u64,
    },
    /// A row is not there.
    #[error("row {row}, which segment {segment} sealed, is missing")]
    RowMissing {
        /// The row's number.
        row: u64,
        /// The segment that lists it.
        segment: u64,
    },
    /// A row is there that was not when its neighbours were sealed.
    #[error("row {row} was not there when segment {segment} sealed the rows around it: it was added later")]
    RowAdded {
        /// The row's number.
        row: u64,
        /// The segment it would belong to.
        segment: u64,
    },
    /// A segment is not there, at the beginning or between others.
    #[error("segment {segment} is missing")]
    SegmentMissing {
        /// Its number.
        segment: u64,
    },
    /// A segment was not signed with the company's key, or does not follow the one before.
    #[error("segment {segment} is not what was sealed: it was altered, or another key has signed it")]
    SegmentAltered {
        /// Its number, by its place.
        segment: u64,
    },
    /// What is said of dropped segments was not signed with the company's key.
    #[error("what is said of dropped segments was altered, or another key has signed it")]
    CheckpointAltered,
    /// The chain ends elsewhere than it is said to.
    #[error("the chain ends with segment {found}, and {segments} were sealed")]
    CutOff {
        /// The last segment that is there.
        found: u64,
        /// Segments that were ever sealed.
        segments: u64,
    },
}

/// Follows a chain from its beginning, segment by segment.
pub(crate) struct Checker {
    company: CompanyId,
    key: PublicKey,
    dropped: Option<Checkpoint>,
    /// The last segment so far.
    pub(crate) last: u64,
    digest: Digest,
    /// The number of the last row so far.
    pub(crate) last_row: u64,
    segments: u64,
    rows: u64,
}

impl Checker {
    /// Begins behind what was dropped.
    pub(crate) fn begin(company: CompanyId, key: PublicKey, dropped: Option<&Signed>) -> Result<Self, Broken> {
        let dropped = match dropped {
            Some(signed) => {
                let read = signed.by(&key).filter(|checkpoint: &Checkpoint| checkpoint.company == company);
                Some(read.ok_or(Broken::CheckpointAltered)?)
            }
            None => None,
        };
        let (last, digest, last_row) = dropped.as_ref().map_or((0, Digest::default(), 0), |checkpoint| {
            (checkpoint.segments, checkpoint.digest, checkpoint.last_number)
        });
        Ok(Self { company, key, dropped, last, digest, last_row, segments: 0, rows: 0 })
    }

    /// The next segment, where it reads, is sound and follows.
    pub(crate) fn segment(&mut self, signed: Option<&Signed>) -> Result<Segment, Broken> {
        let expected = self.last + 1;
        let altered = Broken::SegmentAltered { segment: expected };
        let signed = signed.ok_or_else(|| altered.clone())?;
        let segment: Segment = signed.by(&self.key).ok_or_else(|| altered.clone())?;
        if segment.number > expected && segment.company == self.company {
            return Err(Broken::SegmentMissing { segment: expected });
        }
        let follows = segment.company == self.company
            && segment.number == expected
            && segment.previous == self.digest
            && segment.is_sound()
            && segment.numbers.first().is_some_and(|first| *first > self.last_row);
        if !follows {
            return Err(altered);
        }
        (self.last, self.digest) = (segment.number, signed.digest());
        Ok(segment)
    }

    /// The rows of the segment that came last: all that stand there, as number and text.
    pub(crate) fn rows<'t>(
        &mut self,
        segment: &Segment,
        found: impl IntoIterator<Item = (u64, &'t [u8])>,
    ) -> Result<(), Broken> {
        let mut found = found.into_iter();
        let number = segment.number;
        for (row, digest) in segment.rows() {
            match found.next() {
                Some((is, _)) if is < row => return Err(Broken::RowAdded { row: is, segment: number }),
                Some((is, text)) if is == row => {
                    if Digest::of(text) != digest {
                        return Err(Broken::RowAltered { row, segment: number });
                    }
                }
                _ => return Err(Broken::RowMissing { row, segment: number }),
            }
            self.last_row = row;
        }
        self.segments += 1;
        self.rows += segment.numbers.len() as u64;
        Ok(())
    }

    /// Says that the chain ends here, of which so many segments were sealed.
    pub(crate) fn end(&self, sealed: u64) -> Result<(), Broken> {
        match self.last == sealed {
            true => Ok(()),
            false => Err(Broken::CutOff { found: self.last, segments: sealed }),
        }
    }

    /// What was found so far.
    pub(crate) fn so_far(&self) -> Report {
        Report {
            segments: self.segments,
            rows: self.rows,
            unsealed: 0,
            dropped: self.dropped.clone(),
            head: self.digest,
            public_key: Some(self.key),
            broken: None,
        }
    }
}
