//! [`Http`]: the one way to HTTP peers.
//!
//! Whoever stands behind it keeps the rules for outgoing calls: addresses that may be reached,
//! proxies, certificates. A module never opens a connection of its own.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::ids::CompanyId;

/// A request to a peer.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Whose request it is.
    pub company: CompanyId,
    /// `GET`, `POST` …
    pub method: String,
    /// Where to, `http` or `https`.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Option<Bytes>,
    /// How long all of it may take.
    pub timeout: Duration,
    /// Whether to go where a 3xx answer points; each place is checked like the first.
    pub follow_redirects: bool,
    /// Bytes of the answer's body that are read at most; a longer one is an error.
    pub max_body: usize,
}

/// The answer of a peer.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// `200` …
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// What came.
    pub body: Bytes,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// What kind of trouble: `HTTP_REFUSED`, `HTTP_CONNECT`, `HTTP_TIMEOUT`, `HTTP_BROKEN`, `HTTP_TOO_LARGE`, `HTTP_INVALID`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Whether the peer may have acted on the request.
    pub maybe_done: bool,
}

/// Calls HTTP peers.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends a request and reads the answer whole.
    ///
    /// # Errors
    /// Where there is no answer: the address is not allowed, cannot be reached, or breaks off.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}
