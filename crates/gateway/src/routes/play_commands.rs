//! What people do to plays: decide, answer, cancel, hold, resume, retry; one by one.

use engine::decide::Command;
use http::{Method, StatusCode};
use model::ids::LayerId;
use model::payload::Digest;
use model::play::PlayHeader;
use model::record::Resolution;
use model::value::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use super::flow_runs::{Started, started};
use super::plays::ById;
use crate::access::{Caller, Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::reach::roles_for;
use crate::view::PlayView;

pub(super) fn routes() -> Vec<Route> {
    let (control, decide) = (Permission::PlaysControl, Permission::ApprovalsDecide);
    let not_now = "The play is not in a state for that.";
    vec![
        Route::about((Method::POST, "/plays/{id}/approve"), "approve", decide, "Decides on an approval.", approve)
            .also(409, not_now),
        Route::about(
            (Method::POST, "/plays/{id}/resolve"),
            "resolve",
            control,
            "Says what became of an attempt in doubt.",
            resolve,
        )
        .also(409, not_now),
        Route::about((Method::POST, "/plays/{id}/cancel"), "cancelPlay", control, "Ends a play.", cancel)
            .also(409, not_now),
        Route::about(
            (Method::POST, "/plays/{id}/hold"),
            "holdPlay",
            control,
            "Pauses a play; what is under way finishes.",
            hold,
        )
        .also(409, not_now),
        Route::about((Method::POST, "/plays/{id}/resume"), "resumePlay", control, "Lets a paused play go on.", resume)
            .also(409, not_now),
        Route::about(
            (Method::POST, "/plays/{id}/retry"),
            "retryPlay",
            control,
            "Starts a new play that goes on where this one failed, or from an earlier flowlet.",
            retry,
        )
        .answers(202, "The new play.")
        .also(409, not_now),
    ]
}

/// A decision on an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Decision {
    Approved,
    Declined,
}

/// What was decided.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Approval {
    layer_id: LayerId,
    decision: Decision,
    /// Why.
    note: Option<String>,
    /// The `digest` that GET `/approvals` gave: where something else waits for approval by now, nothing is decided.
    #[schemars(with = "Option<String>")]
    digest: Option<Digest>,
}

/// What became of an attempt.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Answer {
    layer_id: LayerId,
    /// `happened`: it took effect; `repeat`: try again with the same key; `failed`: it did not, and is not tried again.
    decision: Resolution,
    /// The output to go on with, where it happened.
    out: Option<Value>,
    /// Why.
    note: Option<String>,
}

/// How to end a play.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Cancel {
    /// Undo what was done.
    #[serde(default)]
    compensate: bool,
    /// Why.
    reason: Option<String>,
}

/// Where to begin again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Retry {
    /// The ref of an earlier flowlet; the one that failed when left out.
    from: Option<String>,
}

async fn carry_out<Q, B>(
    call: &Call<ById, Q, B>,
    play: &PlayHeader,
    command: Command,
) -> Result<Reply<PlayView>, ApiError> {
    call.app.engine.command(play.key, command, &call.request).await?;
    let gone = || ApiError::not_found("PLAY_NOT_FOUND", format!("there is no play {} any more", play.key.play));
    Ok(Reply::ok(PlayView::of(call.app.engine.store().header(play.key).await?.ok_or_else(gone)?)))
}

/// The decision of somebody, who is this where the play's flow lies.
pub(super) fn approval(
    caller: &Caller,
    roles: &[Role],
    layer: LayerId,
    decision: Decision,
    seen: Option<Digest>,
    note: Option<String>,
) -> Command {
    Command::Approve {
        layer,
        approved: decision == Decision::Approved,
        seen,
        note,
        actor: caller.actor.clone(),
        roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
    }
}

async fn approve(call: Call<ById, Nothing, Json<Approval>>, play: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let Json(Approval { layer_id, decision, note, digest }) = &call.body;
    let roles = roles_for(call.caller()?, &call.app.engine, play.flow.id).await?;
    let command = approval(call.caller()?, &roles, *layer_id, *decision, *digest, note.clone());
    carry_out(&call, &play, command).await
}

async fn resolve(call: Call<ById, Nothing, Json<Answer>>, play: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let Json(Answer { layer_id, decision, out, note }) = &call.body;
    let actor = call.caller()?.actor.clone();
    let command =
        Command::Resolve { layer: *layer_id, decision: *decision, out: out.clone(), note: note.clone(), actor };
    carry_out(&call, &play, command).await
}

async fn cancel(call: Call<ById, Nothing, Json<Cancel>>, play: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let Json(Cancel { compensate, reason }) = call.body.clone();
    let actor = call.caller()?.actor.clone();
    carry_out(&call, &play, Command::Cancel { compensate, reason, actor }).await
}

async fn hold(call: Call<ById>, play: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let actor = call.caller()?.actor.clone();
    carry_out(&call, &play, Command::Hold { actor }).await
}

async fn resume(call: Call<ById>, play: PlayHeader) -> Result<Reply<PlayView>, ApiError> {
    let actor = call.caller()?.actor.clone();
    carry_out(&call, &play, Command::Resume { actor }).await
}

async fn retry(call: Call<ById, Nothing, Json<Retry>>, play: PlayHeader) -> Result<Reply<Started>, ApiError> {
    let actor = call.caller()?.actor.clone();
    let report = call.app.engine.retry(play.key, call.body.0.from.clone(), actor, &call.request).await?;
    Ok(Reply { status: StatusCode::ACCEPTED, ..started(report, false) })
}
