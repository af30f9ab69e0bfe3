//! [`Pending`]: a sign-in that was begun, while the browser is at the provider.
//!
//! It is sealed into a cookie, so that any replica can open it, and nobody who has not signed in
//! makes the store grow. That it was finished is written down with the session, so that it is
//! finished once.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::HeaderMap;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::limits::{OIDC_SIGN_IN, RETURN_TO_CHARS};
use model::seal::{Binding, Sealed};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use vault::{Token, TokenHash};

use crate::app::App;
use crate::error::ApiError;
use crate::people::Ticket;
use crate::request;

/// The name of its cookie.
const COOKIE: &str = "oidc";

/// A sign-in that was begun.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Comes back with the browser: whoever did not begin here has another one.
    state: String,
    /// Comes back in the id token.
    pub(super) nonce: String,
    /// Proves to the provider that who exchanges the code is who began.
    pub(super) verifier: String,
    pub(super) return_to: String,
    until: Timestamp,
}

/// A sign-in as it begins.
pub(crate) struct Beginning {
    pub(crate) state: String,
    pub(crate) nonce: String,
    /// What the provider gets of the verifier.
    pub(crate) challenge: String,
    /// The header that makes the browser keep the rest.
    pub(crate) cookie: String,
}

impl Pending {
    /// Begins a sign-in that ends at one of flow8's own pages.
    ///
    /// # Errors
    /// Where there is no randomness, or no key at hand.
    pub(crate) fn begin(app: &App, return_to: &str) -> Result<Beginning, ApiError> {
        let fresh = || Token::fresh("").map_err(|error| ApiError::internal(error.to_string()));
        let (state, nonce, verifier) = (fresh()?, fresh()?, fresh()?);
        let pending = Self {
            state: state.reveal().to_owned(),
            nonce: nonce.reveal().to_owned(),
            verifier: verifier.reveal().to_owned(),
            return_to: return_to.to_owned(),
            until: app.engine.now().plus(OIDC_SIGN_IN),
        };
        let plain = serde_json::to_vec(&pending).map_err(|error| ApiError::internal(error.to_string()))?;
        let sealed = app.engine.seal().seal(binding(app), &plain);
        let sealed = sealed.map_err(|error| ApiError::internal(error.to_string()))?;
        let cookie = cookie(app, &BASE64_URL_SAFE_NO_PAD.encode(&sealed.0), OIDC_SIGN_IN.as_secs());
        let Self { state, nonce, .. } = pending;
        Ok(Beginning { state, nonce, challenge: verifier.challenge(), cookie })
    }

    /// The sign-in that this browser began and comes back from.
    ///
    /// # Errors
    /// Where it began none with this state, it was too long ago, or it was finished before.
    pub(crate) async fn of(app: &App, headers: &HeaderMap, state: &str) -> Result<Self, ApiError> {
        let unknown = || {
            let message = format!(
                "this browser did not begin this sign-in, began another one since, or began it more than {} minutes ago; begin again",
                OIDC_SIGN_IN.as_secs() / 60
            );
            ApiError::new(http::StatusCode::BAD_REQUEST, "SIGN_IN_UNKNOWN", message)
        };
        let kept = request::cookie(headers, COOKIE).ok_or_else(unknown)?;
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(kept).map_err(|_| unknown())?;
        let plain = app.engine.seal().open(binding(app), &Sealed(sealed.into())).map_err(|_| unknown())?;
        let pending: Self = serde_json::from_slice(&plain).map_err(|_| unknown())?;
        let is_own = TokenHash::of(&pending.state).matches(&TokenHash::of(state));
        if !is_own || pending.until <= app.engine.now() {
            return Err(unknown());
        }
        if app.engine.store().doc(&pending.key(app)).await?.is_some() {
            return Err(ApiError::conflict("SIGN_IN_USED", "this sign-in was finished before; begin a new one"));
        }
        Ok(pending)
    }

    /// What writes down that it was finished.
    pub(super) fn used(&self, app: &App) -> DocWrite {
        // As long as the cookie could still be opened.
        DocWrite::put(self.key(app), Expect::Absent, &Ticket::SignedIn).expiring(self.until.plus(OIDC_SIGN_IN))
    }

    fn key(&self, app: &App) -> DocKey {
        DocKey::new(app.company, DocKind::Ticket, TokenHash::of(&self.state).0)
    }
}

fn binding(app: &App) -> Binding<'static> {
    Binding { company: app.company, field: "oidc", id: app.company.0 }
}

/// The header that sets its cookie, which comes back from the provider's page, so it is not strict.
pub(crate) fn cookie(app: &App, value: &str, seconds: u64) -> String {
    let secure = if app.settings.cookie_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/api; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
}

/// A page of flow8's own to go on to; the first one where nothing is asked for.
///
/// # Errors
/// Where it may lead elsewhere.
pub(crate) fn checked_return(asked: Option<&str>) -> Result<&str, ApiError> {
    let Some(path) = asked else { return Ok("/") };
    let is_own = path.starts_with('/') && !path.starts_with("//");
    // Browsers take a backslash for a slash, and pass over tabs and line ends.
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_own && is_plain && path.len() <= RETURN_TO_CHARS {
        return Ok(path);
    }
    let message =
        format!("returnTo: give a path of flow8's own such as /plays, of at most {RETURN_TO_CHARS} characters");
    Err(ApiError::invalid(message))
}

#[cfg(test)]
mod tests {
    use super::checked_return;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/", "/plays?state=FAIL&page=2#x", "/a//b", "/?next=https://evil.test"] {
            assert_eq!(checked_return(Some(own)).expect("own"), own);
        }
        assert_eq!(checked_return(None).expect("the first page"), "/");
        let long = format!("/{}", "x".repeat(2_000));
        let elsewhere = [
            "",
            "plays",
            "//evil.test",
            "https://evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\n",
            "/é",
            &long,
        ];
        for path in elsewhere {
            assert!(checked_return(Some(path)).is_err(), "{path:?}");
        }
    }
}
