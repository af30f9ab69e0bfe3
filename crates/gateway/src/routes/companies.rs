//! Companies: the tenants of the installation. The administrators of the first one look after all.

use std::collections::BTreeMap;

use engine::kept::{RULES, kept};
use http::{Method, StatusCode};
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::limits::PEOPLE;
use model::retention::Scope;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, DocQuery};

use super::users::{checked_email, checked_name};
use crate::access::{Access, Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::erasing;
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::people::{Company, User, founding};

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    vec![
        Route::new(
            (Method::GET, "/companies"),
            "listCompanies",
            admin,
            "Lists the companies; outside the first one, your own.",
            list,
        ),
        Route::new(
            (Method::POST, "/companies"),
            "createCompany",
            admin,
            "Adds a company and its first owner; for administrators of the first one.",
            create,
        )
        .answers(201, "Added.")
        .also(409, "Somebody has the owner's address already, or there are too many companies."),
        Route::new(
            (Method::DELETE, "/companies/{id}"),
            "eraseCompany",
            admin,
            "Erases a company: its key at once, all else soon after; for administrators of the first one.",
            erase,
        )
        .answers(202, "Its key, people and sessions are gone; the rest is being removed.")
        .also(409, "`LEGAL_HOLD`: a hold keeps something of it; or it is the first company."),
        Route::new((Method::PUT, "/companies/{id}"), "updateCompany", admin, "Changes a company's name.", update),
    ]
}

/// A company.
#[derive(Serialize, JsonSchema)]
struct CompanyView {
    id: CompanyId,
    name: String,
    /// Since when it is being erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    erasing: Option<Timestamp>,
}

impl From<Company> for CompanyView {
    fn from(Company { id, name, erasing }: Company) -> Self {
        Self { id, name, erasing }
    }
}

/// A company to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewCompany {
    name: String,
    owner: NewOwner,
}

/// Who lets others in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewOwner {
    email: String,
    #[serde(default)]
    name: String,
    password: String,
}

/// What becomes of a company.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Changes {
    name: String,
}

/// Which company.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: CompanyId,
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

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<CompanyView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let query = DocQuery::all(CompanyId::INSTALLATION, DocKind::Company, engine::companies::COMPANIES);
    let mut seen = Vec::new();
    for doc in call.app.engine.store().docs(&query).await? {
        let company: Company = doc.read()?;
        if company.id == call.company()? || call.looks_after_all()? {
            seen.push(company.into());
        }
    }
    Ok(Reply::ok(paging.cut(seen)))
}

async fn create(call: Call<Nothing, Nothing, Json<NewCompany>>) -> Result<Reply<CompanyView>, ApiError> {
    if !call.looks_after_all()? {
        return Err(ApiError::forbidden("companies are added by the administrators of the first one"));
    }
    let (engine, Json(new)) = (&call.app.engine, &call.body);
    let company = Company { id: CompanyId(engine.new_id()), name: named(&new.name)?, erasing: None };
    let email = checked_email(&new.owner.email)?;
    let name = checked_name(&new.owner.name)?;
    if engine::companies::companies(&**engine.store()).await?.len() >= engine::companies::COMPANIES {
        let message = format!("an installation has at most {} companies", engine::companies::COMPANIES);
        return Err(ApiError::conflict("TOO_MANY_COMPANIES", message));
    }
    let owner = User {
        id: UserId(engine.new_id()),
        email: email.to_owned(),
        name: if name.is_empty() { email.to_owned() } else { name.to_owned() },
        roles: vec![Role::Owner],
        password: Some(super::auth::hash(&call.app, new.owner.password.clone()).await?),
        shares: BTreeMap::new(),
        must_change_password: true,
        identities: Vec::new(),
        sessions: 0,
        one_time: None,
        second_factor: None,
        created_at: engine.now(),
    };
    let docs = founding(&call.app.ring, &company, &owner, engine.new_id())
        .map_err(|error| ApiError::internal(error.to_string()))?;
    let after = Value::map([("name", company.name.as_str()), ("owner", &owner.email)]);
    let audit = call.audit("company.create", ("company", &company.id.to_string()), Value::Null, after)?;
    // The company's own log begins with it, too; it does not say who looks after the installation.
    let own = AuditRow { company: company.id, actor: Actor::system(), ip: None, ..audit.clone() };
    let batch = Batch { audit: vec![audit, own], docs: docs.into(), ..Batch::default() };
    match engine.store().commit(batch).await {
        Ok(_) => Ok(Reply::with(StatusCode::CREATED, company.into())),
        Err(CommitError::Conflict(Conflict::Key(_))) => Err(super::users::email_taken(email)),
        Err(error) => Err(error.into()),
    }
}

async fn update(call: Call<ById, Nothing, Json<Changes>>) -> Result<Reply<CompanyView>, ApiError> {
    let (id, Json(changes)) = (call.path.id, &call.body);
    let unknown = || ApiError::not_found("COMPANY_NOT_FOUND", format!("there is no company {id}"));
    if id != call.company()? && !call.looks_after_all()? {
        return Err(unknown());
    }
    let doc = call.app.engine.store().doc(&Company::key(id)).await?.ok_or_else(unknown)?;
    let before: Company = doc.read()?;
    let after = Company { name: named(&changes.name)?, ..before.clone() };
    let shown = |company: &Company| Value::map([("name", company.name.as_str())]);
    let audit = call.audit("company.update", ("company", &id.to_string()), shown(&before), shown(&after))?;
    let write = after.write(Expect::Revision(doc.revision));
    call.app.engine.store().commit(Batch::of_docs(vec![write], audit)).await?;
    Ok(Reply::ok(after.into()))
}

/// That it is meant.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Meant {
    /// The company's name, once more.
    name: String,
}

/// Whatever is sealed is beyond reading once the key is gone; so that goes with the word that it shall, in one commit,
/// and people with it: without them, no session and no key counts.
async fn erase(call: Call<ById, Nothing, Json<Meant>>) -> Result<Reply<CompanyView>, ApiError> {
    let (id, engine) = (call.path.id, &call.app.engine);
    let unknown = || ApiError::not_found("COMPANY_NOT_FOUND", format!("there is no company {id}"));
    if !call.looks_after_all()? {
        return match id == call.company()? {
            true => Err(ApiError::forbidden("companies are erased by the administrators of the first one")),
            false => Err(unknown()),
        };
    }
    if id == call.app.company {
        return Err(ApiError::conflict("FIRST_COMPANY", "the first company looks after the installation; it stays"));
    }
    let store = engine.store();
    let doc = store.doc(&Company::key(id)).await?.ok_or_else(unknown)?;
    let before: Company = doc.read()?;
    if call.body.0.name != before.name {
        return Err(ApiError::invalid("name: is not the company's name; to erase it, say its name once more"));
    }
    if before.erasing.is_some() {
        return Ok(Reply::with(StatusCode::ACCEPTED, before.into()));
    }
    let kept = kept(&**store, id, &call.app.retention()).await?;
    if kept.is_held || kept.flows.values().any(Option::is_none) {
        let message = "a legal hold keeps the company, or a flow of it; release that first";
        return Err(ApiError::conflict("LEGAL_HOLD", message));
    }
    let after = Company { erasing: Some(engine.now()), ..before.clone() };
    let mut docs = vec![after.write(Expect::Revision(doc.revision))];
    // A hold that comes at this very moment stands in the way, too.
    let rules = store.docs(&DocQuery::all(id, DocKind::Retention, RULES)).await?;
    let of_company = DocKey::new(id, DocKind::Retention, Scope::Company);
    if !rules.iter().any(|rules| rules.key == of_company) {
        docs.push(DocWrite::remove(of_company, Expect::Absent));
    }
    docs.extend(rules.into_iter().map(|rules| DocWrite::remove(rules.key, Expect::Revision(rules.revision))));
    for kind in [DocKind::DataKey, DocKind::User] {
        let found = store.docs(&DocQuery::all(id, kind, PEOPLE)).await?;
        docs.extend(found.into_iter().map(|doc| DocWrite::remove(doc.key, Expect::Anything)));
    }
    let shown = Value::map([("name", before.name.as_str())]);
    let audit = call.audit("company.erase", ("company", &id.to_string()), shown, Value::Null)?;
    // The company's own log goes with it: nobody is left to read it, and it names people.
    let drop_audit = Some((id, store.audit_end().await?));
    store.commit(Batch { docs, audit: vec![audit], drop_audit, ..Batch::default() }).await?;
    call.app.ring.forget(id);
    call.app.known.forget();
    let app = call.app.clone();
    // Where this process ends before, whoever cleans up goes on.
    tokio::spawn(async move {
        if let Err(error) = erasing::go_on(&app, id).await {
            tracing::warn!(error = error.message, company = %id, "what is left of the company goes later");
        }
    });
    Ok(Reply::with(StatusCode::ACCEPTED, after.into()))
}

fn named(name: &str) -> Result<String, ApiError> {
    match checked_name(name)? {
        "" => Err(ApiError::invalid("name: give the company a name")),
        name => Ok(name.to_owned()),
    }
}
