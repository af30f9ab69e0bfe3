//! `/`: where to go from here.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

use crate::app::App;

/// How the page looks.
const STYLE: &str = "body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem}\
                     code{background:#8882;padding:.1em .3em;border-radius:.2em}";

/// It runs nothing, and looks as it should: the digest is that of its style.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-poJUb6S/FOvO0n4ifJNd4IgoNicqSa3UZyn2NcKHR88='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// A page for whoever opens the address in a browser.
pub(crate) async fn page(State(app): State<App>) -> Response {
    let modules = app.engine.modules().iter().count();
    let sign_in = match app.oidc {
        Some(_) => "<p><a href=/api/auth/oidc/login>Sign in with your organisation</a></p>",
        None => "",
    };
    let page = Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>flow8</title>\
         <style>{style}</style>\
         <h1>flow8 {version}</h1><p>Flows that survive: every step is durable before the next begins.</p>\
         <ul><li><a href=/api/openapi.json>The API</a>, with a session or an API key</li>\
         <li><a href=/health/ready>Health</a> and <a href=/metrics>metrics</a></li></ul>\
         {sign_in}<p>On this machine, the command line finds its way by itself: <code>flow8 run FLOW</code>, \
         <code>flow8 plays list</code>, <code>flow8 modules</code> ({modules} of them).</p>",
        version = env!("CARGO_PKG_VERSION"),
        style = STYLE,
    ));
    ([(CONTENT_SECURITY_POLICY, POLICY)], page).into_response()
}
