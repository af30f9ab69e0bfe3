//! [`Api`]: the API, wherever it answers: at a server, or in this very process on the data folder.
//! Commands are written once, against the API; no command reaches around it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use gateway::{Bootstrap, Caller, Gateway};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use model::Value;
use store::StoreError;

use crate::cli::{CommandError, Exit, Remote};
use crate::config::Config;
use crate::failpoint::Faults;
use crate::installation::{Address, Guide, Installation, Keep, OpenError};
use crate::pinned;

/// How long a server may take to take a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest that one answer may take: a request may wait for a play.
const ANSWER: Duration = Duration::from_secs(330);

/// The API, wherever it answers.
pub struct Api(Way);

enum Way {
    Remote { client: reqwest::Client, remote: Remote },
    Local { gateway: Gateway, caller: Arc<Caller>, own: Option<Box<Installation>> },
}

/// What a request carries.
#[derive(Debug)]
pub enum Sent {
    /// Nothing.
    Nothing,
    /// JSON.
    Json(Value),
    /// The text of a flow file.
    Yaml(String),
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Bytes,
}

impl Answered {
    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is none: then something else answered than flow8.
    pub fn json(&self) -> Result<Value, CommandError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        Value::from_json(&self.body)
            .map_err(|error| unreachable(format!("the answer is not flow8's: {} ({error})", self.status)))
    }
}

fn unreachable(message: String) -> CommandError {
    CommandError { exit: Exit::Unreachable, message }
}

impl Api {
    /// The API of a server.
    ///
    /// # Errors
    /// Where no client can be made.
    pub fn at(remote: Remote) -> Result<Self, CommandError> {
        // Another part of the process may have chosen already; either choice will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self::by(reqwest::Client::builder(), remote)
    }

    /// The API of the server on this machine that has the data folder. No proxy is between.
    fn beside(address: Address) -> Result<Self, CommandError> {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(certificate) = address.der() {
            let config = pinned::config(certificate).map_err(|error| unreachable(error.to_string()))?;
            client = client.tls_backend_preconfigured(config);
        } else {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Self::by(client, Remote { url: address.url, token: Some(address.token) })
    }

    fn by(client: reqwest::ClientBuilder, remote: Remote) -> Result<Self, CommandError> {
        let client = client
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(Self(Way::Remote { client, remote }))
    }

    /// The API on the data folder: in this process, or at the server that has the folder.
    ///
    /// # Errors
    /// Where the folder cannot be opened.
    pub async fn on_folder(config: &Config) -> Result<Self, CommandError> {
        match Self::within(config, Keep::InFolder).await {
            Err(OpenError::Store(in_use @ StoreError::InUse { .. })) => match Guide::find(&config.data_dir) {
                Some(address) => Self::beside(address),
                None => Err(unreachable(in_use.to_string())),
            },
            Err(error) => Err(unreachable(error.to_string())),
            Ok(api) => Ok(api),
        }
    }

    /// The API in this process. No play goes on before [`Api::start`].
    ///
    /// # Errors
    /// Where flow8 cannot be put together.
    pub async fn within(config: &Config, keep: Keep) -> Result<Self, OpenError> {
        let installation = Box::new(Installation::open(config, keep, Faults::default()).await?);
        let (gateway, caller) = (installation.gateway.clone(), installation.cli());
        Ok(Self(Way::Local { gateway, caller, own: Some(installation) }))
    }

    /// The API of an installation in this process.
    pub fn of(installation: &Installation) -> Self {
        Self(Way::Local { gateway: installation.gateway.clone(), caller: installation.cli(), own: None })
    }

    /// What was made for it, where it is in this process.
    pub fn bootstrap(&self) -> Option<&Bootstrap> {
        match &self.0 {
            Way::Local { own: Some(installation), .. } => Some(&installation.bootstrap),
            _ => None,
        }
    }

    /// Begins to run plays, where that is done in this process.
    ///
    /// # Errors
    /// Where the store cannot be reached.
    pub async fn start(&self) -> Result<(), CommandError> {
        match &self.0 {
            Way::Local { own: Some(installation), .. } => {
                installation.start().await.map_err(|error| unreachable(error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is in this process: then plays run no longer than the process does.
    pub fn is_local(&self) -> bool {
        matches!(self.0, Way::Local { .. })
    }

    /// Lets plays that run in this process come to a rest.
    pub async fn close(self, patience: Duration) {
        if let Way::Local { own: Some(installation), .. } = self.0 {
            installation.rest(patience).await;
        }
    }

    /// A request; `path` is below `/api`.
    ///
    /// # Errors
    /// Where nothing answers, or the answer is no.
    pub async fn call(&self, method: Method, path: &str, sent: Sent) -> Result<Answered, CommandError> {
        let answered = self.ask(method, path, sent).await?.whole().await?;
        if answered.status.is_success() { Ok(answered) } else { Err(refusal(&answered)) }
    }

    async fn ask(&self, method: Method, path: &str, sent: Sent) -> Result<Answering, CommandError> {
        let (media, body) = match sent {
            Sent::Nothing => (None, Vec::new()),
            Sent::Json(value) => (Some("application/json"), value.to_json().into_bytes()),
            Sent::Yaml(text) => (Some("application/yaml"), text.into_bytes()),
        };
        match &self.0 {
            Way::Remote { client, remote } => {
                let response = send(client, remote, method, path, media, body).await?;
                Ok(Answering::Remote(remote.url.clone(), response))
            }
            Way::Local { gateway, caller, .. } => {
                let mut request = Request::new(Body::from(body));
                *request.method_mut() = method;
                *request.uri_mut() =
                    format!("/api{path}").parse().map_err(|error| CommandError::usage(format!("{path:?}: {error}")))?;
                request.extensions_mut().insert(caller.clone());
                Ok(Answering::Local(gateway.answer(request).await))
            }
        }
    }

    /// Writes down what a request for something gives, however much it is.
    ///
    /// # Errors
    /// As with [`Api::call`], and where it cannot be written, or breaks off.
    pub async fn download(&self, path: &str, to: &mut dyn Write) -> Result<(), CommandError> {
        let unwritten = |error: std::io::Error| CommandError { exit: Exit::Fault, message: error.to_string() };
        let mut answering = self.ask(Method::GET, path, Sent::Nothing).await?;
        if !answering.status().is_success() {
            return Err(refusal(&answering.whole().await?));
        }
        while let Some(piece) = answering.piece().await? {
            to.write_all(&piece).map_err(unwritten)?;
        }
        to.flush().map_err(unwritten)
    }

    /// A request for something.
    ///
    /// # Errors
    /// As with [`Api::call`].
    pub async fn get(&self, path: &str) -> Result<Value, CommandError> {
        self.call(Method::GET, path, Sent::Nothing).await?.json()
    }

    /// A request to do something.
    ///
    /// # Errors
    /// As with [`Api::call`].
    pub async fn post(&self, path: &str, body: Value) -> Result<Value, CommandError> {
        self.call(Method::POST, path, Sent::Json(body)).await?.json()
    }
}

/// An answer that is coming in.
enum Answering {
    Remote(String, reqwest::Response),
    Local(Response<Body>),
}

impl Answering {
    fn status(&self) -> StatusCode {
        match self {
            Self::Remote(_, response) => response.status(),
            Self::Local(response) => response.status(),
        }
    }

    /// The next bytes of it.
    async fn piece(&mut self) -> Result<Option<Bytes>, CommandError> {
        match self {
            Self::Remote(url, response) => response.chunk().await.map_err(|error| silent(url, &error)),
            Self::Local(response) => loop {
                match response.body_mut().frame().await.transpose() {
                    Ok(Some(frame)) => {
                        if let Ok(piece) = frame.into_data() {
                            return Ok(Some(piece));
                        }
                    }
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(unreachable(format!("the answer broke off: {error}"))),
                }
            },
        }
    }

    async fn whole(mut self) -> Result<Answered, CommandError> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok(Answered { status: self.status(), body: body.freeze() })
    }
}

fn silent(url: &str, error: &reqwest::Error) -> CommandError {
    let why = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    unreachable(format!("{url} does not answer: {why}"))
}

async fn send(
    client: &reqwest::Client,
    remote: &Remote,
    method: Method,
    path: &str,
    media: Option<&'static str>,
    body: Vec<u8>,
) -> Result<reqwest::Response, CommandError> {
    let mut request = client.request(method, format!("{}/api{path}", remote.url)).body(body);
    if let Some(media) = media {
        request = request.header(http::header::CONTENT_TYPE, media);
    }
    if let Some(token) = &remote.token {
        request = request.bearer_auth(token);
    }
    request.send().await.map_err(|error| silent(&remote.url, &error))
}

/// What the API says when it says no.
fn refusal(answered: &Answered) -> CommandError {
    let body = Value::from_json(&answered.body).unwrap_or_default();
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut message = text("message").unwrap_or_else(|| answered.status.to_string());
    let problems = body.get("details").and_then(|details| details.get("problems")).and_then(Value::as_list);
    for problem in problems.into_iter().flatten() {
        let part = |key: &str| problem.get(key).and_then(Value::as_str).unwrap_or_default();
        message.push_str(&format!("\n  {}: {}", part("path"), part("message")));
    }
    let exit = match answered.status {
        StatusCode::UNAUTHORIZED => {
            message.push_str("; give an API key as FLOW8_TOKEN or with --token-file");
            Exit::Usage
        }
        StatusCode::BAD_REQUEST => Exit::Usage,
        status if status.is_server_error() => Exit::Unreachable,
        _ => Exit::Negative,
    };
    CommandError { exit, message }
}

/// A text as one part of a path or of a query.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
