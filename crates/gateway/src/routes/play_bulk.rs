//! What people do to many plays at once, by filter.

use engine::decide::Command;
use http::Method;
use model::batch::WaitKind;
use model::ids::{LayerId, PlayId};
use model::limits::PAGE_ROWS;
use model::play::{PlayHeader, PlayState};
use model::record::Resolution;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::PlayQuery;

use super::play_commands::{Decision, approval};
use super::plays::states;
use crate::access::{Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::reach::{Reach, roles_for};

pub(super) fn routes() -> Vec<Route> {
    all().into_iter().map(|route| route.also(404, "The filter names a flow that is not there.")).collect()
}

fn all() -> Vec<Route> {
    let (control, decide) = (Permission::PlaysControl, Permission::ApprovalsDecide);
    vec![
        Route::about((Method::POST, "/plays/cancel"), "cancelPlays", control, "Ends plays by filter.", cancel_all),
        Route::about((Method::POST, "/plays/hold"), "holdPlays", control, "Pauses plays by filter.", hold_all),
        Route::about(
            (Method::POST, "/plays/resume"),
            "resumePlays",
            control,
            "Lets paused plays go on, by filter.",
            resume_all,
        ),
        Route::about(
            (Method::POST, "/plays/retry"),
            "retryPlays",
            control,
            "Retries ended plays by filter.",
            retry_all,
        ),
        Route::about(
            (Method::POST, "/plays/approve"),
            "approveAll",
            decide,
            "Decides on all approvals of plays by filter.",
            approve_all,
        ),
        Route::about(
            (Method::POST, "/plays/resolve"),
            "resolveAll",
            control,
            "Says what became of all attempts in doubt of plays by filter.",
            resolve_all,
        ),
    ]
}

/// Which plays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    /// Of that flow alone.
    flow_id: Option<String>,
    /// In these states alone, separated by commas.
    state: Option<String>,
    /// Started then or later.
    from: Option<Timestamp>,
    /// Started before.
    to: Option<Timestamp>,
}

/// Something to do to many plays.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Bulk {
    filter: Filter,
    /// For cancel: undo what was done.
    #[serde(default)]
    compensate: bool,
    /// For cancel: why.
    reason: Option<String>,
    /// For retry: the ref of an earlier flowlet.
    retry_from: Option<String>,
}

/// A decision on many approvals.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkApproval {
    filter: Filter,
    decision: Decision,
    note: Option<String>,
}

/// An answer to many attempts in doubt.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkAnswer {
    filter: Filter,
    decision: Resolution,
    out: Option<Value>,
    note: Option<String>,
}

/// What became of it: of at most 100 plays a request. Ask again while `more` is true.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct BulkOutcome {
    done: Vec<PlayId>,
    refused: Vec<Refused>,
    /// There are more plays that fit.
    more: bool,
}

/// A play that it could not be done to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Refused {
    play_id: PlayId,
    error: &'static str,
    message: String,
}

/// Plays that fit; those in `usual` states where the filter names none.
async fn matching<B>(
    call: &Call<Nothing, Nothing, B>,
    reach: &Reach,
    filter: &Filter,
    usual: &[PlayState],
) -> Result<(Vec<PlayHeader>, bool), ApiError> {
    let company = call.company()?;
    let flow = match &filter.flow_id {
        Some(target) => {
            let unknown =
                || ApiError::not_found("FLOW_NOT_FOUND", format!("filter.flowId: there is no flow {target:?}"));
            let found = call.app.engine.flow(company, target).await?;
            let found = found.filter(|(flow, _)| reach.holds(flow.draft.group_id));
            Some(found.ok_or_else(unknown)?.0.id)
        }
        None => None,
    };
    let named = states(filter.state.as_deref().unwrap_or_default())?;
    let states = if named.is_empty() { usual.to_vec() } else { named };
    let among = reach.flows(&call.app).await?;
    let query =
        PlayQuery { flow, among, states, from: filter.from, to: filter.to, ..PlayQuery::of(company, PAGE_ROWS) };
    let page = call.app.engine.store().headers(&query).await?;
    let more = page.total > page.plays.len() as u64;
    Ok((page.plays, more))
}

impl BulkOutcome {
    fn note(&mut self, play: PlayId, outcome: Result<(), ApiError>) {
        match outcome {
            Ok(()) => self.done.push(play),
            Err(error) => self.refused.push(Refused { play_id: play, error: error.code, message: error.message }),
        }
    }
}

const OPEN: [PlayState; 5] = [PlayState::New, PlayState::Run, PlayState::Deferred, PlayState::Wait, PlayState::OnHold];

async fn command_all(
    call: &Call<Nothing, Nothing, Json<Bulk>>,
    reach: &Reach,
    usual: &[PlayState],
    command: Command,
) -> Result<Reply<BulkOutcome>, ApiError> {
    let (plays, more) = matching(call, reach, &call.body.0.filter, usual).await?;
    let mut outcome = BulkOutcome { more, ..BulkOutcome::default() };
    for PlayHeader { key, .. } in plays {
        outcome
            .note(key.play, call.app.engine.command(key, command.clone(), &call.request).await.map_err(ApiError::from));
    }
    Ok(Reply::ok(outcome))
}

async fn cancel_all(call: Call<Nothing, Nothing, Json<Bulk>>, reach: Reach) -> Result<Reply<BulkOutcome>, ApiError> {
    let actor = call.caller()?.actor.clone();
    let Bulk { compensate, reason, .. } = call.body.0.clone();
    command_all(&call, &reach, &OPEN, Command::Cancel { compensate, reason, actor }).await
}

async fn hold_all(call: Call<Nothing, Nothing, Json<Bulk>>, reach: Reach) -> Result<Reply<BulkOutcome>, ApiError> {
    let actor = call.caller()?.actor.clone();
    command_all(&call, &reach, &OPEN[..4], Command::Hold { actor }).await
}

async fn resume_all(call: Call<Nothing, Nothing, Json<Bulk>>, reach: Reach) -> Result<Reply<BulkOutcome>, ApiError> {
    let actor = call.caller()?.actor.clone();
    command_all(&call, &reach, &[PlayState::OnHold], Command::Resume { actor }).await
}

async fn retry_all(call: Call<Nothing, Nothing, Json<Bulk>>, reach: Reach) -> Result<Reply<BulkOutcome>, ApiError> {
    let actor = call.caller()?.actor.clone();
    let (plays, more) = matching(&call, &reach, &call.body.0.filter, &[PlayState::Fail]).await?;
    let mut outcome = BulkOutcome { more, ..BulkOutcome::default() };
    for PlayHeader { key, .. } in plays {
        let retried = call.app.engine.retry(key, call.body.0.retry_from.clone(), actor.clone(), &call.request).await;
        outcome.note(key.play, retried.map(|_| ()).map_err(ApiError::from));
    }
    Ok(Reply::ok(outcome))
}

/// Carries out a command on every step of these plays that waits for such an answer.
async fn answer_all<B>(
    call: &Call<Nothing, Nothing, B>,
    reach: &Reach,
    filter: &Filter,
    kind: WaitKind,
    command: impl Fn(LayerId, &[Role]) -> Command,
) -> Result<Reply<BulkOutcome>, ApiError> {
    let (plays, more) = matching(call, reach, filter, &[PlayState::Wait, PlayState::Run]).await?;
    let mut outcome = BulkOutcome { more, ..BulkOutcome::default() };
    for PlayHeader { key, flow, .. } in plays {
        let roles = roles_for(call.caller()?, &call.app.engine, flow.id).await?;
        let query = store::WaitQuery { company: key.company, kind, play: Some(key.play), skip: 0, limit: PAGE_ROWS };
        for wait in call.app.engine.store().waits(&query).await? {
            outcome.note(
                key.play,
                call.app.engine.command(key, command(wait.layer, &roles), &call.request).await.map_err(ApiError::from),
            );
        }
    }
    Ok(Reply::ok(outcome))
}

async fn approve_all(
    call: Call<Nothing, Nothing, Json<BulkApproval>>,
    reach: Reach,
) -> Result<Reply<BulkOutcome>, ApiError> {
    let caller = call.caller()?.clone();
    let BulkApproval { filter, decision, note } = call.body.0.clone();
    let command = |layer, roles: &[Role]| approval(&caller, roles, layer, decision, None, note.clone());
    answer_all(&call, &reach, &filter, WaitKind::Approval, command).await
}

async fn resolve_all(
    call: Call<Nothing, Nothing, Json<BulkAnswer>>,
    reach: Reach,
) -> Result<Reply<BulkOutcome>, ApiError> {
    let actor = call.caller()?.actor.clone();
    let BulkAnswer { filter, decision, out, note } = call.body.0.clone();
    let command = |layer, _: &[Role]| Command::Resolve {
        layer,
        decision,
        out: out.clone(),
        note: note.clone(),
        actor: actor.clone(),
    };
    answer_all(&call, &reach, &filter, WaitKind::InDoubt, command).await
}
