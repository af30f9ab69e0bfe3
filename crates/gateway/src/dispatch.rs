//! [`Gateway`]: from a request to its answer. What all routes share happens here, once: the
//! request id, who asks and whether they may, the body, errors in one shape, metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{any, get};
use engine::driver::{RequestInfo, Span, SpanKind};
use futures::FutureExt as _;
use http::header::{ALLOW, HOST, ORIGIN};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio::time::Instant;
use tower_service::Service as _;

use crate::access::{Access, Caller};
use crate::answer::json;
use crate::app::App;
use crate::call::{Incoming, Route};
use crate::error::{ApiError, ErrorBody};
use crate::guard::address::of_client;
use crate::guard::cors::{Page, is_preflight};
use crate::request::{Largest, Peer, bearer, given_id, given_trace, read_body};
use crate::serve::Answers;
use crate::table::{Found, Table};
use crate::{events, guard, health, landing, metrics, openapi, people, routes};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Bytes of a body from somebody who has not signed in.
const STRANGERS_BODY: usize = 16 << 10;

/// Answers requests.
#[derive(Clone)]
pub struct Gateway {
    /// None where there is no API.
    table: Option<Arc<Table>>,
    /// Whatever is not of the table.
    others: Router,
    app: App,
}

impl Gateway {
    /// A gateway to an engine.
    ///
    /// # Panics
    /// Where two routes have paths that cannot be told apart; a test of the table finds that.
    pub fn new(app: App) -> Self {
        let routes = routes::all();
        let document = bytes::Bytes::from(openapi::document(&routes));
        let table = Table::new(routes).unwrap_or_else(|error| panic!("the table of routes: {error}"));
        let api = Router::new()
            .route("/openapi.json", get(move || openapi::serve(document.clone())))
            .route("/ws", get(events::socket).with_state(app.clone()));
        let others = Router::new()
            .nest("/api/v1", api.clone())
            .nest("/api", api)
            .merge(health::router(app.clone()))
            .merge(if app.settings.serves_metrics { metrics::router(app.clone()) } else { Router::new() })
            .route("/", get(landing::page).with_state(app.clone()))
            .fallback(any({
                let app = app.clone();
                move |request: Request| no_such_route(app.clone(), request)
            }))
            .method_not_allowed_fallback({
                let app = app.clone();
                move |request: Request| wrong_method(app.clone(), request)
            });
        Self { table: Some(Arc::new(table)), others, app }
    }

    /// A gateway to metrics and health alone, for a port of their own.
    pub fn for_metrics(app: App) -> Self {
        let others = metrics::router(app.clone()).merge(health::router(app.clone()));
        Self { table: None, others, app }
    }

    /// What its requests use.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers one request. A [`Caller`] among its extensions is taken at its word: only this
    /// process can put one there.
    pub async fn answer(&self, mut request: Request) -> Response<Body> {
        let settings = &self.app.settings;
        if !settings.trusted_proxies.is_empty()
            && let Some(Peer(peer)) = request.extensions().get().copied()
        {
            let client = of_client(request.headers(), peer, &settings.trusted_proxies);
            request.extensions_mut().insert(Peer(client));
        }
        let page = Page::of(request.headers());
        let mut response = match &page {
            Some(page) if is_preflight(request.method(), request.headers()) => self.preflight(page, request).await,
            _ => self.route(request).await,
        };
        guard::headers::put(&mut response, settings.is_tls);
        if let Some(page) = page {
            page.let_read(&mut response, &settings.allowed_origins);
        }
        response
    }

    /// Answers a request that was made in this process, of a [`Caller`] among its extensions.
    pub(crate) async fn answer_inside(&self, request: Request) -> Response<Body> {
        self.route(request).await
    }

    /// A browser asks beforehand what a page of another site may do.
    async fn preflight(&self, page: &Page, request: Request) -> Response<Body> {
        let found = self.table.as_ref().map(|table| table.find(request.method(), request.uri().path()));
        let methods = match found {
            Some(Found::OtherMethods(methods)) => methods,
            _ => "GET,HEAD".to_owned(),
        };
        match page.preflight(&self.app.settings.allowed_origins, &methods) {
            Some(response) => response,
            None => other(&self.app, request, foreign_page()).await,
        }
    }

    async fn route(&self, request: Request) -> Response<Body> {
        let found = self.table.as_ref().map(|table| table.find(request.method(), request.uri().path()));
        match found {
            Some(Found::Route(route, path)) => dispatch(&self.app, &route, path, request).await,
            Some(Found::OtherMethods(methods)) => {
                let mut response = wrong_method(self.app.clone(), request).await;
                if let Ok(methods) = HeaderValue::try_from(methods) {
                    response.headers_mut().insert(ALLOW, methods);
                }
                response
            }
            Some(Found::Nothing) | None => match self.others.clone().call(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
        }
    }
}

impl Answers for Gateway {
    fn patience(&self) -> Duration {
        self.app.settings.read_timeout
    }

    fn answer(&self, request: Request) -> impl Future<Output = Response<Body>> + Send {
        Self::answer(self, request)
    }

    fn stopping(&self) {
        self.app.stopping.send_replace(true);
    }
}

async fn dispatch(app: &App, route: &Route, path: Vec<(String, String)>, request: Request) -> Response<Body> {
    let began = Instant::now();
    let (mut head, body) = request.into_parts();
    let info = request_info(app, &head);
    let id = info.id.clone().unwrap_or_default();
    let (given, own) = (given_trace(&head.headers), info.trace.filter(|_| app.engine.takes_spans()));
    let since = own.map(|_| app.engine.now());
    let work = async {
        let incoming = understand(app, route, path, &mut head, body, info).await?;
        (route.run)(incoming).await
    };
    // A panic is a bug; it must not take the connection, and whatever else it carries, along.
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err(ApiError::internal(format!("{} panicked", route.name))));
    let mut response = outcome.unwrap_or_else(|error| refuse(&error, &id));
    mark(&mut response, &id);
    let (status, took) = (response.status(), began.elapsed());
    app.metrics.answered(route, status, took);
    tracing::debug!(
        request = id,
        route = route.name,
        status = status.as_u16(),
        ms = took.as_millis() as u64,
        "answered"
    );
    if let Some((at, since)) = own.zip(since) {
        let parent = given.map(|given| given.span).unwrap_or_default();
        let attributes = vec![
            ("http.request.method", route.method.to_string()),
            ("http.route", route.path.to_owned()),
            ("http.response.status_code", status.as_str().to_owned()),
            ("flow8.request", id),
        ];
        app.engine.span(Span {
            at,
            parent,
            name: route.name.to_owned(),
            kind: SpanKind::Server,
            began: since,
            ended: app.engine.now(),
            is_error: status.is_server_error(),
            attributes,
        });
    }
    response
}

/// What every answer of the API says of itself.
pub(crate) fn mark(response: &mut Response<Body>, request_id: &str) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

async fn understand(
    app: &App,
    route: &Route,
    path: Vec<(String, String)>,
    head: &mut Head,
    body: Body,
    request: RequestInfo,
) -> Result<Incoming, ApiError> {
    let caller = match head.extensions.remove::<Arc<Caller>>() {
        Some(inside) => Some(inside),
        None => guard::admit(app, &head.extensions, people::caller_of(app, &head.headers).await)?,
    };
    allow(route, caller.as_deref())?;
    // Whoever shows a token is a program. Signing in counts as a browser's, too: a foreign page
    // must not sign somebody in as somebody else.
    if caller.as_ref().is_none_or(|caller| caller.session.is_some()) && bearer(&head.headers).is_none() {
        refuse_foreign_pages(app, &head.method, &head.headers)?;
    }
    let own = if caller.is_some() { usize::MAX } else { STRANGERS_BODY };
    let largest = Largest::within(&app.settings, own);
    let bytes = match route.body {
        Some(_) => read_body(body, largest, app.settings.read_timeout).await?,
        None => bytes::Bytes::new(),
    };
    Ok(Incoming {
        app: app.clone(),
        caller,
        request,
        path,
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: std::mem::take(&mut head.headers),
        body: bytes,
    })
}

fn allow(route: &Route, caller: Option<&Caller>) -> Result<(), ApiError> {
    let permission = match route.access {
        Access::Public => return Ok(()),
        Access::SignedIn => None,
        Access::Needs(permission) => Some(permission),
    };
    let caller = caller.ok_or_else(|| {
        ApiError::unauthorized("sign in with POST /api/auth/login, or send an API key: `Authorization: Bearer …`")
    })?;
    match permission {
        // What lies in a group that is shared with them, the route looks for itself.
        Some(permission) if route.is_shared() && caller.may_somewhere(permission) => Ok(()),
        Some(permission) if !caller.may(permission) => Err(ApiError::needs(permission)),
        _ => Ok(()),
    }
}

/// A browser sends its cookie with whatever a foreign page makes it send: such a request may
/// change nothing.
pub(crate) fn refuse_foreign_pages(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_own = match (text(&ORIGIN), text(&SEC_FETCH_SITE)) {
        (Some(origin), _) => {
            let host = text(&HOST).unwrap_or_default();
            let without_scheme = origin.split_once("://").map_or(origin, |(_, rest)| rest);
            without_scheme == host || app.settings.allowed_origins.iter().any(|allowed| allowed == origin)
        }
        (None, Some(site)) => matches!(site, "same-origin" | "none"),
        // Not a browser.
        (None, None) => true,
    };
    if is_own { Ok(()) } else { Err(foreign_page()) }
}

fn foreign_page() -> ApiError {
    ApiError::forbidden("this request comes from a page of another origin; allow it in server.allowed_origins")
}

pub(crate) fn request_info(app: &App, head: &Head) -> RequestInfo {
    let id = given_id(&head.headers).unwrap_or_else(|| app.engine.new_id().to_string());
    let ip = head.extensions.get::<Peer>().map(|peer| peer.0.to_string());
    let given = given_trace(&head.headers);
    RequestInfo { id: Some(id), ip, trace: app.engine.span_below(given).or(given) }
}

/// An error as an answer.
pub(crate) fn refuse(error: &ApiError, request_id: &str) -> Response<Body> {
    if error.is_by_clients {
        tracing::warn!(request = request_id, code = error.code, "{}", error.message);
    } else if error.status.is_server_error() {
        tracing::error!(request = request_id, code = error.code, "{}", error.message);
    }
    // What went wrong inside is nobody's business outside; the log has it, under the request's id.
    let is_inside = error.status == StatusCode::INTERNAL_SERVER_ERROR;
    let message =
        if is_inside { "something went wrong inside; the server's log names this request" } else { &error.message };
    let body = ErrorBody {
        error: error.code,
        message,
        status_code: error.status.as_u16(),
        details: error.details.as_ref(),
        request_id,
    };
    let mut response = json(error.status, &body);
    if error.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = error.retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Where nothing answers.
async fn no_such_route(app: App, request: Request) -> Response<Body> {
    let message = format!("nothing answers {} {}; see /api/openapi.json", request.method(), request.uri().path());
    other(&app, request, ApiError::not_found("NOT_FOUND", message)).await
}

async fn wrong_method(app: App, request: Request) -> Response<Body> {
    let message = format!("{} does not take {}; see /api/openapi.json", request.uri().path(), request.method());
    let error = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
    other(&app, request, error).await
}

async fn other(app: &App, request: Request, error: ApiError) -> Response<Body> {
    let (head, _) = request.into_parts();
    let id = request_info(app, &head).id.unwrap_or_default();
    // Whoever tries paths has not signed in, as far as anybody looked.
    let error = guard::stranger(app, &head.extensions).err().unwrap_or(error);
    let mut response = refuse(&error, &id);
    mark(&mut response, &id);
    response
}
