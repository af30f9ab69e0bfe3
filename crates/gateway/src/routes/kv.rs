//! Key/values: of a flow, of a group, or of all.

use engine::kv::{self, KvOwner};
use http::Method;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{FlowId, GroupId, Id};
use model::time::Timestamp;
use model::value::{Value, to_value};
use schemars::JsonSchema;
use sdk::KvScope;
use serde::{Deserialize, Serialize};
use store::DocQuery;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// Keys that one list looks at.
const KEYS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    let view = Access::Needs(Permission::SecretsManage);
    vec![
        Route::new((Method::GET, "/kv"), "listKv", view, "Lists the keys of a scope.", list),
        Route::new((Method::GET, "/kv/value"), "getKv", view, "Gives the value of a key; the audit log says so.", get)
            .also(404, "There is no such key."),
        Route::new((Method::POST, "/kv"), "setKv", view, "Sets a key.", set),
        Route::new((Method::DELETE, "/kv"), "deleteKv", view, "Removes a key.", remove)
            .also(404, "There is no such key."),
    ]
}

/// Whose key.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Of one flow.
    Flow,
    /// Of one group.
    Group,
    /// Of the whole company.
    #[default]
    Global,
}

/// Which keys.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ListQuery {
    /// Whose; `global` when left out.
    #[serde(default)]
    scope: Scope,
    /// The flow's or the group's id.
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which key.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KeyQuery {
    /// Whose; `global` when left out.
    #[serde(default)]
    scope: Scope,
    /// The flow's or the group's id.
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
    key: String,
}

/// A value to set.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewValue {
    /// Whose; `global` when left out.
    #[serde(default)]
    scope: Scope,
    /// The flow's or the group's id.
    #[schemars(with = "Option<String>")]
    owner_id: Option<Id>,
    key: String,
    value: Value,
    /// When it is forgotten; never when left out.
    expires_at: Option<Timestamp>,
}

/// A key, without its value.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// A key and its value.
#[derive(Serialize, JsonSchema)]
struct Pair {
    key: String,
    value: Value,
}

/// The document of a key.
fn doc_key<P, Q, B>(call: &Call<P, Q, B>, scope: Scope, owner: Option<Id>, key: &str) -> Result<DocKey, ApiError> {
    let company = call.company()?;
    let needs = |what: &str| ApiError::invalid(format!("ownerId: give the id of the {what}"));
    let nobody = FlowId::default();
    let (owner, scope) = match scope {
        Scope::Flow => {
            let flow = FlowId(owner.ok_or_else(|| needs("flow"))?);
            (KvOwner { company, flow, group: None }, KvScope::Flow)
        }
        Scope::Group => {
            let group = GroupId(owner.ok_or_else(|| needs("group"))?);
            (KvOwner { company, flow: nobody, group: Some(group) }, KvScope::Group)
        }
        Scope::Global => (KvOwner { company, flow: nobody, group: None }, KvScope::Global),
    };
    kv::doc_key(owner, scope, key).ok_or_else(|| needs("owner"))
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<KeyView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let prefix = doc_key(&call, call.query.scope, call.query.owner_id, "")?.id;
    let query = DocQuery { prefix: prefix.clone(), ..DocQuery::all(call.company()?, DocKind::Kv, KEYS) };
    let now = call.app.engine.now();
    let docs = call.app.engine.store().docs(&query).await?.into_iter();
    let live = docs.filter(|doc| doc.expires_at.is_none_or(|at| at > now));
    let keys = live.map(|doc| KeyView { key: doc.key.id[prefix.len()..].to_owned(), expires_at: doc.expires_at });
    Ok(Reply::ok(paging.cut(keys.collect())))
}

fn unknown(key: &str) -> ApiError {
    ApiError::not_found("KEY_NOT_FOUND", format!("there is no key {key:?} in this scope"))
}

/// Which key somebody asked for, without its value.
fn named(query: &KeyQuery) -> Result<Value, ApiError> {
    let mut named = vec![("scope", to_value(&query.scope)?), ("key", query.key.as_str().into())];
    named.extend(query.owner_id.map(|owner| ("ownerId", owner.to_string().into())));
    Ok(Value::map(named))
}

async fn get(call: Call<Nothing, KeyQuery>) -> Result<Reply<Pair>, ApiError> {
    let query = &call.query;
    let at = doc_key(&call, query.scope, query.owner_id, &query.key)?;
    let doc = call.app.engine.store().doc(&at).await?.ok_or_else(|| unknown(&query.key))?;
    let value = kv::read(call.app.engine.seal(), &doc, call.app.engine.now())
        .map_err(|error| ApiError::internal(error.to_string()))?
        .ok_or_else(|| unknown(&query.key))?;
    // Written first: nobody is given what was sealed without a row that says so.
    let audit = call.audit("kv.read", ("kv", &at.id), Value::Null, named(query)?)?;
    call.app.engine.store().commit(Batch { audit: vec![audit], ..Batch::default() }).await?;
    Ok(Reply::ok(Pair { key: query.key.clone(), value }))
}

async fn set(call: Call<Nothing, Nothing, Json<NewValue>>) -> Result<(), ApiError> {
    let Json(new) = &call.body;
    kv::check(&new.key, Some(&new.value)).map_err(|failure| ApiError::invalid(failure.message))?;
    let at = doc_key(&call, new.scope, new.owner_id, &new.key)?;
    let audit = call.audit("kv.set", ("kv", &at.id), Value::Null, Value::Null)?;
    let doc = kv::write(call.app.engine.seal(), at, Expect::Anything, &new.value, new.expires_at)
        .map_err(|error| ApiError::internal(error.to_string()))?;
    call.app.engine.commit_kv(call.company()?, doc, audit).await?;
    Ok(())
}

async fn remove(call: Call<Nothing, KeyQuery>) -> Result<(), ApiError> {
    let query = &call.query;
    let at = doc_key(&call, query.scope, query.owner_id, &query.key)?;
    if call.app.engine.store().doc(&at).await?.is_none() {
        return Err(unknown(&query.key));
    }
    let audit = call.audit("kv.delete", ("kv", &at.id), Value::Null, Value::Null)?;
    call.app.engine.commit_kv(call.company()?, DocWrite::remove(at, Expect::Anything), audit).await?;
    Ok(())
}
