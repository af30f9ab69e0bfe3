//! [`Mcp`]: from a request to its answer. What HTTP and the protocol say of a request, rmcp checks; here, a message
//! is read once, a token's scopes are compared with what it asks for, and a call that is cancelled is found.

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

/// An answer.
type Answer = Response<BoxBody<Bytes, Infallible>>;

/// The header by which clients of older revisions say which session they are in.
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The header that says which revision a client speaks.
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");

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
        if ![Right::Tools, Right::Manage].into_iter().any(|right| asked.caller.may(right)) {
            return forbidden(Right::Tools);
        }
        if self.engine.is_draining() {
            return error(StatusCode::SERVICE_UNAVAILABLE, None, -32_603, "flow8 is shutting down; ask again");
        }
        if head.method != Method::POST {
            return self.speak(head, body, None).await;
        }
        let message = match Value::from_json(&body) {
            Ok(message) if message.as_map().is_some() => message,
            Ok(_) => return error(StatusCode::BAD_REQUEST, None, -32_600, "a message is one JSON object"),
            Err(problem) => return error(StatusCode::BAD_REQUEST, None, -32_700, &format!("no JSON: {problem}")),
        };
        let session = head.headers.get(SESSION).and_then(|session| session.to_str().ok()).map(str::to_owned);
        let session = session.filter(|session| session.len() <= SESSION_CHARS);
        let Asked { caller, request } = asked;
        let question = Arc::new(Question { caller, request, message, session });
        if let Some(right) = question.needs().filter(|right| !question.caller.may(*right)) {
            return forbidden(right);
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
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            return error(StatusCode::SERVICE_UNAVAILABLE, None, -32_603, "too many calls are under way; ask again");
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
                    let problem = unreachable(&problem);
                    return error(StatusCode::SERVICE_UNAVAILABLE, None, problem.code.0, &problem.message);
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
fn forbidden(right: Right) -> Answer {
    let scope = right.scope();
    let mut response =
        error(StatusCode::FORBIDDEN, None, -32_600, &format!("this needs a token with the scope {scope}"));
    let challenge = format!("Bearer realm=\"flow8\", error=\"insufficient_scope\", scope=\"{scope}\"");
    if let Ok(challenge) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// An error of the protocol, with a status of its own.
fn error(status: StatusCode, id: Option<RequestId>, code: i32, message: &str) -> Answer {
    let error = JsonRpcError::new(id, ErrorData::new(ErrorCode(code), message.to_owned(), None));
    let body = serde_json::to_vec(&error).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(body)).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
