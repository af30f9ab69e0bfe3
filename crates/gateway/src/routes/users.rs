//! People of the company.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::limits::{INVITATION, PEOPLE};
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{CommitError, Conflict, DocQuery};

use crate::access::{Access, Permission, Role};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::page::{Page, Paging};
use crate::people::{OneTime, User};
use crate::routes::group_shares::ShareView;
use crate::routes::new_passwords::OneTimeView;

/// Characters of an address or a name.
const NAME_CHARS: usize = 254;

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    vec![
        Route::new((Method::GET, "/users"), "listUsers", admin, "Lists the people of the company.", list),
        Route::new(
            (Method::POST, "/users"),
            "createUser",
            admin,
            "Adds a person; without a password, invites them.",
            create,
        )
        .answers(201, "Added.")
        .also(409, "Somebody has the address already, or there are too many people."),
        Route::new((Method::PUT, "/users/{id}"), "updateUser", admin, "Changes a person's name and roles.", update),
        Route::new((Method::DELETE, "/users/{id}"), "deleteUser", admin, "Removes a person.", remove),
    ]
}

/// A person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct UserView {
    id: UserId,
    email: String,
    name: String,
    /// What they are, whatever it is about.
    roles: Vec<Role>,
    /// What they are in single groups of flows, beside that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    shares: Vec<ShareView>,
    /// Whether they have a password to sign in with.
    has_password: bool,
    /// The sign-in providers that know them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    providers: Vec<String>,
    /// Whether they show a code beside it.
    has_second_factor: bool,
    created_at: Timestamp,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            shares: ShareView::all(&user),
            has_second_factor: user.has_second_factor(),
            providers: user.identities.into_iter().map(|identity| identity.issuer).collect(),
            email: user.email,
            name: user.name,
            roles: user.roles,
            has_password: user.password.is_some(),
            created_at: user.created_at,
        }
    }
}

/// A person to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    email: String,
    #[serde(default)]
    name: String,
    /// None for somebody with whom single groups are to be shared.
    roles: Vec<Role>,
    /// When left out, they choose one themselves, with the token that is answered.
    password: Option<String>,
}

/// A person who was just added.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AddedUser {
    #[serde(flatten)]
    view: UserView,
    /// For whoever was added without a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<OneTimeView>,
}

/// What becomes of a person.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Changes {
    name: Option<String>,
    roles: Option<Vec<Role>>,
}

/// Which person.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: UserId,
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

/// The people of the company, each with the revision they stand at.
async fn all<P, Q, B>(call: &Call<P, Q, B>) -> Result<Vec<(User, u64)>, ApiError> {
    let docs = call.app.engine.store().docs(&DocQuery::all(call.company()?, DocKind::User, PEOPLE)).await?;
    docs.iter().map(|doc| Ok((doc.read()?, doc.revision))).collect()
}

async fn list(call: Call<Nothing, ListQuery>) -> Result<Reply<Page<UserView>>, ApiError> {
    let paging = Paging::new(call.query.page, call.query.size)?;
    let users = all(&call).await?.into_iter().map(|(user, _)| UserView::from(user)).collect();
    Ok(Reply::ok(paging.cut(users)))
}

pub(crate) fn checked_email(email: &str) -> Result<&str, ApiError> {
    let email = email.trim();
    if !email.contains('@') || email.chars().count() > NAME_CHARS || email.contains(char::is_whitespace) {
        return Err(ApiError::invalid(format!("email: {email:?} is not an address")));
    }
    Ok(email)
}

pub(super) fn email_taken(email: &str) -> ApiError {
    ApiError::conflict("EMAIL_TAKEN", format!("somebody has the address {email} already"))
}

pub(crate) fn checked_name(name: &str) -> Result<&str, ApiError> {
    if name.chars().count() > NAME_CHARS {
        return Err(ApiError::invalid(format!("name: is longer than {NAME_CHARS} characters")));
    }
    if name.trim().chars().any(char::is_control) {
        return Err(ApiError::invalid("name: has a line break or another control character; leave that out"));
    }
    Ok(name.trim())
}

pub(super) fn sorted(roles: &[Role]) -> Vec<Role> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    roles
}

async fn create(call: Call<Nothing, Nothing, Json<NewUser>>) -> Result<Reply<AddedUser>, ApiError> {
    let (Json(new), now) = (&call.body, call.app.engine.now());
    let email = checked_email(&new.email)?;
    let name = checked_name(&new.name)?;
    crate::people::room(&call.app, call.company()?).await?;
    let password = match &new.password {
        Some(password) => Some(super::auth::hash(&call.app, password.clone()).await?),
        None => None,
    };
    let (one_time, token) = match &password {
        Some(_) => (None, None),
        None => OneTime::fresh(now.plus(INVITATION)).map(|(one_time, token)| (Some(one_time), Some(token)))?,
    };
    let invitation = one_time.as_ref().zip(token).map(|(one_time, token)| OneTimeView::of(one_time, &token));
    let user = User {
        id: UserId(call.app.engine.new_id()),
        email: email.to_owned(),
        name: if name.is_empty() { email.to_owned() } else { name.to_owned() },
        roles: sorted(&new.roles),
        password,
        shares: BTreeMap::new(),
        must_change_password: false,
        identities: Vec::new(),
        sessions: 0,
        one_time,
        second_factor: None,
        created_at: now,
    };
    let audit = call.audit("user.create", ("user", &user.id.to_string()), Value::Null, user.shown())?;
    let batch = Batch::of_docs(vec![user.write(call.company()?, Expect::Absent)], audit);
    match call.app.engine.store().commit(batch).await {
        Ok(_) => Ok(Reply::with(StatusCode::CREATED, AddedUser { view: user.into(), invitation })),
        Err(CommitError::Conflict(Conflict::Key(_))) => Err(email_taken(email)),
        Err(error) => Err(error.into()),
    }
}

async fn update(call: Call<ById, Nothing, Json<Changes>>) -> Result<Reply<UserView>, ApiError> {
    let (id, Json(changes)) = (call.path.id, &call.body);
    let users = all(&call).await?;
    let (mut user, revision) = users.iter().find(|(user, _)| user.id == id).cloned().ok_or_else(|| unknown(id))?;
    let before = user.shown();
    if let Some(name) = &changes.name {
        user.name = match checked_name(name)? {
            "" => return Err(ApiError::invalid("name: is empty; give one, or leave it out to keep what is there")),
            name => name.to_owned(),
        };
    }
    if let Some(roles) = &changes.roles {
        user.roles = sorted(roles);
    }
    let guard = keep_an_owner(call.company()?, &users, id, &user.roles)?;
    let audit = call.audit("user.update", ("user", &id.to_string()), before, user.shown())?;
    let docs = [user.write(call.company()?, Expect::Revision(revision))].into_iter().chain(guard).collect();
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.known.forget();
    Ok(Reply::ok(user.into()))
}

async fn remove(call: Call<ById>) -> Result<(), ApiError> {
    let id = call.path.id;
    let users = all(&call).await?;
    let (user, revision) = users.iter().find(|(user, _)| user.id == id).ok_or_else(|| unknown(id))?;
    let guard = keep_an_owner(call.company()?, &users, id, &[])?;
    let key = DocKey::new(call.company()?, DocKind::User, id);
    let audit = call.audit("user.delete", ("user", &id.to_string()), user.shown(), Value::Null)?;
    let docs = [DocWrite::remove(key, Expect::Revision(*revision))].into_iter().chain(guard).collect();
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.known.forget();
    Ok(())
}

fn unknown(id: UserId) -> ApiError {
    ApiError::not_found("USER_NOT_FOUND", format!("there is no user {id}"))
}

/// Without an owner nobody could let anybody in again. What is returned makes sure that the
/// other owner is still one when the change is made.
fn keep_an_owner(
    company: CompanyId,
    users: &[(User, u64)],
    changed: UserId,
    roles: &[Role],
) -> Result<Option<DocWrite>, ApiError> {
    let is_owner = |user: &User| user.roles.contains(&Role::Owner);
    let was_owner = users.iter().any(|(user, _)| user.id == changed && is_owner(user));
    if !was_owner || roles.contains(&Role::Owner) {
        return Ok(None);
    }
    match users.iter().find(|(user, _)| user.id != changed && is_owner(user)) {
        Some((other, revision)) => Ok(Some(other.write(company, Expect::Revision(*revision)))),
        None => Err(ApiError::conflict("LAST_OWNER", "this is the last owner; make somebody else an owner first")),
    }
}
