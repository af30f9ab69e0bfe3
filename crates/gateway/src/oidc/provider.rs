//! [`Provider`]: what is known of the provider, and the calls to it.
//!
//! Its address leads to all else (discovery). What it says of itself and its keys are remembered for
//! a while; its keys are looked up again where a token has none of them, so that it may change them.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use model::limits::{OIDC_ANSWER_BYTES, OIDC_DOWN, OIDC_KEYS, OIDC_KEYS_AGAIN, OIDC_METADATA_KEPT, OIDC_REQUEST};
use model::time::Timestamp;
use sdk::http::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore};

use super::pending::{Beginning, Pending};
use super::token::{Claims, Expected, TokenError};
use super::{Back, OidcSettings, quoted, refused};
use crate::app::App;
use crate::error::ApiError;

/// Sign-ins that are finished at once; more of them wait.
const AT_ONCE: usize = 8;

/// The provider, and what is known of it.
pub(crate) struct Provider {
    settings: OidcSettings,
    metadata: Mutex<Option<(Found, Timestamp)>>,
    keys: Mutex<Option<(Arc<[Jwk]>, Timestamp)>>,
    turns: Semaphore,
}

/// What a provider says of itself; or why that is not known.
type Found = Result<Arc<Metadata>, String>;

/// What a provider says of itself, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

/// What a code is exchanged for.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

/// Why it is not.
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

/// Keys, of which some may be of a kind that is not known here.
#[derive(Deserialize)]
struct Keys {
    keys: Vec<Value>,
}

impl Provider {
    pub(crate) fn new(settings: OidcSettings) -> Self {
        Self { settings, metadata: Mutex::default(), keys: Mutex::default(), turns: Semaphore::new(AT_ONCE) }
    }

    pub(super) fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Where a browser goes to sign in.
    ///
    /// # Errors
    /// Where the provider does not say.
    pub(crate) async fn entrance(&self, app: &App, beginning: &Beginning) -> Result<String, ApiError> {
        let metadata = self.metadata(app).await?;
        let scope = self.settings.scopes.join(" ");
        let asked = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &self.settings.redirect_uri),
            ("scope", &scope),
            ("state", &beginning.state),
            ("nonce", &beginning.nonce),
            ("code_challenge", &beginning.challenge),
            ("code_challenge_method", "S256"),
        ])?;
        let entrance = &metadata.authorization_endpoint;
        let joint = if entrance.contains('?') { '&' } else { '?' };
        Ok(format!("{entrance}{joint}{asked}"))
    }

    /// What the provider says of whoever comes back with a code.
    ///
    /// # Errors
    /// Where it does not answer, refuses the code, or says what cannot be believed.
    pub(super) async fn claims(&self, app: &App, back: &Back<'_>, pending: &Pending) -> Result<Claims, ApiError> {
        let _turn = self.turns.acquire().await.map_err(|_| ApiError::internal("flow8 is shutting down"))?;
        let metadata = self.metadata(app).await?;
        if back.issuer.is_some_and(|issuer| issuer != metadata.issuer) {
            return Err(refused(
                "ID_TOKEN_REFUSED",
                "the answer comes from another provider than the one that was asked",
            ));
        }
        let tokens = self.exchange(app, &metadata, back.code, &pending.verifier).await?;
        let mut claims = self.verified(app, &metadata, &tokens.id_token, &pending.nonce).await?;
        let wanted = ["email"].into_iter().chain(self.settings.roles_claim.as_deref());
        let misses = wanted.filter(|name| !claims.has(name)).count() > 0;
        if let (true, Some(endpoint), Some(token)) = (misses, &metadata.userinfo_endpoint, &tokens.access_token) {
            let more: Map<String, Value> = self.get(app, endpoint, Some(token)).await?;
            // Else it would be what is said of somebody else.
            if more.get("sub").and_then(Value::as_str) != Some(claims.subject.as_str()) {
                return Err(refused("ID_TOKEN_REFUSED", "the provider's two answers are about different people"));
            }
            claims.add(more);
        }
        Ok(claims)
    }

    async fn exchange(&self, app: &App, metadata: &Metadata, code: &str, verifier: &str) -> Result<Tokens, ApiError> {
        let OidcSettings { client_id, client_secret, redirect_uri, .. } = &self.settings;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", verifier),
        ];
        let mut headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        let takes = |method: &str| {
            let methods = metadata.token_endpoint_auth_methods_supported.as_ref();
            methods.is_some_and(|methods| methods.iter().any(|known| known == method))
        };
        match client_secret {
            Some(secret) if takes("client_secret_post") && !takes("client_secret_basic") => {
                fields.extend([("client_id", client_id.as_str()), ("client_secret", secret)]);
            }
            Some(secret) => {
                // Both are encoded before they are joined: RFC 6749, 2.3.1.
                let (id, secret) = (form(&[("", client_id)])?, form(&[("", secret)])?);
                let joined = format!("{}:{}", id.trim_start_matches('='), secret.trim_start_matches('='));
                headers.push(("authorization".into(), format!("Basic {}", BASE64_STANDARD.encode(joined))));
            }
            None => fields.push(("client_id", client_id)),
        }
        let body = Some(form(&fields)?.into());
        let request =
            HttpRequest { method: "POST".into(), headers, body, ..self.request(app, &metadata.token_endpoint) };
        let answer = self.send(request).await?;
        if answer.status == 200 {
            return self.read(&answer);
        }
        if !matches!(answer.status, 400 | 401) {
            return Err(self.unreachable(&format!("it answers with status {}", answer.status)));
        }
        let said: Refusal = self.read(&answer)?;
        let what = quoted(&said.error);
        let why = said.error_description.map(|why| format!(" ({})", quoted(&why))).unwrap_or_default();
        let way_out = match said.error.as_str() {
            "invalid_client" | "unauthorized_client" => "check oauth2.client_id and oauth2.client_secret",
            _ => "begin again",
        };
        Err(refused(
            "PROVIDER_REFUSED",
            format!("the sign-in provider takes back what it sent: {what}{why}; {way_out}"),
        ))
    }

    /// Verifies a token, if need be with keys that are looked up again.
    async fn verified(&self, app: &App, metadata: &Metadata, token: &str, nonce: &str) -> Result<Claims, ApiError> {
        let verify = |keys: &[Jwk]| {
            let (issuer, client_id, now) =
                (metadata.issuer.as_str(), self.settings.client_id.as_str(), app.engine.now());
            Claims::verify(token, keys, &Expected { issuer, client_id, nonce, now })
        };
        let believed = match verify(&self.keys(app, metadata, OIDC_METADATA_KEPT).await?) {
            Err(TokenError::UnknownKey | TokenError::Signature) => {
                verify(&self.keys(app, metadata, OIDC_KEYS_AGAIN).await?)
            }
            other => other,
        };
        believed.map_err(|error| {
            refused("ID_TOKEN_REFUSED", format!("what the sign-in provider says is not believed: {error}"))
        })
    }

    /// Its keys, not older than that.
    async fn keys(&self, app: &App, metadata: &Metadata, age: Duration) -> Result<Arc<[Jwk]>, ApiError> {
        let (mut kept, now) = (self.keys.lock().await, app.engine.now());
        if let Some((keys, _)) = kept.as_ref().filter(|(_, at)| now < at.plus(age)) {
            return Ok(keys.clone());
        }
        let found: Keys = self.get(app, &metadata.jwks_uri, None).await?;
        let known = found.keys.into_iter().take(OIDC_KEYS).filter_map(|key| serde_json::from_value(key).ok());
        let keys: Arc<[Jwk]> = known.collect();
        *kept = Some((keys.clone(), now));
        Ok(keys)
    }

    async fn metadata(&self, app: &App) -> Result<Arc<Metadata>, ApiError> {
        let (mut kept, now) = (self.metadata.lock().await, app.engine.now());
        // Where it is down, whoever asks at the same time does not wait for it one after the other.
        let age = |found: &Found| if found.is_ok() { OIDC_METADATA_KEPT } else { OIDC_DOWN };
        if let Some((found, _)) = kept.as_ref().filter(|(found, at)| now < at.plus(age(found))) {
            return found.clone().map_err(|why| self.unreachable(&why));
        }
        let found = self.discovered(app).await;
        *kept = Some((found.clone(), app.engine.now()));
        found.map_err(|why| self.unreachable(&why))
    }

    async fn discovered(&self, app: &App) -> Found {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let answer = self.settings.http.send(self.request(app, &url)).await.map_err(|error| error.message)?;
        if answer.status != 200 {
            return Err(format!("it answers with status {} where it is to describe itself", answer.status));
        }
        let found: Metadata = serde_json::from_slice(&answer.body).map_err(|error| {
            format!("it does not describe itself as the protocol says: {}", quoted(&error.to_string()))
        })?;
        if found.issuer.trim_end_matches('/') != issuer {
            return Err(format!("it calls itself {}; set oauth2.issuer to that", quoted(&found.issuer)));
        }
        let mut endpoints = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri].to_vec();
        endpoints.extend(&found.userinfo_endpoint);
        let is_fine = |endpoint: &str| {
            endpoint.starts_with("https://") || (issuer.starts_with("http://") && endpoint.starts_with("http://"))
        };
        match endpoints.into_iter().find(|endpoint| !is_fine(endpoint)) {
            Some(bad) => Err(format!("it names {}, which is not https", quoted(bad))),
            None => Ok(Arc::new(found)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, app: &App, url: &str, token: Option<&str>) -> Result<T, ApiError> {
        let headers = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).into_iter().collect();
        let answer = self.send(HttpRequest { headers, ..self.request(app, url) }).await?;
        if answer.status != 200 {
            return Err(self.unreachable(&format!("it answers with status {}", answer.status)));
        }
        self.read(&answer)
    }

    fn request(&self, app: &App, url: &str) -> HttpRequest {
        HttpRequest {
            company: app.company,
            method: "GET".into(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout: OIDC_REQUEST,
            follow_redirects: false,
            max_body: OIDC_ANSWER_BYTES,
        }
    }

    async fn send(&self, mut request: HttpRequest) -> Result<HttpResponse, ApiError> {
        request.headers.push(("accept".into(), "application/json".into()));
        self.settings.http.send(request).await.map_err(|error| self.unreachable(&error.message))
    }

    fn read<T: DeserializeOwned>(&self, answer: &HttpResponse) -> Result<T, ApiError> {
        // What does not read may hold a token; it is not quoted.
        serde_json::from_slice(&answer.body).map_err(|_| self.unreachable("its answer is not what the protocol says"))
    }

    fn unreachable(&self, why: &str) -> ApiError {
        let message = format!(
            "the sign-in provider {} is of no use at the moment: {why}; try again, or sign in with a password",
            self.settings.issuer
        );
        ApiError::new(StatusCode::BAD_GATEWAY, "PROVIDER_UNREACHABLE", message)
    }
}

/// Fields as a form, or as what stands behind a question mark.
fn form(fields: &[(&str, &str)]) -> Result<String, ApiError> {
    serde_urlencoded::to_string(fields).map_err(|error| ApiError::internal(error.to_string()))
}
