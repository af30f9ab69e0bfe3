//! Signing in and out.

use http::Method;
use http::header::SET_COOKIE;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use vault::{hash_password, verify_password};

use crate::access::{Access, Caller, Permission, Role};
use crate::answer::{Empty, Reply};
use crate::app::App;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::people::{Session, User, caller_for, session_cookie, user, user_by_email};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new((Method::POST, "/auth/login"), "login", Access::Public, "Signs in; sets the cookie `sid`.", login)
            .also(429, "Too many sign-ins failed."),
        Route::new((Method::POST, "/auth/logout"), "logout", Access::SignedIn, "Signs out.", logout)
            .answers(204, "Signed out."),
        Route::new((Method::GET, "/auth/me"), "getMe", Access::SignedIn, "Who you are, and what you may do.", me),
        Route::new(
            (Method::PUT, "/auth/password"),
            "changePassword",
            Access::SignedIn,
            "Changes your password.",
            password,
        )
        .answers(204, "Changed; your other sessions have ended."),
    ]
}

/// A sign-in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    email: String,
    password: String,
}

/// Who somebody is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Me {
    /// The address, or the name of an API key.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<model::ids::UserId>,
    company_id: CompanyId,
    roles: Vec<Role>,
    permissions: Vec<Permission>,
    /// The password was made by flow8; change it with PUT /auth/password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    must_change_password: bool,
}

impl Me {
    fn of(caller: &Caller, must_change_password: bool) -> Self {
        Self {
            name: caller.actor.name.clone(),
            user_id: caller.user,
            company_id: caller.company,
            roles: caller.roles.clone(),
            permissions: caller.permissions.clone(),
            must_change_password,
        }
    }
}

/// Checks a password where that may take its time.
async fn check(app: &App, password: String, hash: Option<String>) -> Result<bool, ApiError> {
    let gone = |_| ApiError::internal("flow8 is shutting down");
    let _turn = app.password_checks.acquire().await.map_err(gone)?;
    tokio::task::spawn_blocking(move || verify_password(&password, hash.as_deref()))
        .await
        .map_err(|error| ApiError::internal(error.to_string()))
}

async fn login(call: Call<Nothing, Nothing, Json<Login>>) -> Result<Reply<Me>, ApiError> {
    let (app, Json(login)) = (&call.app, call.body);
    let (ip, began) = (call.request.ip.as_deref(), app.engine.now());
    if let Some(wait) = app.lockout.wait(&login.email, ip, began) {
        return Err(too_many(wait));
    }
    let found = user_by_email(app, &login.email).await?;
    let hash = found.as_ref().and_then(|(_, _, user)| user.password.clone());
    // A hash is checked even where there is none, so that the time tells nothing.
    let fits = check(app, login.password, hash).await?;
    let now = app.engine.now();
    let Some((company, _, user)) = found.filter(|_| fits) else {
        app.lockout.failed(&login.email, ip, now);
        return Err(ApiError::unauthorized("the address or the password is wrong"));
    };
    app.lockout.succeeded(&login.email);
    let begun = Session::begin(app, (company, &user), &call.request, Value::Null)?;
    app.engine.store().commit(Batch::of_docs(vec![begun.write], begun.audit)).await?;
    let caller = caller_for(company, &user);
    Ok(Reply::ok(Me::of(&caller, user.must_change_password)).header(SET_COOKIE, &begun.cookie))
}

/// Too many sign-ins failed.
pub(super) fn too_many(wait: std::time::Duration) -> ApiError {
    let message = format!("too many sign-ins failed; try again in {} seconds", wait.as_secs() + 1);
    ApiError::new(http::StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
}

async fn logout(call: Call) -> Result<Empty, ApiError> {
    let caller = call.caller()?;
    if let (Some(session), Some(user)) = (&caller.session, caller.user) {
        let doc = DocWrite::remove(Session::key(caller.company, session), Expect::Anything);
        let audit = call.audit("auth.logout", ("user", &user.to_string()), Value::Null, Value::Null)?;
        call.app.engine.store().commit(Batch::of_docs(vec![doc], audit)).await?;
        call.app.known.forget();
    }
    Ok(Empty(SET_COOKIE, session_cookie(&call.app, "", 0)))
}

async fn me(call: Call) -> Result<Reply<Me>, ApiError> {
    let caller = call.caller()?;
    let must_change = match caller.user {
        Some(id) => user(&call.app, caller.company, id).await?.is_some_and(|user| user.must_change_password),
        None => false,
    };
    Ok(Reply::ok(Me::of(caller, must_change)))
}

/// A change of one's own password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    current: String,
    new: String,
}

async fn password(call: Call<Nothing, Nothing, Json<NewPassword>>) -> Result<(), ApiError> {
    let caller = call.caller()?.clone();
    let only_people = || ApiError::forbidden("only somebody who signed in with a password has one to change");
    let (id, session) = caller.user.zip(caller.session.as_ref()).ok_or_else(only_people)?;
    let key = DocKey::new(caller.company, DocKind::User, id);
    let found = call.app.engine.store().doc(&key).await?.ok_or_else(only_people)?;
    let mut user: User = found.read()?;
    let Json(NewPassword { current, new }) = &call.body;
    let (ip, now) = (call.request.ip.as_deref(), call.app.engine.now());
    if call.app.lockout.wait(&user.email, ip, now).is_some() {
        let message = "too many passwords were wrong; try again in a few minutes";
        return Err(ApiError::new(http::StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message));
    }
    if !check(&call.app, current.clone(), user.password.clone()).await? {
        call.app.lockout.failed(&user.email, ip, now);
        return Err(ApiError::forbidden("the current password is wrong"));
    }
    user.password = Some(hash(&call.app, new.clone()).await?);
    user.must_change_password = false;
    let mut docs = vec![user.write(caller.company, Expect::Revision(found.revision))];
    // Whoever knew the old password may be signed in with it.
    docs.extend(Session::end_all(&call.app, caller.company, id, Some(session)).await?);
    let audit = call.audit("user.password", ("user", &id.to_string()), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.known.forget();
    Ok(())
}

/// Hashes a password where that may take its time.
pub(super) async fn hash(app: &App, password: String) -> Result<String, ApiError> {
    let gone = |_| ApiError::internal("flow8 is shutting down");
    let _turn = app.password_checks.acquire().await.map_err(gone)?;
    tokio::task::spawn_blocking(move || hash_password(&password))
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?
        .map_err(|error| ApiError::invalid(error.to_string()))
}
