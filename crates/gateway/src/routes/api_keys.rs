//! API keys: with these, programs call the API in their owner's name.

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, Id};
use model::limits::{API_KEY_KEPT, API_KEY_LONGEST, API_KEYS_PER_PERSON};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;
use vault::Token;

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::people::{ApiKey, token_key};

/// How an API key begins, so that one which leaks is found by scanners.
const PREFIX: &str = "f8_";

/// API keys of one company.
const KEYS: usize = 10_000;

/// Characters of a key's name.
const NAME_CHARS: usize = 200;

pub(super) fn routes() -> Vec<Route> {
    let who = Access::SignedIn;
    vec![
        Route::new(
            (Method::GET, "/auth/api-keys"),
            "listApiKeys",
            who,
            "Lists your API keys: an administrator sees all, a key with fewer scopes than you itself.",
            list,
        ),
        Route::new(
            (Method::POST, "/auth/api-keys"),
            "createApiKey",
            who,
            "Makes an API key; it is shown this once.",
            create,
        )
        .answers(201, "Made.")
        .also(409, "There are too many."),
        Route::new(
            (Method::DELETE, "/auth/api-keys/{id}"),
            "deleteApiKey",
            who,
            "Revokes an API key, at once.",
            remove,
        ),
    ]
}

/// An API key, without the key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct KeyView {
    #[schemars(with = "String")]
    id: Id,
    name: String,
    owner_id: model::ids::UserId,
    scopes: Vec<Permission>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, owner, scopes, created_at, expires_at } = key;
        Self { id, name, owner_id: owner, scopes, created_at, expires_at }
    }
}

/// An API key to make.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewKey {
    name: String,
    /// What it may do; all that you may when left out. It never does more than its owner may.
    scopes: Option<Vec<Permission>>,
    /// When it ends: two years from now at most, a year when left out.
    expires_at: Option<Timestamp>,
}

/// An API key that was just made.
#[derive(Serialize, JsonSchema)]
struct MadeKey {
    #[serde(flatten)]
    view: KeyView,
    /// The key itself. It cannot be shown again.
    key: String,
}

/// Which key.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    #[schemars(with = "String")]
    id: Id,
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

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<KeyView>>, ApiError> {
    let caller = call.caller()?;
    let paging = Paging::new(call.query.page, call.query.size)?;
    let docs = call.app.engine.store().docs(&DocQuery::all(caller.company, DocKind::ApiKey, KEYS)).await?;
    let mut keys = Vec::new();
    for doc in docs {
        let key: ApiKey = doc.read()?;
        if caller.looks_after_key(key.id, key.owner) {
            keys.push(key.into());
        }
    }
    Ok(Reply::ok(paging.cut(keys)))
}

/// An API key as the audit log has it: whose it is, what it may do and until when.
fn shown(key: &ApiKey) -> Value {
    let scopes = Value::list(key.scopes.iter().map(|scope| scope.as_str()));
    let mut shown =
        vec![("name", Value::from(key.name.as_str())), ("ownerId", key.owner.to_string().into()), ("scopes", scopes)];
    shown.extend(key.expires_at.map(|until| ("expiresAt", until.to_string().into())));
    Value::map(shown)
}

async fn create(call: Call<Nothing, Nothing, Json<NewKey>>) -> Result<Reply<MadeKey>, ApiError> {
    let caller = call.caller()?;
    let Json(new) = &call.body;
    let owner = caller.user.ok_or_else(|| ApiError::forbidden("an API key belongs to a person; sign in as one"))?;
    if caller.session.is_none() && !caller.may(Permission::Admin) {
        // Else a key that leaks, or is about to expire, could make itself another.
        return Err(ApiError::forbidden("sign in to make an API key; a key makes one only with the scope admin"));
    }
    let is_named = !new.name.trim().is_empty() && new.name.chars().count() <= NAME_CHARS;
    if !is_named || new.name.chars().any(char::is_control) {
        let message =
            format!("name: say what the key is for, in at most {NAME_CHARS} characters and no control characters");
        return Err(ApiError::invalid(message));
    }
    let mut scopes = new.scopes.clone().unwrap_or_else(|| {
        Permission::ALL.into_iter().filter(|permission| caller.may_somewhere(*permission)).collect()
    });
    scopes.sort_unstable();
    scopes.dedup();
    if let Some(beyond) = scopes.iter().find(|scope| !caller.may_somewhere(**scope)) {
        return Err(ApiError::forbidden(format!("scopes: you do not have {} yourself", beyond.as_str())));
    }
    let now = call.app.engine.now();
    let until = new.expires_at.unwrap_or(now.plus(API_KEY_KEPT));
    if until <= now {
        return Err(ApiError::invalid("expiresAt: is over already"));
    }
    if until > now.plus(API_KEY_LONGEST) {
        let days = API_KEY_LONGEST.as_secs() / (24 * 3600);
        return Err(ApiError::invalid(format!("expiresAt: is at most {days} days away; make a new key by then")));
    }
    let docs = call.app.engine.store().docs(&DocQuery::all(caller.company, DocKind::ApiKey, KEYS)).await?;
    let owned = docs.iter().filter(|doc| doc.read::<ApiKey>().is_ok_and(|key| key.owner == owner)).count();
    if owned >= API_KEYS_PER_PERSON || docs.len() >= KEYS {
        let message =
            format!("a person has at most {API_KEYS_PER_PERSON} API keys, and a company {KEYS}; delete some first");
        return Err(ApiError::conflict("TOO_MANY_API_KEYS", message));
    }
    let token = Token::fresh(PREFIX).map_err(|error| ApiError::internal(error.to_string()))?;
    let key = ApiKey {
        id: call.app.engine.new_id(),
        name: new.name.clone(),
        owner,
        scopes,
        created_at: now,
        expires_at: Some(until),
    };
    let doc = DocWrite::put(DocKey::new(caller.company, DocKind::ApiKey, key.id), Expect::Absent, &key)
        .unique(CompanyId::INSTALLATION, token_key(&token.hash()))
        .expiring(until);
    let audit = call.audit("apiKey.create", ("apiKey", &key.id.to_string()), Value::Null, shown(&key))?;
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    Ok(Reply::with(StatusCode::CREATED, MadeKey { view: key.into(), key: token.reveal().to_owned() }))
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let caller = call.caller()?;
    let key = DocKey::new(caller.company, DocKind::ApiKey, call.path.id);
    let unknown = || ApiError::not_found("API_KEY_NOT_FOUND", format!("there is no API key {}", call.path.id));
    let found: ApiKey = call.app.engine.store().doc(&key).await?.ok_or_else(unknown)?.read()?;
    if !caller.looks_after_key(found.id, found.owner) {
        return Err(unknown());
    }
    let audit = call.audit("apiKey.delete", ("apiKey", &found.id.to_string()), shown(&found), Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(vec![DocWrite::remove(key, Expect::Anything)], audit)).await?;
    call.app.known.forget();
    Ok(())
}
