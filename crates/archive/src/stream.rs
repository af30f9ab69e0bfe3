//! [`Sealing`] and [`Opening`]: bytes through sealed frames. What they mean is not known here.
//!
//! A frame is four bytes with its length, whose highest bit says that it is the last one, and then
//! compressed bytes, sealed. No frame is larger than [`SEALED_BYTES`], whatever it says of itself.

use std::io::{Read, Write};

use model::codec;
use vault::{FRAME_OVERHEAD, Frames};

use crate::about::fill;
use crate::error::ArchiveError;

/// Bytes of one frame before it is compressed.
const FRAME_BYTES: usize = 1 << 20;

/// Bytes of one sealed frame at most: what does not compress grows a little.
const SEALED_BYTES: usize = FRAME_BYTES + FRAME_BYTES / 8 + FRAME_OVERHEAD;

/// Set in the length of the last frame.
const LAST: u32 = 1 << 31;

/// Seals what is put in.
pub(crate) struct Sealing<W> {
    out: W,
    frames: Frames,
    plain: Vec<u8>,
    written: u64,
}

impl<W: Write> Sealing<W> {
    /// Goes on behind a header of so many bytes.
    pub(crate) fn new(out: W, frames: Frames, written: u64) -> Self {
        Self { out, frames, plain: Vec::with_capacity(FRAME_BYTES), written }
    }

    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> Result<(), ArchiveError> {
        while !bytes.is_empty() {
            if self.plain.len() == FRAME_BYTES {
                self.frame(false)?;
            }
            let (some, rest) = bytes.split_at(bytes.len().min(FRAME_BYTES - self.plain.len()));
            self.plain.extend_from_slice(some);
            bytes = rest;
        }
        Ok(())
    }

    /// Writes the last frame; gives the bytes that were written in all.
    pub(crate) fn finish(mut self) -> Result<u64, ArchiveError> {
        self.frame(true)?;
        self.out.flush().map_err(ArchiveError::Write)?;
        Ok(self.written)
    }

    fn frame(&mut self, is_last: bool) -> Result<(), ArchiveError> {
        let sealed = self.frames.seal(&codec::compress(&self.plain), is_last);
        // Fails after the last frame alone, and that ends this.
        let sealed = sealed.map_err(|error| ArchiveError::Unreadable(error.to_string()))?;
        let length = sealed.len() as u32 | if is_last { LAST } else { 0 };
        let written = self.out.write_all(&length.to_le_bytes()).and_then(|()| self.out.write_all(&sealed));
        written.map_err(ArchiveError::Write)?;
        self.written += 4 + sealed.len() as u64;
        self.plain.clear();
        Ok(())
    }
}

/// Opens what was sealed.
pub(crate) struct Opening<R> {
    input: R,
    frames: Frames,
    plain: Vec<u8>,
    /// What of it was taken.
    taken: usize,
    is_last: bool,
    read: u64,
}

impl<R: Read> Opening<R> {
    /// Goes on behind a header of so many bytes.
    pub(crate) fn new(input: R, frames: Frames, read: u64) -> Self {
        Self { input, frames, plain: Vec::new(), taken: 0, is_last: false, read }
    }

    /// The next bytes, so many.
    pub(crate) fn take(&mut self, wanted: usize) -> Result<Vec<u8>, ArchiveError> {
        // Grows with what is there, not with what is wanted.
        let mut bytes = Vec::with_capacity(wanted.min(FRAME_BYTES));
        while bytes.len() < wanted {
            if self.taken == self.plain.len() {
                self.frame()?;
                continue;
            }
            let some = (wanted - bytes.len()).min(self.plain.len() - self.taken);
            bytes.extend_from_slice(&self.plain[self.taken..self.taken + some]);
            self.taken += some;
        }
        Ok(bytes)
    }

    /// Expects that nothing comes any more; gives the bytes that were read in all.
    pub(crate) fn end(&mut self) -> Result<u64, ArchiveError> {
        if self.taken < self.plain.len() {
            return Err(ArchiveError::Unreadable("something stands behind its end".into()));
        }
        if !self.is_last {
            self.frame()?;
            return self.end();
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(self.read),
            Ok(_) => Err(ArchiveError::Trailing(self.read)),
            Err(error) => Err(ArchiveError::Read(error)),
        }
    }

    fn frame(&mut self) -> Result<(), ArchiveError> {
        if self.is_last {
            return Err(ArchiveError::Unreadable("it ends within an entry".into()));
        }
        let begin = self.read;
        let mut length = [0; 4];
        fill(&mut self.input, &mut length, begin)?;
        let length = u32::from_le_bytes(length);
        let (is_last, length) = (length & LAST != 0, (length & !LAST) as usize);
        if !(FRAME_OVERHEAD..=SEALED_BYTES).contains(&length) {
            return Err(ArchiveError::Altered(begin));
        }
        let mut sealed = vec![0; length];
        fill(&mut self.input, &mut sealed, begin + 4)?;
        let opened = self.frames.open(&sealed, is_last).map_err(|_| ArchiveError::Altered(begin))?;
        self.plain = codec::decompress(&opened, FRAME_BYTES)?;
        (self.taken, self.is_last) = (0, is_last);
        self.read = begin + 4 + length as u64;
        Ok(())
    }
}
