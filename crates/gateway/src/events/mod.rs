//! `/api/ws`: what happens to plays, as it happens, and from `since` on what was missed.
//!
//! Events are made of the records as they were committed: nothing is told that a crash could
//! take back.

mod tell;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::{Caller, Permission};
use crate::app::App;
use crate::dispatch::{refuse, refuse_foreign_pages};
use crate::error::ApiError;
use crate::people::{caller_of, caller_of_token};
use tell::Teller;

/// How often a ping goes out.
const PING: Duration = Duration::from_secs(15);

/// How long a pong may be missing.
const PONG: Duration = Duration::from_secs(30);

/// Commits that are read in one go.
const CHUNKS: usize = 64;

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
pub(crate) async fn socket(
    State(app): State<App>,
    query: Result<Query<SocketQuery>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    match open(&app, query, &headers, upgrade).await {
        Ok(response) => response,
        Err(error) => refuse(&error, &app.engine.new_id().to_string()).into_response(),
    }
}

async fn open(
    app: &App,
    query: Result<Query<SocketQuery>, axum::extract::rejection::QueryRejection>,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let caller = match &query.token {
        Some(token) => Some(caller_of_token(app, token).await?),
        None => caller_of(app, headers).await?,
    };
    let caller = caller.ok_or_else(|| ApiError::unauthorized("sign in first, or give an API key as ?token="))?;
    if !caller.may(Permission::PlaysView) {
        return Err(ApiError::forbidden("this needs the permission plays:view"));
    }
    if caller.session.is_some() {
        // Browsers open sockets across origins, cookies and all.
        refuse_foreign_pages(app, &Method::POST, headers)?;
    }
    let upgrade = upgrade.map_err(|error| ApiError::invalid(error.body_text()))?;
    let app = app.clone();
    Ok(upgrade.max_message_size(MESSAGE_BYTES).on_upgrade(move |socket| async move {
        app.metrics.sockets.inc();
        follow(&app, caller, query.since, socket).await;
        app.metrics.sockets.dec();
    }))
}

/// Sends what happens until the client is gone.
async fn follow(app: &App, caller: Arc<Caller>, since: Option<u64>, mut socket: WebSocket) {
    let mut feed = app.engine.feed();
    let end = *feed.borrow_and_update();
    let mut at = since.unwrap_or(end);
    if at > end {
        // A place that was never given out: the client must look at everything anew.
        let _ = socket.send(Message::text(format!("{{\"type\":\"resync\",\"seq\":{end}}}"))).await;
        at = end;
    }
    let mut teller = Teller::new(app.engine.clone());
    let mut ping = tokio::time::interval(PING);
    let mut heard = tokio::time::Instant::now();
    loop {
        match send_from(app, &caller, &mut teller, &mut socket, at).await {
            Some(next) if next > at => {
                at = next;
                continue;
            }
            Some(_) => {}
            None => return,
        }
        tokio::select! {
            changed = feed.changed() => if changed.is_err() { return },
            _ = ping.tick() => {
                if heard.elapsed() > PONG || socket.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return;
                }
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => heard = tokio::time::Instant::now(),
            },
        }
    }
}

/// Sends what comes after a place; says where that ends, and nothing where the client is gone.
async fn send_from(app: &App, caller: &Caller, teller: &mut Teller, socket: &mut WebSocket, after: u64) -> Option<u64> {
    let chunks = match app.engine.store().feed(Some(caller.company), after, CHUNKS).await {
        Ok(chunks) => chunks,
        Err(error) => {
            tracing::warn!(%error, "events cannot be read");
            return None;
        }
    };
    let mut at = after;
    for chunk in chunks {
        at = chunk.feed;
        for event in teller.tell(&chunk).await {
            socket.send(Message::text(event.to_json())).await.ok()?;
        }
    }
    Some(at)
}
