//! [`Claims`]: what a provider says of somebody, believed once it was verified.
//!
//! The time comes in from outside: the library's own checks, which read the machine's clock, are not used.

use std::collections::BTreeSet;

use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use model::limits::OIDC_LEEWAY;
use model::time::Timestamp;
use serde_json::{Map, Value};

/// What a token may be signed with. Never a secret that two share, and never nothing.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a token must be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Timestamp,
}

/// What a provider says of somebody.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) issuer: String,
    /// Who they are, for this provider and for ever.
    pub(super) subject: String,
    all: Map<String, Value>,
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("none of its keys is the one that signed the id token")]
    UnknownKey,
    #[error("the signature of the id token is wrong")]
    Signature,
    #[error("the id token is of another issuer")]
    Issuer,
    #[error("the id token is for another application than this one")]
    Audience,
    #[error("the id token has expired, or is not valid yet; see that the clocks are right")]
    Time,
    #[error("the id token is of another sign-in")]
    Nonce,
    #[error("the id token cannot be read: {0}")]
    Malformed(String),
}

impl Claims {
    /// Verifies an id token.
    ///
    /// # Errors
    /// Where anything of it does not hold.
    pub(super) fn verify(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Self, TokenError> {
        let all = signed(token, keys)?;
        let text = |name: &str| all.get(name).and_then(Value::as_str);
        if text("iss") != Some(expected.issuer) {
            return Err(TokenError::Issuer);
        }
        let audience = texts(all.get("aud"));
        let is_ours = audience.contains(expected.client_id)
            && match text("azp") {
                Some(party) => party == expected.client_id,
                None => audience.len() == 1,
            };
        if !is_ours {
            return Err(TokenError::Audience);
        }
        in_time(&all, expected.now)?;
        if text("nonce") != Some(expected.nonce) {
            return Err(TokenError::Nonce);
        }
        let subject = text("sub").filter(|subject| !subject.is_empty() && subject.len() <= 255);
        let subject = subject.ok_or_else(|| TokenError::Malformed("it names no subject".into()))?.to_owned();
        Ok(Self { issuer: expected.issuer.to_owned(), subject, all })
    }

    /// Adds what the provider says elsewhere of the same person.
    pub(super) fn add(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.all.entry(name).or_insert(value);
        }
    }

    /// Whether it says anything under that name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }

    /// A list of texts, or one text alone.
    pub(super) fn texts(&self, name: &str) -> BTreeSet<&str> {
        texts(self.all.get(name))
    }

    /// Whether the provider made sure that the address is theirs. Some say it as a text.
    pub(super) fn is_email_verified(&self) -> bool {
        match self.all.get("email_verified") {
            Some(Value::Bool(is_verified)) => *is_verified,
            Some(Value::String(text)) => text == "true",
            _ => false,
        }
    }
}

/// What one of the keys has signed.
fn signed(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, TokenError> {
    let malformed = |error: jsonwebtoken::errors::Error| TokenError::Malformed(error.to_string());
    let header = decode_header(token).map_err(malformed)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(TokenError::Malformed(format!("it is signed with {:?}, which is not taken", header.alg)));
    }
    if header.crit.is_some() {
        return Err(TokenError::Malformed("it asks for an extension that is not known".into()));
    }
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let fits = |key: &&Jwk| {
        let is_named = header.kid.is_none() || key.common.key_id == header.kid;
        is_named && key.common.public_key_use != Some(PublicKeyUse::Encryption)
    };
    let mut outcome = Err(TokenError::UnknownKey);
    for key in keys.iter().filter(fits) {
        let Ok(decoding) = DecodingKey::from_jwk(key) else { continue };
        // A key of another kind has not signed it.
        if decoding.family() != header.alg.family() {
            continue;
        }
        match decode::<Map<String, Value>>(token, &decoding, &validation) {
            Ok(data) => return Ok(data.claims),
            Err(_) => outcome = Err(TokenError::Signature),
        }
    }
    outcome
}

/// Whether a token is valid now, as far as two clocks agree.
fn in_time(all: &Map<String, Value>, now: Timestamp) -> Result<(), TokenError> {
    let seconds =
        |name: &str| all.get(name).and_then(Value::as_f64).map(|seconds| Timestamp((seconds * 1000.0) as i64));
    let ends = seconds("exp").ok_or(TokenError::Time)?;
    let begins = [seconds("nbf"), seconds("iat")];
    let is_early = begins.into_iter().flatten().any(|begin| begin > now.plus(OIDC_LEEWAY));
    if ends.plus(OIDC_LEEWAY) <= now || is_early { Err(TokenError::Time) } else { Ok(()) }
}

fn texts(value: Option<&Value>) -> BTreeSet<&str> {
    match value {
        Some(Value::String(one)) => BTreeSet::from([one.as_str()]),
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use fuzz::Target;

    use super::*;

    /// Of a key whose private half was thrown away once it had signed the token of the corpus.
    const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"1","use":"sig",
        "x":"ElibjPjUpTZNUuZbk4p8OlU6neNAnQlDQ0tHopF9bro","y":"TR90VxAFLTyQ9pLxpmtHLK_RKKpJlZv8ibl3toEulj4"}"#;

    /// A token of three lines, whose first two are Base64 once it is sent; else whatever it is.
    fn sent(text: &str) -> String {
        let lines: Vec<&str> = text.split('\n').collect();
        let [head, claims, signature] = lines[..] else { return text.to_owned() };
        let encoded = |part: &str| BASE64_URL_SAFE_NO_PAD.encode(part);
        format!("{}.{}.{signature}", encoded(head), encoded(claims))
    }

    /// A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-gateway --lib
    /// fuzz`.
    #[test]
    fn fuzz_any_token() {
        let keys: Vec<Jwk> = vec![serde_json::from_str(KEY).expect("a key")];
        let expected = Expected { issuer: "https://op", client_id: "flow8", nonce: "n", now: Timestamp(1) };
        let words =
            ["\"alg\":\"none\"", "\"kid\":null", "\"crit\":[]", "\"nbf\":1,", "\"azp\":\"x\",", ".", "\n", "=="];
        let target = Target::new(env!("CARGO_MANIFEST_DIR"), "token").words(words);
        let sound = sent(&String::from_utf8_lossy(target.file("sound")));
        let claims = Claims::verify(&sound, &keys, &expected).expect("what the key has signed");
        assert_eq!(claims.subject, "ada");
        target.holds(move |bytes| {
            let token = sent(&String::from_utf8_lossy(bytes));
            let outcome = Claims::verify(&token, &keys, &expected);
            assert_eq!(outcome.is_ok(), token == sound, "what the key has not signed is refused: {token}");
        });
    }
}
