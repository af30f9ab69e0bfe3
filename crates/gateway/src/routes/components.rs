//! Components: back ends that modules work on. What is secret goes in and never comes out.
//!
//! Where a component leads and what lets it in belong together: whoever changes the one gives the other
//! again, or a stored password could be sent to a host of somebody's choice.

use std::time::Duration;

use engine::components::{self, StoredComponent};
use engine::uses::Used;
use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{Doc, DocKind, DocWrite, Expect};
use model::failure::Failure;
use model::ids::Id;
use model::limits::{COMPONENT_BYTES, COMPONENT_NAME_CHARS, COMPONENT_TEST, COMPONENTS, JSON_DEPTH};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use sdk::component::{Component, Kind};
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, DocQuery};
use tokio::sync::Semaphore;

use super::uses::{RemoveQuery, free, free_of_name};
use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};

/// What stands where a secret is.
pub(super) const MASK: &str = "***";

/// Connections that are tested at once.
static TESTS: Semaphore = Semaphore::const_new(4);

pub(super) fn routes() -> Vec<Route> {
    let who = Access::Needs(Permission::SecretsManage);
    vec![
        Route::new((Method::GET, "/components"), "listComponents", who, "Lists components.", list),
        Route::new((Method::POST, "/components"), "createComponent", who, "Makes a component.", create)
            .answers(201, "Made.")
            .also(409, "There is one of that kind and name."),
        Route::new((Method::GET, "/components/{id}"), "getComponent", who, "Gives one component.", get),
        Route::new((Method::PUT, "/components/{id}"), "updateComponent", who, "Changes a component.", update).also(
            409,
            "There is one of that kind and name; or `COMPONENT_IN_USE`: flows or channels name it by its old name.",
        ),
        Route::new((Method::DELETE, "/components/{id}"), "deleteComponent", who, "Removes a component.", remove).also(
            409,
            "`COMPONENT_IN_USE`: flows or channels use it; `details.flows` and `details.channels` name some.",
        ),
        Route::new(
            (Method::POST, "/components/{id}/test"),
            "testComponent",
            who,
            "Opens a real connection, and says what came of it.",
            test,
        ),
    ]
}

/// A component, without what is secret of it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ComponentView {
    id: String,
    name: String,
    kind: Kind,
    /// What it speaks: `postgres`, `smtp`, `s3` …
    provider: String,
    config: Value,
    /// The names of its secret settings, each with `***`.
    secret: Value,
    /// Whether an administrator made it or changed it last: it may then be anywhere.
    trusted: bool,
    /// Whether it comes from the configuration, and cannot be changed here.
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
}

/// Secret settings, by their names alone.
pub(super) fn masked<'n>(names: impl IntoIterator<Item = &'n str>) -> Value {
    Value::map(names.into_iter().map(|name| (name, MASK)))
}

/// The names in an object.
pub(super) fn names(object: &Value) -> Vec<String> {
    object.as_map().into_iter().flat_map(|fields| fields.keys()).map(ToString::to_string).collect()
}

impl From<&StoredComponent> for ComponentView {
    fn from(stored: &StoredComponent) -> Self {
        Self {
            id: stored.id.to_string(),
            name: stored.name.clone(),
            kind: stored.kind,
            provider: stored.provider.clone(),
            config: stored.config.clone(),
            secret: masked(stored.secret_names.iter().map(String::as_str)),
            trusted: stored.trusted,
            read_only: false,
            created_at: Some(stored.created_at),
            updated_at: Some(stored.updated_at),
        }
    }
}

impl From<&Component> for ComponentView {
    fn from(declared: &Component) -> Self {
        Self {
            id: declared.id.clone(),
            name: declared.name.clone(),
            kind: declared.kind,
            provider: declared.provider.clone(),
            config: declared.config.clone(),
            secret: masked(names(&declared.secret).iter().map(String::as_str)),
            trusted: declared.trusted,
            read_only: true,
            created_at: None,
            updated_at: None,
        }
    }
}

/// Which components.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Of one kind alone.
    kind: Option<Kind>,
    /// Which page, from 0.
    page: Option<u64>,
    /// Rows of a page, at most 100.
    size: Option<u32>,
}

/// Which component.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: String,
}

/// A component to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewComponent {
    name: String,
    kind: Kind,
    /// What it speaks; the usual one of its kind when left out.
    provider: Option<String>,
    config: Value,
    /// Its secret settings, by name.
    #[serde(default = "Value::empty_map")]
    secret: Value,
}

/// What becomes of a component.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedComponent {
    name: Option<String>,
    config: Option<Value>,
    /// All its secret settings; they stay as they are when left out, unless `config` changes.
    secret: Option<Value>,
}

async fn stored<P, Q, B>(call: &Call<P, Q, B>) -> Result<Vec<Doc>, ApiError> {
    let query = DocQuery::all(call.company()?, DocKind::Component, COMPONENTS);
    Ok(call.app.engine.store().docs(&query).await?)
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<ComponentView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let mut views = Vec::new();
    for doc in stored(&call).await? {
        views.push(ComponentView::from(&StoredComponent::read(&doc)?));
    }
    views.extend(call.app.engine.declared().of(call.company()?).iter().map(ComponentView::from));
    views.retain(|view| call.query.kind.is_none_or(|kind| view.kind == kind));
    Ok(Reply::ok(paging.cut(views)))
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found("COMPONENT_NOT_FOUND", format!("there is no component {id:?}"))
}

fn declared<P, Q, B>(call: &Call<P, Q, B>, id: &str) -> Result<Option<Component>, ApiError> {
    Ok(call.app.engine.declared().of(call.company()?).into_iter().find(|component| component.id == id))
}

/// A stored component, and where its document stands.
async fn found<Q, B>(call: &Call<ById, Q, B>) -> Result<(StoredComponent, u64), ApiError> {
    let text = &call.path.id;
    if declared(call, text)?.is_some() {
        let message = format!("{text} comes from the configuration; change the file in integrations.dir");
        return Err(ApiError::conflict("COMPONENT_READ_ONLY", message));
    }
    let id: Id = text.parse().map_err(|_| unknown(text))?;
    let doc = call.app.engine.store().doc(&components::doc_key(call.company()?, id)).await?;
    let doc = doc.ok_or_else(|| unknown(text))?;
    Ok((StoredComponent::read(&doc)?, doc.revision))
}

async fn get(call: Call<ById>) -> Result<Reply<ComponentView>, ApiError> {
    if let Some(component) = declared(&call, &call.path.id)? {
        return Ok(Reply::ok(ComponentView::from(&component)));
    }
    Ok(Reply::ok(ComponentView::from(&found(&call).await?.0)))
}

/// A name that people may give.
pub(super) fn checked_name(name: &str) -> Result<String, ApiError> {
    let name = name.trim();
    let is_fine = !name.is_empty() && name.chars().count() <= COMPONENT_NAME_CHARS;
    if !is_fine || name.chars().any(char::is_control) || name.parse::<Id>().is_ok() {
        let message = format!("name: has 1 to {COMPONENT_NAME_CHARS} characters, and is not like an id");
        return Err(ApiError::invalid(message));
    }
    Ok(name.to_owned())
}

/// Settings must be an object that is not too large.
pub(super) fn checked_object(what: &str, value: &Value) -> Result<(), ApiError> {
    let measure = value.measure(COMPONENT_BYTES, JSON_DEPTH);
    if value.as_map().is_none() || measure.bytes > COMPONENT_BYTES || measure.depth > JSON_DEPTH {
        return Err(ApiError::invalid(format!("{what}: is an object of at most {} KiB", COMPONENT_BYTES >> 10)));
    }
    Ok(())
}

/// Checks settings with what stands behind them.
fn check<P, Q, B>(call: &Call<P, Q, B>, component: &Component) -> Result<(), ApiError> {
    checked_object("config", &component.config)?;
    checked_object("secret", &component.secret)?;
    let backend = call.app.engine.backends().of(component.kind);
    let providers = backend.map(|backend| backend.providers()).unwrap_or_default();
    match backend {
        Some(backend) if providers.contains(&&*component.provider) => {
            backend.check(component).map_err(|failure: Failure| ApiError::invalid(failure.message))
        }
        _ => {
            let known = providers.join(", ");
            Err(ApiError::invalid(format!("provider: a component of kind {} has one of: {known}", component.kind)))
        }
    }
}

/// Seals and writes a component, with its audit row.
async fn write<P, Q, B>(
    call: &Call<P, Q, B>,
    (component, expect): (Component, Expect),
    (created_at, before): (Timestamp, Value),
    action: &str,
) -> Result<StoredComponent, ApiError> {
    check(call, &component)?;
    let engine = &call.app.engine;
    let id: Id = component.id.parse().map_err(|_| unknown(&component.id))?;
    let internal = |error: engine::pack::PackError| ApiError::internal(error.to_string());
    let sealed = components::seal(engine.seal(), component.company, id, &component.secret).map_err(internal)?;
    let stored = StoredComponent {
        id,
        name: component.name,
        kind: component.kind,
        provider: component.provider,
        secret_names: names(&component.secret),
        config: component.config,
        sealed,
        trusted: component.trusted,
        created_at,
        updated_at: engine.now(),
    };
    let audit = call.audit(action, ("component", &component.id), before, shown(&stored))?;
    let doc = components::write(component.company, &stored, expect);
    match engine.store().commit(Batch::of_docs(vec![doc], audit)).await {
        Err(CommitError::Conflict(Conflict::Key(_))) => {
            let message = format!("there is a component {:?} of kind {} already", stored.name, stored.kind);
            Err(ApiError::conflict("COMPONENT_NAME_TAKEN", message))
        }
        ended => {
            ended?;
            // Channels may take in from it.
            engine.ways_in_have_changed();
            Ok(stored)
        }
    }
}

/// A component as the audit log has it.
fn shown(stored: &StoredComponent) -> Value {
    Value::map([
        ("name", Value::from(stored.name.as_str())),
        ("kind", stored.kind.as_str().into()),
        ("provider", stored.provider.as_str().into()),
        ("config", stored.config.clone()),
        ("secret", masked(stored.secret_names.iter().map(String::as_str))),
        ("trusted", stored.trusted.into()),
    ])
}

async fn create(call: Call<Nothing, Nothing, Json<NewComponent>>) -> Result<Reply<ComponentView>, ApiError> {
    let Json(new) = &call.body;
    if stored(&call).await?.len() >= COMPONENTS {
        return Err(ApiError::invalid(format!("a company has at most {COMPONENTS} components")));
    }
    let providers = call.app.engine.backends().of(new.kind).map(|backend| backend.providers()).unwrap_or_default();
    let provider = new.provider.as_deref().or(providers.first().copied()).unwrap_or_default().to_owned();
    let component = Component {
        company: call.company()?,
        id: call.app.engine.new_id().to_string(),
        revision: 0,
        name: checked_name(&new.name)?,
        kind: new.kind,
        provider,
        config: new.config.clone(),
        secret: new.secret.clone(),
        trusted: call.caller()?.may(Permission::Admin),
    };
    let now = call.app.engine.now();
    let made = write(&call, (component, Expect::Absent), (now, Value::Null), "component.create").await?;
    Ok(Reply::with(StatusCode::CREATED, ComponentView::from(&made)))
}

async fn update(call: Call<ById, Nothing, Json<ChangedComponent>>) -> Result<Reply<ComponentView>, ApiError> {
    let Json(change) = &call.body;
    let (before, revision) = found(&call).await?;
    let company = call.company()?;
    let mut component = before.open(company, revision, call.app.engine.seal())?;
    if let Some(name) = &change.name {
        component.name = checked_name(name)?;
    }
    if component.name != before.name {
        let by_name = Used::Component(before.kind, [before.name.clone(), before.name.clone()]);
        free_of_name(&call, &by_name, "COMPONENT_IN_USE").await?;
    }
    let leads_elsewhere = change.config.as_ref().is_some_and(|config| *config != component.config);
    if leads_elsewhere && change.secret.is_none() && !before.secret_names.is_empty() {
        return Err(ApiError::invalid("secret: give it again where config changes: it would go somewhere else"));
    }
    component.config = change.config.clone().unwrap_or(component.config);
    component.secret = change.secret.clone().unwrap_or(component.secret);
    component.trusted = call.caller()?.may(Permission::Admin);
    let history = (before.created_at, shown(&before));
    let expect = Expect::Revision(revision);
    let changed = write(&call, (component, expect), history, "component.update").await?;
    Ok(Reply::ok(ComponentView::from(&changed)))
}

async fn remove(call: Call<ById, RemoveQuery>) -> Result<(), ApiError> {
    let (component, revision) = found(&call).await?;
    let id = component.id.to_string();
    let used = Used::Component(component.kind, [id.clone(), component.name.clone()]);
    let forced = free(&call, &used, "COMPONENT_IN_USE").await?;
    let audit = call.audit("component.delete", ("component", &id), shown(&component), forced)?;
    let key = components::doc_key(call.company()?, component.id);
    let doc = DocWrite::remove(key, Expect::Revision(revision));
    call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
    call.app.engine.ways_in_have_changed();
    Ok(())
}

/// What came of a test.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// Whether the connection works.
    ok: bool,
    /// What stands in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    /// How long it took, in milliseconds.
    duration: u64,
}

async fn test(call: Call<ById>) -> Result<Reply<Tested>, ApiError> {
    let engine = &call.app.engine;
    let component = match declared(&call, &call.path.id)? {
        Some(component) => component,
        None => {
            let (stored, revision) = found(&call).await?;
            stored.open(call.company()?, revision, engine.seal())?
        }
    };
    let Some(backend) = engine.backends().of(component.kind) else {
        return Err(ApiError::invalid(format!("there is nothing to test of kind {}", component.kind)));
    };
    // It is said before it is done: the peer may be anywhere.
    let audit = call.audit("component.test", ("component", &component.id), Value::Null, Value::Null)?;
    engine.store().commit(Batch { audit: vec![audit], ..Batch::default() }).await?;
    let _turn = TESTS.try_acquire().map_err(|_| {
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "other connections are tested; try again soon")
    })?;
    let began = engine.now();
    // What stands behind it bounds it; this holds whatever stands there.
    let patience = COMPONENT_TEST + Duration::from_secs(5);
    let ended = tokio::time::timeout(patience, backend.test(&component)).await;
    let error = match ended {
        Ok(ended) => ended.err(),
        Err(_) => Some(Failure::new("TIMEOUT", "the peer does not answer in time")),
    };
    let duration = u64::try_from(engine.now().since(began).as_millis()).unwrap_or_default();
    Ok(Reply::ok(Tested { ok: error.is_none(), error, duration }))
}
