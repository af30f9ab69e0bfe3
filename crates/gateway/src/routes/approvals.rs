//! The inbox: what waits for a person.

use engine::decide::seen;
use http::Method;
use model::batch::WaitKind;
use model::ids::{FlowId, LayerId, PlayId};
use model::limits::EXACT_TOTAL;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::WaitQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let summary = "Lists what waits for a person: approvals, and attempts in doubt; oldest first.";
    vec![Route::new((Method::GET, "/approvals"), "listApprovals", Access::Needs(Permission::PlaysView), summary, list)]
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

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<Asked>>, ApiError> {
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
    let waits = engine.store().waits(&query).await?;
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
