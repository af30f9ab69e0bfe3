//! The seam at which secrets are sealed. What seals is elsewhere (the vault).

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::doc::Doc;
use crate::ids::{CompanyId, Id};

/// Encrypted bytes, with all that is needed to open them but the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Arc<[u8]>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Bytes in binary formats, Base64 in text.
impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Sealed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("sealed bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Sealed, E> {
                Ok(Sealed(bytes.into()))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Sealed, E> {
                BASE64_STANDARD.decode(text).map(|bytes| Sealed(bytes.into())).map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

/// What a sealed value is bound to: it opens nowhere else.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// Whose it is.
    pub company: CompanyId,
    /// What kind of field: `play`, `kv`, `secret` …
    pub field: &'a str,
    /// What it belongs to.
    pub id: Id,
}

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The key that sealed it is not in the key ring.
    #[error("the key {0} that sealed this is not in the key ring; add it to ENCRYPTION_KEY or restore its key file")]
    UnknownKey(String),
    /// The bytes were altered, or belong to something else.
    #[error("sealed data was altered or belongs to something else")]
    Altered,
    /// A stored key cannot be used.
    #[error("{0}")]
    UnusableKey(String),
}

/// Seals and opens secrets.
pub trait Seal: Send + Sync {
    /// Encrypts, bound to what it belongs to.
    ///
    /// # Errors
    /// Where no key is at hand.
    fn seal(&self, binding: Binding<'_>, plain: &[u8]) -> Result<Sealed, SealError>;

    /// Decrypts what [`Seal::seal`] made with the same binding.
    ///
    /// # Errors
    /// Where the key is unknown, or the bytes or the binding are not those that were sealed.
    fn open(&self, binding: Binding<'_>, sealed: &Sealed) -> Result<Vec<u8>, SealError>;

    /// Whether the key of a company is at hand.
    fn knows(&self, company: CompanyId) -> bool;

    /// Takes a stored key to hand.
    ///
    /// # Errors
    /// Where it cannot be used.
    fn learn(&self, key: &Doc) -> Result<(), SealError>;
}
