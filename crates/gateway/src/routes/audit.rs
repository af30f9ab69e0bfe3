//! The audit log: who changed what, when and from where.

use http::Method;
use model::actor::Actor;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::AuditQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let who = Access::Needs(Permission::AuditView);
    vec![Route::new((Method::GET, "/audit"), "listAudit", who, "Lists the audit log, newest first.", list)]
}

/// Which rows.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// About which kind of thing: `flow`, `play` …
    entity: Option<String>,
    /// About which one.
    entity_id: Option<String>,
    /// What was done: `flow.create` …
    action: Option<String>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// A row of the audit log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct RowView {
    number: u64,
    at: Timestamp,
    actor: Actor,
    action: String,
    entity: String,
    entity_id: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    before: Value,
    #[serde(skip_serializing_if = "Value::is_null")]
    after: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<RowView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let query = AuditQuery {
        company: call.company()?,
        entity: call.query.entity.clone(),
        entity_id: call.query.entity_id.clone(),
        action: call.query.action.clone(),
        skip: paging.skip(),
        limit: paging.size,
    };
    let found = call.app.engine.store().audit(&query).await?;
    let rows = found.rows.into_iter().map(|(number, row)| RowView {
        number,
        at: row.at,
        actor: row.actor,
        action: row.action,
        entity: row.entity,
        entity_id: row.entity_id,
        before: row.before,
        after: row.after,
        request_id: row.request_id,
        ip: row.ip,
    });
    Ok(Reply::ok(paging.page_of(rows.collect(), found.total)))
}
