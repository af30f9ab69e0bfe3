//! `/`: where to go from here.

use axum::extract::State;
use axum::response::Html;

use crate::app::App;

/// A page for whoever opens the address in a browser.
pub(crate) async fn page(State(app): State<App>) -> Html<String> {
    let modules = app.engine.modules().iter().count();
    let sign_in = match app.oidc {
        Some(_) => "<p><a href=/api/auth/oidc/login>Sign in with your organisation</a></p>",
        None => "",
    };
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>flow8</title>\
         <style>body{{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:4rem auto;padding:0 1rem}}\
         code{{background:#8882;padding:.1em .3em;border-radius:.2em}}</style>\
         <h1>flow8 {version}</h1><p>Flows that survive: every step is durable before the next begins.</p>\
         <ul><li><a href=/api/openapi.json>The API</a>, with a session or an API key</li>\
         <li><a href=/health/ready>Health</a> and <a href=/metrics>metrics</a></li></ul>\
         {sign_in}<p>On this machine, the command line finds its way by itself: <code>flow8 run FLOW</code>, \
         <code>flow8 plays list</code>, <code>flow8 modules</code> ({modules} of them).</p>",
        version = env!("CARGO_PKG_VERSION"),
    ))
}
