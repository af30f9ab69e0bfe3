//! Signing in and out.

use engine::driver::RequestInfo;
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
use crate::people::lockout::{self, Guesser, too_many};
use crate::people::{Session, User, caller_for, session_cookie, user, user_by_email};
use crate::routes::group_shares::ShareView;

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
    /// For whoever has a second factor: a code of it, or a recovery code.
    code: Option<String>,
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
    /// What they are in single groups of flows, beside that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    shares: Vec<ShareView>,
    /// The password was made by flow8; change it with PUT /auth/password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    must_change_password: bool,
    /// Whether a code is asked for beside the password.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    has_second_factor: bool,
}

impl Me {
    fn of(caller: &Caller, user: Option<&User>) -> Self {
        Self {
            name: caller.actor.name.clone(),
            user_id: caller.user,
            company_id: caller.company,
            roles: caller.roles.clone(),
            permissions: caller.permissions.clone(),
            shares: ShareView::of(caller),
            must_change_password: user.is_some_and(|user| user.must_change_password),
            has_second_factor: user.is_some_and(User::has_second_factor),
        }
    }
}

/// Whether a password is that of an account. Where it is not, that is counted before it is told.
///
/// # Errors
/// Where too many were wrong.
async fn guess(
    app: &App,
    email: &str,
    password: &str,
    account: Option<(CompanyId, &User)>,
    request: &RequestInfo,
) -> Result<bool, ApiError> {
    let guessers = [Guesser::Person(email), Guesser::Place(request.ip.as_deref())];
    lockout::heed(app, &guessers).await?;
    let _turn = turn(app).await?;
    // Whoever sends many at once finds that those before were counted.
    lockout::heed(app, &guessers).await?;
    let (password, hash) = (password.to_owned(), account.and_then(|(_, user)| user.password.clone()));
    // A hash is checked even where there is none, so that the time tells nothing.
    let fits = tokio::task::spawn_blocking(move || verify_password(&password, hash.as_deref()))
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?;
    if !fits {
        lockout::failed(app, &guessers, account, request).await?;
    }
    Ok(fits)
}

/// Waits for a turn at what is hard on purpose.
async fn turn(app: &App) -> Result<tokio::sync::SemaphorePermit<'_>, ApiError> {
    app.password_checks.acquire().await.map_err(|_| ApiError::internal("flow8 is shutting down"))
}

async fn login(call: Call<Nothing, Nothing, Json<Login>>) -> Result<Reply<Me>, ApiError> {
    let (app, Json(login)) = (&call.app, &call.body);
    let found = user_by_email(app, &login.email).await?;
    let account = found.as_ref().map(|(company, _, user)| (*company, user));
    let fits = guess(app, &login.email, &login.password, account, &call.request).await?;
    let Some((company, revision, mut user)) = found.filter(|_| fits) else {
        return Err(ApiError::unauthorized("the address or the password is wrong"));
    };
    let mut docs = second_factor(&call, company, revision, &mut user, login.code.as_deref()).await?;
    let begun = Session::begin(app, (company, &user), &call.request, Value::Null)?;
    docs.extend([begun.write, lockout::forgiven(&user.email)]);
    app.engine.store().commit(Batch::of_docs(docs, begun.audit)).await?;
    let caller = caller_for(company, &user);
    Ok(Reply::ok(Me::of(&caller, Some(&user))).header(SET_COOKIE, &begun.cookie))
}

/// Takes the code of whoever has a second factor; what changes with that is stored with the session.
async fn second_factor<P, Q, B>(
    call: &Call<P, Q, B>,
    company: CompanyId,
    revision: u64,
    user: &mut User,
    code: Option<&str>,
) -> Result<Vec<DocWrite>, ApiError> {
    let (app, id) = (&call.app, user.id);
    let Some(factor) = user.second_factor.as_mut().filter(|factor| factor.is_on) else { return Ok(Vec::new()) };
    if let Some(wait) = factor.wait(app.engine.now()) {
        return Err(too_many(wait));
    }
    let Some(code) = code else {
        let message = "the password is right; send it again, with the code of your second factor as `code`";
        return Err(ApiError::new(http::StatusCode::UNAUTHORIZED, "SECOND_FACTOR_REQUIRED", message));
    };
    let is_right = factor.take(app, (company, id), code)?;
    let write = user.write(company, Expect::Revision(revision));
    if is_right {
        return Ok(vec![write]);
    }
    // It is counted before it is told: whoever guesses many at once learns nothing of most of them.
    let audit = model::audit::AuditRow {
        company,
        at: app.engine.now(),
        actor: caller_for(company, user).actor,
        action: "auth.wrongCode".into(),
        entity: "user".into(),
        entity_id: id.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: call.request.id.clone(),
        ip: call.request.ip.clone(),
    };
    app.engine.store().commit(Batch::of_docs(vec![write], audit)).await?;
    Err(ApiError::unauthorized("the code is wrong, or was used before"))
}

/// Makes sure that who asks knows a person's password.
///
/// # Errors
/// Where they do not, or too many did not.
pub(super) async fn prove<P, Q, B>(
    call: &Call<P, Q, B>,
    company: CompanyId,
    user: &User,
    password: &str,
) -> Result<(), ApiError> {
    match guess(&call.app, &user.email, password, Some((company, user)), &call.request).await? {
        true => Ok(()),
        false => Err(ApiError::forbidden("the current password is wrong")),
    }
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
    let user = match caller.user {
        Some(id) => user(&call.app, caller.company, id).await?,
        None => None,
    };
    Ok(Reply::ok(Me::of(caller, user.as_ref())))
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
    prove(&call, caller.company, &user, current).await?;
    if new == current {
        // Else a password that was printed once would be kept for good.
        return Err(ApiError::invalid("new: is the password that you have; choose another one"));
    }
    user.password = Some(hash(&call.app, new.clone()).await?);
    user.must_change_password = false;
    // Whoever knew the old password may be signed in with it.
    user.end_sessions();
    let mut docs = vec![user.write(caller.company, Expect::Revision(found.revision))];
    docs.extend(Session::keep(&call.app, (caller.company, &user), session).await?);
    let audit = call.audit("user.password", ("user", &id.to_string()), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    call.app.known.forget();
    Ok(())
}

/// Hashes a password where that may take its time.
pub(super) async fn hash(app: &App, password: String) -> Result<String, ApiError> {
    let _turn = turn(app).await?;
    tokio::task::spawn_blocking(move || hash_password(&password))
        .await
        .map_err(|error| ApiError::internal(error.to_string()))?
        .map_err(|error| ApiError::invalid(error.to_string()))
}
