//! [`TokenClient`]: fetches tokens for stored credentials (OAuth 2.0).
//!
//! It calls like flows do, under the rules for outgoing calls: whoever makes a link need be no
//! administrator. It asks once, follows no redirect, and tells nothing of what it sent or got.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use model::failure::Failure;
use model::value::{Value, from_value};
use sdk::http::{Http, HttpRequest, HttpResponse};
use sdk::link::{Grant, TOKEN_REFUSED, TOKEN_UNREACHABLE, Token, TokenRequest, Tokens};
use serde::Deserialize;

use crate::encoding::{BASE64_URL, BytesAs};
use crate::jwt::Algorithm;

/// Bytes of an answer: tokens are short.
const ANSWER_BYTES: usize = 64 << 10;

/// Seconds that a claim of a service account is good for.
const CLAIM_LASTS: i64 = 300;

/// What a claim of a service account is asked with.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Fetches tokens.
pub struct TokenClient {
    http: Arc<dyn Http>,
}

/// What a peer answers.
#[derive(Deserialize)]
struct Given {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<Value>,
}

impl TokenClient {
    /// Tokens that are fetched with this client.
    pub fn new(http: Arc<dyn Http>) -> Self {
        Self { http }
    }
}

#[async_trait]
impl Tokens for TokenClient {
    async fn fetch(&self, request: TokenRequest) -> Result<Token, Failure> {
        let body = form(&request)?;
        let answer = self
            .http
            .send(HttpRequest {
                company: request.company,
                method: "POST".into(),
                url: request.token_url.clone(),
                headers: vec![
                    ("content-type".into(), "application/x-www-form-urlencoded".into()),
                    ("accept".into(), "application/json".into()),
                ],
                body: Some(Bytes::from(body)),
                timeout: request.timeout,
                follow_redirects: false,
                max_body: ANSWER_BYTES,
            })
            .await;
        let answer = answer.map_err(|error| {
            Failure::new(TOKEN_UNREACHABLE, format!("the peer that gives tokens: {}", error.message))
        })?;
        given(&answer)
    }
}

/// The body of a request.
fn form(request: &TokenRequest) -> Result<String, Failure> {
    let mut fields = form_urlencoded::Serializer::new(String::new());
    match &request.grant {
        Grant::Code { code, verifier, redirect_uri } => {
            fields.append_pair("grant_type", "authorization_code").append_pair("code", code);
            fields.append_pair("code_verifier", verifier).append_pair("redirect_uri", redirect_uri);
        }
        Grant::Refresh { token } => {
            fields.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
        }
        Grant::ServiceAccount { .. } => {
            fields.append_pair("grant_type", JWT_BEARER).append_pair("assertion", &claim(request)?);
        }
    }
    // A claim says itself what it is for.
    let scope = request.scope.as_ref().filter(|_| !matches!(request.grant, Grant::ServiceAccount { .. }));
    for (name, value) in
        [("client_id", &request.client_id), ("client_secret", &request.client_secret), ("scope", &scope.cloned())]
    {
        if let Some(value) = value {
            fields.append_pair(name, value);
        }
    }
    Ok(fields.finish())
}

/// The claim of a service account, signed.
fn claim(request: &TokenRequest) -> Result<String, Failure> {
    let Grant::ServiceAccount { issuer, key_id, private_key, subject, now } = &request.grant else {
        return Err(Failure::new(TOKEN_REFUSED, "there is nothing to claim"));
    };
    let header = [("alg", Value::from("RS256")), ("typ", "JWT".into()), ("kid", key_id.clone().into())];
    let claims = [
        ("iss", Value::from(issuer.as_str())),
        ("sub", subject.clone().into()),
        ("scope", request.scope.clone().into()),
        ("aud", request.token_url.as_str().into()),
        ("iat", (*now).into()),
        ("exp", (now + CLAIM_LASTS).into()),
    ];
    let part = |fields: Vec<(&str, Value)>| {
        use base64::Engine as _;
        let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
        BASE64_URL.encode(Value::map(fields).to_json())
    };
    let message = format!("{}.{}", part(header.to_vec()), part(claims.to_vec()));
    let signature = Algorithm::RS256.sign(&message, private_key, BytesAs::default());
    let signature =
        signature.map_err(|_| Failure::new(TOKEN_REFUSED, "the private key of the link is not one of RSA"))?;
    Ok(format!("{message}.{signature}"))
}

/// The token that a peer gives.
fn given(answer: &HttpResponse) -> Result<Token, Failure> {
    let body = Value::from_json(&answer.body).unwrap_or_default();
    if !(200..300).contains(&answer.status) {
        // Of what it says, only the code that the standard has; the rest may hold anything.
        let code = body.get("error").and_then(Value::as_str).unwrap_or_default();
        let is_code = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let why = if is_code && !code.is_empty() { format!(": {code}") } else { String::new() };
        let message = format!("the peer that gives tokens answers with status {}{why}", answer.status);
        let refuses = (400..500).contains(&answer.status) && !matches!(answer.status, 408 | 425 | 429);
        return Err(Failure::new(if refuses { TOKEN_REFUSED } else { TOKEN_UNREACHABLE }, message));
    }
    let odd = || Failure::new(TOKEN_REFUSED, "the peer that gives tokens answers with what is no token");
    let given: Given = from_value(&body).map_err(|_| odd())?;
    let is_token = |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token(&given.access_token) {
        return Err(odd());
    }
    // Some write the number as text.
    let lasts = given.expires_in.and_then(|value| match value {
        Value::Text(text) => text.parse().ok(),
        value => value.as_i64(),
    });
    Ok(Token {
        access: given.access_token,
        refresh: given.refresh_token.filter(|token| !token.is_empty()),
        lasts: lasts.and_then(|seconds| u64::try_from(seconds).ok()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Token, Failure> {
        given(&HttpResponse {
            status,
            headers: Vec::new(),
            body: Bytes::from_static(body.as_bytes()),
            took: Duration::ZERO,
        })
    }

    #[test]
    fn what_a_peer_says_is_a_token_or_a_reason_without_secrets() {
        let token = answer(200, r#"{"access_token":"a","expires_in":"60","token_type":"Bearer"}"#).expect("a token");
        assert_eq!((token.access.as_str(), token.refresh, token.lasts), ("a", None, Some(60)));
        for (status, body, code) in [
            (400, r#"{"error":"invalid_grant","error_description":"s3cr3t"}"#, TOKEN_REFUSED),
            (401, r#"{"error":"s3cr3t and more"}"#, TOKEN_REFUSED),
            (429, "s3cr3t", TOKEN_UNREACHABLE),
            (503, "s3cr3t", TOKEN_UNREACHABLE),
            (302, "s3cr3t", TOKEN_UNREACHABLE),
            (200, r#"{"access_token":"s3cr3t\r\nx: y"}"#, TOKEN_REFUSED),
            (200, "s3cr3t", TOKEN_REFUSED),
        ] {
            let failure = answer(status, body).err().expect("none");
            assert_eq!(failure.code, code, "{status} {body}");
            assert!(!failure.message.contains("s3cr3t"), "{failure}");
        }
    }
}
