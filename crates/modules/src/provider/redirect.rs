//! Redirects: what is sent to the next place, and what is kept from it.
//!
//! It decides what is asked there, not whether that place may be reached.

use http::header::{HeaderMap, HeaderName};
use http::{Method, StatusCode};
use url::Url;

use super::outgoing::{Outgoing, Trouble, checked};

pub(super) const REFUSED: &str = "HTTP_REFUSED";
pub(super) const BROKEN: &str = "HTTP_BROKEN";

/// Headers that tell of a body.
const OF_THE_BODY: &[&str] = &[
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-location",
    "content-type",
    "idempotency-key",
];

/// Parts of the names of headers that are meant for one peer alone.
const CONFIDENTIAL: &[&str] =
    &["auth", "cookie", "key", "token", "secret", "password", "signature", "session", "credential"];

/// The request to the place that an answer points to.
pub(super) fn next(mut sent: Outgoing, status: StatusCode, location: &[u8]) -> Result<Outgoing, Trouble> {
    let place = std::str::from_utf8(location).ok().and_then(|location| sent.url.join(location.trim()).ok());
    let mut url = place.ok_or_else(|| (BROKEN, "the answer points to what is no URL".to_owned()))?;
    checked(&url).map_err(|why| (REFUSED, format!("the answer points elsewhere, but {why}")))?;
    if sent.url.scheme() == "https" && url.scheme() == "http" {
        return Err((REFUSED, "the answer points from https to http, which would be sent in the open".to_owned()));
    }
    url.set_fragment(None);
    if origin(&url) != origin(&sent.url) {
        drop_confidential(&mut sent.headers);
    }
    let becomes_get = match status {
        StatusCode::SEE_OTHER => sent.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => sent.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        sent.method = Method::GET;
        sent.body = None;
        for name in OF_THE_BODY {
            sent.headers.remove(*name);
        }
    }
    sent.url = url;
    Ok(sent)
}

fn origin(url: &Url) -> (&str, Option<&str>, Option<u16>) {
    (url.scheme(), url.host_str(), url.port_or_known_default())
}

/// Only the peer that the flow names gets what is meant for it. The key against repetitions
/// stays: it protects the next peer as well.
fn drop_confidential(headers: &mut HeaderMap) {
    let is_confidential = |name: &HeaderName| {
        let name = name.as_str();
        name != "idempotency-key" && CONFIDENTIAL.iter().any(|part| name.contains(part))
    };
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_confidential(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    const NAMES: [&str; 7] =
        ["authorization", "cookie", "x-api-key", "x-session-token", "content-type", "idempotency-key", "accept"];

    fn follow(method: &str, status: u16, from: &str, to: &str) -> Result<(String, String, Vec<String>), Trouble> {
        let headers = NAMES.map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")));
        let sent = Outgoing {
            method: method.parse().expect("a method"),
            url: Url::parse(from).expect("a URL"),
            headers: headers.into_iter().collect(),
            body: Some(Bytes::from_static(b"x")),
        };
        let next = next(sent, StatusCode::from_u16(status).expect("a status"), to.as_bytes())?;
        let mut names: Vec<String> = next.headers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        assert_eq!(next.body.is_some(), names.contains(&"content-type".to_owned()));
        Ok((next.method.to_string(), next.url.to_string(), names))
    }

    #[test]
    fn the_method_follows_the_status() {
        for (status, method, becomes) in [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "POST", "GET"),
            (303, "PUT", "GET"),
            (303, "DELETE", "GET"),
            (303, "HEAD", "HEAD"),
            (301, "PUT", "PUT"),
            (302, "DELETE", "DELETE"),
            (307, "POST", "POST"),
            (308, "PATCH", "PATCH"),
            (302, "GET", "GET"),
        ] {
            let (given, _, names) = follow(method, status, "http://a/x", "/y").expect("follows");
            assert_eq!(given, becomes, "{status} {method}");
            assert_eq!(names.contains(&"idempotency-key".to_owned()), method == becomes, "{status} {method}");
        }
    }

    #[test]
    fn what_is_meant_for_one_origin_stays_there() {
        for (from, to, stays) in [
            ("http://a/x", "y?z#f", true),
            ("http://a/x", "http://a:80/", true),
            ("https://a/x", "//a/y", true),
            ("http://a/x", "http://b/", false),
            ("http://a/x", "http://a:81/", false),
            ("http://a/x", "https://a/", false),
            ("http://a/x", "http://x.a/", false),
        ] {
            let (_, url, names) = follow("POST", 307, from, to).expect("follows");
            assert_eq!(names.len(), if stays { 7 } else { 3 }, "{from} {to}: {names:?}");
            assert!(!url.contains('#'));
        }
    }

    #[test]
    fn not_every_place_is_gone_to() {
        for (from, to, code) in [
            ("https://a/", "http://a/", REFUSED),
            ("http://a/", "file:///etc/passwd", REFUSED),
            ("http://a/", "http://ada:s3cr3t@a/", REFUSED),
            ("http://a/", "http://[", BROKEN),
        ] {
            let (given, message) = follow("GET", 302, from, to).expect_err(to);
            assert_eq!(given, code, "{to}: {message}");
            assert!(!message.contains("s3cr3t"));
        }
    }
}
