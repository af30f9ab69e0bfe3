//! Pages of other sites: those of `server.allowed_origins` may call the API from a browser, with
//! the session of whoever looks at them. No other page may, and `*` is never said.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// What a page may send beside what every page may.
const SENT: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, if-match, traceparent, x-request-id");

/// What a page may read beside what every page may.
const READ: HeaderValue =
    HeaderValue::from_static("content-disposition, etag, location, retry-after, www-authenticate, x-request-id");

/// How long a browser remembers what it may do, in seconds.
const REMEMBERED: HeaderValue = HeaderValue::from_static("600");

/// The page that a browser asks for.
pub(crate) struct Page(HeaderValue);

impl Page {
    /// The page, where a browser tells of one.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(ORIGIN).cloned().map(Self)
    }

    /// Whether it is one that may.
    pub(crate) fn is_allowed(&self, allowed: &[String]) -> bool {
        allowed.iter().any(|allowed| self.0 == allowed.as_str())
    }

    /// Lets the page read the answer, where it is one that may.
    pub(crate) fn let_read(self, response: &mut Response<Body>, allowed: &[String]) {
        let is_allowed = self.is_allowed(allowed);
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if is_allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0);
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ);
        }
    }

    /// The answer to a browser that asks beforehand; none for a page that may not.
    pub(crate) fn preflight(&self, allowed: &[String], methods: &str) -> Option<Response<Body>> {
        if !self.is_allowed(allowed) {
            return None;
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        if let Ok(methods) = HeaderValue::from_str(methods) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, SENT);
        headers.insert(ACCESS_CONTROL_MAX_AGE, REMEMBERED);
        Some(response)
    }
}

/// Whether a browser asks beforehand what a page may do.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
