//! Flows: their drafts, and publishing them.

use engine::flows::EditError;
use engine::plan::{Place, Problem};
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, Method, StatusCode};
use model::doc::{Doc, DocKind};
use model::flow::{Flow, FlowDef};
use model::ids::{FlowId, GroupId};
use model::time::Timestamp;
use model::value::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use store::DocQuery;

use super::flow_files::definition;
use crate::access::Permission;
use crate::answer::Reply;
use crate::body::{FromBody, Json};
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::reach::{NamesFlow, Reach};

/// Flows of one company that lists look at.
pub(super) const FLOWS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    let (view, edit) = (Permission::FlowsView, Permission::FlowsEdit);
    let stale = "The draft has moved on since the revision in If-Match.";
    vec![
        Route::about((Method::GET, "/flows"), "listFlows", view, "Lists flows.", list),
        Route::about(
            (Method::POST, "/flows"),
            "createFlow",
            edit,
            "Makes a flow, and publishes it where it is enabled and sound.",
            create,
        )
        .answers(201, "Made; `published` says whether it runs, `problems` why it does not."),
        Route::about((Method::GET, "/flows/{id}"), "getFlow", view, "Gives a flow with its draft.", get),
        Route::about(
            (Method::PUT, "/flows/{id}"),
            "updateFlow",
            edit,
            "Replaces a flow's draft, and publishes it where it is enabled and sound.",
            update,
        )
        .also(412, stale),
        Route::about((Method::DELETE, "/flows/{id}"), "deleteFlow", edit, "Removes a flow; its plays stay.", remove)
            .also(403, "`FOUR_EYES`: its version asks for them; take that out first.")
            .also(409, "It has plays that have not ended."),
        Route::about(
            (Method::POST, "/flows/{id}/publish"),
            "publishFlow",
            edit,
            "Checks the draft and makes a version of it.",
            publish,
        )
        .also(403, "`FOUR_EYES`: the flow asks for them, and who asks changed the draft.")
        .also(422, "It is not sound; `details.problems` says why."),
    ]
}

/// A flow.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlowView {
    id: FlowId,
    #[serde(flatten)]
    def: FlowDef,
    /// Rises by one with every edit.
    revision: u64,
    /// The version that runs.
    version: Option<u32>,
    /// Whether the version that runs is what the draft says.
    published: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// Why it was not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<Problem>>,
}

impl FlowView {
    pub(super) fn of(flow: Flow, problems: Option<Vec<Problem>>) -> Self {
        Self {
            id: flow.id,
            revision: flow.revision,
            version: flow.version,
            published: flow.published_revision == Some(flow.revision),
            created_at: flow.created_at,
            updated_at: flow.updated_at,
            def: flow.draft,
            problems,
        }
    }
}

/// A flow in a list.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FlowRow {
    id: FlowId,
    permanent_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<GroupId>,
    revision: u64,
    version: Option<u32>,
    published: bool,
    /// How many flowlets the draft has.
    layers: usize,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Flow> for FlowRow {
    fn from(flow: Flow) -> Self {
        Self {
            id: flow.id,
            permanent_id: flow.permanent_id.to_string(),
            name: flow.draft.name,
            description: flow.draft.description,
            enabled: flow.draft.enabled,
            category: flow.draft.category,
            group_id: flow.draft.group_id,
            revision: flow.revision,
            version: flow.version,
            published: flow.published_revision == Some(flow.revision),
            layers: flow.draft.layers.len(),
            created_at: flow.created_at,
            updated_at: flow.updated_at,
        }
    }
}

/// A definition as it comes: what flow8 adds when it shows one may be there, too.
#[derive(Debug)]
pub(super) struct Definition(pub(super) FlowDef);

impl FromBody for Definition {
    const MEDIA: Option<&'static str> = Some("application/json");

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<FlowDef>())
    }

    fn read(bytes: bytes::Bytes) -> Result<Self, ApiError> {
        let Json(value) = Json::<Value>::read(bytes)?;
        definition(&value).map(Self)
    }
}

/// Which flow: its id or its permanent id.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ById {
    /// The id or the permanent id.
    pub(super) id: String,
}

impl NamesFlow for ById {
    fn flow(&self) -> &str {
        &self.id
    }
}

/// How an edit is meant.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditQuery {
    /// Change the draft alone, and publish nothing.
    #[serde(default)]
    pub(super) draft: bool,
}

/// Which flows.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// In that group alone.
    group_id: Option<GroupId>,
    /// Of that category alone.
    category: Option<String>,
    /// Enabled ones, or those that are not.
    enabled: Option<bool>,
    /// With that in the name or the permanent id.
    search: Option<String>,
    /// `name`, `createdAt` or `updatedAt`; with `-` in front, downwards. `name` when left out.
    sort: Option<String>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

async fn list(call: Call<Nothing, ListQuery>, reach: Reach) -> Result<Reply<Page<FlowRow>>, ApiError> {
    let query = &call.query;
    let paging = Paging::new(query.page, query.size)?;
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Flow, FLOWS)).await?;
    let flows: Vec<Flow> = docs.iter().map(Doc::read).collect::<Result<_, _>>()?;
    let search = query.search.as_ref().map(|text| text.to_lowercase());
    let wanted = |flow: &Flow| {
        reach.holds(flow.draft.group_id)
            && query.group_id.is_none_or(|group| flow.draft.group_id == Some(group))
            && (query.category.is_none() || query.category == flow.draft.category)
            && query.enabled.is_none_or(|enabled| flow.draft.enabled == enabled)
            && search.as_ref().is_none_or(|text| {
                flow.draft.name.to_lowercase().contains(text) || flow.permanent_id.contains(text.as_str())
            })
    };
    let mut rows: Vec<FlowRow> = flows.into_iter().filter(wanted).map(FlowRow::from).collect();
    sort(&mut rows, query.sort.as_deref().unwrap_or("name"))?;
    Ok(Reply::ok(paging.cut(rows)))
}

fn sort(rows: &mut [FlowRow], by: &str) -> Result<(), ApiError> {
    let (downwards, by) = by.strip_prefix('-').map_or((false, by), |by| (true, by));
    match by {
        "name" => rows.sort_by_cached_key(|row| row.name.to_lowercase()),
        "createdAt" => rows.sort_by_key(|row| row.created_at),
        "updatedAt" => rows.sort_by_key(|row| row.updated_at),
        other => return Err(ApiError::invalid(format!("sort: {other:?} is not one of name, createdAt, updatedAt"))),
    }
    if downwards {
        rows.reverse();
    }
    Ok(())
}

pub(super) fn reply(status: StatusCode, view: FlowView) -> Reply<FlowView> {
    let tag = format!("\"{}\"", view.revision);
    Reply::with(status, view).header(ETAG, &tag)
}

/// The revision in `If-Match`.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(tag) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = tag.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let bad = |_| ApiError::invalid(format!("If-Match: {text} is not a revision"));
    text.trim_start_matches("W/").trim_matches('"').parse().map(Some).map_err(bad)
}

/// Publishes an edited flow where it is enabled and sound, and says why where it is not.
pub(super) async fn publish_if_sound<P, Q, B>(
    call: &Call<P, Q, B>,
    flow: Flow,
    draft: bool,
) -> Result<FlowView, ApiError> {
    if draft || !flow.draft.enabled {
        return Ok(FlowView::of(flow, None));
    }
    match call.app.engine.publish_flow(&call.edit()?, &flow.id.to_string()).await {
        Ok(published) => Ok(FlowView::of(published.flow, None)),
        Err(EditError::Invalid(problems)) => Ok(FlowView::of(flow, Some(problems))),
        Err(error @ EditError::FourEyes(_)) => {
            let problem = Place::flow("publishing.fourEyes").problem(error.to_string());
            Ok(FlowView::of(flow, Some(vec![problem])))
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the flow may lie, the engine looks at with the edit.
async fn create(call: Call<Nothing, EditQuery, Definition>, _: Reach) -> Result<Reply<FlowView>, ApiError> {
    let flow = call.app.engine.create_flow(&call.edit()?, call.body.0.clone()).await?;
    let view = publish_if_sound(&call, flow, call.query.draft).await?;
    Ok(reply(StatusCode::CREATED, view))
}

async fn get(_: Call<ById>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    Ok(reply(StatusCode::OK, FlowView::of(flow, None)))
}

async fn update(call: Call<ById, EditQuery, Definition>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let expected = if_match(&call.headers)?;
    let target = flow.id.to_string();
    let flow = call.app.engine.edit_flow(&call.edit()?, &target, expected, |_| Ok(call.body.0.clone())).await?;
    let view = publish_if_sound(&call, flow, call.query.draft).await?;
    Ok(reply(StatusCode::OK, view))
}

async fn remove(call: Call<ById>, flow: Flow) -> Result<(), ApiError> {
    Ok(call.app.engine.delete_flow(&call.edit()?, &flow.id.to_string()).await?)
}

async fn publish(call: Call<ById>, flow: Flow) -> Result<Reply<FlowView>, ApiError> {
    let published = call.app.engine.publish_flow(&call.edit()?, &flow.id.to_string()).await?;
    Ok(reply(StatusCode::OK, FlowView::of(published.flow, None)))
}
