//! [`Guide`]: how the command line on the same machine finds a running server: a file in the data
//! folder with its address and a token. Whoever may read the folder may do everything anyway.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use vault::Token;

use super::OpenError;
use super::keys::write_secret;

/// The file's name.
const FILE: &str = "server.json";

/// A server's address and the token for it.
pub struct Guide {
    file: PathBuf,
    token: Token,
    is_told: std::sync::atomic::AtomicBool,
}

/// Why the address of the server cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct GuideError {
    file: PathBuf,
    source: std::io::Error,
}

/// What is in the file.
#[derive(Serialize, Deserialize)]
pub struct Address {
    /// Where the API is: `http://127.0.0.1:4454`.
    pub url: String,
    /// What to sign in with.
    pub token: String,
    /// The one certificate that it shows, as DER in Base64; none where it speaks plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Address {
    /// The certificate as DER; empty, which none is, where it was altered.
    pub fn der(&self) -> Option<Vec<u8>> {
        self.certificate.as_ref().map(|text| STANDARD.decode(text).unwrap_or_default())
    }
}

impl Guide {
    pub(super) fn new(folder: &Path) -> Result<Self, OpenError> {
        let token = Token::fresh("")?;
        Ok(Self { file: folder.join(FILE), token, is_told: false.into() })
    }

    pub(super) fn token(&self) -> &str {
        self.token.reveal()
    }

    /// Says where the server is, and which certificate it shows.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn tell(&self, url: &str, certificate: Option<Vec<u8>>) -> Result<(), GuideError> {
        let certificate = certificate.map(|der| STANDARD.encode(der));
        let address = Address { url: url.to_owned(), token: self.token().to_owned(), certificate };
        let text = serde_json::to_vec(&address).unwrap_or_default();
        write_secret(&self.file, &text).map_err(|source| GuideError { file: self.file.clone(), source })?;
        self.is_told.store(true, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    /// The server that has a data folder, where there is one.
    pub fn find(folder: &Path) -> Option<Address> {
        serde_json::from_slice(&fs::read(folder.join(FILE)).ok()?).ok()
    }
}

impl Drop for Guide {
    fn drop(&mut self) {
        if self.is_told.load(std::sync::atomic::Ordering::Acquire) {
            // A file that stays behind leads nowhere, and is said to.
            let _ = fs::remove_file(&self.file);
        }
    }
}
