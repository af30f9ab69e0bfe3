//! Trying one flowlet of a draft out.

use engine::trial::{Trial, Tried};
use http::Method;
use model::batch::Batch;
use model::failure::Failure;
use model::flow::Flow;
use model::play::LayerState;
use model::record::LogLevel;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flows::ById;
use crate::access::Permission;
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Tries one flowlet of the draft out, with outputs that are given for those before it.";
    vec![
        Route::about((Method::POST, "/flows/{id}/try"), "tryFlowlet", Permission::FlowsEdit, summary, try_one)
            .also(422, "The draft is not sound; `details.problems` says why."),
    ]
}

/// What to try.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// The flowlet's ref.
    #[serde(rename = "ref")]
    name: String,
    /// What expressions read as `$prev.args`.
    #[serde(default = "Value::empty_map")]
    args: Value,
    /// Outputs of other flowlets, by ref; `item` and `index` stand for the round of a loop.
    #[serde(default = "Value::empty_map")]
    pinned: Value,
}

/// What came of it.
#[derive(Serialize, JsonSchema)]
struct Outcome {
    /// How it ended; `READY` where it was not run, since that would reach outside.
    state: Ended,
    /// The arguments, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    log: Vec<Line>,
}

/// How it ended.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Ended {
    State(LayerState),
    Ready(Ready),
}

/// It would reach outside.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Ready {
    Ready,
}

/// A line that it logged.
#[derive(Serialize, JsonSchema)]
struct Line {
    level: LogLevel,
    message: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    data: Value,
}

async fn try_one(call: Call<ById, Nothing, Json<Wish>>, flow: Flow) -> Result<Reply<Outcome>, ApiError> {
    let may_run = call.caller()?.may_in(flow.draft.group_id, Permission::FlowsRun);
    let Json(wish) = call.body.clone();
    let map = |name: &str, value: Value| {
        let no_object = || ApiError::invalid(format!("{name}: is an object, not a {}", value.type_name()));
        value.as_map().cloned().ok_or_else(no_object)
    };
    let after = Value::map([("ref", wish.name.as_str())]);
    let trial = Trial {
        company: call.company()?,
        flow: flow.id,
        draft: flow.draft,
        layer: wish.name,
        args: map("args", wish.args)?.into(),
        pinned: map("pinned", wish.pinned)?,
        reads_kept: may_run,
    };
    // Written first: what reads secrets is never without its row.
    let audit = call.audit("flow.try", ("flow", &flow.id.to_string()), Value::Null, after)?;
    call.app.engine.store().commit(Batch { audit: vec![audit], ..Batch::default() }).await?;
    let gone = |_| ApiError::internal("flow8 is shutting down");
    let _turn = call.app.trials.acquire().await.map_err(gone)?;
    let Tried { state, args, out, error, log } = call.app.engine.try_layer(trial).await?;
    let log = log.into_iter().map(|line| Line { level: line.level, message: line.message, data: line.data }).collect();
    let state = state.map_or(Ended::Ready(Ready::Ready), Ended::State);
    Ok(Reply::ok(Outcome { state, args, out, error, log }))
}
