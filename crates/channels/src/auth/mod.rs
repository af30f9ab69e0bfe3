//! Who may come: what a channel says of it ([`Auth`]), and what a request must show ([`Guard`]).
//!
//! Secrets are compared in a time that tells nothing of them, and whoever fails is told nothing but that.

mod signature;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts as Head;
use model::limits::{CHANNEL_SECRET_BYTES, SIGNATURE_WINDOW, SIGNATURE_WINDOW_MOST};
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vault::TokenHash;

use crate::route::check_header;

pub(crate) use signature::Signatures;
pub use signature::{Algorithm, Digits, Scheme};

/// Who may come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Nobody: the channel takes in by itself.
    #[default]
    None,
    /// Everybody.
    Public,
    /// Whoever shows a token in a header.
    HeaderToken,
    /// Whoever signs with a shared secret.
    Hmac,
    /// Whoever shows an API key of the company that may run flows.
    ApiKey,
}

/// A secret on its way in. It is never written out.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// How those who may come show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ChannelAuth")]
pub struct Auth {
    /// The token, or the secret to sign with. It goes in and never comes out; `***` keeps the one there is.
    #[serde(default, skip_serializing)]
    pub secret: Option<Secret>,
    /// In its place: the name of a secret of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// The header of the token (`Authorization: Bearer …` when left out), or of the signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// hmac: how the sender signs; `generic`, where the fields below say it, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Generic: the algorithm; sha256 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Generic: how the signature is written; hex when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Digits>,
    /// Generic: what stands before the signature, such as `sha256=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Generic: the header of the time of signing, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
    /// Generic: what is signed, of {timestamp}, {method}, {path} and {body}; `{timestamp}.{body}`, or `{body}` where
    /// there is no time, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<String>,
    /// How far the time of signing may be off; 300 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub tolerance_seconds: Option<u32>,
}

impl Auth {
    /// How far the time of signing may be off.
    pub(crate) fn tolerance(&self) -> Duration {
        self.tolerance_seconds.map_or(SIGNATURE_WINDOW, |seconds| Duration::from_secs(seconds.into()))
    }

    /// Whether a mode can go by it.
    ///
    /// # Errors
    /// With the field and what is wrong with it.
    pub fn check(&self, mode: AuthMode) -> Result<(), String> {
        let is_hmac = mode == AuthMode::Hmac;
        let has_secret = is_hmac || mode == AuthMode::HeaderToken;
        let is_generic = is_hmac && self.scheme.unwrap_or_default() == Scheme::Generic;
        for (field, is_given, fits) in [
            ("secret", self.secret.is_some(), has_secret),
            ("secretName", self.secret_name.is_some(), has_secret),
            ("header", self.header.is_some(), is_generic || mode == AuthMode::HeaderToken),
            ("scheme", self.scheme.is_some(), is_hmac),
            ("algorithm", self.algorithm.is_some(), is_generic),
            ("encoding", self.encoding.is_some(), is_generic),
            ("prefix", self.prefix.is_some(), is_generic),
            ("timestampHeader", self.timestamp_header.is_some(), is_generic),
            ("signed", self.signed.is_some(), is_generic),
            ("toleranceSeconds", self.tolerance_seconds.is_some(), is_hmac),
        ] {
            if is_given && !fits {
                return Err(format!("{field}: means nothing with this authMode and scheme"));
            }
        }
        if self.secret.is_some() && self.secret_name.is_some() {
            return Err("secretName: stands in place of secret; give one of them".into());
        }
        if self.secret.as_ref().is_some_and(|Secret(text)| text.is_empty() || text.len() > CHANNEL_SECRET_BYTES) {
            return Err(format!("secret: has 1 to {CHANNEL_SECRET_BYTES} bytes"));
        }
        for (field, header) in [("header", &self.header), ("timestampHeader", &self.timestamp_header)] {
            if let Some(header) = header {
                check_header(header).map_err(|problem| format!("{field}: {problem}"))?;
            }
        }
        let most = SIGNATURE_WINDOW_MOST.as_secs();
        if self.tolerance_seconds.is_some_and(|seconds| seconds == 0 || u64::from(seconds) > most) {
            return Err(format!("toleranceSeconds: is from 1 to {most}"));
        }
        if self.prefix.as_ref().is_some_and(|prefix| prefix.len() > 64) {
            return Err("prefix: has at most 64 characters".into());
        }
        if is_generic { Signatures::check(self) } else { Ok(()) }
    }
}

/// What a request must show.
pub(crate) enum Guard {
    Public,
    Token {
        header: Option<http::HeaderName>,
        token: TokenHash,
    },
    Signed(Signatures),
    ApiKey,
    /// What it goes by cannot be had: nobody may come.
    Shut,
}

impl Guard {
    /// How HTTP calls what this asks for; none where it has no word for it.
    pub(crate) fn challenge(&self) -> Option<&'static str> {
        matches!(self, Self::ApiKey | Self::Token { header: None, .. }).then_some("Bearer")
    }

    /// Whether what let somebody in through another guard lets them in here too. A connection shows nothing more after it
    /// was let in; what is asked of each request by itself lets none stay.
    pub(crate) fn lets_stay(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Public, Self::Public) | (Self::ApiKey, Self::ApiKey) => true,
            (Self::Token { header, token }, Self::Token { header: same, token: as_before }) => {
                (header, token) == (same, as_before)
            }
            _ => false,
        }
    }
}

/// Whoever comes did not show that they may. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stranger;

/// What a signature proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// The signature, in one way of writing it.
    pub(crate) digest: String,
    /// Until when the same request would pass again.
    pub(crate) until: Timestamp,
}

impl Guard {
    pub(crate) fn new(mode: AuthMode, auth: &Auth, secret: Option<&[u8]>) -> Self {
        let header = auth.header.as_deref().and_then(|name| check_header(name).ok());
        match (mode, secret) {
            (AuthMode::None, _) => Self::Shut,
            (AuthMode::Public, _) => Self::Public,
            (AuthMode::ApiKey, _) => Self::ApiKey,
            (AuthMode::HeaderToken, Some(secret)) => match std::str::from_utf8(secret) {
                Ok(token) => Self::Token { header, token: TokenHash::of(token) },
                Err(_) => Self::Shut,
            },
            (AuthMode::Hmac, Some(secret)) => Self::Signed(Signatures::new(auth, secret)),
            (_, None) => Self::Shut,
        }
    }

    /// Whether a request may come, as far as its head tells.
    pub(crate) fn looks_at(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        match self {
            Self::Public | Self::ApiKey => Ok(()),
            Self::Signed(signatures) => signatures.looks_at(headers),
            Self::Shut => Err(Stranger),
            Self::Token { header, token } => {
                let shown = match header {
                    None => bearer(headers),
                    Some(name) if *name == AUTHORIZATION => bearer(headers),
                    Some(name) => headers.get(name).and_then(|value| value.to_str().ok()),
                };
                let is_it = shown.is_some_and(|shown| TokenHash::of(shown).matches(token));
                if is_it { Ok(()) } else { Err(Stranger) }
            }
        }
    }

    /// Whether it is signed, where it has to be.
    pub(crate) fn reads(&self, head: &Head, body: &[u8], now: Timestamp) -> Result<Option<Signed>, Stranger> {
        match self {
            Self::Signed(signatures) => signatures.verify(head, body, now).map(Some),
            _ => Ok(None),
        }
    }

    /// The headers that nobody else is shown.
    pub(crate) fn hides(&self, name: &http::HeaderName) -> bool {
        match self {
            Self::Token { header: Some(header), .. } => header == name,
            Self::Signed(signatures) => signatures.header() == name.as_str(),
            _ => false,
        }
    }
}

/// The token after `Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Bytes that are written as hex or Base64.
fn decode(digits: Digits, text: &str) -> Option<Vec<u8>> {
    match digits {
        Digits::Hex => hex::decode(text).ok(),
        Digits::Base64 => BASE64_STANDARD.decode(text).ok(),
    }
}
