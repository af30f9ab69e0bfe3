//! Events from outside: what `wait-event` waits for.

use http::{Method, StatusCode};
use model::limits::{IDEMPOTENCY_KEY_CHARS, KEY_CHARS};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Posts an event: wakes every play that waits for its key; kept for 24 hours where none does.";
    vec![
        Route::new((Method::POST, "/events"), "postEvent", Access::Needs(Permission::FlowsRun), summary, post)
            .answers(202, "Posted.")
            .also(200, "It was posted before, with the same idempotency key."),
    ]
}

/// An event.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewEvent {
    /// What plays wait for.
    key: String,
    /// What they get.
    #[serde(default)]
    data: Value,
    /// The same key for the same event: it counts once.
    idempotency_key: Option<String>,
}

/// What became of an event.
#[derive(Serialize, JsonSchema)]
struct Posted {
    key: String,
    /// It was posted before.
    replayed: bool,
}

async fn post(call: Call<Nothing, Nothing, Json<NewEvent>>) -> Result<Reply<Posted>, ApiError> {
    let Json(event) = &call.body;
    if event.key.is_empty() || event.key.chars().count() > KEY_CHARS {
        return Err(ApiError::invalid(format!("key: has from 1 to {KEY_CHARS} characters")));
    }
    let once = event.idempotency_key.as_deref();
    if once.is_some_and(|key| key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS) {
        return Err(ApiError::invalid(format!("idempotencyKey: has from 1 to {IDEMPOTENCY_KEY_CHARS} characters")));
    }
    let audit = call.audit("event.post", ("event", &event.key), Value::Null, Value::Null)?;
    let company = call.company()?;
    let is_new = call.app.engine.post_event(company, &event.key, event.data.clone(), once, vec![audit]).await?;
    let status = if is_new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(Reply::with(status, Posted { key: event.key.clone(), replayed: !is_new }))
}
