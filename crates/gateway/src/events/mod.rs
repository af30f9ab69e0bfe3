//! `/api/ws`: what happens to plays, as it happens, and from `since` on what was missed.
//!
//! Events are made of the records as they were committed: nothing is told that a crash could
//! take back.

mod follow;
mod tell;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::{RequestExt as _, body::Body};
use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::Permission;
use crate::app::App;
use crate::dispatch::{mark, refuse, refuse_foreign_pages, request_info};
use crate::error::ApiError;
use crate::goodbye::part;
use crate::guard;
use crate::leftover::Leftover;
use crate::people::{Shown, caller_who_shows, shown_by};
use follow::{Client, follow};
pub(crate) use tell::Teller;

/// Bytes of one message that a client may send: pongs and goodbyes.
const MESSAGE_BYTES: usize = 4 << 10;

/// How to listen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SocketQuery {
    /// An API key, where no header can be sent.
    token: Option<String>,
    /// The `seq` of the last event that was seen.
    since: Option<u64>,
}

/// Opens a WebSocket.
pub(crate) async fn socket(State(app): State<App>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let id = request_info(&app, &head).id.unwrap_or_default();
    let query = std::mem::take(&mut head.uri).query().unwrap_or_default().to_owned();
    let request = Request::from_parts(head, body);
    match open(&app, &query, request).await {
        Ok(response) => response,
        Err(error) => {
            let mut response = refuse(&error, &id);
            mark(&mut response, &id);
            response
        }
    }
}

async fn open(app: &App, query: &str, request: Request<Body>) -> Result<Response, ApiError> {
    let query: SocketQuery =
        serde_urlencoded::from_str(query).map_err(|error| ApiError::invalid(format!("the query: {error}")))?;
    let shown = query.token.map(Shown::Token).or_else(|| shown_by(request.headers()));
    let nobody = || ApiError::unauthorized("sign in first, or give an API key as ?token=");
    let Some(shown) = shown else {
        guard::stranger(app, request.extensions())?;
        return Err(nobody());
    };
    let found = caller_who_shows(app, &shown).await;
    let caller = guard::admit(app, request.extensions(), found)?.ok_or_else(nobody)?;
    if !caller.may_somewhere(Permission::PlaysView) {
        return Err(ApiError::needs(Permission::PlaysView));
    }
    // Browsers open sockets across origins, cookies and all. A program tells of no page.
    refuse_foreign_pages(app, &Method::POST, request.headers())?;
    let leftover = request.extensions().get::<Leftover>().cloned().unwrap_or_default();
    let upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection> = request.extract().await;
    let upgrade = upgrade.map_err(|error| ApiError::invalid(error.body_text()))?;
    let app = app.clone();
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |mut socket| async move {
        app.metrics.sockets.inc();
        let ended = follow(&app, Client { shown, caller }, query.since, &mut socket).await;
        part(socket, ended, leftover).await;
        app.metrics.sockets.dec();
    }))
}
