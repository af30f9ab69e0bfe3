//! The data keys of all companies: which master key wraps each, and a new one for all.

use http::Method;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::value::Value;
use schemars::JsonSchema;
use serde::Serialize;
use store::{CommitError, Conflict, DocQuery};
use vault::WrappedKey;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::call::{Call, Route};
use crate::error::ApiError;

/// Data keys of one company.
const KEYS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    vec![
        Route::new(
            (Method::GET, "/data-keys"),
            "listDataKeys",
            admin,
            "Lists the data keys and which master key wraps each; for administrators of the first company.",
            list,
        ),
        Route::new(
            (Method::POST, "/data-keys/rotate"),
            "rotateDataKeys",
            admin,
            "Wraps every data key with the newest master key; for administrators of the first company.",
            rotate,
        ),
    ]
}

/// A data key, without the key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DataKeyView {
    company_id: CompanyId,
    id: String,
    /// The id of the master key that wraps it.
    master: String,
    /// Whether that is the newest one.
    is_current: bool,
}

/// All data keys.
#[derive(Serialize, JsonSchema)]
struct DataKeys {
    /// The id of the newest master key.
    master: String,
    data: Vec<DataKeyView>,
}

/// What became of the data keys.
#[derive(Serialize, JsonSchema)]
struct Rotated {
    /// The id of the newest master key, which wraps all of them now.
    master: String,
    /// How many were wrapped anew.
    rotated: usize,
    /// How many there are.
    total: usize,
}

async fn keys(call: &Call) -> Result<Vec<Doc>, ApiError> {
    if !call.looks_after_all()? {
        return Err(ApiError::forbidden("data keys are for the administrators of the first company"));
    }
    let store = call.app.engine.store();
    let mut keys = Vec::new();
    for company in engine::companies::companies(&**store).await? {
        keys.extend(store.docs(&DocQuery::all(company, DocKind::DataKey, KEYS)).await?);
    }
    Ok(keys)
}

async fn list(call: Call) -> Result<Reply<DataKeys>, ApiError> {
    let master = call.app.ring.master_id();
    let view = |doc: Doc| -> Result<DataKeyView, ApiError> {
        let wrapped: WrappedKey = doc.read()?;
        let is_current = wrapped.master == master;
        Ok(DataKeyView { company_id: doc.key.company, id: doc.key.id, master: wrapped.master, is_current })
    };
    let data = keys(&call).await?.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(Reply::ok(DataKeys { master: master.to_owned(), data }))
}

/// The data keys stay what they are, so nothing that they sealed changes, and no play notices.
async fn rotate(call: Call) -> Result<Reply<Rotated>, ApiError> {
    let (keys, mut rotated) = (keys(&call).await?, 0);
    for doc in &keys {
        rotated += usize::from(wrap_anew(&call, doc).await?);
    }
    Ok(Reply::ok(Rotated { master: call.app.ring.master_id().to_owned(), rotated, total: keys.len() }))
}

/// Says whether there was anything to do.
async fn wrap_anew(call: &Call, doc: &Doc) -> Result<bool, ApiError> {
    let before: WrappedKey = doc.read()?;
    // Where the key before is not at hand, its id is what the caller must know.
    let wrapped = call.app.ring.rewrap(doc.key.company, &before);
    let Some(after) = wrapped.map_err(|error| ApiError::conflict("KEY_NOT_AT_HAND", error.to_string()))? else {
        return Ok(false);
    };
    let shown = |key: &WrappedKey| Value::map([("master", key.master.as_str())]);
    let audit = call.audit("dataKey.rotate", ("dataKey", &doc.key.id), shown(&before), shown(&after))?;
    let audit = AuditRow { company: doc.key.company, ..audit };
    let write = DocWrite::put(doc.key.clone(), Expect::Revision(doc.revision), &after);
    match call.app.engine.store().commit(Batch::of_docs(vec![write], audit)).await {
        Ok(_) => Ok(true),
        // Somebody else does the same.
        Err(CommitError::Conflict(Conflict::Doc(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
