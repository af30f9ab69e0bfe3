//! Any headers at all: reading them ends, what is made of them is bounded, and nobody is believed who is not
//! trusted.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-gateway --lib fuzz`.

use std::net::IpAddr;

use fuzz::Target;
use http::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::guard::address::of_client;
use crate::oidc::checked_return;
use crate::people::COOKIE;
use crate::request::{bearer, cookie, given_id, given_trace};

const WORDS: [&str; 20] = [
    "authorization: Bearer ",
    "cookie: ",
    "forwarded: ",
    "traceparent: ",
    "x-forwarded-for: ",
    "x-request-id: ",
    "sid=",
    "; ",
    ", ",
    "for=",
    "\"[",
    "]:1\"",
    "10.0.0.1",
    "fd00::1",
    "::ffff:",
    "00-",
    "-01",
    "=",
    "/",
    "\n",
];

/// The lines that are headers.
fn headers(bytes: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn hold(headers: &HeaderMap, trusted: &[IpNet]) {
    let all: Vec<&[u8]> = headers.values().map(HeaderValue::as_bytes).collect();
    let is_of_one = |part: &str| all.iter().any(|value| is_within(part.as_bytes(), value));
    let (token, session) = (bearer(headers), cookie(headers, COOKIE));
    assert!([token, session].into_iter().flatten().all(is_of_one), "{token:?} {session:?}");
    assert!(session.is_none_or(|value| !value.contains(';')), "{session:?}");
    let is_id = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(given_id(headers).is_none_or(|id| is_id(&id)), "an id is written into logs as it is");
    if let Some(trace) = given_trace(headers) {
        assert_eq!(trace.to_string().parse().ok(), Some(trace), "a place in a trace is handed on");
    }
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        if let Ok(page) = checked_return(Some(value)) {
            let whole = url::Url::parse("https://flow8.test/api").and_then(|base| base.join(page)).expect("a URL");
            assert_eq!(whole.host_str(), Some("flow8.test"), "{page}");
        }
    }
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    let stranger = address("203.0.113.9");
    assert_eq!(of_client(headers, stranger, trusted), stranger, "nobody who is not trusted is believed");
    let (proxy, client) = (address("10.0.0.9"), of_client(headers, address("10.0.0.9"), trusted));
    let is_told = headers.contains_key("forwarded") || headers.contains_key("x-forwarded-for");
    assert!(is_told || client == proxy, "{client}");
}

fn is_within(part: &[u8], whole: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn any_headers() {
    let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().expect("a net")).collect();
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "headers").words(WORDS);
    target.at_least(3_000).holds(move |bytes| hold(&headers(bytes), &trusted));
}
