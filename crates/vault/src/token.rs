//! Tokens: what sessions and API keys prove themselves with. Shown once, stored as a hash.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::keys::KeyError;
use crate::random;

/// A random token: a prefix that says what it is for, then 32 bytes in Base64.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// The SHA-256 of a token, in hex. A token has 256 random bits, so a plain hash is enough.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenHash(pub String);

impl Token {
    /// A fresh token.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub fn fresh(prefix: &str) -> Result<Self, KeyError> {
        Ok(Self(Zeroizing::new(format!("{prefix}{}", BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?)))))
    }

    /// The token, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What may be shown of it before it itself is: the challenge S256 of PKCE.
    pub fn challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl TokenHash {
    /// The hash of a token that somebody shows.
    pub fn of(token: &str) -> Self {
        Self(hex::encode(Sha256::digest(token.as_bytes())))
    }

    /// Whether two are the same, in a time that tells nothing of where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = Token::fresh("f8_").expect("random");
        assert!(token.reveal().starts_with("f8_") && token.reveal().len() == 46);
        assert!(token.hash().matches(&TokenHash::of(token.reveal())));
        assert!(!token.hash().matches(&Token::fresh("f8_").expect("random").hash()));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
