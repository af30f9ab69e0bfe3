//! Connections: limits, slow clients, stopping, metrics.

use std::time::Duration;

use gateway::Settings;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stage::{EMAIL, PASSWORD, Stage, echo, waiting};

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_so_is_a_large_one_from_a_stranger() {
    let stage = Stage::with(Settings { max_body: 1 << 20, ..Settings::default() }).await;
    let message = stage.ask("POST /api/files?path=x").body(vec![b'x'; 2 << 20]).refused(413, "PAYLOAD_TOO_LARGE").await;
    assert!(message.contains("1 MiB"), "{message}");
    stage.ask("POST /api/files?path=x").body(vec![b'x'; 1 << 20]).gives(201).await;
    let login = json!({"email": EMAIL, "password": "x".repeat(64 << 10)});
    stage.ask("POST /api/auth/login").nobody().json(login).refused(413, "PAYLOAD_TOO_LARGE").await;
}

#[tokio::test]
async fn whoever_is_slow_with_the_headers_is_let_go() {
    let stage = Stage::with(Settings { read_timeout: Duration::from_millis(100), ..Settings::default() }).await;
    for words in ["", "GET /health HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = TcpStream::connect(stage.at).await.expect("connects");
        stream.write_all(words.as_bytes()).await.expect("writes");
        let mut said = Vec::new();
        // Returns when the other side closes.
        stream.read_to_end(&mut said).await.expect("is closed");
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test]
async fn whoever_is_slow_with_the_body_is_told_so() {
    let stage = Stage::with(Settings { read_timeout: Duration::from_millis(100), ..Settings::default() }).await;
    let mut stream = TcpStream::connect(stage.at).await.expect("connects");
    let token = stage.token();
    let head = format!(
        "POST /api/flows HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.expect("is closed");
    assert!(said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_so() {
    let stage = Stage::new().await;
    let long = "a".repeat(100_000);
    for (words, status) in [
        ("GARBAGE\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: x\r\nno header\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: some\r\n\r\n", 400),
        (&format!("GET /{long} HTTP/1.1\r\nhost: x\r\n\r\n"), 414),
        (&format!("GET / HTTP/1.1\r\nhost: x\r\nlong: {long}{long}\r\n\r\n"), 431),
        (&format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "many: x\r\n".repeat(101)), 431),
    ] {
        let mut stream = TcpStream::connect(stage.at).await.expect("connects");
        stream.write_all(words.as_bytes()).await.expect("writes");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.expect("is closed, and not reset");
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {said}");
    }
}

#[tokio::test]
async fn metrics_tell_of_routes_and_not_of_what_was_asked() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    stage.run(&flow, json!({})).await;
    stage.ask("GET /api/flows/secret-name").refused(404, "FLOW_NOT_FOUND").await;
    let said = stage.ask("GET /metrics").nobody().send().await;
    let text = said.text();
    assert!(said.header("content-type").starts_with("application/openmetrics-text"));
    for line in [
        "flow8_http_requests_total{route=\"runFlow\",status=\"200\"} 1",
        "flow8_http_requests_total{route=\"getFlow\",status=\"404\"} 1",
        "flow8_http_request_duration_seconds_count{route=\"runFlow\"} 1",
        "flow8_plays_active",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("secret-name"));
    let hidden = Stage::with(Settings { serves_metrics: false, ..Settings::default() }).await;
    hidden.ask("GET /metrics").nobody().refused(404, "NOT_FOUND").await;
}

#[tokio::test]
async fn whoever_is_being_answered_at_the_stop_gets_the_answer() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let mut feed = stage.engine.feed();
    feed.borrow_and_update();
    let run = stage.ask(&format!("POST /api/flows/{flow}/run")).json(json!({}));
    let run = tokio::spawn(run.gives(202));
    feed.changed().await.expect("the engine runs");
    stage.stop.send(true).expect("is heard");
    assert!(run.await.expect("is answered")["playId"].is_string());
    stage.served.await.expect("ends");
    assert!(TcpStream::connect(stage.at).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_session_is_kept_over_many_requests_of_one_connection() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let mut stream = TcpStream::connect(stage.at).await.expect("connects");
    let one = format!("GET /api/auth/me HTTP/1.1\r\nhost: x\r\ncookie: a=b; sid={sid}\r\n");
    // Two requests in one write, the second of which is the last.
    let both = format!("{one}\r\n{one}connection: close\r\n\r\n");
    stream.write_all(both.as_bytes()).await.expect("writes");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("reads");
    assert_eq!((said.matches("HTTP/1.1 200 OK").count(), said.matches(EMAIL).count()), (2, 2), "{said}");
}
