//! Signing in through an OpenID provider: there, and back.

use axum::body::Body;
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::access::Access;
use crate::answer::Answer;
use crate::call::{Call, Nothing, Route};
use crate::error::ApiError;
use crate::oidc::{Back, Pending, SignedIn, checked_return, cookie, finish, provider};
use crate::people::lockout::{self, Guesser};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(
            (Method::GET, "/auth/oidc/login"),
            "beginOidcLogin",
            Access::Public,
            "Sends the browser to the sign-in provider.",
            begin,
        )
        .answers(303, "Sign in there.")
        .also(404, "No provider is set up.")
        .also(502, "The provider is of no use at the moment."),
        Route::new(
            (Method::GET, "/auth/callback"),
            "finishOidcLogin",
            Access::Public,
            "Takes the browser back from the sign-in provider; sets the cookie `sid`.",
            back,
        )
        .answers(200, "Signed in; the page leads on.")
        .also(400, "This browser did not begin this sign-in.")
        .also(404, "No provider is set up.")
        .also(403, "What the provider says is not believed, or lets nobody in.")
        .also(409, "This sign-in was finished before.")
        .also(429, "Too many sign-ins failed.")
        .also(502, "The provider is of no use at the moment."),
    ]
}

/// Where to after signing in.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BeginQuery {
    /// A path of flow8's own; `/` when left out.
    return_to: Option<String>,
}

/// What the provider sends the browser back with. It may say more than is asked for here.
#[derive(Deserialize, JsonSchema)]
struct BackQuery {
    /// What is exchanged for an id token.
    code: Option<String>,
    /// What the sign-in began with.
    state: Option<String>,
    /// Who says so.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
    /// The same, for people.
    error_description: Option<String>,
}

/// A browser is told what to do next.
enum Told {
    /// To go to the provider, and to keep a cookie.
    Leave { to: String, cookie: String },
    /// To go on, signed in.
    GoOn { session: String, forget: String, to: String },
    /// What went wrong.
    Wrong { status: StatusCode, message: String },
}

impl Answer for Told {
    const STATUS: StatusCode = StatusCode::OK;
    const MEDIA: Option<&'static str> = Some("text/html");

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({"type": "string"}))
    }

    fn respond(self) -> Response<Body> {
        match self {
            Self::Leave { to, cookie } => {
                answer(StatusCode::SEE_OTHER, String::new(), &[(LOCATION, to), (SET_COOKIE, cookie)])
            }
            // Not a redirect: a browser sends a strict cookie to where it goes by itself, not to where
            // the provider's page led it.
            Self::GoOn { session, forget, to } => {
                let to = html_escape::encode_double_quoted_attribute(&to);
                let head = format!("<meta http-equiv=refresh content=\"0;url={to}\">");
                let text = format!("<p>You are signed in. <a href=\"{to}\">Go on</a>");
                answer(StatusCode::OK, page(&head, &text), &[(SET_COOKIE, session), (SET_COOKIE, forget)])
            }
            Self::Wrong { status, message } => {
                let text = format!(
                    "<h1>You are not signed in</h1><p>{}<p><a href=/api/auth/oidc/login>Begin again</a>",
                    html_escape::encode_text(&message)
                );
                answer(status, page("", &text), &[])
            }
        }
    }
}

fn page(head: &str, text: &str) -> String {
    format!("<!doctype html><html lang=en><meta charset=utf-8><title>flow8</title>{head}{text}")
}

fn answer(status: StatusCode, body: String, headers: &[(HeaderName, String)]) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

async fn begin(call: Call<Nothing, BeginQuery>) -> Result<Told, ApiError> {
    let outcome = leave(&call).await;
    told(&call.headers, outcome)
}

async fn leave(call: &Call<Nothing, BeginQuery>) -> Result<Told, ApiError> {
    let provider = provider(&call.app)?;
    let return_to = checked_return(call.query.return_to.as_deref())?;
    let beginning = Pending::begin(&call.app, return_to)?;
    let to = provider.entrance(&call.app, &beginning).await?;
    Ok(Told::Leave { to, cookie: beginning.cookie })
}

async fn back(call: Call<Nothing, BackQuery>) -> Result<Told, ApiError> {
    let outcome = land_or_count(&call).await;
    told(&call.headers, outcome)
}

/// What fails counts against the place that it comes from: strangers can make flow8 ask the provider.
async fn land_or_count(call: &Call<Nothing, BackQuery>) -> Result<Told, ApiError> {
    provider(&call.app)?;
    let place = [Guesser::Place(call.request.ip.as_deref())];
    lockout::heed(&call.app, &place).await?;
    let outcome = land(call).await;
    if outcome.is_err() {
        lockout::failed(&call.app, &place, None, &call.request).await?;
    }
    outcome
}

async fn land(call: &Call<Nothing, BackQuery>) -> Result<Told, ApiError> {
    let BackQuery { code, state, iss, error, error_description } = &call.query;
    if let Some(error) = error {
        let why = error_description.as_deref().map(|why| format!(": {}", crate::oidc::quoted(why))).unwrap_or_default();
        let message = format!("the sign-in provider says {}{why}", crate::oidc::quoted(error));
        return Err(ApiError::new(StatusCode::FORBIDDEN, "PROVIDER_REFUSED", message));
    }
    let (Some(code), Some(state)) = (code, state) else {
        return Err(ApiError::invalid(
            "this address is where the sign-in provider sends people back to, with code and state",
        ));
    };
    let SignedIn { return_to, cookie: session } = finish(call, &Back { code, state, issuer: iss.as_deref() }).await?;
    Ok(Told::GoOn { session, forget: cookie(&call.app, "", 0), to: return_to })
}

/// What went wrong is told to people as a page, and to programs as any other error.
fn told(headers: &HeaderMap, outcome: Result<Told, ApiError>) -> Result<Told, ApiError> {
    let is_person =
        headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|it| it.contains("text/html"));
    match outcome {
        Err(error) if is_person && error.status != StatusCode::INTERNAL_SERVER_ERROR => {
            tracing::warn!(code = error.code, "a sign-in failed: {}", error.message);
            Ok(Told::Wrong { status: error.status, message: error.message })
        }
        other => other,
    }
}
