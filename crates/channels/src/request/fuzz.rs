//! Any bytes at all as a request: reading them never panics, and what is read stays within its bounds.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-channels fuzz`.

use bytes::Bytes;
use fuzz::Target;
use http::{HeaderName, HeaderValue, Request};
use model::limits::{FORM_PARTS, JSON_DEPTH};
use model::time::Timestamp;

use super::{Body, headers_of, query_of, read};
use crate::auth::{Auth, AuthMode, Guard, Scheme};

/// What belongs into requests.
const WORDS: [&str; 22] = [
    "content-type: ",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; charset=utf-8",
    "\r\n--x\r\n",
    "\r\n--x--\r\n",
    "content-disposition: form-data; name=\"a\"",
    "; filename=\"a.txt\"",
    "authorization: Bearer ",
    "x-hub-signature-256: sha256=",
    "stripe-signature: t=1,v1=",
    "x-slack-signature: v0=",
    "x-slack-request-timestamp: 1",
    "x-signature: ",
    "\n\n",
    "%00",
    "%ff",
    "&a=",
    "[",
    "{\"a\":",
    "1e999",
];

fn guards() -> Vec<Guard> {
    let schemes = [Scheme::Generic, Scheme::Github, Scheme::Stripe, Scheme::Slack];
    let signed = schemes.map(|scheme| Auth { scheme: Some(scheme), ..Auth::default() });
    let signed = signed.iter().map(|auth| Guard::new(AuthMode::Hmac, auth, Some(b"a secret that is long")));
    signed.chain([Guard::new(AuthMode::HeaderToken, &Auth::default(), Some(b"token"))]).collect()
}

/// The first line is a query, the lines after it are headers; what follows an empty line is the body.
fn request(input: &[u8]) -> (http::request::Parts, Bytes) {
    let (above, body) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let mut lines = above.split(|byte| *byte == b'\n');
    let query = String::from_utf8_lossy(lines.next().unwrap_or_default());
    let mut head = Request::new(()).into_parts().0;
    for line in lines {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        let value = HeaderValue::from_bytes(value.strip_prefix(b":").unwrap_or_default().trim_ascii());
        head.headers.extend(HeaderName::from_bytes(name).ok().zip(value.ok()));
    }
    head.uri = format!("/a?{query}").parse().unwrap_or_default();
    (head, Bytes::copy_from_slice(body))
}

#[test]
fn any_request() {
    let guards = guards();
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "request").words(WORDS);
    target.holds(move |input| {
        let (head, body) = request(input);
        for guard in &guards {
            let _ = guard.looks_at(&head.headers);
            // Nobody guesses a signature.
            assert!(!matches!(guard.reads(&head, &body, Timestamp(1_000)), Ok(Some(_))));
            let shown = headers_of(&head.headers, guard).to_json();
            assert!(!shown.contains("\"authorization\""), "{shown}");
        }
        let _ = query_of(head.uri.query().unwrap_or_default()).to_json();
        match read(&head.headers, &body) {
            Ok(Body::Value(value)) => assert!(value.measure(usize::MAX, usize::MAX).depth <= JSON_DEPTH + 1),
            Ok(Body::Form(parts)) => {
                assert!(parts.len() <= FORM_PARTS);
                assert!(parts.iter().map(|part| part.bytes.len()).sum::<usize>() <= body.len());
            }
            Err(problem) => assert!(problem.status.is_client_error()),
        }
    });
}
