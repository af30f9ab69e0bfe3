//! Traces from the request that comes in to the one that goes out, over a crash; and log lines by
//! which both are found.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use model::Value;
use tokio::net::TcpListener;

use crate::server::{RUNTIME, Start, json, part, until};

/// A peer that remembers the places in a trace that it was told; it answers from the second call on.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Vec<String>>>);

impl Peer {
    fn told(&self) -> Vec<String> {
        self.0.lock().expect("kept").clone()
    }
}

/// A collector that takes traces as JSON, as OTLP has them.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    /// A span of that name, once it has come.
    #[track_caller]
    fn span(&self, name: &str) -> Value {
        until(&format!("the span {name} comes"), || {
            let spans = self.0.lock().expect("kept");
            spans.iter().find(|span| part(span, "/name") == name).cloned()
        })
    }
}

/// Serves on a free port, and gives the address.
fn served(router: Router) -> String {
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    // It ends with the tests.
    RUNTIME.spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn peer() -> (Peer, String) {
    let peer = Peer::default();
    let answer = async |State(peer): State<Peer>, headers: HeaderMap| {
        let told = headers.get("traceparent").map(|value| value.to_str().expect("text").to_owned());
        let count = {
            let mut calls = peer.0.lock().expect("kept");
            calls.push(told.unwrap_or_default());
            calls.len()
        };
        if count == 1 {
            std::future::pending::<()>().await;
        }
        "here"
    };
    let url = served(Router::new().fallback(answer).with_state(peer.clone()));
    (peer, url)
}

fn collector() -> (Collector, String) {
    let collector = Collector::default();
    let take = async |State(collector): State<Collector>, body: String| {
        let message = json(&body);
        let of_flow8 =
            message.pointer("/resourceSpans/0/resource/attributes/0/value/stringValue").and_then(Value::as_str);
        assert_eq!(of_flow8, Some("flow8"), "{body}");
        let spans = message.pointer("/resourceSpans/0/scopeSpans/0/spans").and_then(Value::as_list).expect("spans");
        collector.0.lock().expect("kept").extend(spans.iter().cloned());
        "{}"
    };
    let url = served(Router::new().route("/v1/traces", post(take)).with_state(collector.clone()));
    (collector, url)
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[test]
fn a_trace_goes_from_the_request_through_a_crash_to_the_peer() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let ((peer, peer_url), (collector, collector_url)) = (peer(), collector());
    let start = || Start::on(&data).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector_url);
    let server = start().serves();
    server.client.import(&format!(
        "apiVersion: flow8/v1\nkind: Flow\nname: Call\nlayers:\n\
         \x20 - {{ref: call, appId: curl, args: {{url: \"{peer_url}/\"}}}}\n"
    ));
    let traceparent = format!("00-{TRACE}-{CALLER}-01");
    let answer = server.client.send("POST", "/api/flows/call/run", &[("traceparent", &traceparent)], b"{}".to_vec());
    let text = RUNTIME.block_on(answer.expect("an answer").text()).expect("text");
    let play = part(&json(&text), "/playId");
    until("the peer is called", || (peer.told().len() == 1).then_some(()));
    let request = collector.span("runFlow");
    server.kill();

    let server = start().serves();
    server.client.play_in(&play, "DONE");
    let told = peer.told();
    assert_eq!(told.len(), 2, "{told:?}");
    let parts: Vec<Vec<&str>> = told.iter().map(|line| line.split('-').collect()).collect();
    assert!(parts.iter().all(|part| part[1] == TRACE && part[3] == "01"), "{told:?}");
    assert_ne!(parts[0][2], parts[1][2], "each attempt has a span of its own");

    // From the caller to the request, to the play, to the attempt that the peer knows.
    assert_eq!((part(&request, "/traceId"), part(&request, "/parentSpanId")), (TRACE.into(), CALLER.into()));
    assert_eq!(part(&request, "/kind"), "2");
    let whole = collector.span("play call");
    assert_eq!(part(&whole, "/traceId"), TRACE);
    assert_eq!(part(&whole, "/parentSpanId"), part(&request, "/spanId"));
    let attempt = collector.span("curl call");
    assert_eq!(part(&attempt, "/parentSpanId"), part(&whole, "/spanId"));
    assert_eq!((part(&attempt, "/spanId"), part(&attempt, "/kind")), (parts[1][2].to_owned(), "3".to_owned()));
    let span = |span: &Value, end: &str| part(span, end).parse::<u64>().expect("nanoseconds");
    assert!(span(&whole, "/startTimeUnixNano") <= span(&attempt, "/startTimeUnixNano"));
    assert!(span(&attempt, "/endTimeUnixNano") <= span(&whole, "/endTimeUnixNano"));
    server.stop();
}

#[test]
fn whoever_began_a_trace_decides_whether_it_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((peer, peer_url), (collector, collector_url)) = (peer(), collector());
    // The first call is never answered.
    peer.0.lock().expect("kept").push(String::new());
    let start = Start::on(&folder.path().join("data")).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &collector_url);
    let server = start.variable("OTEL_TRACES_SAMPLER_ARG", "0").serves();
    server.client.import(&format!(
        "apiVersion: flow8/v1\nkind: Flow\nname: Call\nlayers:\n\
         \x20 - {{ref: call, appId: curl, args: {{url: \"{peer_url}/\"}}}}\n"
    ));
    let run = |traceparent: Option<&str>| {
        let headers: Vec<_> = traceparent.map(|traceparent| ("traceparent", traceparent)).into_iter().collect();
        let answer = server.client.send("POST", "/api/flows/call/run?wait=50", &headers, b"{}".to_vec());
        assert_eq!(answer.expect("an answer").status(), 200);
        peer.told().last().expect("a call").clone()
    };
    // One that begins here is not kept, and the peer is told so.
    assert!(run(None).ends_with("-00"));
    assert!(run(Some(&format!("00-{}-{CALLER}-00", TRACE.replace('4', "5")))).ends_with("-00"));
    assert!(run(Some(&format!("00-{TRACE}-{CALLER}-01"))).ends_with("-01"));
    collector.span("play call");
    let spans = collector.0.lock().expect("kept").clone();
    assert!(spans.iter().all(|span| part(span, "/traceId") == TRACE), "{spans:?}");
    server.stop();
}

#[test]
fn without_a_collector_a_trace_is_passed_on_and_lines_tell_of_request_play_and_flow() {
    let folder = tempfile::tempdir().expect("a folder");
    let (peer, peer_url) = peer();
    let server = Start::on(&folder.path().join("data")).variable("LOG_LEVEL", "debug").serves();
    server.client.import(&format!(
        "apiVersion: flow8/v1\nkind: Flow\nname: Call\nlayers:\n\
         \x20 - {{ref: call, appId: curl, args: {{url: \"{peer_url}/\", timeout: 1}}, onError: continue}}\n"
    ));
    let traceparent = format!("00-{TRACE}-{CALLER}-00");
    let headers = [("traceparent", &*traceparent), ("x-request-id", "req-7")];
    let answer = server.client.send("POST", "/api/flows/call/run?wait=50", &headers, b"{}".to_vec());
    let text = RUNTIME.block_on(answer.expect("an answer").text()).expect("text");
    assert_eq!(peer.told(), [traceparent], "it is passed on as it came");
    let play = part(&json(&text), "/playId");
    let lines: Vec<Value> = server.log().lines().map(json).collect();
    let line = |message: &str| {
        let told = |line: &&Value| line.pointer("/message").and_then(Value::as_str) == Some(message);
        let of_play = |line: &&Value| line.pointer("/play").and_then(Value::as_str) == Some(&play);
        lines.iter().filter(told).find(of_play).unwrap_or_else(|| panic!("no line {message}: {}", server.log()))
    };
    let admitted = line("a play is admitted");
    assert_eq!(part(admitted, "/request"), "req-7");
    let ended = line("a play has ended");
    assert_eq!(part(ended, "/flow"), part(admitted, "/flow"));
    let answered = lines.iter().find(|line| {
        let is = |at: &str, text: &str| line.pointer(at).and_then(Value::as_str) == Some(text);
        is("/message", "answered") && is("/request", "req-7")
    });
    assert_eq!(part(answered.expect("a line"), "/route"), "runFlow");
    server.stop();
}
