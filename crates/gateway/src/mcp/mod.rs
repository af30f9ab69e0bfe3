//! [`McpGateway`]: the port of the MCP server. It looks at the page and the token that a request comes with, reads the
//! message, and brings it to the server ([`mcp::Mcp`]); what the protocol says, it does not know.

mod caller;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use http::header::{CONTENT_TYPE, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use mcp::{Asked, Mcp};
use model::limits::{MCP_BODIES_BYTES, MCP_BODY_BYTES, MCP_BODY_TIME};
use tokio::time::Instant;

use crate::access::Caller;
use crate::app::App;
use crate::dispatch::{Gateway, mark, refuse, request_info};
use crate::error::ApiError;
use crate::guard;
use crate::guard::address::of_client;
use crate::guard::cors::{Page, is_preflight};
use crate::people::{Shown, caller_who_shows};
use crate::request::{Largest, Peer, bearer, read_in_room};
use crate::room::Room;
use crate::serve::Answers;
use caller::Known;

/// Where it answers.
const PATHS: [&str; 2] = ["/mcp", "/"];

/// Tells a proxy to pass events on as they come.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers requests over MCP.
#[derive(Clone)]
pub struct McpGateway {
    gateway: Gateway,
    mcp: Mcp,
    /// Room for messages that are read.
    room: Room,
}

impl McpGateway {
    /// Before the API of an installation.
    pub fn new(gateway: Gateway) -> Self {
        let mcp = Mcp::new(gateway.app().engine.clone());
        Self { gateway, mcp, room: Room::new(MCP_BODIES_BYTES, MCP_BODY_TIME) }
    }

    fn app(&self) -> &App {
        self.gateway.app()
    }

    async fn respond(&self, mut request: Request) -> Response<Body> {
        let settings = &self.app().settings;
        if let Some(Peer(peer)) = request.extensions().get().copied() {
            let client = of_client(request.headers(), peer, &settings.trusted_proxies);
            request.extensions_mut().insert(Peer(client));
        }
        let began = Instant::now();
        let (head, body) = request.into_parts();
        let page = Page::of(&head.headers);
        let info = request_info(self.app(), &head);
        let id = info.id.clone().unwrap_or_default();
        let mut response = match self.take(&page, head, body, info).await {
            Ok(response) => response,
            Err(error) => {
                let mut response = refuse(&error, &id);
                if error.status == StatusCode::UNAUTHORIZED {
                    let challenge = HeaderValue::from_static("Bearer realm=\"flow8\", scope=\"mcp\"");
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                response
            }
        };
        // No channel has no name, so these are figures of their own.
        self.app().metrics.through_channel(("", "mcp"), response.status(), began.elapsed());
        mark(&mut response, &id);
        guard::headers::put(&mut response, settings.is_tls);
        if let Some(page) = page {
            page.let_read(&mut response, &settings.allowed_origins);
        }
        response
    }

    async fn take(
        &self,
        page: &Option<Page>,
        head: Head,
        body: Body,
        info: engine::driver::RequestInfo,
    ) -> Result<Response<Body>, ApiError> {
        let app = self.app();
        if let Some(page) = page {
            // Not even one that was served from here: whoever gives this machine a name of their own serves
            // pages from it.
            if !page.is_allowed(&app.settings.allowed_origins) && !is_of_this_machine(&head.headers) {
                guard::stranger(app, &head.extensions)?;
                let message = "this request comes from a page of an origin that is not in server.allowed_origins";
                return Err(ApiError::forbidden(message));
            }
            if is_preflight(&head.method, &head.headers)
                && let Some(response) = page.preflight(&app.settings.allowed_origins, "POST")
            {
                return Ok(response);
            }
        }
        if !PATHS.contains(&head.uri.path()) {
            guard::stranger(app, &head.extensions)?;
            return Err(ApiError::not_found("NOT_FOUND", "MCP answers at /mcp"));
        }
        let caller = self.caller(&head).await?;
        let bytes = match head.method {
            Method::POST => self.read(body).await?,
            _ => bytes::Bytes::new(),
        };
        let known = Known::new(self.gateway.clone(), caller, &head, &info);
        let asked = Asked { caller: Arc::new(known), request: info };
        let mut response = self.mcp.answer(head, bytes, asked).await.map(Body::new);
        let headers = response.headers_mut();
        if headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            headers.insert(BUFFERING, HeaderValue::from_static("no"));
        }
        Ok(response)
    }

    /// Whose token it is. A session's cookie counts for nothing here: browsers send it whoever asks them to.
    async fn caller(&self, head: &Head) -> Result<Arc<Caller>, ApiError> {
        let app = self.app();
        let nobody = || ApiError::unauthorized("send an API key with the scope mcp: `Authorization: Bearer …`");
        let Some(token) = bearer(&head.headers) else {
            guard::stranger(app, &head.extensions)?;
            return Err(nobody());
        };
        let found = caller_who_shows(app, &Shown::Token(token.to_owned())).await;
        guard::admit(app, &head.extensions, found)?.ok_or_else(nobody)
    }

    /// Reads a message, where there is room for it.
    async fn read(&self, body: Body) -> Result<bytes::Bytes, ApiError> {
        let settings = &self.app().settings;
        let largest = Largest::within(settings, MCP_BODY_BYTES);
        let (bytes, _) = read_in_room(body, largest, settings.read_timeout, &self.room).await?;
        Ok(bytes)
    }
}

/// Whether both the page and the server are called by names that mean this machine wherever they are said: whoever
/// gives it another name has that in one of the two.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let is_local = |authority: &str| {
        let host = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = host.map_or(authority, |(host, _)| host);
        matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let page = text(ORIGIN).and_then(|origin| origin.strip_prefix("http://").or(origin.strip_prefix("https://")));
    page.is_some_and(is_local) && text(HOST).is_some_and(is_local)
}

impl Answers for McpGateway {
    fn patience(&self) -> Duration {
        self.app().settings.read_timeout
    }

    fn answer(&self, request: Request) -> impl Future<Output = Response<Body>> + Send {
        self.respond(request)
    }

    fn stopping(&self) {}
}
