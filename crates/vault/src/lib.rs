//! The vault: what keeps secrets secret.
//!
//! Fields are sealed with XChaCha20-Poly1305 under a data key of their company; data keys are
//! wrapped by a master key. Passwords are hashed with Argon2id; tokens are random, and stored
//! as their SHA-256. Nothing here knows a store: keys are handed in and out.

mod frames;
mod keys;
mod password;
mod ring;
mod signing;
mod token;
mod totp;

pub use frames::{FRAME_OVERHEAD, FrameError, Frames, STREAM_SALT};
pub use keys::{KeyError, MasterKey, WrappedKey};
pub use password::{PasswordError, hash_password, verify_password};
pub use ring::KeyRing;
pub use signing::{NotHex, PublicKey, Signature, SigningKey};
pub use token::{Token, TokenHash};
pub use totp::{Totp, recovery_code};

/// Random bytes from the system.
///
/// # Errors
/// Where the system has none; then nothing secret can be made.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}
