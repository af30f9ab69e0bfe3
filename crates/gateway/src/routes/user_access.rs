//! What an administrator takes from somebody's ways in: sessions, and who they are at a sign-in provider.

use http::Method;
use model::batch::Batch;
use model::doc::{DocKey, DocKind, Expect};
use model::ids::UserId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::access::{Access, Permission};
use crate::call::{Call, Route};
use crate::error::ApiError;
use crate::people::User;

pub(super) fn routes() -> Vec<Route> {
    let admin = Access::Needs(Permission::Admin);
    vec![
        Route::new(
            (Method::DELETE, "/users/{id}/sessions"),
            "endSessions",
            admin,
            "Ends all sessions of a person, at once and everywhere.",
            |call| change(call, "user.endSessions", |_| {}),
        ),
        Route::new(
            (Method::DELETE, "/users/{id}/identities"),
            "unbindUser",
            admin,
            "Forgets who a person is at the sign-in provider, and ends their sessions; their verified address binds them anew.",
            |call| change(call, "user.unbind", |user| user.identities.clear()),
        ),
    ]
}

/// Which person.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: UserId,
}

/// Changes a person, and ends their sessions with that.
async fn change(call: Call<ById>, action: &'static str, how: fn(&mut User)) -> Result<(), ApiError> {
    let (id, company, store) = (call.path.id, call.company()?, call.app.engine.store());
    let unknown = || ApiError::not_found("USER_NOT_FOUND", format!("there is no user {id}"));
    let doc = store.doc(&DocKey::new(company, DocKind::User, id)).await?.ok_or_else(unknown)?;
    let mut user: User = doc.read()?;
    let before = user.shown();
    how(&mut user);
    user.end_sessions();
    let audit = call.audit(action, ("user", &id.to_string()), before, user.shown())?;
    store.commit(Batch::of_docs(vec![user.write(company, Expect::Revision(doc.revision))], audit)).await?;
    call.app.known.forget();
    Ok(())
}
