//! A server that counts what it is asked to do, and now and then breaks off after it has done it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::any;
use tokio::net::TcpListener;

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) step: String,
    pub(crate) key: Option<String>,
    pub(crate) at: Instant,
}

/// What was asked, by play.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    calls: Arc<Mutex<BTreeMap<String, Vec<Call>>>>,
}

impl Peer {
    /// Serves on a free port, for as long as the runtime lives.
    pub(crate) async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/{play}/{step}", any(note)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// The calls for a play, in their order.
    pub(crate) fn calls(&self, play: &str) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).get(play).cloned().unwrap_or_default()
    }

    /// How many calls there were.
    pub(crate) fn count(&self) -> u64 {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).values().map(|calls| calls.len() as u64).sum()
    }
}

#[expect(clippy::disallowed_methods, reason = "the order of calls over a real process is in real time")]
async fn note(
    State(peer): State<Peer>,
    Path((play, step)): Path<(String, String)>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let call = Call { step: step.clone(), key, at: Instant::now() };
    peer.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(play).or_default().push(call);
    ([(CONTENT_TYPE, "application/json")], format!("{{\"done\":\"{step}\"}}"))
}
