//! Running a flow.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::driver::{Admit, Report};
use http::{HeaderMap, Method, StatusCode};
use model::ids::PlayId;
use model::limits::{IDEMPOTENCY_KEY_CHARS, LABELS, WAIT};
use model::play::{PlayState, Trigger};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flows::ById;
use crate::access::Permission;
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Route};
use crate::error::ApiError;
use crate::reach::FlowName;
use crate::view::PlayView;

/// Characters of a label's name or value.
const LABEL_CHARS: usize = 256;

pub(super) fn routes() -> Vec<Route> {
    let summary =
        "Starts a play; with `wait`, answers when it has ended, or when a `respond` flowlet of it has answered.";
    vec![
        Route::about((Method::POST, "/flows/{id}/run"), "runFlow", Permission::FlowsRun, summary, run)
            .answers(
                200,
                "The play, ended; or as it stands, with `out`, where a `respond` flowlet outside of loops has answered \
                 and the play goes on; or the play that the idempotency key started before.",
            )
            .also(202, "The play is durable, and goes on.")
            .also(409, "The flow was never published or is disabled, or the idempotency key had other arguments.")
            .also(422, "It was published, and is not sound any more; `details.problems` says why.")
            .also(429, "The concurrency limit is reached."),
    ]
}

/// A wish to run a flow.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    /// What expressions read as `$prev.args`.
    #[serde(default = "Value::empty_map")]
    args: Value,
    /// The same key for the same wish: it starts one play, whatever happens on the way. The header `Idempotency-Key` counts, too.
    idempotency_key: Option<String>,
    /// Not to begin before.
    start_at: Option<Timestamp>,
    /// For people to find the play by.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Run the draft, and run it even where the flow is disabled.
    #[serde(default)]
    force: bool,
}

/// How to run it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    /// Seconds to wait for the end or the answer of a `respond` flowlet, at most 300.
    wait: Option<f64>,
}

/// What became of the wish.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Started {
    /// The play has ended, or has answered.
    Gave(Box<Gave>),
    /// It goes on.
    GoesOn(GoesOn),
}

/// A play that has ended, or has answered and goes on: its `state` says which.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Gave {
    play_id: PlayId,
    /// The idempotency key started it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    replayed: bool,
    #[serde(flatten)]
    play: PlayView,
}

/// A play that goes on.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoesOn {
    play_id: PlayId,
    state: PlayState,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// The idempotency key started it before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    replayed: bool,
}

/// What is answered to whoever started a play.
pub(super) fn started(report: Report, waited: bool) -> Reply<Started> {
    let Report { header, out, replayed } = report;
    let play_id = header.key.play;
    if waited && (header.state.is_ended() || out.is_some()) {
        let play = PlayView { out: Some(out.unwrap_or_default()), ..PlayView::of(header) };
        return Reply::ok(Started::Gave(Box::new(Gave { play_id, replayed, play })));
    }
    let status = if replayed && !waited { StatusCode::OK } else { StatusCode::ACCEPTED };
    let goes_on = GoesOn { play_id, state: header.state, started_at: header.started_at, replayed };
    Reply::with(status, Started::GoesOn(goes_on))
}

/// The wait that a query asks for.
pub(super) fn wait(seconds: Option<f64>) -> Result<Option<Duration>, ApiError> {
    let Some(seconds) = seconds else { return Ok(None) };
    if !(0.0..=WAIT.as_secs_f64()).contains(&seconds) {
        return Err(ApiError::invalid(format!("wait: is from 0 to {} seconds", WAIT.as_secs())));
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

fn idempotency_key(given: Option<String>, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = match (given, headers.get("idempotency-key")) {
        (None, Some(header)) => {
            // A key that was overlooked would start the play again and again.
            let unreadable = |_| ApiError::invalid("Idempotency-Key: is not ASCII text");
            Some(header.to_str().map_err(unreadable)?.to_owned())
        }
        (given, _) => given,
    };
    match &key {
        Some(key) if key.is_empty() || key.chars().count() > IDEMPOTENCY_KEY_CHARS => {
            Err(ApiError::invalid(format!("idempotencyKey: has from 1 to {IDEMPOTENCY_KEY_CHARS} characters")))
        }
        _ => Ok(key),
    }
}

async fn run(call: Call<ById, RunQuery, Json<Wish>>, FlowName(flow): FlowName) -> Result<Reply<Started>, ApiError> {
    let caller = call.caller()?;
    let wait = wait(call.query.wait)?;
    let (company, actor) = (caller.company, caller.actor.clone());
    let Json(wish) = call.body;
    let is_long = |text: &String| text.chars().count() > LABEL_CHARS;
    if wish.labels.len() > LABELS || wish.labels.iter().any(|(name, value)| is_long(name) || is_long(value)) {
        return Err(ApiError::invalid(format!("labels: at most {LABELS}, of at most {LABEL_CHARS} characters each")));
    }
    let admit = Admit {
        company,
        flow,
        args: wish.args,
        actor,
        trigger: Trigger::Run,
        labels: wish.labels,
        idempotency_key: idempotency_key(wish.idempotency_key, &call.headers)?,
        start_at: wish.start_at,
        force: wish.force,
        request: call.request,
        docs: Vec::new(),
    };
    let report = call.app.engine.admit(admit, wait).await?;
    Ok(started(report, wait.is_some()))
}
