//! Which peers are reached, and what passes between them.

use modules::provider::HttpOptions;
use sdk::http::HttpRequest;

use crate::server::{Reply, Server, ok};
use crate::{answer, client, policy, request, trouble, with_body};

#[tokio::test]
async fn what_is_inside_is_refused_until_it_is_allowed() {
    let server = Server::start(|_| ok("hello")).await;
    let port = server.port;
    let by_name = format!("http://localhost:{port}/");
    for allow in ["", "10.0.0.0/8", "127.0.0.1:1", "localhost:1", "*.localhost"] {
        for url in [server.url("/"), by_name.clone(), format!("http://[::ffff:127.0.0.1]:{port}/")] {
            let error = trouble(&client(allow), request("POST", &url)).await;
            assert_eq!((error.code, error.maybe_done), ("HTTP_REFUSED", false), "{allow}: {url}");
            assert!(error.message.contains("a loopback address; egress.allow can open it"), "{}", error.message);
        }
    }
    assert_eq!(server.connections(), 0);
    for allow in ["127.0.0.0/8", "127.0.0.1", &format!("127.0.0.1:{port}"), "*"] {
        assert_eq!(answer(&client(allow), request("GET", &server.url("/"))).await.body, "hello", "{allow}");
        assert_eq!(answer(&client(allow), request("GET", &by_name)).await.body, "hello", "{allow}");
    }
    for allow in ["localhost".to_owned(), format!("localhost:{port}")] {
        assert_eq!(answer(&client(&allow), request("GET", &by_name)).await.body, "hello", "{allow}");
        assert_eq!(trouble(&client(&allow), request("GET", &server.url("/"))).await.code, "HTTP_REFUSED", "{allow}");
    }
}

#[tokio::test]
async fn metadata_is_never_reached() {
    let client = client("*,0.0.0.0/0,::/0");
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0xa9fea9fe/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
        "http://METADATA.google.internal./",
    ] {
        let error = trouble(&client, request("GET", url)).await;
        assert_eq!(error.code, "HTTP_REFUSED", "{url}");
        assert!(error.message.contains("never reached"), "{url}: {}", error.message);
    }
}

#[tokio::test]
async fn other_rules_hold_at_once_for_connections_that_were_kept() {
    let server = Server::start(|_| ok("x")).await;
    let client = client("127.0.0.1");
    answer(&client, request("GET", &server.url("/"))).await;
    client.reconfigure(&HttpOptions::default()).expect("options");
    assert_eq!(trouble(&client, request("GET", &server.url("/"))).await.code, "HTTP_REFUSED");
    let both = HttpOptions { policy: policy("127.0.0.1", "localhost"), ..HttpOptions::default() };
    client.reconfigure(&both).expect("options");
    answer(&client, request("GET", &server.url("/"))).await;
    let error = trouble(&client, request("GET", &format!("http://localhost:{}/", server.port))).await;
    assert!(error.message.contains("denied by egress.deny"), "{}", error.message);
}

#[tokio::test]
async fn a_request_arrives_as_it_was_given() {
    let server = Server::start(|_| ok("")).await;
    let client = client("127.0.0.1");
    let headers = vec![("X-One".to_owned(), "a".to_owned()), ("authorization".to_owned(), "Bearer t".to_owned())];
    answer(&client, HttpRequest { headers, ..with_body("PUT", &server.url("/p?q=1#f"), "body") }).await;
    for method in ["POST", "DELETE", "GET", "PURGE"] {
        answer(&client, request(method, &server.url("/"))).await;
    }
    let heard = server.heard();
    let put = &heard[0];
    assert_eq!((&*put.method, &*put.target, &*put.body), ("PUT", "/p?q=1", "body"));
    assert_eq!(put.header("x-one"), Some("a"));
    assert_eq!(put.header("authorization"), Some("Bearer t"));
    assert_eq!(put.header("content-length"), Some("4"));
    assert_eq!(put.header("transfer-encoding"), None);
    assert_eq!(put.header("accept-encoding"), None);
    assert_eq!(put.header("host"), Some(&*format!("127.0.0.1:{}", server.port)));
    assert!(put.header("user-agent").is_some_and(|agent| agent.starts_with("flow8/")));
    let lengths: Vec<_> = heard[1..].iter().map(|heard| heard.header("content-length")).collect();
    assert_eq!(lengths, [Some("0"), Some("0"), None, Some("0")]);
    assert_eq!(server.connections(), 1, "a connection is kept");
}

#[tokio::test]
async fn an_answer_comes_whole_with_names_in_lower_case() {
    let server = Server::start(|_| {
        Reply::Send(
            "HTTP/1.1 418 Teapot\r\nX-Upper-CASE: Value\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\
             Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
                .to_owned(),
        )
    })
    .await;
    let answer = answer(&client("127.0.0.1"), request("GET", &server.url("/"))).await;
    assert_eq!((answer.status, &*answer.body), (418, &b"abcdefg"[..]));
    let has = |name: &str, value: &str| answer.headers.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("x-upper-case", "Value") && has("set-cookie", "a") && has("set-cookie", "b"));
}

#[tokio::test]
async fn a_body_is_bounded_whatever_the_peer_says_of_it() {
    let server = Server::start(|heard| match &*heard.target {
        "/told" => Reply::Send("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n".to_owned()),
        "/chunks" => Reply::SendForEver(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "4\r\nabcd\r\n".to_owned(),
        ),
        "/endless" => Reply::SendForEver("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "abcd".to_owned()),
        "/head" => Reply::Send("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n".to_owned()),
        _ => ok("12345678"),
    })
    .await;
    let client = client("127.0.0.1");
    let limited = |method: &str, path: &str, max_body| HttpRequest { max_body, ..request(method, &server.url(path)) };
    for path in ["/told", "/chunks", "/endless"] {
        let error = trouble(&client, limited("GET", path, 8)).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_TOO_LARGE", false), "{path}");
        let error = trouble(&client, limited("POST", path, 8)).await;
        assert_eq!((error.code, error.maybe_done), ("HTTP_TOO_LARGE", true), "{path}");
    }
    assert_eq!(answer(&client, limited("GET", "/", 8)).await.body, "12345678");
    assert_eq!(trouble(&client, limited("GET", "/", 7)).await.code, "HTTP_TOO_LARGE");
    assert_eq!(answer(&client, limited("HEAD", "/head", 8)).await.body, "");
}
