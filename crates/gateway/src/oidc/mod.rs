//! Signing in through an OpenID provider: authorization code with PKCE.
//!
//! A browser is sent to the provider ([`pending`]) and comes back with a code, which is exchanged for
//! an id token ([`provider`]). What the token says counts once its signature and what it is for were
//! verified ([`token`]); then it is found out whose sign-in it is ([`person`]). Nothing of it is in
//! this process alone: any replica may take the browser back.

mod pending;
mod person;
mod provider;
mod token;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use model::batch::Batch;
use sdk::http::Http;
use store::{CommitError, Conflict};

pub(crate) use pending::{Pending, checked_return, cookie};
pub(crate) use provider::Provider;

use crate::access::Role;
use crate::app::App;
use crate::call::Call;
use crate::error::ApiError;
use crate::people::Session;

/// How people sign in through an OpenID provider.
#[derive(Clone)]
pub struct OidcSettings {
    /// The provider, as it names itself.
    pub issuer: String,
    /// What it knows flow8 by.
    pub client_id: String,
    /// What goes with it; none for a public client.
    pub client_secret: Option<String>,
    /// Where it sends people back to: `/api/auth/callback` at flow8's public address.
    pub redirect_uri: String,
    /// What it is asked for.
    pub scopes: Vec<String>,
    /// The claim that holds somebody's groups; where there is none, roles are given in flow8 alone.
    pub roles_claim: Option<String>,
    /// Groups, and the role that each gives.
    pub roles: Vec<(String, Role)>,
    /// What somebody gets whose groups give no role.
    pub default_roles: Vec<Role>,
    /// Whether people are let in whom nobody has added.
    pub creates_people: bool,
    /// The way to the provider.
    pub http: Arc<dyn Http>,
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The provider that people sign in through.
///
/// # Errors
/// Where none is set up.
pub(crate) fn provider(app: &App) -> Result<&Provider, ApiError> {
    app.oidc.as_ref().ok_or_else(|| {
        let message = "signing in through a provider is not set up here; sign in with a password, or set oauth2.issuer (OAUTH2_ISSUER), oauth2.client_id and server.public_url";
        ApiError::not_found("OIDC_NOT_SET_UP", message)
    })
}

/// What a provider sends a browser back with.
pub(crate) struct Back<'a> {
    pub(crate) code: &'a str,
    pub(crate) state: &'a str,
    /// Who says so, where the provider tells (RFC 9207).
    pub(crate) issuer: Option<&'a str>,
}

/// Where somebody who is signed in goes on, and the header that gives the session to the browser.
pub(crate) struct SignedIn {
    pub(crate) return_to: String,
    pub(crate) cookie: String,
}

/// Finishes a sign-in: what the provider sent the browser back with becomes a session.
///
/// # Errors
/// In words for whoever signs in, where anything of it does not hold.
pub(crate) async fn finish<P, Q, B>(call: &Call<P, Q, B>, back: &Back<'_>) -> Result<SignedIn, ApiError> {
    let app = &call.app;
    let provider = provider(app)?;
    let pending = Pending::of(app, &call.headers, back.state).await?;
    let claims = provider.claims(app, back, &pending).await?;
    let person = person::find(app, provider.settings(), &claims, call).await?;
    let how = model::value::Value::map([("provider", claims.issuer.as_str())]);
    let begun = Session::begin(app, (person.company, &person.user), &call.request, how)?;
    let docs = person.write.into_iter().chain([begun.write, pending.used(app)]).collect();
    let audit = person.audit.into_iter().chain([begun.audit]).collect();
    match app.engine.store().commit(Batch { docs, audit, ..Batch::default() }).await {
        Ok(_) => {}
        Err(CommitError::Conflict(Conflict::Doc(_) | Conflict::Key(_))) => {
            let message = "something changed while you signed in; begin again";
            return Err(ApiError::conflict("SIGN_IN_USED", message));
        }
        Err(error) => return Err(error.into()),
    }
    if person.has_changed {
        app.known.forget();
    }
    Ok(SignedIn { return_to: pending.return_to, cookie: begun.cookie })
}

/// Something about a sign-in does not hold.
fn refused(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

/// A text of somebody else's, fit to be shown: one line, not too long, nothing that is not text.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(QUOTED_CHARS).collect()
}

/// Characters that are shown of a text of somebody else's.
const QUOTED_CHARS: usize = 200;
