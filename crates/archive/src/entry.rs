//! [`Entry`]: what an archive is made of, and its form within the frames: a byte that says what it
//! is, four with its length, and so many bytes.

use std::io::{Read, Write};

use model::codec;
use model::ids::CompanyId;
use serde::{Deserialize, Serialize};
use store::row::Row;

use crate::error::ArchiveError;
use crate::objects::Area;
use crate::stream::{Opening, Sealing};
use crate::totals::{Counting, Totals};

/// Bytes of one entry, at most: more than any row may have.
const ENTRY_BYTES: usize = 256 << 20;

/// Bytes of one piece of an object.
const PIECE_BYTES: usize = 1 << 20;

const ROW: u8 = 1;
const OBJECT: u8 = 2;
const PIECE: u8 = 3;
const END: u8 = 4;

/// One thing in an archive.
#[derive(Debug)]
pub(crate) enum Entry {
    Row(Row),
    /// An object; its bytes follow as pieces.
    Object(ObjectHead),
    Piece(Vec<u8>),
    /// What all of it must have been.
    End(Totals),
}

/// An object, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectHead {
    pub(crate) area: Area,
    pub(crate) company: CompanyId,
    pub(crate) path: String,
    pub(crate) size: u64,
}

/// Writes entries and counts them.
pub(crate) struct Writing<W> {
    sealing: Sealing<W>,
    pub(crate) counting: Counting,
}

impl<W: Write> Writing<W> {
    pub(crate) fn new(sealing: Sealing<W>) -> Self {
        Self { sealing, counting: Counting::default() }
    }

    pub(crate) fn row(&mut self, row: &Row) -> Result<(), ArchiveError> {
        let encoded = codec::encode(row)?;
        self.counting.row(row, &encoded);
        self.entry(ROW, &encoded)
    }

    pub(crate) fn object(&mut self, head: &ObjectHead, bytes: &[u8]) -> Result<(), ArchiveError> {
        let encoded = codec::encode(head)?;
        self.counting.object(&encoded);
        self.entry(OBJECT, &encoded)?;
        for piece in bytes.chunks(PIECE_BYTES) {
            self.counting.piece(piece);
            self.entry(PIECE, piece)?;
        }
        Ok(())
    }

    /// Writes the end; gives what all of it was, and its bytes.
    pub(crate) fn finish(mut self) -> Result<(Totals, u64), ArchiveError> {
        let totals = std::mem::take(&mut self.counting).totals();
        self.entry(END, &codec::encode(&totals)?)?;
        Ok((totals, self.sealing.finish()?))
    }

    fn entry(&mut self, tag: u8, body: &[u8]) -> Result<(), ArchiveError> {
        if body.len() > ENTRY_BYTES {
            return Err(ArchiveError::TooLarge(format!("a row of {} bytes", body.len())));
        }
        self.sealing.put(&[tag])?;
        self.sealing.put(&(body.len() as u32).to_le_bytes())?;
        self.sealing.put(body)
    }
}

/// Reads entries and counts them.
pub(crate) struct Reading<R> {
    opening: Opening<R>,
    pub(crate) counting: Counting,
    /// Bytes of the last object that have not come yet.
    missing: u64,
    is_over: bool,
}

impl<R: Read> Reading<R> {
    pub(crate) fn new(opening: Opening<R>) -> Self {
        Self { opening, counting: Counting::default(), missing: 0, is_over: false }
    }

    /// The next entry; none after the end, which was compared with what was read.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.is_over {
            return Ok(None);
        }
        let head = self.opening.take(5)?;
        let length = head[1..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
        if length > ENTRY_BYTES {
            return Err(ArchiveError::TooLarge(format!("an entry of {length} bytes")));
        }
        let body = self.opening.take(length)?;
        let tag = head[0];
        if (tag == PIECE) != (self.missing > 0) {
            return Err(ArchiveError::Unreadable("an object has more or fewer bytes than it says".into()));
        }
        let entry = match tag {
            ROW => {
                let row: Row = codec::decode(&body)?;
                self.counting.row(&row, &body);
                Entry::Row(row)
            }
            OBJECT => {
                let object: ObjectHead = codec::decode(&body)?;
                self.counting.object(&body);
                self.missing = object.size;
                Entry::Object(object)
            }
            PIECE => {
                let missing = self.missing.checked_sub(body.len() as u64).filter(|_| !body.is_empty());
                self.missing =
                    missing.ok_or_else(|| ArchiveError::Unreadable("an object is longer than it says".into()))?;
                self.counting.piece(&body);
                Entry::Piece(body)
            }
            END => Entry::End(self.end(codec::decode(&body)?)?),
            other => return Err(ArchiveError::Unreadable(format!("an entry of the unknown kind {other}"))),
        };
        Ok(Some(entry))
    }

    fn end(&mut self, says: Totals) -> Result<Totals, ArchiveError> {
        self.opening.end()?;
        self.is_over = true;
        let found = std::mem::take(&mut self.counting).totals();
        match says.differences(&found) {
            none if none.is_empty() => Ok(found),
            differences => Err(ArchiveError::Miscounted(differences.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use vault::{Frames, MasterKey};

    use super::*;

    fn frames() -> Frames {
        let master = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
        Frames::new(&master, [1; 32], b"context")
    }

    /// What comes of entries that the right key sealed, written by `write`.
    fn read(write: impl FnOnce(&mut Writing<&mut Vec<u8>>)) -> Result<usize, ArchiveError> {
        let mut bytes = Vec::new();
        let mut writing = Writing::new(Sealing::new(&mut bytes, frames(), 0));
        write(&mut writing);
        writing.sealing.finish().expect("is written");
        let mut reading = Reading::new(Opening::new(bytes.as_slice(), frames(), 0));
        let mut entries = 0;
        while reading.next()?.is_some() {
            entries += 1;
        }
        Ok(entries)
    }

    fn end(writing: &mut Writing<&mut Vec<u8>>) {
        let totals = std::mem::take(&mut writing.counting).totals();
        writing.entry(END, &codec::encode(&totals).expect("encodes")).expect("is written");
    }

    fn head(size: u64) -> ObjectHead {
        ObjectHead { area: Area::Files, company: CompanyId::default(), path: "a".into(), size }
    }

    const ROW_OF_ALL: Row = Row::Counters { feed: 1, audit: 2 };

    #[test]
    fn entries_come_back() {
        let entries = read(|writing| {
            writing.row(&ROW_OF_ALL).expect("is written");
            writing.object(&head(2_500_000), &vec![7; 2_500_000]).expect("is written");
            writing.object(&head(0), &[]).expect("is written");
            end(writing);
        });
        assert_eq!(entries.expect("reads"), 1 + (1 + 3) + 1 + 1);
    }

    #[test]
    fn what_cannot_be_is_refused_whoever_sealed_it() {
        type Write = fn(&mut Writing<&mut Vec<u8>>);
        let cases: [(&str, Write, &str); 8] = [
            ("no end", |writing| writing.row(&ROW_OF_ALL).expect("is written"), "within an entry"),
            ("nothing", |_| {}, "within an entry"),
            (
                "another end",
                |writing| {
                    end(writing);
                    writing.entry(PIECE, b"x").expect("is written");
                },
                "behind its end",
            ),
            (
                "a row that was not counted",
                |writing| {
                    writing.entry(ROW, &codec::encode(&ROW_OF_ALL).expect("encodes")).expect("is written");
                    end(writing);
                },
                "1 counters in place of 0",
            ),
            (
                "an object that is too short",
                |writing| {
                    writing.object(&head(3), b"ab").expect("is written");
                    end(writing);
                },
                "more or fewer bytes",
            ),
            ("an object that is too long", |writing| writing.object(&head(1), b"ab").expect("is written"), "longer"),
            ("an unknown kind", |writing| writing.entry(9, b"").expect("is written"), "unknown kind 9"),
            (
                "a length that cannot be",
                |writing| writing.sealing.put(&[ROW, 0xff, 0xff, 0xff, 0xff]).expect("is written"),
                "4294967295 bytes is larger",
            ),
        ];
        for (case, write, expected) in cases {
            let error = read(write).expect_err(case).to_string();
            assert!(error.contains(expected), "{case}: {error}");
        }
    }

    /// Memory grows with what is there, not with what is claimed.
    #[test]
    fn a_claim_alone_takes_no_memory() {
        let claimed = (ENTRY_BYTES as u32).to_le_bytes();
        let error = read(|writing| writing.sealing.put(&[&[ROW][..], &claimed].concat()).expect("is written"));
        assert!(matches!(error, Err(ArchiveError::Unreadable(_))));
    }
}
