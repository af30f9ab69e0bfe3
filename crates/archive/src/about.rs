//! [`About`]: the header of an archive, which anybody may read.
//!
//! Its form: eight bytes that say what it is, the format's number and the length of what follows (four
//! bytes each, little-endian), then JSON. All frames are bound to the header as it was written.

use std::io::{Read, Write};

use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use vault::{Frames, MasterKey, STREAM_SALT};

use crate::error::ArchiveError;

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// How an archive begins.
const MAGIC: &[u8; 8] = b"FLOW8ARC";

/// Bytes of a header's JSON, at most.
const HEADER_BYTES: usize = 64 << 10;

/// What the header of an archive says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// The version of flow8 that made it.
    pub flow8: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The id of the master key that opens it, and the sealed fields within.
    pub key: String,
    /// The salt of its own key, as hex digits.
    salt: String,
}

impl About {
    /// The header of a new archive.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn new(flow8: &str, created_at: Timestamp, master: &MasterKey) -> Result<Self, ArchiveError> {
        let salt = hex::encode(Frames::fresh_salt()?);
        Ok(Self { flow8: flow8.into(), created_at, key: master.id().into(), salt })
    }

    /// Writes the header; gives what seals the rest, and the header's bytes.
    pub(crate) fn write(&self, out: &mut impl Write, master: &MasterKey) -> Result<(Frames, u64), ArchiveError> {
        let json = serde_json::to_vec(self).map_err(|error| ArchiveError::Header(error.to_string()))?;
        let mut header = MAGIC.to_vec();
        header.extend(FORMAT.to_le_bytes());
        header.extend((json.len() as u32).to_le_bytes());
        header.extend(json);
        out.write_all(&header).map_err(ArchiveError::Write)?;
        Ok((self.frames(master, &header)?, header.len() as u64))
    }

    /// Reads a header; gives what opens the rest, and the header's bytes.
    pub(crate) fn read(input: &mut impl Read, master: &MasterKey) -> Result<(Self, Frames, u64), ArchiveError> {
        let mut header = vec![0; MAGIC.len() + 8];
        fill(input, &mut header, 0)?;
        let (magic, numbers) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(ArchiveError::NotAnArchive);
        }
        let number = |at: usize| numbers[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let (found, length) = (number(0), number(4) as usize);
        if found > FORMAT {
            return Err(ArchiveError::Newer { found, known: FORMAT });
        }
        if found == 0 || length > HEADER_BYTES {
            return Err(ArchiveError::Header("its length cannot be".into()));
        }
        let mut json = vec![0; length];
        fill(input, &mut json, header.len() as u64)?;
        let about: Self = serde_json::from_slice(&json).map_err(|error| ArchiveError::Header(error.to_string()))?;
        if about.key != master.id() {
            return Err(ArchiveError::WrongKey { archive: about.key, given: master.id().into() });
        }
        header.extend(json);
        let frames = about.frames(master, &header)?;
        Ok((about, frames, header.len() as u64))
    }

    fn frames(&self, master: &MasterKey, header: &[u8]) -> Result<Frames, ArchiveError> {
        let salt: Option<[u8; STREAM_SALT]> = hex::decode(&self.salt).ok().and_then(|salt| salt.try_into().ok());
        let salt = salt.ok_or_else(|| ArchiveError::Header("its salt is no salt".into()))?;
        Ok(Frames::new(master, salt, header))
    }
}

/// Reads so many bytes, the first of which is the one at `begin`.
pub(crate) fn fill(input: &mut impl Read, mut bytes: &mut [u8], begin: u64) -> Result<(), ArchiveError> {
    let wanted = bytes.len();
    while !bytes.is_empty() {
        match input.read(bytes) {
            // Too little to tell what it was.
            Ok(0) if begin == 0 => return Err(ArchiveError::NotAnArchive),
            Ok(0) => return Err(ArchiveError::Torn(begin + (wanted - bytes.len()) as u64)),
            Ok(some) => bytes = &mut bytes[some..],
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::Read(error)),
        }
    }
    Ok(())
}
