//! [`Frames`]: seals a stream frame by frame, for whoever has the same master key.
//!
//! Each stream has a key of its own, derived from the master key and a random salt. A frame's nonce
//! is its number and whether it is the last one, so a frame that was altered, left out, repeated or
//! moved does not open, and neither does the end of a stream that was cut off (the STREAM
//! construction).

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keys::{KeyError, MasterKey};
use crate::random;

/// Bytes of a stream's salt.
pub const STREAM_SALT: usize = 32;

/// Bytes by which a sealed frame is longer than a plain one.
pub const FRAME_OVERHEAD: usize = 16;

/// A frame does not open: it was altered, is not the next one, or another key sealed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was altered, or another key sealed it")]
pub struct FrameError;

/// Seals the frames of one stream in their order, or opens them.
pub struct Frames {
    cipher: XChaCha20Poly1305,
    /// What the whole stream is bound to.
    context: Vec<u8>,
    next: u64,
    is_over: bool,
}

impl Frames {
    /// A stream of this salt, which no other stream may have. It is bound to `context`: with another
    /// one, nothing opens.
    pub fn new(master: &MasterKey, salt: [u8; STREAM_SALT], context: &[u8]) -> Self {
        // As HMAC does with a key that is shorter than a block.
        let mut block = Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(master.bytes());
        let mut derive = Hmac::<Sha256>::new((&*block).into());
        derive.update(b"flow8 stream key ");
        derive.update(&salt);
        let key: Zeroizing<[u8; 32]> = Zeroizing::new(derive.finalize().into_bytes().into());
        let cipher = XChaCha20Poly1305::new((&*key).into());
        Self { cipher, context: context.to_vec(), next: 0, is_over: false }
    }

    /// A salt for a new stream.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh_salt() -> Result<[u8; STREAM_SALT], KeyError> {
        random()
    }

    /// Seals the next frame. Nothing comes after the last one.
    ///
    /// # Errors
    /// After the last one.
    pub fn seal(&mut self, plain: &[u8], is_last: bool) -> Result<Vec<u8>, FrameError> {
        let nonce = self.nonce(is_last)?;
        let sealed = self.cipher.encrypt(&nonce, Payload { msg: plain, aad: &self.context });
        sealed.map_err(|_| FrameError).inspect(|_| self.step(is_last))
    }

    /// Opens the next frame, which is the last one or is not.
    ///
    /// # Errors
    /// Where it is not what was sealed as this frame of this stream.
    pub fn open(&mut self, sealed: &[u8], is_last: bool) -> Result<Vec<u8>, FrameError> {
        let nonce = self.nonce(is_last)?;
        let plain = self.cipher.decrypt(&nonce, Payload { msg: sealed, aad: &self.context });
        plain.map_err(|_| FrameError).inspect(|_| self.step(is_last))
    }

    fn nonce(&self, is_last: bool) -> Result<XNonce, FrameError> {
        if self.is_over {
            return Err(FrameError);
        }
        let mut nonce = [0; 24];
        nonce[15..23].copy_from_slice(&self.next.to_be_bytes());
        nonce[23] = u8::from(is_last);
        Ok(nonce.into())
    }

    fn step(&mut self, is_last: bool) {
        self.next += 1;
        self.is_over = is_last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> MasterKey {
        MasterKey::from_hex(&"5a".repeat(32)).expect("a key")
    }

    fn frames() -> Frames {
        Frames::new(&master(), [1; STREAM_SALT], b"context")
    }

    #[test]
    fn frames_open_in_their_order_alone() {
        let mut sealing = frames();
        let first = sealing.seal(b"first", false).expect("seals");
        let second = sealing.seal(b"second", false).expect("seals");
        let last = sealing.seal(b"", true).expect("seals");
        assert_eq!(sealing.seal(b"more", true), Err(FrameError), "the last is the last");
        assert_eq!(first.len(), 5 + FRAME_OVERHEAD);

        let mut opening = frames();
        assert_eq!(opening.open(&second, false), Err(FrameError), "one is left out");
        assert_eq!(opening.open(&first, true), Err(FrameError), "it is not the last");
        assert_eq!(opening.open(&first, false).as_deref(), Ok(b"first".as_slice()));
        assert_eq!(opening.open(&first, false), Err(FrameError), "it comes twice");
        assert_eq!(opening.open(&second, false).as_deref(), Ok(b"second".as_slice()));
        assert_eq!(opening.open(&last, false), Err(FrameError), "the end is the end");
        assert_eq!(opening.open(&last, true).as_deref(), Ok(b"".as_slice()));
        assert_eq!(opening.open(&last, true), Err(FrameError));
    }

    #[test]
    fn another_key_salt_or_context_opens_nothing() {
        let sealed = frames().seal(b"plain", true).expect("seals");
        let other = MasterKey::from_hex(&"5b".repeat(32)).expect("a key");
        let all = [
            Frames::new(&other, [1; STREAM_SALT], b"context"),
            Frames::new(&master(), [2; STREAM_SALT], b"context"),
            Frames::new(&master(), [1; STREAM_SALT], b"contexu"),
        ];
        for mut wrong in all {
            assert_eq!(wrong.open(&sealed, true), Err(FrameError));
        }
    }
}
