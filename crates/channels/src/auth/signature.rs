//! Requests that are signed with a shared secret: the way of some well-known senders, and a way that
//! a channel describes itself.
//!
//! Where a time is signed along, a signature holds for a while around it. Where none is, it is only
//! remembered, for a day. Either way the same signature passes once: see [`crate::start`].

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::request::Parts as Head;
use model::limits::IDEMPOTENCY_KEPT;
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::{Auth, Signed, Stranger, decode};

/// Signatures of one request that are looked at.
const SIGNATURES: usize = 10;

/// How a sender signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignatureScheme")]
pub enum Scheme {
    /// As the channel says.
    #[default]
    Generic,
    /// `X-Hub-Signature-256: sha256=…` of the body.
    Github,
    /// `Stripe-Signature: t=…,v1=…` of the time and the body.
    Stripe,
    /// `X-Slack-Signature: v0=…` of the time and the body.
    Slack,
}

/// An algorithm of signatures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignatureAlgorithm")]
pub enum Algorithm {
    /// HMAC with SHA-256.
    #[default]
    Sha256,
    /// HMAC with SHA-512.
    Sha512,
    /// HMAC with SHA-1, for senders that know no other.
    Sha1,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignatureDigits")]
pub enum Digits {
    /// In base 16.
    #[default]
    Hex,
    /// In base 64.
    Base64,
}

/// A piece of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Timestamp,
    Method,
    Path,
    Body,
}

/// Knows signatures of a secret.
pub(crate) struct Signatures {
    auth: Auth,
    scheme: Scheme,
    key: Vec<u8>,
    header: String,
    pieces: Vec<Piece>,
}

/// What a request shows.
struct Shown {
    timestamp: Option<String>,
    signatures: Vec<Vec<u8>>,
}

impl Signatures {
    pub(super) fn new(auth: &Auth, key: &[u8]) -> Self {
        let scheme = auth.scheme.unwrap_or_default();
        let header = match scheme {
            Scheme::Generic => auth.header.as_deref().unwrap_or("x-signature").to_ascii_lowercase(),
            Scheme::Github => "x-hub-signature-256".into(),
            Scheme::Stripe => "stripe-signature".into(),
            Scheme::Slack => "x-slack-signature".into(),
        };
        let signed = match scheme {
            Scheme::Generic => auth.signed.as_deref().unwrap_or(match auth.timestamp_header {
                Some(_) => "{timestamp}.{body}",
                None => "{body}",
            }),
            Scheme::Github => "{body}",
            Scheme::Stripe => "{timestamp}.{body}",
            Scheme::Slack => "v0:{timestamp}:{body}",
        };
        // It was checked before it was stored; what does not read signs nothing that anybody could send.
        let pieces = pieces(signed).unwrap_or_default();
        Self { auth: auth.clone(), scheme, key: key.to_vec(), header, pieces }
    }

    /// The header of the signature.
    pub(super) fn header(&self) -> &str {
        &self.header
    }

    /// Whether the generic way of a channel is one.
    pub(super) fn check(auth: &Auth) -> Result<(), String> {
        let Some(signed) = &auth.signed else { return Ok(()) };
        let pieces = pieces(signed)?;
        let has = |piece: &Piece| pieces.contains(piece);
        if !has(&Piece::Body) {
            return Err("signed: has {body} in it, or anybody could change what was sent".into());
        }
        match (has(&Piece::Timestamp), auth.timestamp_header.is_some()) {
            (true, false) => Err("signed: has {timestamp} in it; name its header in timestampHeader".into()),
            (false, true) => Err("signed: has no {timestamp} in it, so the time could be anything".into()),
            _ => Ok(()),
        }
    }

    /// Whether there is something to verify, before the body is read.
    pub(super) fn looks_at(&self, headers: &HeaderMap) -> Result<(), Stranger> {
        self.shown(headers).map(drop).ok_or(Stranger)
    }

    fn shown(&self, headers: &HeaderMap) -> Option<Shown> {
        let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
        let given = text(&self.header)?;
        let hex_after = |prefix: &str| Some(vec![decode(Digits::Hex, given.strip_prefix(prefix)?)?]);
        let shown = match self.scheme {
            Scheme::Github => Shown { timestamp: None, signatures: hex_after("sha256=")? },
            Scheme::Slack => {
                let timestamp = text("x-slack-request-timestamp")?.to_owned();
                Shown { timestamp: Some(timestamp), signatures: hex_after("v0=")? }
            }
            Scheme::Stripe => {
                let pairs: Vec<_> = given.split(',').filter_map(|pair| pair.trim().split_once('=')).collect();
                let timestamp = pairs.iter().find(|(name, _)| *name == "t")?.1.to_owned();
                let signatures = pairs.iter().filter(|(name, _)| *name == "v1").take(SIGNATURES);
                let signatures = signatures.filter_map(|(_, digits)| decode(Digits::Hex, digits)).collect();
                Shown { timestamp: Some(timestamp), signatures }
            }
            Scheme::Generic => {
                let timestamp = match &self.auth.timestamp_header {
                    Some(header) => Some(text(header)?.to_owned()),
                    None => None,
                };
                let digits = given.strip_prefix(self.auth.prefix.as_deref().unwrap_or_default())?;
                Shown { timestamp, signatures: vec![decode(self.auth.encoding.unwrap_or_default(), digits)?] }
            }
        };
        (!shown.signatures.is_empty()).then_some(shown)
    }

    /// Whether a request is signed, now.
    pub(super) fn verify(&self, head: &Head, body: &[u8], now: Timestamp) -> Result<Signed, Stranger> {
        let shown = self.shown(&head.headers).ok_or(Stranger)?;
        let timestamp = shown.timestamp.as_deref().unwrap_or_default();
        let until = match shown.timestamp {
            None => now.plus(IDEMPOTENCY_KEPT),
            Some(_) => {
                let is_plain = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
                let seconds = timestamp.parse::<i64>().ok().filter(|_| is_plain).ok_or(Stranger)?;
                let at = Timestamp(seconds.checked_mul(1000).ok_or(Stranger)?);
                let tolerance = self.auth.tolerance();
                if at.plus(tolerance) < now || at > now.plus(tolerance) {
                    return Err(Stranger);
                }
                // From then on, the time alone refuses it.
                at.plus(tolerance).plus(tolerance)
            }
        };
        let mac = match self.auth.algorithm.unwrap_or_default() {
            Algorithm::Sha256 => self.sign::<Hmac<Sha256>>(head, timestamp, body),
            Algorithm::Sha512 => self.sign::<Hmac<Sha512>>(head, timestamp, body),
            Algorithm::Sha1 => self.sign::<Hmac<Sha1>>(head, timestamp, body),
        }
        .ok_or(Stranger)?;
        let is_it = |given: &Vec<u8>| bool::from(given.as_slice().ct_eq(&mac));
        if !shown.signatures.iter().any(is_it) {
            return Err(Stranger);
        }
        Ok(Signed { digest: hex::encode(&mac), until })
    }

    fn sign<M: Mac + KeyInit>(&self, head: &Head, timestamp: &str, body: &[u8]) -> Option<Vec<u8>> {
        let mut mac = <M as KeyInit>::new_from_slice(&self.key).ok()?;
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => mac.update(text.as_bytes()),
                Piece::Timestamp => mac.update(timestamp.as_bytes()),
                Piece::Method => mac.update(head.method.as_str().as_bytes()),
                Piece::Path => {
                    mac.update(head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str).as_bytes());
                }
                Piece::Body => mac.update(body),
            }
        }
        Some(mac.finalize().into_bytes().to_vec())
    }
}

fn pieces(signed: &str) -> Result<Vec<Piece>, String> {
    if signed.len() > 200 {
        return Err("signed: has at most 200 characters".into());
    }
    let mut pieces = Vec::new();
    let mut rest = signed;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let (name, after) = after.split_once('}').ok_or("signed: has a { without its }")?;
        pieces.push(match name {
            "timestamp" => Piece::Timestamp,
            "method" => Piece::Method,
            "path" => Piece::Path,
            "body" => Piece::Body,
            other => {
                return Err(format!("signed: knows {{timestamp}}, {{method}}, {{path}} and {{body}}, not {{{other}}}"));
            }
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use model::time::Timestamp;

    use super::super::{AuthMode, Guard};
    use super::*;

    fn head(headers: &[(&'static str, &str)]) -> Head {
        let mut request = Request::post("/hooks/pay?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn guard(auth: &Auth, secret: &str) -> Guard {
        auth.check(AuthMode::Hmac).expect("an auth that is one");
        Guard::new(AuthMode::Hmac, auth, Some(secret.as_bytes()))
    }

    /// The example that GitHub's own documentation gives.
    #[test]
    fn github_signs_the_body() {
        let auth = Auth { scheme: Some(Scheme::Github), ..Auth::default() };
        let guard = guard(&auth, "It's a Secret to Everybody");
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let head = head(&[("x-hub-signature-256", signature)]);
        let signed = guard.reads(&head, b"Hello, World!", Timestamp(0)).expect("signed").expect("a digest");
        assert_eq!(format!("sha256={}", signed.digest), signature);
        assert_eq!(guard.reads(&head, b"Hello, World?", Timestamp(0)), Err(Stranger));
    }

    /// The example that Slack's own documentation gives.
    #[test]
    fn slack_signs_time_and_body() {
        let auth = Auth { scheme: Some(Scheme::Slack), ..Auth::default() };
        let guard = guard(&auth, "8f742231b10e8888abcd99yyyzzz85a5");
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let head = head(&[("x-slack-signature", signature), ("x-slack-request-timestamp", "1531420618")]);
        let at = Timestamp(1_531_420_618_000);
        assert!(guard.reads(&head, body, at).is_ok());
        for off in [std::time::Duration::from_secs(301), std::time::Duration::from_secs(3600)] {
            assert_eq!(guard.reads(&head, body, at.plus(off)), Err(Stranger), "too late");
            assert_eq!(guard.reads(&head, body, at.minus(off)), Err(Stranger), "too early");
        }
    }

    #[test]
    fn stripe_may_sign_with_two_secrets_at_once() {
        let auth = Auth { scheme: Some(Scheme::Stripe), ..Auth::default() };
        let guard = guard(&auth, "whsec_test");
        let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec_test").expect("a key");
        mac.update(b"1492774577.{\"id\":1}");
        let own = hex::encode(mac.finalize().into_bytes());
        let header = format!("t=1492774577,v1={},v1={own},v0=00", "ab".repeat(32));
        let at = Timestamp(1_492_774_577_000);
        assert!(guard.reads(&head(&[("stripe-signature", &header)]), b"{\"id\":1}", at).is_ok());
        for header in [
            "",
            "t=1492774577",
            "v1=00",
            "t=,v1=00",
            "t=-1,v1=00",
            "t=99999999999999999999,v1=00",
            "t=1492774577,v1=zz",
        ] {
            assert_eq!(
                guard.reads(&head(&[("stripe-signature", header)]), b"{\"id\":1}", at),
                Err(Stranger),
                "{header}"
            );
        }
    }

    #[test]
    fn a_channel_says_itself_how_it_is_signed() {
        let auth = Auth {
            header: Some("X-Sig".into()),
            encoding: Some(Digits::Base64),
            algorithm: Some(Algorithm::Sha512),
            timestamp_header: Some("x-at".into()),
            signed: Some("{method} {path}\n{timestamp}\n{body}".into()),
            prefix: Some("v1,".into()),
            ..Auth::default()
        };
        let mut mac = Hmac::<Sha512>::new_from_slice(b"key").expect("a key");
        mac.update(b"POST /hooks/pay?x=1\n100\nabc");
        let signature =
            format!("v1,{}", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, mac.finalize().into_bytes()));
        let (guard, head) = (guard(&auth, "key"), head(&[("x-sig", &signature), ("x-at", "100")]));
        assert!(guard.reads(&head, b"abc", Timestamp(100_000)).is_ok());
        assert_eq!(guard.reads(&head, b"abd", Timestamp(100_000)), Err(Stranger));
        assert!(guard.hides(&http::HeaderName::from_static("x-sig")));
        for (signed, timestamp_header) in [
            ("{timestamp}", Some("x-at")),
            ("{body}", Some("x-at")),
            ("{timestamp}{body}", None),
            ("{b}", None),
            ("{body", None),
        ] {
            let auth = Auth {
                signed: Some(signed.into()),
                timestamp_header: timestamp_header.map(Into::into),
                ..Auth::default()
            };
            assert!(auth.check(AuthMode::Hmac).is_err(), "{signed}");
        }
    }
}
