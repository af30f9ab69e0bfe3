//! [`Web`]: peers that are reached by HTTP: those of components of kind `request`, and language models.
//!
//! Components of kind `request` say where a peer is and what every call to it carries; `curl` makes the
//! calls. What an administrator made is reached with a client that may call anywhere.

use std::sync::Arc;

use async_trait::async_trait;
use model::failure::Failure;
use model::limits::COMPONENT_TEST;
use model::value::{Value, from_value};
use sdk::component::{Backend, COMPONENT_INVALID, Component, Kind};
use sdk::http::{Http, HttpRequest};
use sdk::web::{Base, WebPeers};
use serde::Deserialize;
use url::Url;

/// The peer cannot be reached, or refuses.
const UNREACHABLE: &str = "COMPONENT_UNREACHABLE";

/// Bytes of the answer to a test that are read.
const ANSWER_BYTES: usize = 4 << 20;

/// Peers of one kind.
pub struct Web {
    kind: Kind,
    judged: Arc<dyn Http>,
    anywhere: Arc<dyn Http>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestConfig {
    base_url: String,
    #[serde(default = "Value::empty_map")]
    headers: Value,
    /// What a test asks for.
    #[serde(default)]
    test_path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RequestSecret {
    #[serde(default = "Value::empty_map")]
    headers: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AiConfig {
    base_url: String,
    #[serde(default)]
    #[expect(dead_code, reason = "what asks a model reads it")]
    model: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AiSecret {
    api_key: String,
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(COMPONENT_INVALID, message)
}

fn base_url(text: &str) -> Result<Url, Failure> {
    let odd = || invalid("config.baseUrl: is a URL of http or https, without a name, a password or a query");
    let mut url = Url::parse(text).map_err(|_| odd())?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_plain || url.fragment().is_some() {
        return Err(odd());
    }
    // Else its last part would be replaced.
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn headers(what: &str, given: &Value) -> Result<Vec<(String, String)>, Failure> {
    let odd = || invalid(format!("{what}: is an object of texts of one line"));
    let fields = given.as_map().ok_or_else(odd)?;
    let pair = |(name, value): (&Arc<str>, &Value)| {
        let value = value.as_str().filter(|value| http::HeaderValue::from_str(value).is_ok())?;
        http::HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    fields.iter().map(|field| pair(field).ok_or_else(odd)).collect()
}

impl Web {
    /// Peers of components of a kind, which is `request` or `ai`: reached with the first client, and with the
    /// second where an administrator made the component.
    pub fn new(kind: Kind, judged: Arc<dyn Http>, anywhere: Arc<dyn Http>) -> Self {
        Self { kind, judged, anywhere }
    }

    fn settings(&self, component: &Component) -> Result<(Base, String), Failure> {
        let config_error = |error: model::value::ValueError| invalid(format!("config: {error}"));
        let http = if component.trusted { self.anywhere.clone() } else { self.judged.clone() };
        if self.kind == Kind::Ai {
            let config: AiConfig = from_value(&component.config).map_err(config_error)?;
            let secret: AiSecret = from_value(&component.secret)
                .map_err(|_| invalid("secret: holds `apiKey`, a text, and nothing else"))?;
            let key = Value::map([("authorization", format!("Bearer {}", secret.api_key))]);
            let secret_headers = headers("secret.apiKey", &key)?;
            return Ok((
                Base { http, url: base_url(&config.base_url)?.into(), headers: Vec::new(), secret_headers },
                "models".into(),
            ));
        }
        let config: RequestConfig = from_value(&component.config).map_err(config_error)?;
        // What is wrong with a secret may hold the secret; its keys are known.
        let secret: RequestSecret = from_value(&component.secret)
            .map_err(|_| invalid("secret: holds `headers`, an object, and nothing else"))?;
        let base = Base {
            http,
            url: base_url(&config.base_url)?.into(),
            headers: headers("config.headers", &config.headers)?,
            secret_headers: headers("secret.headers", &secret.headers)?,
        };
        Ok((base, config.test_path))
    }
}

#[async_trait]
impl Backend for Web {
    fn providers(&self) -> &'static [&'static str] {
        if self.kind == Kind::Ai { &["openai"] } else { &["http"] }
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        let (base, path) = self.settings(component)?;
        base.below(&path).map(drop)
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let (base, path) = self.settings(component)?;
        let request = HttpRequest {
            company: component.company,
            method: "GET".into(),
            url: base.below(&path)?,
            headers: [base.headers, base.secret_headers].concat(),
            body: None,
            timeout: COMPONENT_TEST,
            follow_redirects: false,
            max_body: ANSWER_BYTES,
        };
        let answer = base.http.send(request).await.map_err(|error| Failure::new(UNREACHABLE, error.message))?;
        match answer.status {
            401 | 403 => Err(Failure::new(UNREACHABLE, format!("the peer lets nobody in: status {}", answer.status))),
            500.. => Err(Failure::new(UNREACHABLE, format!("the peer answers with status {}", answer.status))),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl WebPeers for Web {
    async fn base(&self, component: &Component) -> Result<Base, Failure> {
        Ok(self.settings(component)?.0)
    }
}
