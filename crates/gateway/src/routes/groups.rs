//! Groups: folders of flows.

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::flow::Flow;
use model::ids::{CompanyId, GroupId};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;

use super::group_shares::shared_with;
use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::reach::{NamesGroup, Reach, no_group};

/// Groups of one company.
const GROUPS: usize = 10_000;

/// Characters of a group's name.
const NAME_CHARS: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    let edit = Access::Needs(Permission::FlowsEdit);
    vec![
        Route::about((Method::GET, "/groups"), "listGroups", Permission::FlowsView, "Lists groups.", list),
        Route::new((Method::POST, "/groups"), "createGroup", edit, "Makes a group.", create).answers(201, "Made."),
        Route::about((Method::GET, "/groups/{id}"), "getGroup", Permission::FlowsView, "Gives one group.", get),
        Route::new((Method::PUT, "/groups/{id}"), "updateGroup", edit, "Renames a group.", update),
        Route::new(
            (Method::DELETE, "/groups/{id}"),
            "deleteGroup",
            edit,
            "Removes a group that holds no flow.",
            remove,
        )
        .also(409, "Flows lie in it, or it is shared with somebody."),
    ]
}

/// A folder of flows.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    id: GroupId,
    name: String,
    created_at: Timestamp,
}

/// A group's name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    name: String,
}

impl NewGroup {
    fn checked(&self) -> Result<&str, ApiError> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
            let message = format!("name: has 1 to {NAME_CHARS} characters, none of which is a control character");
            return Err(ApiError::invalid(message));
        }
        Ok(name)
    }
}

/// Which group.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ById {
    id: GroupId,
}

impl NamesGroup for ById {
    fn group(&self) -> GroupId {
        self.id
    }
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

async fn list(call: Call<Nothing, ListQuery>, reach: Reach) -> Result<Reply<Page<Group>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Group, GROUPS)).await?;
    let groups = docs.iter().map(Doc::read::<Group>).collect::<Result<Vec<_>, _>>()?;
    Ok(Reply::ok(paging.cut(groups.into_iter().filter(|group| reach.holds(Some(group.id))).collect())))
}

async fn create(call: Call<Nothing, Nothing, Json<NewGroup>>) -> Result<Reply<Group>, ApiError> {
    let name = call.body.0.checked()?.to_owned();
    let group = Group { id: GroupId(call.app.engine.new_id()), name, created_at: call.app.engine.now() };
    write(&call, &group, "group.create", Value::Null).await?;
    Ok(Reply::with(StatusCode::CREATED, group))
}

async fn write<P, Q, B>(call: &Call<P, Q, B>, group: &Group, action: &str, before: Value) -> Result<(), ApiError> {
    let after = Value::map([("name", group.name.as_str())]);
    let audit = call.audit(action, ("group", &group.id.to_string()), before, after)?;
    let doc = DocWrite::put(key(call.company()?, group.id), Expect::Anything, group);
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(())
}

fn key(company: CompanyId, id: GroupId) -> DocKey {
    DocKey::new(company, DocKind::Group, id)
}

/// A group of the company.
pub(super) async fn found<P, Q, B>(call: &Call<P, Q, B>, id: GroupId) -> Result<Group, ApiError> {
    let found = call.app.engine.store().doc(&key(call.company()?, id)).await?;
    Ok(found.ok_or_else(|| no_group(id))?.read()?)
}

async fn get(call: Call<ById>, group: GroupId) -> Result<Reply<Group>, ApiError> {
    found(&call, group).await.map(Reply::ok)
}

async fn update(call: Call<ById, Nothing, Json<NewGroup>>) -> Result<Reply<Group>, ApiError> {
    let before = found(&call, call.path.id).await?;
    let group = Group { name: call.body.0.checked()?.to_owned(), ..before.clone() };
    write(&call, &group, "group.update", Value::map([("name", before.name)])).await?;
    Ok(Reply::ok(group))
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let group = found(&call, call.path.id).await?;
    let company = call.company()?;
    for doc in call.app.engine.store().docs(&DocQuery::all(company, DocKind::Flow, super::flows::FLOWS)).await? {
        let flow: Flow = doc.read()?;
        if flow.draft.group_id == Some(group.id) {
            let message = format!("the flow {} lies in this group; move it first", flow.permanent_id);
            return Err(ApiError::conflict("GROUP_IN_USE", message));
        }
    }
    if let Some(person) = shared_with(&call, group.id).await?.first() {
        let message = format!("the group is shared with {}; take that back first", person.email);
        return Err(ApiError::conflict("GROUP_IN_USE", message));
    }
    let audit =
        call.audit("group.delete", ("group", &group.id.to_string()), Value::map([("name", group.name)]), Value::Null)?;
    let doc = DocWrite::remove(key(company, group.id), Expect::Anything);
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(())
}
