//! Bodies: whoever announces much and sends little keeps nobody out, and what is held at once has its bound.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::{ChannelGateway, Stop, serve};
use http::StatusCode;
use model::limits::BODY_PIECE;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::channels::{Port, make, public, route};
use crate::mcp;
use crate::stage::{Stage, echo, one};

/// Begins a request, as far as the server wants to read its body.
async fn begin(at: SocketAddr, head: &str) -> TcpStream {
    const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let mut stream = TcpStream::connect(at).await.expect("connects");
    let head = format!("POST {head}\r\nhost: localhost\r\nexpect: 100-continue\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("writes");
    let mut said = [0; GO_ON.len()];
    stream.read_exact(&mut said).await.expect("is answered");
    assert_eq!(&said[..], GO_ON, "{}", String::from_utf8_lossy(&said));
    stream
}

/// Begins requests that announce much, or do not say how much, and sends one byte of each.
async fn announce(at: SocketAddr, head: &str, bytes: usize, requests: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for request in 0..requests {
        let (size, first): (_, &[u8]) = match request % 2 {
            0 => (format!("content-length: {bytes}"), b"{"),
            _ => ("transfer-encoding: chunked".to_owned(), b"1\r\n{\r\n"),
        };
        let mut stream = begin(at, &format!("{head}\r\n{size}")).await;
        stream.write_all(first).await.expect("writes");
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn whoever_announces_much_and_sends_little_keeps_nobody_out_of_channels() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    make(&stage, public("in", route("POST", "/", "async", &flow))).await;
    // More than there is room for, were it held for what is announced.
    let _slow = announce(port.at, "/in HTTP/1.1", 10 << 20, 60).await;
    for bytes in [0, 1_000, 10 << 20] {
        let said = port.ask("POST /in").body(vec![b'x'; bytes]).send().await;
        assert_eq!(said.status, 202, "{bytes}: {}", said.text());
    }
}

#[tokio::test]
async fn whoever_announces_much_and_sends_little_keeps_nobody_out_of_mcp() {
    let stage = Stage::new().await;
    let (port, key) = mcp::simple(&stage).await;
    let head = format!("/mcp HTTP/1.1\r\nauthorization: Bearer {key}");
    let _slow = announce(port.at, &head, 4 << 20, 40).await;
    for bytes in [0, 3 << 20] {
        let said = port.call(&key, "order", json!({"n": 1, "text": "x".repeat(bytes)})).await;
        assert!(said["structuredContent"].is_object(), "{bytes}: {said}");
    }
}

#[tokio::test]
async fn whoever_finds_no_room_is_sent_away_at_once_and_that_is_no_error() {
    let logged = Logged::default();
    let _here = tracing::subscriber::set_default(logged.clone());
    let stage = Stage::reaching(Vec::new()).await;
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/", peer.local_addr().expect("an address"));
    let flow = stage.flow(one("Slow", "curl", json!({"url": url}))).await;
    let mut channel = public("in", route("POST", "/slow", "sync", &flow));
    let quick = stage.flow(echo()).await;
    channel["routes"].as_array_mut().expect("routes").push(route("POST", "/quick", "async", &quick));
    make(&stage, channel).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let at = listener.local_addr().expect("an address");
    let (stop, stopped) = Stop::switch();
    let gateway = ChannelGateway::new(stage.gateway.app().clone()).with_room(4 * BODY_PIECE);
    tokio::spawn(serve(listener, gateway, stopped, Duration::from_secs(5)));
    let port = Port { at, stop };
    let ask = |path: &str, pieces: usize| {
        let body = vec![b'x'; pieces * BODY_PIECE];
        port.ask(&format!("POST /in{path}")).header("content-type", "text/plain").body(body)
    };

    // The first piece of each is free, so this one has all the room but one piece, until it is answered.
    let slow = tokio::spawn(ask("/slow", 4).send());
    let (mut call, _) = peer.accept().await.expect("is called");
    let refused = ask("/quick", 3).send().await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    assert_eq!(refused.json()["requestId"], refused.header("x-request-id"));
    assert_eq!(ask("/quick", 1).send().await.status, 202, "what is small needs no room");
    assert_eq!(ask("/quick", 2).send().await.status, 202, "and whoever was sent away keeps nothing");
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue").await.expect("writes");
    assert_eq!(slow.await.expect("is answered").status, 200);
    assert_eq!(ask("/quick", 5).send().await.status, 202, "there is room again");
    let lines = logged.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].0 == Level::WARN && lines[0].1.contains("too many large"), "{lines:?}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_told_of_the_limit_that_it_is_over() {
    let stage = Stage::new().await;
    let (port, key) = mcp::simple(&stage).await;
    let ask = port.ask(&key, "tools/list", json!({})).body(vec![b' '; 5 << 20]);
    let told: Value = ask.gives(413).await;
    assert_eq!(told["message"], "the body is larger than the 4 MiB that are taken here");
    let flow = stage.flow(echo()).await;
    let mut channel = public("in", route("POST", "/", "async", &flow));
    channel["bodyLimit"] = json!(1000);
    make(&stage, channel).await;
    let port = Port::of(&stage).await;
    let told = port.ask("POST /in").body(vec![b'x'; 1001]).gives(413).await;
    assert_eq!(told["message"], "the body is larger than the 1000 bytes that are taken here");
}

/// What this thread logs as a warning or an error.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<(Level, String)>>>);

impl Logged {
    fn lines(&self) -> Vec<(Level, String)> {
        self.0.lock().expect("nobody panics").clone()
    }
}

/// The words of a line.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{field}={value:?} ").expect("a text takes it");
    }
}

impl Subscriber for Logged {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("gateway")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().expect("nobody panics").push((*event.metadata().level(), words.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
