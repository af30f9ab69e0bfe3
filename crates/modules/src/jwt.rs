//! JSON web tokens: which algorithms there are, and which key goes with which.
//!
//! The framing is done here, so that claims stay exact; the cryptography is the library's. A
//! public key can never be taken for a shared secret: PEM is refused as one, and a list of
//! algorithms holds only those of one kind of key.

use jsonwebtoken::errors::Error;
use jsonwebtoken::{Algorithm as Crypto, DecodingKey, EncodingKey};
use model::failure::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::refused;
use crate::encoding::BytesAs;

/// How a token is signed. There is no `none`.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What kind of key an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Secret,
    Rsa,
    Ec,
    Ed,
}

impl Algorithm {
    /// The name in the header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn key_kind(self) -> KeyKind {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => KeyKind::Secret,
            Self::RS256 => KeyKind::Rsa,
            Self::ES256 => KeyKind::Ec,
            Self::EdDsa => KeyKind::Ed,
        }
    }

    fn crypto(self) -> Crypto {
        match self {
            Self::HS256 => Crypto::HS256,
            Self::HS384 => Crypto::HS384,
            Self::HS512 => Crypto::HS512,
            Self::RS256 => Crypto::RS256,
            Self::ES256 => Crypto::ES256,
            Self::EdDsa => Crypto::EdDSA,
        }
    }

    /// The signature of a message, in base64 for URLs.
    ///
    /// # Errors
    /// Where the key is not one for this algorithm.
    pub(crate) fn sign(self, message: &str, key: &str, encoding: BytesAs) -> Result<String, Failure> {
        let pem = key.as_bytes();
        let key = match self.key_kind() {
            KeyKind::Secret => Ok(EncodingKey::from_secret(&secret(key, encoding)?)),
            KeyKind::Rsa => EncodingKey::from_rsa_pem(pem),
            KeyKind::Ec => EncodingKey::from_ec_pem(pem),
            KeyKind::Ed => EncodingKey::from_ed_pem(pem),
        };
        let key = key.map_err(|_| self.odd_key("private"))?;
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, self.crypto()).map_err(|_| self.odd_key("private"))
    }

    /// Whether this is the signature of a message.
    ///
    /// # Errors
    /// Where the key is not one for this algorithm.
    pub(crate) fn verify(self, message: &str, signature: &str, key: &str, encoding: BytesAs) -> Result<bool, Failure> {
        let pem = key.as_bytes();
        let key = match self.key_kind() {
            KeyKind::Secret => Ok(DecodingKey::from_secret(&secret(key, encoding)?)),
            KeyKind::Rsa => DecodingKey::from_rsa_pem(pem),
            KeyKind::Ec => DecodingKey::from_ec_pem(pem),
            KeyKind::Ed => DecodingKey::from_ed_pem(pem),
        };
        let key = key.map_err(|_| self.odd_key("public"))?;
        // A signature that is not even one is as bad as a wrong one.
        let verified: Result<bool, Error> =
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, self.crypto());
        Ok(verified.unwrap_or(false))
    }

    fn odd_key(self, kind: &str) -> Failure {
        refused(format!("key: {} takes a {kind} key in PEM (-----BEGIN …)", self.name()))
    }
}

fn secret(key: &str, encoding: BytesAs) -> Result<Vec<u8>, Failure> {
    if key.contains("-----BEGIN") {
        return Err(refused("key: a key in PEM is no shared secret; take RS256, ES256 or EdDSA"));
    }
    let bytes = encoding.read("key", key)?;
    if bytes.is_empty() {
        return Err(refused("key: must not be empty"));
    }
    Ok(bytes)
}
