//! Passwords that are chosen with a one-time token: by whoever was invited, and whoever had the old one reset.

use http::Method;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::UserId;
use model::limits::PASSWORD_RESET;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::DocQuery;
use vault::{Token, TokenHash};

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::people::lockout::{self, Guesser};
use crate::people::{ApiKey, OneTime, User, caller_for, user_by_one_time};

/// API keys of one company that are looked at.
const KEYS: usize = 10_000;

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    vec![
        Route::new(
            (Method::POST, "/users/{id}/password-reset"),
            "resetPassword",
            admin,
            "Takes a person's password and ends their sessions; or invites them again.",
            reset,
        ),
        Route::new(
            (Method::POST, "/auth/password"),
            "choosePassword",
            Access::Public,
            "Chooses a password with the token of an invitation or a reset.",
            choose,
        )
        .answers(204, "Chosen; sign in with it.")
        .also(403, "The token is not known, was used, or is over.")
        .also(429, "Too many tokens were wrong."),
    ]
}

/// With what somebody chooses a password.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneTimeView {
    /// Give it to the person; they choose a password with POST /auth/password. It cannot be shown again.
    token: String,
    expires_at: Timestamp,
}

impl OneTimeView {
    pub(super) fn of(one_time: &OneTime, token: &Token) -> Self {
        Self { token: token.reveal().to_owned(), expires_at: one_time.until }
    }
}

/// Whose password.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: UserId,
}

/// What else is taken from them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Reset {
    /// Whether their API keys are revoked, too.
    #[serde(default)]
    revoke_keys: bool,
}

async fn reset(call: Call<ById, Nothing, Json<Reset>>) -> Result<Reply<OneTimeView>, ApiError> {
    let (id, company, store) = (call.path.id, call.company()?, call.app.engine.store());
    let unknown = || ApiError::not_found("USER_NOT_FOUND", format!("there is no user {id}"));
    let doc = store.doc(&DocKey::new(company, DocKind::User, id)).await?.ok_or_else(unknown)?;
    let mut user: User = doc.read()?;
    let (one_time, token) = OneTime::fresh(call.app.engine.now().plus(PASSWORD_RESET))?;
    let view = OneTimeView::of(&one_time, &token);
    // Whoever knew the password may be the reason.
    user.password = None;
    user.end_sessions();
    user.one_time = Some(one_time);
    let mut docs = vec![user.write(company, Expect::Revision(doc.revision))];
    if call.body.0.revoke_keys {
        for doc in store.docs(&DocQuery::all(company, DocKind::ApiKey, KEYS)).await? {
            if doc.read::<ApiKey>()?.owner == id {
                docs.push(DocWrite::remove(doc.key, Expect::Anything));
            }
        }
    }
    let after = Value::map([("revokeKeys", Value::from(call.body.0.revoke_keys))]);
    let audit = call.audit("user.passwordReset", ("user", &id.to_string()), Value::Null, after)?;
    store.commit(Batch::of_docs(docs, audit)).await?;
    call.app.known.forget();
    Ok(Reply::ok(view))
}

/// A password, and what entitles to choose it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Chosen {
    token: String,
    password: String,
}

async fn choose(call: Call<Nothing, Nothing, Json<Chosen>>) -> Result<(), ApiError> {
    let (app, Json(chosen)) = (&call.app, &call.body);
    let (now, place) = (app.engine.now(), [Guesser::Place(call.request.ip.as_deref())]);
    lockout::heed(app, &place).await?;
    let found = user_by_one_time(app, &TokenHash::of(&chosen.token)).await?;
    let holds = |user: &User| user.one_time.as_ref().is_some_and(|one_time| one_time.until > now);
    let Some((company, revision, mut user)) = found.filter(|(_, _, user)| holds(user)) else {
        lockout::failed(app, &place, None, &call.request).await?;
        let message = "this token is not known, was used, or is over; ask an administrator for another one";
        return Err(ApiError::forbidden(message));
    };
    user.password = Some(super::auth::hash(app, chosen.password.clone()).await?);
    user.must_change_password = false;
    user.one_time = None;
    user.end_sessions();
    // At the same revision: of two who show the token at once, one is refused.
    let docs = vec![user.write(company, Expect::Revision(revision)), lockout::forgiven(&user.email)];
    let audit = AuditRow {
        company,
        at: now,
        actor: caller_for(company, &user).actor,
        action: "user.password".into(),
        entity: "user".into(),
        entity_id: user.id.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: call.request.id.clone(),
        ip: call.request.ip.clone(),
    };
    app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
    app.known.forget();
    Ok(())
}
