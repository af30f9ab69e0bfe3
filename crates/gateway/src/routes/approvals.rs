//! The inbox: what waits for a person.

use std::collections::BTreeSet;

use engine::decide::seen;
use http::Method;
use model::batch::{Wait, WaitKind};
use model::ids::{FlowId, LayerId, PlayId};
use model::limits::EXACT_TOTAL;
use model::play::PlayState;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{PlayQuery, WaitQuery};

use crate::access::Permission;
use crate::answer::Reply;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::reach::Reach;

pub(super) fn routes() -> Vec<Route> {
    let summary = "Lists what waits for a person: approvals, and attempts in doubt; oldest first.";
    vec![Route::about((Method::GET, "/approvals"), "listApprovals", Permission::PlaysView, summary, list)]
}

/// What kind of answer is waited for.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Kind {
    /// An approval: POST `/plays/{id}/approve`.
    #[default]
    Approval,
    /// What became of an attempt: POST `/plays/{id}/resolve`.
    InDoubt,
}

/// Which of them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// What kind; `approval` when left out.
    #[serde(default)]
    kind: Kind,
    /// Of that play alone.
    play_id: Option<PlayId>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Something that waits for a person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Asked {
    kind: Kind,
    play_id: PlayId,
    layer_id: LayerId,
    flow_id: FlowId,
    flow_name: String,
    #[serde(rename = "ref")]
    name: String,
    since: Timestamp,
    /// When it counts as expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    /// What would run, or was run; secrets masked.
    args: Value,
    /// Of an approval: the SHA-256 of all that is decided about, in hex. A decision that gives it back is about this
    /// and nothing else; the audit log keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
}

/// Plays whose headers are read in one go.
const HEADERS: u32 = 1_000;

/// Of what waits, oldest first, what is about plays of these flows. Few plays are open, so these are gone through,
/// newest first, and not what waits one by one.
async fn held(call: &Call<Nothing, ListQuery>, waits: Vec<Wait>, flows: Vec<FlowId>) -> Result<Vec<Wait>, ApiError> {
    let store = call.app.engine.store();
    let open = [PlayState::Run, PlayState::Wait, PlayState::OnHold];
    let of_company = PlayQuery::of(call.company()?, HEADERS);
    let mut query = PlayQuery { among: Some(flows.clone()), states: open.into(), ..of_company };
    let mut known = BTreeSet::new();
    // There may be more of them than anybody looks at: the oldest are then looked at one by one.
    let mut looked_to = None;
    for _ in 0..EXACT_TOTAL.div_ceil(u64::from(HEADERS)) {
        let page = store.headers(&query).await?.plays;
        known.extend(page.iter().map(|play| play.key.play));
        looked_to = page.last().map(|play| play.key.play).filter(|_| page.len() >= HEADERS as usize);
        if looked_to.is_none() {
            break;
        }
        query.after = looked_to;
    }
    let mut held = Vec::new();
    for wait in waits {
        let is_older = looked_to.is_some_and(|to| wait.play.play < to);
        let is_held = match known.contains(&wait.play.play) {
            false if is_older => store.header(wait.play).await?.is_some_and(|play| flows.contains(&play.flow.id)),
            is_known => is_known,
        };
        held.extend(is_held.then_some(wait));
    }
    Ok(held)
}

async fn list(call: Call<Nothing, ListQuery>, reach: Reach) -> Result<Reply<Page<Asked>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let kind = match call.query.kind {
        Kind::Approval => WaitKind::Approval,
        Kind::InDoubt => WaitKind::InDoubt,
    };
    let query = WaitQuery {
        company: call.company()?,
        kind,
        play: call.query.play_id,
        skip: 0,
        // One more than is counted exactly, so that it shows where there are more.
        limit: u32::try_from(EXACT_TOTAL + 1).unwrap_or(u32::MAX),
    };
    let engine = &call.app.engine;
    let mut data = Vec::new();
    let mut waits = engine.store().waits(&query).await?;
    if let Some(flows) = reach.flows(&call.app).await? {
        waits = held(&call, waits, flows).await?;
    }
    let total = waits.len() as u64;
    let skip = usize::try_from(paging.skip()).unwrap_or(usize::MAX);
    for wait in waits.into_iter().skip(skip).take(paging.size as usize) {
        // It may have been answered at this very moment.
        let Some(header) = engine.store().header(wait.play).await? else { continue };
        let Some(row) = engine.layer(wait.play, wait.layer).await? else { continue };
        let plan = engine.plan_for(&header).await?;
        let args = match &row.args {
            Some(args) => engine.shown(wait.play, args).await?,
            None => Value::Null,
        };
        data.push(Asked {
            kind: call.query.kind,
            play_id: wait.play.play,
            layer_id: wait.layer,
            flow_id: header.flow.id,
            flow_name: header.flow.name.clone(),
            name: plan.layer(&row.step).name().to_owned(),
            since: wait.since,
            until: row.until,
            args,
            digest: row.asked.map(|args| seen(&header, wait.layer, args).to_string()),
        });
    }
    Ok(Reply::ok(paging.page_of(data, total)))
}
