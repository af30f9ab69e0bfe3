//! [`Known`]: a caller whose token was looked at, as the MCP server knows them.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use channels::Guest;
use engine::driver::RequestInfo;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts as Head;
use http::{HeaderName, Request};
use mcp::{ApiAnswer, ApiCall, Right};
use model::actor::Actor;
use model::ids::CompanyId;
use model::limits::MCP_BODY_BYTES;
use model::value::Value;

use crate::access::{Caller, Permission};
use crate::dispatch::Gateway;
use crate::request::Peer;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A caller.
pub(super) struct Known {
    gateway: Gateway,
    caller: Arc<Caller>,
    peer: Option<Peer>,
    id: Option<HeaderValue>,
}

impl Known {
    pub(super) fn new(gateway: Gateway, caller: Arc<Caller>, head: &Head, info: &RequestInfo) -> Self {
        let id = info.id.as_deref().and_then(|id| HeaderValue::from_str(id).ok());
        Self { gateway, caller, peer: head.extensions.get().copied(), id }
    }
}

#[async_trait]
impl mcp::Caller for Known {
    fn company(&self) -> CompanyId {
        self.caller.company
    }

    fn actor(&self) -> Actor {
        self.caller.actor.clone()
    }

    fn guest(&self) -> Guest {
        Guest { name: self.caller.actor.name.clone(), user: self.caller.user }
    }

    fn may(&self, right: Right) -> bool {
        self.caller.may(match right {
            Right::Tools => Permission::Mcp,
            Right::Manage => Permission::McpManage,
            Right::Plays => Permission::PlaysView,
        })
    }

    async fn api(&self, call: ApiCall) -> ApiAnswer {
        let body = call.body.map(|body| body.to_json());
        let mut request = Request::new(body.map_or_else(Body::empty, Body::from));
        let wrong = |message: String| ApiAnswer {
            is_granted: false,
            body: Value::map([("error", Value::from("VALIDATION_ERROR")), ("message", message.into())]),
        };
        match format!("/api{}", call.path).parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => return wrong(format!("the arguments make no path: {error}")),
        }
        *request.method_mut() = call.method;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.id.clone().map(|id| (REQUEST_ID, id)));
        // Whoever they are was found out already, and counted.
        request.extensions_mut().insert(self.caller.clone());
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let response = self.gateway.answer_inside(request).await;
        let is_granted = response.status().is_success();
        match axum::body::to_bytes(response.into_body(), MCP_BODY_BYTES).await {
            Ok(bytes) if bytes.is_empty() => ApiAnswer { is_granted, body: Value::empty_map() },
            Ok(bytes) => match Value::from_json(&bytes) {
                Ok(body) => ApiAnswer { is_granted, body },
                Err(error) => wrong(format!("the API answers with no JSON: {error}")),
            },
            Err(_) => wrong(format!("the answer is larger than {} KiB; ask the API itself", MCP_BODY_BYTES >> 10)),
        }
    }
}
