//! Versions of a flow, and going back to one.

use http::{Method, StatusCode};
use model::flow::{Flow, FlowVersion};
use model::ids::UserId;
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::flows::{ById, EditQuery, FlowView, reply};
use crate::access::Permission;
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Permission::FlowsView, Permission::FlowsEdit);
    vec![
        Route::about(
            (Method::GET, "/flows/{id}/versions"),
            "listFlowVersions",
            view,
            "Lists a flow's versions, newest first.",
            versions,
        ),
        Route::about(
            (Method::POST, "/flows/{id}/rollback"),
            "rollBackFlow",
            edit,
            "Makes a new version of an older one.",
            roll_back,
        )
        .also(403, "`FOUR_EYES`: the flow asks for them; with `draft`, somebody else publishes."),
    ]
}

/// A version of a flow.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct VersionView {
    version: u32,
    /// The digest of what runs.
    digest: String,
    published_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_by: Option<UserId>,
    /// Whether it is the one that runs.
    current: bool,
}

/// Which page.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

async fn versions(call: Call<ById, ListQuery>, flow: Flow) -> Result<Reply<Page<VersionView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let versions = call.app.engine.versions(call.company()?, flow.id).await?;
    let view = |version: FlowVersion| VersionView {
        version: version.version,
        digest: version.definition.to_string(),
        published_at: version.published_at,
        published_by: version.published_by,
        current: flow.version == Some(version.version),
    };
    let rows: Vec<VersionView> = versions.into_iter().rev().map(view).collect();
    Ok(Reply::ok(paging.cut(rows)))
}

/// Which version to go back to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RollBack {
    version: u32,
}

async fn roll_back(call: Call<ById, EditQuery, Json<RollBack>>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let target = flow.id.to_string();
    if call.query.draft {
        let flow = call.app.engine.redraft_flow(&call.edit()?, &target, call.body.0.version).await?;
        return Ok(reply(StatusCode::OK, FlowView::of(flow, None)));
    }
    let published = call.app.engine.roll_back_flow(&call.edit()?, &target, call.body.0.version).await?;
    Ok(reply(StatusCode::OK, FlowView::of(published.flow, None)))
}
