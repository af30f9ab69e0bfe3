//! Secrets that expressions read as `$secret.<name>`. A value goes in and never comes out.

use engine::kv;
use http::Method;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::value::Value;
use schemars::JsonSchema;
use serde::Deserialize;
use store::DocQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// Secrets of one company.
const SECRETS: usize = 10_000;

/// Characters of a secret's name.
const NAME_CHARS: usize = 128;

pub(super) fn routes() -> Vec<Route> {
    let who = Access::Needs(Permission::SecretsManage);
    vec![
        Route::new((Method::GET, "/secrets"), "listSecrets", who, "Lists the names of secrets.", list),
        Route::new(
            (Method::PUT, "/secrets/{name}"),
            "setSecret",
            who,
            "Sets a secret; its value cannot be read back.",
            set,
        ),
        Route::new((Method::DELETE, "/secrets/{name}"), "deleteSecret", who, "Removes a secret.", remove),
    ]
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

/// Which secret.
#[derive(Debug, Deserialize, JsonSchema)]
struct ByName {
    name: String,
}

/// A secret's value.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    value: Value,
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<String>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::Secret, SECRETS)).await?;
    Ok(Reply::ok(paging.cut(docs.into_iter().map(|doc| doc.key.id).collect())))
}

async fn set(call: Call<ByName, Nothing, Json<NewSecret>>) -> Result<(), ApiError> {
    let name = &call.path.name;
    let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    if name.is_empty() || name.len() > NAME_CHARS || !name.chars().all(fits) {
        return Err(ApiError::invalid(format!("name: has 1 to {NAME_CHARS} letters, digits, `_` or `-`")));
    }
    let Json(new) = &call.body;
    kv::check(name, Some(&new.value)).map_err(|failure| ApiError::invalid(failure.message))?;
    let key = DocKey::new(call.company()?, DocKind::Secret, name);
    let doc = kv::write(call.app.engine.seal(), key, Expect::Anything, &new.value, None)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let audit = call.audit("secret.set", ("secret", name), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(())
}

async fn remove(call: Call<ByName>) -> Result<(), ApiError> {
    let name = &call.path.name;
    let key = DocKey::new(call.company()?, DocKind::Secret, name);
    if call.app.engine.store().doc(&key).await?.is_none() {
        return Err(ApiError::not_found("SECRET_NOT_FOUND", format!("there is no secret {name:?}")));
    }
    let audit = call.audit("secret.delete", ("secret", name), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(vec![DocWrite::remove(key, Expect::Anything)], audit)).await?;
    Ok(())
}
