//! `/health`, `/health/live`, `/health/ready`, `/health/startup`: for probes.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Response, StatusCode};

use crate::answer::json;
use crate::app::App;

/// The routes for probes.
pub(crate) fn router(app: App) -> Router {
    let live = || async { say(StatusCode::OK, "ok") };
    let ready = move || {
        let app = app.clone();
        async move {
            if !app.is_ready() {
                return say(StatusCode::SERVICE_UNAVAILABLE, "not ready");
            }
            // A store that does not answer makes this replica useless, for now.
            match app.engine.store().next_due().await {
                Ok(_) => say(StatusCode::OK, "ready"),
                Err(error) => {
                    tracing::warn!(%error, "not ready: the store does not answer");
                    say(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer")
                }
            }
        }
    };
    Router::new()
        .route("/health", get(live))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready.clone()))
        .route("/health/startup", get(ready))
}

fn say(status: StatusCode, word: &str) -> Response<Body> {
    json(status, &serde_json::json!({"status": word}))
}
