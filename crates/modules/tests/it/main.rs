//! The providers as the application uses them: real sockets, real files, nothing outside.

mod databases;
mod effects;
mod files;
mod mails;
mod outcome;
mod peers;
mod proxies;
mod redirects;
mod secure;
mod server;

use std::time::Duration;

use bytes::Bytes;
use model::ids::CompanyId;
use modules::provider::{EgressPolicy, HttpClient, HttpOptions};
use sdk::http::{Http, HttpError, HttpRequest, HttpResponse};

/// The policy of these rules, by commas.
fn policy(allow: &str, deny: &str) -> EgressPolicy {
    EgressPolicy::new(allow.split(','), deny.split(',')).unwrap_or_else(|error| panic!("{error}"))
}

/// A client that may reach what the rules allow.
fn client(allow: &str) -> HttpClient {
    let options = HttpOptions { policy: policy(allow, ""), ..HttpOptions::default() };
    HttpClient::new(&options).unwrap_or_else(|error| panic!("{error}"))
}

/// A request with time enough for every test.
fn request(method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        company: CompanyId::default(),
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout: Duration::from_secs(60),
        follow_redirects: true,
        max_body: 1 << 20,
    }
}

fn with_body(method: &str, url: &str, body: &'static str) -> HttpRequest {
    HttpRequest { body: Some(Bytes::from_static(body.as_bytes())), ..request(method, url) }
}

/// The answer to a request.
async fn answer(client: &HttpClient, request: HttpRequest) -> HttpResponse {
    let url = request.url.clone();
    client.send(request).await.unwrap_or_else(|error| panic!("{url}: {error:?}"))
}

/// Why there is none.
async fn trouble(client: &HttpClient, request: HttpRequest) -> HttpError {
    let url = request.url.clone();
    client.send(request).await.expect_err(&url)
}
