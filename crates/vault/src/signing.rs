//! [`SigningKey`]: signs what must be provable to others; [`PublicKey`]: with it, anybody can check (Ed25519).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::keys::{KeyBytes, KeyError};
use crate::random;

/// A key that signs. It is stored sealed, or not at all.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public()).finish()
    }
}

impl SigningKey {
    /// A fresh key.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh() -> Result<Self, KeyError> {
        let seed = Zeroizing::new(random::<32>()?);
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// The key that these bytes are.
    ///
    /// # Errors
    /// Where they are not as many as they should be.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let seed: KeyBytes = Zeroizing::new(bytes.try_into().map_err(|_| KeyError::Altered)?);
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed)))
    }

    /// Its bytes, to be sealed.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key with which others check what it signed.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs.
    pub fn sign(&self, text: &[u8]) -> Signature {
        Signature(self.0.sign(text).to_bytes())
    }
}

/// A key that checks signatures. 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Whether the private half of this key has signed the text.
    pub fn has_signed(&self, text: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        // Strictly: of a few odd keys and signatures, laxer rules say that they hold for many texts.
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(text, &signature).is_ok())
    }
}

/// A signature. 128 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signature([u8; 64]);

/// Something is not the hex digits that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {digits} hex digits")]
pub struct NotHex {
    what: &'static str,
    digits: usize,
}

macro_rules! in_hex {
    ($type:ident, $bytes:literal, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }

        impl FromStr for $type {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                bytes.map(Self).ok_or(NotHex { what: $what, digits: 2 * $bytes })
            }
        }

        impl TryFrom<String> for $type {
            type Error = NotHex;

            fn try_from(text: String) -> Result<Self, NotHex> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(it: $type) -> Self {
                it.to_string()
            }
        }
    };
}

in_hex!(PublicKey, 32, "a public key");
in_hex!(Signature, 64, "a signature");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_holds_and_nothing_else() {
        let (key, other) = (SigningKey::fresh().expect("random"), SigningKey::fresh().expect("random"));
        let signature = key.sign(b"so it was");
        let public: PublicKey = key.public().to_string().parse().expect("hex");
        assert!(public.has_signed(b"so it was", &signature));
        assert!(!public.has_signed(b"so it wad", &signature));
        assert!(!other.public().has_signed(b"so it was", &signature));
        let again = SigningKey::from_bytes(&*key.to_bytes()).expect("a key");
        assert_eq!(again.sign(b"so it was"), signature);
        let mut bytes = signature.0;
        bytes[40] ^= 1;
        assert!(!public.has_signed(b"so it was", &Signature(bytes)));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(SigningKey::from_bytes(&[1; 31]).is_err());
        let error = "12".parse::<PublicKey>().expect_err("too short");
        assert_eq!(error.to_string(), "a public key is 64 hex digits");
        // No point of the curve: it has signed nothing.
        let odd: PublicKey = "02".repeat(32).parse().expect("hex");
        assert!(!odd.has_signed(b"", &SigningKey::fresh().expect("random").sign(b"")));
    }
}
