//! Answers that point elsewhere.

use sdk::http::HttpRequest;

use crate::server::{Server, ok, redirect};
use crate::{answer, client, request, trouble, with_body};

#[tokio::test]
async fn an_answer_is_followed_where_that_is_wanted() {
    let server = Server::start(|heard| match &*heard.target {
        "/a" => redirect(302, "/b?c"),
        _ => ok("there"),
    })
    .await;
    let client = client("127.0.0.1");
    let there = answer(&client, with_body("POST", &server.url("/a"), "x")).await;
    assert_eq!((there.status, &*there.body), (200, &b"there"[..]));
    let heard = server.heard();
    assert_eq!((&*heard[1].method, &*heard[1].target, &*heard[1].body), ("GET", "/b?c", ""));
    let here = answer(&client, HttpRequest { follow_redirects: false, ..request("GET", &server.url("/a")) }).await;
    assert_eq!(here.status, 302);
    assert!(here.headers.contains(&("location".to_owned(), "/b?c".to_owned())));
}

#[tokio::test]
async fn a_place_that_is_refused_is_not_gone_to() {
    let secret = Server::start(|_| ok("secret")).await;
    let port = secret.port;
    let server = Server::start(move |heard| match &*heard.target {
        "/name" => redirect(302, &format!("http://localhost:{port}/")),
        "/metadata" => redirect(302, "http://169.254.169.254/latest/"),
        "/decimal" => redirect(302, "http://2852039166/"),
        "/file" => redirect(302, "file:///etc/passwd"),
        _ => redirect(307, &format!("http://127.0.0.1:{port}/")),
    })
    .await;
    let client = client(&format!("127.0.0.1:{}", server.port));
    for path in ["/name", "/address", "/metadata", "/decimal", "/file"] {
        let error = trouble(&client, request("GET", &server.url(path))).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_REFUSED", false), "{path}");
        // The first peer had the request, and may have acted on it.
        let error = trouble(&client, request("POST", &server.url(path))).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_REFUSED", true), "{path}");
    }
    assert_eq!(secret.connections(), 0);
}

#[tokio::test]
async fn a_circle_ends() {
    let server = Server::start(|heard| redirect(302, &format!("{}x", heard.target))).await;
    let error = trouble(&client("127.0.0.1"), request("GET", &server.url("/"))).await;
    assert_eq!(error.code, "HTTP_BROKEN");
    assert!(error.message.contains("more than 10 times"), "{}", error.message);
    assert_eq!(server.heard().len(), 11);
}

#[tokio::test]
async fn what_is_meant_for_one_peer_is_not_told_to_another() {
    let other = Server::start(|_| ok("")).await;
    let port = other.port;
    let server = Server::start(move |heard| match &*heard.target {
        "/same" => redirect(307, "/end"),
        "/other" => redirect(307, &format!("http://127.0.0.1:{port}/")),
        _ => ok(""),
    })
    .await;
    let client = client("127.0.0.1");
    let headers = ["Authorization", "Cookie", "X-Api-Key", "Accept", "Idempotency-Key"];
    let headers = headers.map(|name| (name.to_owned(), "s3cr3t".to_owned())).to_vec();
    for path in ["/same", "/other"] {
        answer(&client, HttpRequest { headers: headers.clone(), ..with_body("POST", &server.url(path), "x") }).await;
    }
    let same = server.heard().into_iter().find(|heard| heard.target == "/end").expect("heard");
    assert_eq!(same.header("authorization"), Some("s3cr3t"));
    assert_eq!(same.body, "x");
    let [other] = &other.heard()[..] else { panic!("one request") };
    assert_eq!((&*other.method, &*other.body), ("POST", "x"));
    assert_eq!((other.header("accept"), other.header("idempotency-key")), (Some("s3cr3t"), Some("s3cr3t")));
    for name in ["authorization", "cookie", "x-api-key"] {
        assert_eq!(other.header(name), None, "{name}");
    }
}
