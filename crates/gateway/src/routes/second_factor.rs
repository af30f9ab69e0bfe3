//! A second factor: a code from somebody's telephone, beside the password.

use http::{Method, StatusCode};
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::value::Value;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Access, Permission};
use crate::answer::Reply;
use crate::body::Json;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::people::lockout::too_many;
use crate::people::{SecondFactor, Session, User};

pub(super) fn routes() -> Vec<Route> {
    let who = Access::SignedIn;
    vec![
        Route::new(
            (Method::POST, "/auth/totp"),
            "enrolTotp",
            who,
            "Makes the secret of a second factor; it is shown this once.",
            enrol,
        )
        .answers(201, "Made; confirm it with a code.")
        .also(409, "There is one already, or no password that it could stand beside."),
        Route::new(
            (Method::POST, "/auth/totp/confirm"),
            "confirmTotp",
            who,
            "Makes the second factor be asked for; shows the recovery codes, this once.",
            confirm,
        ),
        Route::new(
            (Method::POST, "/auth/totp/remove"),
            "removeTotp",
            who,
            "Removes your second factor, with a code of it.",
            remove,
        )
        .answers(204, "Removed."),
        Route::new(
            (Method::DELETE, "/users/{id}/totp"),
            "removeTotpOf",
            Access::Needs(Permission::Admin),
            "Removes the second factor of somebody who has lost it.",
            remove_of,
        ),
    ]
}

/// That it is you.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Proof {
    /// Your password.
    password: String,
}

/// A code, from an app or from the list of recovery codes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Code {
    code: String,
}

/// What an app makes codes from.
#[derive(Serialize, JsonSchema)]
struct Secret {
    /// To be typed in.
    secret: String,
    /// The same, to be shown as a QR code.
    uri: String,
}

/// For whoever loses the secret.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Recovery {
    /// Each is taken once, in place of a code.
    recovery_codes: Vec<String>,
}

/// Whose.
#[derive(Debug, Deserialize, JsonSchema)]
struct ById {
    id: UserId,
}

/// Whoever signed in, as the store has them.
struct Own {
    company: CompanyId,
    user: User,
    revision: u64,
}

impl Own {
    async fn of<P, Q, B>(call: &Call<P, Q, B>) -> Result<Self, ApiError> {
        let caller = call.caller()?;
        let only_people = || ApiError::forbidden("only somebody who signed in has a second factor");
        let (id, _) = caller.user.zip(caller.session.as_ref()).ok_or_else(only_people)?;
        let key = DocKey::new(caller.company, DocKind::User, id);
        let found = call.app.engine.store().doc(&key).await?.ok_or_else(only_people)?;
        Ok(Self { company: caller.company, user: found.read()?, revision: found.revision })
    }

    fn write(&self) -> DocWrite {
        self.user.write(self.company, Expect::Revision(self.revision))
    }

    /// Takes a code. One that is wrong is counted before it is told.
    async fn take<P, Q, B>(&mut self, call: &Call<P, Q, B>, code: &str) -> Result<&mut SecondFactor, ApiError> {
        let who = (self.company, self.user.id);
        let none = || ApiError::conflict("NO_SECOND_FACTOR", "you have no second factor; begin with POST /auth/totp");
        let factor = self.user.second_factor.as_mut().ok_or_else(none)?;
        if let Some(wait) = factor.wait(call.app.engine.now()) {
            return Err(too_many(wait));
        }
        if !factor.take(&call.app, who, code)? {
            let audit = call.audit("auth.wrongCode", ("user", &who.1.to_string()), Value::Null, Value::Null)?;
            call.app.engine.store().commit(Batch::of_docs(vec![self.write()], audit)).await?;
            return Err(ApiError::forbidden("the code is wrong, or was used before"));
        }
        self.user.second_factor.as_mut().ok_or_else(none)
    }

    /// Stores what became of it; other sessions may be whose password was known to others.
    async fn store<P, Q, B>(&mut self, call: &Call<P, Q, B>, is_on: bool) -> Result<(), ApiError> {
        let id = self.user.id;
        let shown = |is_on: bool| Value::map([("secondFactor", Value::from(is_on))]);
        let audit = call.audit("user.secondFactor", ("user", &id.to_string()), shown(!is_on), shown(is_on))?;
        self.user.end_sessions();
        let mut docs = vec![self.write()];
        if let Some(session) = &call.caller()?.session {
            docs.extend(Session::keep(&call.app, (self.company, &self.user), session).await?);
        }
        call.app.engine.store().commit(Batch::of_docs(docs, audit)).await?;
        call.app.known.forget();
        Ok(())
    }
}

async fn enrol(call: Call<Nothing, Nothing, Json<Proof>>) -> Result<Reply<Secret>, ApiError> {
    let mut own = Own::of(&call).await?;
    if own.user.password.is_none() {
        let message =
            "a second factor stands beside a password, and you have none; your sign-in provider may ask for one";
        return Err(ApiError::conflict("NO_PASSWORD", message));
    }
    super::auth::prove(&call, own.company, &own.user, &call.body.0.password).await?;
    if own.user.second_factor.as_ref().is_some_and(|factor| factor.is_on) {
        let message = "you have a second factor already; remove it with POST /auth/totp/remove first";
        return Err(ApiError::conflict("SECOND_FACTOR_EXISTS", message));
    }
    let (factor, totp) = SecondFactor::enrol(&call.app, own.company, own.user.id)?;
    own.user.second_factor = Some(factor);
    let audit = call.audit("user.enrolSecondFactor", ("user", &own.user.id.to_string()), Value::Null, Value::Null)?;
    call.app.engine.store().commit(Batch::of_docs(vec![own.write()], audit)).await?;
    let (secret, who) = (totp.base32().to_string(), utf8_percent_encode(&own.user.email, NON_ALPHANUMERIC));
    let uri = format!("otpauth://totp/flow8:{who}?secret={secret}&issuer=flow8&algorithm=SHA1&digits=6&period=30");
    Ok(Reply::with(StatusCode::CREATED, Secret { secret, uri }))
}

async fn confirm(call: Call<Nothing, Nothing, Json<Code>>) -> Result<Reply<Recovery>, ApiError> {
    let mut own = Own::of(&call).await?;
    let factor = own.take(&call, &call.body.0.code).await?;
    if factor.is_on {
        return Err(ApiError::conflict("SECOND_FACTOR_EXISTS", "your second factor is confirmed already"));
    }
    let recovery_codes = factor.turn_on()?;
    own.store(&call, true).await?;
    Ok(Reply::ok(Recovery { recovery_codes }))
}

async fn remove(call: Call<Nothing, Nothing, Json<Code>>) -> Result<(), ApiError> {
    let mut own = Own::of(&call).await?;
    own.take(&call, &call.body.0.code).await?;
    own.user.second_factor = None;
    own.store(&call, false).await
}

async fn remove_of(call: Call<ById>) -> Result<(), ApiError> {
    let (id, company, store) = (call.path.id, call.company()?, call.app.engine.store());
    let unknown = || ApiError::not_found("USER_NOT_FOUND", format!("there is no user {id}"));
    let doc = store.doc(&DocKey::new(company, DocKind::User, id)).await?.ok_or_else(unknown)?;
    let mut user: User = doc.read()?;
    let before = user.shown();
    user.second_factor = None;
    let audit = call.audit("user.secondFactor", ("user", &id.to_string()), before, user.shown())?;
    store.commit(Batch::of_docs(vec![user.write(company, Expect::Revision(doc.revision))], audit)).await?;
    Ok(())
}
