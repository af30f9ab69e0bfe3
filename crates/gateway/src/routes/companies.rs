//! Companies: the tenants of the installation. The administrators of the first one look after all.

use http::{Method, StatusCode};
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKind, Expect};
use model::ids::{CompanyId, UserId};
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, DocQuery};

use super::users::{checked_email, checked_name};
use crate::access::{Access, Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
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
        Route::new((Method::PUT, "/companies/{id}"), "updateCompany", admin, "Changes a company's name.", update),
    ]
}

/// A company.
#[derive(Serialize, JsonSchema)]
struct CompanyView {
    id: CompanyId,
    name: String,
}

impl From<Company> for CompanyView {
    fn from(Company { id, name }: Company) -> Self {
        Self { id, name }
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
    let company = Company { id: CompanyId(engine.new_id()), name: named(&new.name)? };
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

fn named(name: &str) -> Result<String, ApiError> {
    match checked_name(name)? {
        "" => Err(ApiError::invalid("name: give the company a name")),
        name => Ok(name.to_owned()),
    }
}
