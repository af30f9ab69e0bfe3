//! What is known of a request that got no answer: whether the peer may have acted on it.

use std::time::Duration;

use sdk::http::HttpRequest;
use tokio::net::TcpListener;

use crate::server::{Reply, Server};
use crate::{client, request, trouble, with_body};

#[tokio::test]
async fn nothing_was_done_where_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    for host in ["127.0.0.1", "localhost"] {
        let error = trouble(&client("*"), with_body("POST", &format!("http://{host}:{port}/"), "x")).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_CONNECT", false));
        assert!(error.message.contains(&format!("{host}:{port}")) && error.message.contains("refused"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_was_done_where_the_connection_was_not_ready() {
    // The system takes the connection, but nobody ever answers the greeting of TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for body in [None, Some("x".into())] {
        let request = HttpRequest {
            timeout: Duration::from_millis(300),
            body,
            ..request("POST", &format!("https://127.0.0.1:{port}/"))
        };
        let error = trouble(&client("127.0.0.1"), request).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_TIMEOUT", false));
    }
}

#[tokio::test]
async fn a_lost_answer_means_that_it_may_be_done() {
    let server = Server::start(|heard| match &*heard.target {
        "/close" => Reply::Close,
        "/half-head" => Reply::SendAndClose("HTTP/1.1 200 OK\r\nContent-".to_owned()),
        "/half-body" => Reply::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_owned()),
        _ => Reply::SendAndClose("what is this?\r\n\r\n".to_owned()),
    })
    .await;
    let client = client("127.0.0.1");
    for path in ["/close", "/half-head", "/half-body", "/nonsense"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let error = trouble(&client, request(method, &server.url(path))).await;
            assert_eq!((error.code, error.maybe_done), ("HTTP_BROKEN", true), "{method} {path}");
            let error = trouble(&client, with_body(method, &server.url(path), "x")).await;
            assert_eq!((error.code, error.maybe_done), ("HTTP_BROKEN", true), "{method} {path}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            if (method, path) == ("HEAD", "/half-body") {
                continue;
            }
            let error = trouble(&client, request(method, &server.url(path))).await;
            assert_eq!((error.code, error.maybe_done), ("HTTP_BROKEN", false), "{method} {path}");
        }
    }
    // Each was sent once, and none a second time.
    assert_eq!(server.heard().len(), 4 * (4 * 2 + 3) - 1);
}

#[tokio::test]
async fn one_timeout_holds_for_all_of_it() {
    let server = Server::start(|_| Reply::Silence).await;
    let client = client("127.0.0.1");
    for (method, maybe_done) in [("POST", true), ("GET", false)] {
        let timed = HttpRequest { timeout: Duration::from_millis(1_500), ..request(method, &server.url("/")) };
        let error = trouble(&client, timed).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_TIMEOUT", maybe_done), "{method}");
        assert_eq!(error.message, "there was no answer within 1500 ms");
    }
    assert_eq!(server.heard().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_sent_is_not() {
    for (method, url) in [("GET", "ftp://example.com/"), ("CONNECT", "http://example.com/"), ("GET", "nothing")] {
        let error = trouble(&client(""), request(method, url)).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_INVALID", false));
    }
}
