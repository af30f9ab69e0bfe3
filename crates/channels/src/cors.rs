//! Which pages of other sites may read what a channel answers. No cookie counts here, so none is let along.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::answer::Reply;
use crate::channel::Cors;

/// What a page may read beside what every page may.
const READ: HeaderValue = HeaderValue::from_static("location, retry-after, x-play-id, x-request-id");

/// How long a browser remembers what it may do, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// Whether a browser asks beforehand what a page may do.
pub(crate) fn is_preflight(head: &Head) -> bool {
    head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Cors {
    /// The page that may read the answer, where it is one that may.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let is_it = |allowed: &String| allowed == "*" || origin == allowed.as_str();
        self.origins.iter().any(is_it).then(|| origin.clone())
    }

    /// Whether a page may open a connection: browsers ask nobody beforehand. A channel that names no page takes all.
    pub(crate) fn lets_connect(&self, headers: &HeaderMap) -> bool {
        self.origins.is_empty() || !headers.contains_key(ORIGIN) || self.allowed(headers).is_some()
    }

    /// Lets the page read the answer, where it is one that may.
    pub(crate) fn let_read(&self, asked: &HeaderMap, reply: &mut Reply) {
        if self.origins.is_empty() {
            return;
        }
        reply.headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.allowed(asked) {
            reply.headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            reply.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
    }

    /// The answer to a browser that asks beforehand; none for a page that may not.
    pub(crate) fn preflight(&self, asked: &HeaderMap, methods: &str) -> Option<Reply> {
        self.allowed(asked)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(methods).ok()?);
        if let Some(wanted) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        Some(Reply { status: StatusCode::NO_CONTENT, headers, body: Bytes::new(), stream: None })
    }
}
