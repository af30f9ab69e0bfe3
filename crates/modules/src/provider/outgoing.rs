//! [`Outgoing`]: one request on its way to one peer, before anything is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use sdk::http::HttpRequest;
use url::Url;

/// Why a request cannot be sent as it is: a code of [`sdk::http::HttpError`], and a message.
pub(super) type Trouble = (&'static str, String);

pub(super) const INVALID: &str = "HTTP_INVALID";

/// Headers that say how a message is framed; they are this client's own business.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One request to one peer.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

impl Outgoing {
    /// The request that a module asks for.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, Trouble> {
        let invalid = |why: &str| (INVALID, why.to_owned());
        let method = Method::from_bytes(request.method.as_bytes());
        let method = method.ok().filter(|method| *method != Method::CONNECT);
        let method = method.ok_or_else(|| invalid("the method is not the name of one"))?;
        // The URL itself is never told: it may hold secrets.
        let url = Url::parse(&request.url).map_err(|error| (INVALID, format!("the URL is not one: {error}")))?;
        checked(&url).map_err(invalid)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("a header has no proper name"))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| (INVALID, format!("the header {name} must be text of one line")))?;
            if name == header::HOST {
                // What is judged is the URL, so the URL alone says who is called.
                if !value.as_bytes().eq_ignore_ascii_case(authority(&url).as_bytes()) {
                    return Err(invalid("the header host is made of the URL and cannot be another"));
                }
            } else if FRAMING.contains(&name.as_str()) {
                return Err((INVALID, format!("the header {name} cannot be given")));
            } else {
                headers.append(name, value);
            }
        }
        Ok(Self { method, url, headers, body: request.body.clone() })
    }

    /// Whether a peer that gets it does nothing but answer.
    pub(super) fn is_safe(&self) -> bool {
        self.method.is_safe()
    }

    /// The request as the client takes it. `acted` is set when it is handed to a connection,
    /// where the peer may do more than answer.
    pub(super) fn into_request(self, acted: &Arc<AtomicBool>) -> reqwest::Request {
        let is_safe = self.is_safe();
        let mut request = reqwest::Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        if is_safe {
            *request.body_mut() = self.body.map(Into::into);
            return request;
        }
        if self.body.is_none() {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let body = Noticed { bytes: self.body, acted: acted.clone() };
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        request
    }
}

/// A URL must be one that may be called.
pub(super) fn checked(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold a name or a password");
    }
    if url.host().is_none() || url.port() == Some(0) { Err("the URL names no host") } else { Ok(()) }
}

/// `example.com`, `example.com:8080`.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a status points to another place.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A body that notices when a connection begins to write the request: the connection asks for
/// its end before it writes the first byte, and nothing asks before there is a connection.
struct Noticed {
    bytes: Option<Bytes>,
    acted: Arc<AtomicBool>,
}

impl Body for Noticed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.acted.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.acted.store(true, Ordering::Release);
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, url: &str, name: &str, value: &str) -> Result<Outgoing, Trouble> {
        let headers = if name.is_empty() { vec![] } else { vec![(name.to_owned(), value.to_owned())] };
        Outgoing::of(&HttpRequest {
            company: model::ids::CompanyId::default(),
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body: None,
            timeout: std::time::Duration::MAX,
            follow_redirects: true,
            max_body: 1,
        })
    }

    #[test]
    fn what_cannot_be_sent_is_refused_before() {
        for (method, url, name, value) in [
            ("CONNECT", "http://a/", "", ""),
            ("G T", "http://a/", "", ""),
            ("GET", "ftp://a/", "", ""),
            ("GET", "no url s3cr3t", "", ""),
            ("GET", "http://ada:s3cr3t@a/", "", ""),
            ("GET", "http://a:0/", "", ""),
            ("GET", "http://a/", "a b", ""),
            ("GET", "http://a/", "a", "s3cr3t\r\nx: y"),
            ("GET", "http://a/", "Host", "b"),
            ("POST", "http://a/", "Transfer-Encoding", "chunked"),
            ("POST", "http://a/", "Content-Length", "7"),
            ("GET", "http://a/", "Proxy-Authorization", "x"),
            ("GET", "http://a/", "Connection", "upgrade"),
        ] {
            let (code, message) = of(method, url, name, value).expect_err(url);
            assert_eq!(code, INVALID);
            assert!(!message.contains("s3cr3t"), "{message}");
        }
        assert!(of("GET", "http://A:8080/", "host", "a:8080").expect("fits").headers.is_empty());
        assert_eq!(of("PATCH", "https://a/", "x", "y").expect("fits").headers.len(), 1);
    }

    #[test]
    fn a_body_notices_that_it_is_wanted() {
        for bytes in [None, Some(Bytes::from_static(b"x"))] {
            let acted = Arc::new(AtomicBool::new(false));
            let body = Noticed { bytes, acted: acted.clone() };
            let _ = body.size_hint();
            assert!(!acted.load(Ordering::Acquire));
            body.is_end_stream();
            assert!(acted.load(Ordering::Acquire));
        }
    }
}
