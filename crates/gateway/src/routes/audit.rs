//! The audit log: who changed what, when and from where; its export, and the check of its seals.

use audit::{Broken, Format};
use http::Method;
use model::actor::Actor;
use model::batch::Batch;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::AuditQuery;

use crate::access::{Access, Permission};
use crate::answer::{Reply, Streamed};
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

pub(super) fn routes() -> Vec<Route> {
    let who = Access::Needs(Permission::AuditView);
    let exports = "Gives the whole audit log: as lines of JSON, which prove themselves, or as a table.";
    let verifies = "Checks the audit log against its seals, and names the first thing that is not as it was.";
    vec![
        Route::new((Method::GET, "/audit"), "listAudit", who, "Lists the audit log, newest first.", list),
        Route::new((Method::GET, "/audit/export"), "exportAudit", who, exports, export)
            .gives(&["application/x-ndjson", "text/csv"]),
        Route::new((Method::GET, "/audit/verify"), "verifyAudit", who, verifies, verify),
    ]
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
    #[serde(default, skip_serializing_if = "Value::is_null")]
    before: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
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

/// How.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExportQuery {
    /// `json`, which `flow8 audit verify` checks, or `csv`.
    format: Option<Form>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Csv,
}

/// Exports are wanted again later: who took one stands in the log, too.
async fn export(call: Call<Nothing, ExportQuery>) -> Result<Streamed, ApiError> {
    let (format, name) = match call.query.format {
        Some(Form::Csv) => (Format::Csv, "csv"),
        Some(Form::Json) | None => (Format::Json, "json"),
    };
    let company = call.company()?;
    let row = call.audit("audit.export", ("audit", ""), Value::Null, Value::map([("format", name)]))?;
    let engine = &call.app.engine;
    engine.store().commit(Batch { audit: vec![row], ..Batch::default() }).await?;
    let pieces = call.app.audit.export(engine.now(), company, format);
    Ok(Streamed { media: format.media(), pieces, file_name: format.file_name() })
}

/// What the check has found.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ReportView {
    /// Whether all that is kept is as it was sealed.
    ok: bool,
    /// Segments that are as they were sealed.
    segments: u64,
    /// Rows in them.
    rows: u64,
    /// Rows that no segment lists yet: nothing is known of them.
    unsealed: u64,
    /// Rows that were sealed, and are not kept any more.
    dropped: u64,
    /// The SHA-256 of the last segment, in hex. A later log goes on from it.
    head: String,
    /// The key that signs (Ed25519), in hex: what `flow8 audit verify --public-key` takes.
    public_key: Option<String>,
    /// The first thing that is not as it was sealed; the check stops there.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<BrokenView>,
}

/// Something is not as it was sealed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct BrokenView {
    /// In words.
    message: String,
    /// `rowAltered`, `rowMissing`, `rowAdded`, `segmentMissing`, `segmentAltered`, `checkpointAltered` or `cutOff`;
    /// with the numbers that it names.
    #[schemars(with = "serde_json::Value")]
    #[serde(flatten)]
    what: Broken,
}

async fn verify(call: Call) -> Result<Reply<ReportView>, ApiError> {
    let report = call.app.audit.verify(call.company()?).await?;
    Ok(Reply::ok(ReportView {
        ok: report.broken.is_none(),
        segments: report.segments,
        rows: report.rows,
        unsealed: report.unsealed,
        dropped: report.dropped.map_or(0, |dropped| dropped.rows),
        head: report.head.to_string(),
        public_key: report.public_key.map(|key| key.to_string()),
        broken: report.broken.map(|what| BrokenView { message: what.to_string(), what }),
    }))
}
