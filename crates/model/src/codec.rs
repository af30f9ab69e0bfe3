//! How records, states and values are written in a store: MessagePack with field names.
//!
//! Named fields let a newer version add one and an older version pass over it. Values keep
//! every digit of their numbers.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that most things take: a header, a record.
const USUAL_BYTES: usize = 512;

/// Bytes in a store that do not read back.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// It cannot be written.
    #[error("cannot encode: {0}")]
    Encode(#[from] rmp_serde::encode::Error),
    /// It cannot be read: altered, or written by a newer version.
    #[error("stored bytes do not decode: {0}")]
    Decode(#[from] rmp_serde::decode::Error),
    /// It does not decompress.
    #[error("stored bytes do not decompress: {0}")]
    Compression(#[from] lz4_flex::block::DecompressError),
    /// It has no JSON, or the JSON does not read.
    #[error("stored JSON does not read: {0}")]
    Json(#[from] serde_json::Error),
}

/// The bytes of a thing.
///
/// # Errors
/// Where it holds a sensitive value that nobody sealed.
pub fn encode<T: Serialize + ?Sized>(thing: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    append(&mut bytes, thing)?;
    Ok(bytes)
}

/// The bytes of a thing, behind others.
///
/// # Errors
/// Where it holds a sensitive value that nobody sealed; `bytes` may end with a part of it then.
pub fn append<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, thing: &T) -> Result<(), CodecError> {
    Ok(rmp_serde::encode::write_named(bytes, thing)?)
}

/// A thing from its bytes.
///
/// # Errors
/// Where the bytes are not such a thing.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    Ok(rmp_serde::from_slice(bytes)?)
}

/// The next of several things that were written one after another; `bytes` moves on behind it.
///
/// # Errors
/// Where the bytes are not such a thing.
pub fn decode_next<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    Ok(rmp_serde::from_read(bytes)?)
}

/// Smaller bytes, with their size in front.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    lz4_flex::compress_prepend_size(bytes)
}

/// What [`compress`] was given.
///
/// # Errors
/// Where the bytes are not its work, or say that they grow beyond `limit`.
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let (size, rest) = lz4_flex::block::uncompressed_size(bytes)?;
    if size > limit {
        return Err(lz4_flex::block::DecompressError::OutputTooSmall { expected: size, actual: limit }.into());
    }
    Ok(lz4_flex::block::decompress(rest, size)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_shrink_and_come_back() {
        let bytes = b"again and ".repeat(1000);
        let small = compress(&bytes);
        assert!(small.len() < bytes.len() / 10);
        assert_eq!(decompress(&small, bytes.len()).expect("decompresses"), bytes);
    }

    #[test]
    fn a_lie_about_the_size_is_refused() {
        let mut small = compress(b"hello");
        small[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(decompress(&small, 1 << 20).is_err());
        assert!(decompress(&[], 1 << 20).is_err());
    }
}
