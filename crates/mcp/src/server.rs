//! [`Mcp`]: from a request to its answer. What HTTP and the protocol say of a request, rmcp checks; here, a message
//! is read once and held against its shape, a token's scopes are compared with what it asks for, and a call that is
//! cancelled is found. Whatever goes wrong, the answer is JSON-RPC.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use channels::{OWN_TOOLS, Tools};
use engine::Engine;
use engine::driver::RequestInfo;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts as Head;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use model::limits::{MCP_BODY_BYTES, MCP_CALLS};
use model::value::Value;
use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, ProtocolVersion, RequestId};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::Semaphore;

use crate::cancel::{self, Named};
use crate::door::{Caller, Right};
use crate::result::unreachable;
use crate::service::Service;
use crate::shape;

/// An answer.
type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The header by which clients of older revisions say which session they are in.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The header that says which revision a client speaks.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Characters that are shown of a revision that is not known.
const REVISION_CHARS: usize = 32;

/// Characters of a session's name.
const SESSION_CHARS: usize = 128;

/// Who asks, and with which request.
#[derive(Clone)]
pub struct Asked {
    /// Who.
    pub caller: Arc<dyn Caller>,
    /// The request.
    pub request: RequestInfo,
}

/// A message, and whose it is.
pub(crate) struct Question {
    pub(crate) caller: Arc<dyn Caller>,
    pub(crate) request: RequestInfo,
    /// As it came: numbers are exact.
    message: Value,
    session: Option<String>,
}

impl Question {
    /// What it asks for.
    pub(crate) fn method(&self) -> Option<&str> {
        self.message.get("method").and_then(Value::as_str)
    }

    /// With what.
    pub(crate) fn params(&self) -> Option<&Value> {
        self.message.get("params")
    }

    /// The tool that it calls.
    pub(crate) fn tool(&self) -> Option<&str> {
        self.params()?.get("name")?.as_str().filter(|_| self.method() == Some("tools/call"))
    }

    /// How a later message names it.
    pub(crate) fn named(&self) -> Option<Named> {
        self.naming(self.message.get("id")?)
    }

    fn naming(&self, id: &Value) -> Option<Named> {
        let session = self.session.as_deref()?;
        Some(Named::new(self.caller.company(), &self.caller.actor(), session, id))
    }

    /// What the token must be good for.
    fn needs(&self) -> Option<Right> {
        match self.method()? {
            "tools/call" if self.tool().is_some_and(|name| name.starts_with(OWN_TOOLS)) => Some(Right::Manage),
            "tools/call" => Some(Right::Tools),
            "resources/read" => Some(Right::Plays),
            _ => None,
        }
    }
}

/// The MCP server of an installation, as one replica has it.
#[derive(Clone)]
pub struct Mcp {
    engine: Arc<Engine>,
    tools: Arc<Tools>,
    room: Arc<Semaphore>,
}

impl Mcp {
    /// The server on an engine's store.
    pub fn new(engine: Arc<Engine>) -> Self {
        let tools = Arc::new(Tools::new(engine.clone()));
        Self { engine, tools, room: Arc::new(Semaphore::new(MCP_CALLS)) }
    }

    /// Answers one request, whose token was looked at.
    pub async fn answer(&self, head: Head, body: Bytes, asked: Asked) -> Answer {
        let message = (head.method == Method::POST).then(|| Value::from_json(&body));
        let id = message.as_ref().and_then(|message| shape::id(message.as_ref().ok()?));
        if ![Right::Tools, Right::Manage].into_iter().any(|right| asked.caller.may(right)) {
            return forbidden(id, Right::Tools);
        }
        if self.engine.is_draining() {
            return unavailable(id, "flow8 is shutting down; ask again");
        }
        let mut response = match message {
            None => self.speak(head, body, None).await,
            Some(Ok(message)) => self.heed(head, body, message, asked).await,
            Some(Err(problem)) => {
                let problem = ErrorData::parse_error(format!("no JSON: {problem}"), None);
                return error(StatusCode::BAD_REQUEST, None, problem);
            }
        };
        let status = response.status();
        if (status.is_client_error() || status.is_server_error()) && !response.headers().contains_key(CONTENT_TYPE) {
            response = in_words_of_the_protocol(response, id).await;
        }
        response
    }

    /// Answers a message.
    async fn heed(&self, head: Head, body: Bytes, message: Value, asked: Asked) -> Answer {
        let id = shape::id(&message);
        if let Err((status, problem)) = shape::look(&message) {
            return error(status, id, problem);
        }
        if let Some(problem) = unknown_revision(&head, &message) {
            return error(StatusCode::BAD_REQUEST, id, problem);
        }
        let session = head.headers.get(SESSION).and_then(|session| session.to_str().ok()).map(str::to_owned);
        let session = session.filter(|session| session.len() <= SESSION_CHARS);
        let Asked { caller, request } = asked;
        let question = Arc::new(Question { caller, request, message, session });
        if let Some(right) = question.needs().filter(|right| !question.caller.may(*right)) {
            return forbidden(id, right);
        }
        if question.method() == Some("notifications/cancelled") {
            self.cancelled(&head, &question).await;
        }
        let begins = question.method() == Some("initialize");
        let mut response = self.speak(head, body, Some(question)).await;
        if begins && response.status() == StatusCode::OK {
            // It names the requests of one client, for it to cancel; nothing is kept of it.
            if let Ok(name) = HeaderValue::from_str(&self.engine.new_id().to_string()) {
                response.headers_mut().insert(SESSION, name);
            }
        }
        response
    }

    /// Has rmcp answer.
    async fn speak(&self, head: Head, body: Bytes, question: Option<Arc<Question>>) -> Answer {
        let id = question.as_ref().and_then(|question| shape::id(&question.message));
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            return unavailable(id, "too many calls are under way; ask again");
        };
        let mut config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(MCP_BODY_BYTES)
            // Where it answers is not known here: the page that asks is looked at by whoever has the port.
            .disable_allowed_hosts();
        config.sse_retry = None;
        let service = match question {
            Some(asked) => match self.tools.of(asked.caller.company()).await {
                Ok(tools) => Some(Service::new(self.engine.clone(), asked, tools, permit)),
                Err(problem) => {
                    return error(StatusCode::SERVICE_UNAVAILABLE, id, unreachable(&problem));
                }
            },
            None => None,
        };
        let make = move || service.clone().ok_or_else(|| std::io::Error::other("nothing is asked"));
        let http = StreamableHttpService::new(make, Arc::new(NeverSessionManager::default()), config);
        http.handle(Request::from_parts(head, Full::new(body))).await
    }

    /// A client of an older revision has cancelled a request.
    async fn cancelled(&self, head: &Head, question: &Question) {
        let revision = head.headers.get(REVISION).and_then(|revision| revision.to_str().ok());
        if revision.is_some_and(|revision| revision >= ProtocolVersion::V_2026_07_28.as_str()) {
            return;
        }
        let named = question.params().and_then(|params| params.get("requestId")).and_then(|id| question.naming(id));
        let Some(named) = named else { return };
        match named.play(&**self.engine.store()).await {
            Ok(Some(play)) => {
                let (engine, request) = (self.engine.clone(), question.request.clone());
                let actor = question.caller.actor();
                tokio::spawn(async move {
                    cancel::cancel(&engine, play, actor, "the client cancelled its call", &request).await;
                });
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "it cannot be looked up which call was cancelled"),
        }
    }
}

/// The token is not good for that.
fn forbidden(id: Option<RequestId>, right: Right) -> Answer {
    let scope = right.scope();
    let problem = ErrorData::invalid_request(format!("this needs a token with the scope {scope}"), None);
    let mut response = error(StatusCode::FORBIDDEN, id, problem);
    let challenge = format!("Bearer realm=\"flow8\", error=\"insufficient_scope\", scope=\"{scope}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// It cannot be done now.
fn unavailable(id: Option<RequestId>, message: &'static str) -> Answer {
    error(StatusCode::SERVICE_UNAVAILABLE, id, ErrorData::internal_error(message, None))
}

/// That the header names a revision that nobody knows. Where the message names one itself, both are compared by rmcp,
/// and so they are in a handshake, which agrees on one.
fn unknown_revision(head: &Head, message: &Value) -> Option<ErrorData> {
    let revision = head.headers.get(REVISION)?;
    let names_one = message.pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion").is_some();
    let known = ProtocolVersion::KNOWN_VERSIONS;
    if names_one
        || message.get("method").and_then(Value::as_str) == Some("initialize")
        || known.iter().any(|known| known.as_str().as_bytes() == revision.as_bytes())
    {
        return None;
    }
    let shown: String = String::from_utf8_lossy(revision.as_bytes()).chars().take(REVISION_CHARS).collect();
    let data = serde_json::json!({"requested": shown, "supported": known});
    let message = "the header mcp-protocol-version names a revision that is not known here";
    Some(ErrorData::new(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, message, Some(data)))
}

/// An answer of rmcp that is only text, as one that a client can read.
async fn in_words_of_the_protocol(response: Answer, id: Option<RequestId>) -> Answer {
    let (head, body) = response.into_parts();
    let text = match body.collect().await {
        Ok(whole) => String::from_utf8_lossy(&whole.to_bytes()).into_owned(),
        Err(never) => match never {},
    };
    let code = if head.status.is_server_error() { ErrorCode::INTERNAL_ERROR } else { ErrorCode::INVALID_REQUEST };
    let mut told = error(head.status, id, ErrorData::new(code, text, None));
    // What says which methods there are.
    told.headers_mut().extend(head.headers);
    told
}

/// An error of the protocol, with a status of its own.
fn error(status: StatusCode, id: Option<RequestId>, problem: ErrorData) -> Answer {
    let body = serde_json::to_vec(&JsonRpcError::new(id, problem)).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
