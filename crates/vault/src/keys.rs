//! [`MasterKey`]: what wraps data keys. [`WrappedKey`]: a data key as it is stored.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::ids::CompanyId;
use model::seal::Sealed;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::random;

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not hex digits of the right length.
    #[error("{name} is {length} hex digits; make one with `openssl rand -hex {}`", length / 2)]
    Malformed {
        /// Which setting.
        name: &'static str,
        /// How many digits it has.
        length: usize,
    },
    /// It is one that anybody could guess.
    #[error("{0} is a well-known value, so anybody could open what it seals; make one with `openssl rand -hex`")]
    WellKnown(&'static str),
    /// A data key was wrapped by another master key.
    #[error(
        "a data key was wrapped by the master key {0}, which is not among those given; set ENCRYPTION_KEY and ENCRYPTION_KEY_SALT, or ENCRYPTION_MASTER_KEY, to what they were, or give them as ENCRYPTION_PREVIOUS_KEY, ENCRYPTION_PREVIOUS_KEY_SALT and ENCRYPTION_PREVIOUS_MASTER_KEY"
    )]
    WrongMaster(String),
    /// A data key was altered.
    #[error("a stored data key was altered; restore a backup")]
    Altered,
    /// The system has no randomness.
    #[error("the system has no randomness: {0}")]
    NoRandomness(String),
    /// Deriving the key failed.
    #[error("the master key cannot be derived: {0}")]
    Derivation(String),
}

/// A key of 32 bytes, wiped from memory when it is dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; 32]>;

/// What wraps data keys. It is never stored.
#[derive(Clone)]
pub struct MasterKey {
    id: String,
    key: KeyBytes,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Hex digits of `ENCRYPTION_KEY`.
const KEY_DIGITS: usize = 256;

/// Hex digits of `ENCRYPTION_MASTER_KEY`, and of a key file.
const MASTER_DIGITS: usize = 64;

/// Hex digits of `ENCRYPTION_KEY_SALT`.
const SALT_DIGITS: usize = 64;

impl MasterKey {
    /// Derives the key of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_SALT` with Argon2id.
    ///
    /// # Errors
    /// Where they are too short, no hex, or ones that anybody could guess.
    pub fn derive(key: &str, salt: &str) -> Result<Self, KeyError> {
        let secret = Zeroizing::new(parse("ENCRYPTION_KEY", key, KEY_DIGITS)?);
        let salt = parse("ENCRYPTION_KEY_SALT", salt, SALT_DIGITS)?;
        let derivation = |error: argon2::Error| KeyError::Derivation(error.to_string());
        let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(derivation)?;
        let mut bytes = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&secret, &salt, &mut *bytes)
            .map_err(derivation)?;
        Ok(Self::from_bytes(bytes))
    }

    /// The key that these hex digits are; made and kept by the embedded store alone.
    ///
    /// # Errors
    /// Where it is not 64 hex digits.
    pub fn from_hex(digits: &str) -> Result<Self, KeyError> {
        let malformed = KeyError::Malformed { name: "the key file", length: MASTER_DIGITS };
        let bytes: [u8; 32] =
            hex::decode(digits.trim()).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(malformed)?;
        Ok(Self::from_bytes(Zeroizing::new(bytes)))
    }

    /// The key that `ENCRYPTION_MASTER_KEY` is: one that the embedded store has made, in another place.
    ///
    /// # Errors
    /// Where it is not 64 hex digits, or one that anybody could guess.
    pub fn given(digits: &str) -> Result<Self, KeyError> {
        let bytes = Zeroizing::new(parse("ENCRYPTION_MASTER_KEY", digits, MASTER_DIGITS)?);
        let malformed = KeyError::Malformed { name: "ENCRYPTION_MASTER_KEY", length: MASTER_DIGITS };
        Ok(Self::from_bytes(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| malformed)?)))
    }

    /// Hex digits of a fresh key, for [`MasterKey::from_hex`].
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh_hex() -> Result<Zeroizing<String>, KeyError> {
        Ok(Zeroizing::new(hex::encode(random::<32>()?)))
    }

    /// Fresh values of `ENCRYPTION_KEY` and `ENCRYPTION_KEY_SALT`, for [`MasterKey::derive`].
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh_settings() -> Result<[Zeroizing<String>; 2], KeyError> {
        let (key, salt) = (random::<{ KEY_DIGITS / 2 }>()?, random::<{ SALT_DIGITS / 2 }>()?);
        Ok([Zeroizing::new(hex::encode(key)), Zeroizing::new(hex::encode(salt))])
    }

    fn from_bytes(key: KeyBytes) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"flow8 master key id");
        hash.update(*key);
        Self { id: hex::encode(&hash.finalize()[..6]), key }
    }

    /// A name for the key that tells nothing of it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key itself.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.key
    }

    /// Wraps a data key of a company.
    pub(crate) fn wrap(&self, company: CompanyId, data_key: &KeyBytes) -> Result<WrappedKey, KeyError> {
        let nonce = random::<24>()?;
        let payload = Payload { msg: &data_key[..], aad: &context(company) };
        let cipher = XChaCha20Poly1305::new((&*self.key).into());
        let wrapped = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| KeyError::Altered)?;
        Ok(WrappedKey { master: self.id.clone(), wrapped: Sealed([&nonce[..], &wrapped].concat().into()) })
    }

    /// Unwraps a data key of a company.
    pub(crate) fn unwrap(&self, company: CompanyId, wrapped: &WrappedKey) -> Result<KeyBytes, KeyError> {
        let (nonce, bytes) = wrapped.wrapped.0.split_first_chunk::<24>().ok_or(KeyError::Altered)?;
        let payload = Payload { msg: bytes, aad: &context(company) };
        let cipher = XChaCha20Poly1305::new((&*self.key).into());
        let plain = cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| KeyError::Altered)?;
        let plain = Zeroizing::new(plain);
        Ok(Zeroizing::new(plain.as_slice().try_into().map_err(|_| KeyError::Altered)?))
    }
}

/// What a wrapped key is bound to.
fn context(company: CompanyId) -> Vec<u8> {
    [b"flow8 data key ".as_slice(), company.0.as_bytes()].concat()
}

fn parse(name: &'static str, digits: &str, length: usize) -> Result<Vec<u8>, KeyError> {
    let bytes = hex::decode(digits).ok().filter(|bytes| bytes.len() * 2 == length);
    let bytes = bytes.ok_or(KeyError::Malformed { name, length })?;
    // A key that repeats itself was typed, not drawn.
    let repeats = (1..=8).any(|period| bytes.chunks(period).all(|chunk| chunk == &bytes[..chunk.len()]));
    let counts = bytes.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1));
    if repeats || counts { Err(KeyError::WellKnown(name)) } else { Ok(bytes) }
}

/// A data key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrappedKey {
    /// The id of the master key that wraps it.
    pub master: String,
    /// The wrapped key.
    pub wrapped: Sealed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        (0..128_u8).map(|at| format!("{:02x}", at.wrapping_mul(37) ^ byte)).collect()
    }

    fn salt() -> String {
        (0..32_u8).map(|at| format!("{:02x}", at.wrapping_mul(73) ^ 5)).collect()
    }

    #[test]
    fn a_master_key_is_the_same_for_the_same_settings() {
        let one = MasterKey::derive(&key(1), &salt()).expect("derives");
        assert_eq!(one.id(), MasterKey::derive(&key(1), &salt()).expect("derives").id());
        assert_ne!(one.id(), MasterKey::derive(&key(2), &salt()).expect("derives").id());
    }

    #[test]
    fn fresh_settings_make_a_key() {
        let [key, salt] = MasterKey::fresh_settings().expect("random");
        MasterKey::derive(&key, &salt).expect("derives");
    }

    #[test]
    fn short_and_well_known_keys_are_refused() {
        let refused = |key: &str| MasterKey::derive(key, &salt()).expect_err("refused");
        assert_eq!(refused("abc"), KeyError::Malformed { name: "ENCRYPTION_KEY", length: 256 });
        assert_eq!(refused(&"0".repeat(256)), KeyError::WellKnown("ENCRYPTION_KEY"));
        assert_eq!(refused(&"deadbeef".repeat(32)), KeyError::WellKnown("ENCRYPTION_KEY"));
        let counting: String = (0..128_u8).map(|at| format!("{at:02x}")).collect();
        assert_eq!(refused(&counting), KeyError::WellKnown("ENCRYPTION_KEY"));
        assert_eq!(
            MasterKey::derive(&key(1), &"11".repeat(32)).expect_err("refused"),
            KeyError::WellKnown("ENCRYPTION_KEY_SALT")
        );
    }

    #[test]
    fn a_key_that_the_embedded_store_made_may_be_given() {
        let digits = MasterKey::fresh_hex().expect("random");
        let kept = MasterKey::from_hex(&digits).expect("a key");
        assert_eq!(MasterKey::given(&digits).expect("a key").id(), kept.id());
        let name = "ENCRYPTION_MASTER_KEY";
        assert_eq!(MasterKey::given("ab").expect_err("refused"), KeyError::Malformed { name, length: 64 });
        assert_eq!(MasterKey::given(&"0".repeat(64)).expect_err("refused"), KeyError::WellKnown(name));
    }

    #[test]
    fn a_wrapped_key_opens_for_its_company_alone() {
        let master = MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key");
        let company = CompanyId(model::ids::Id::from_parts(1, 1));
        let data_key: KeyBytes = Zeroizing::new([7; 32]);
        let wrapped = master.wrap(company, &data_key).expect("wraps");
        assert_eq!(*master.unwrap(company, &wrapped).expect("unwraps"), *data_key);
        let other = CompanyId(model::ids::Id::from_parts(1, 2));
        assert_eq!(master.unwrap(other, &wrapped), Err(KeyError::Altered));
    }
}
