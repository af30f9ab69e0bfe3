//! The protocol's official conformance suite, against the running server: what applies passes, and what does not is
//! listed with its reason. A scenario that is new and fails, fails here.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use peers::place;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::mcp::{Port, calls, make, tool};
use crate::peer::Peer;
use crate::stage::{Stage, one};

/// Scenarios that ask for what flow8 does not offer.
const DO_NOT_APPLY: [(&str, &str); 19] = [
    ("logging-set-level", "no capability `logging`: what a flow logs is in its play"),
    ("tools-call-with-logging", "as above"),
    ("tools-call-image", "a flow gives values, which are text and structured content"),
    ("tools-call-audio", "as above"),
    ("tools-call-embedded-resource", "as above"),
    ("tools-call-mixed-content", "as above"),
    ("tools-call-sampling", "the server asks nothing of a client: nothing is kept between two requests"),
    ("tools-call-elicitation", "as above"),
    ("elicitation-sep1034-defaults", "as above"),
    ("elicitation-sep1330-enums", "as above"),
    ("resources-read-text", "asks for a resource of its own scheme; plays are flow8's resources"),
    ("resources-read-binary", "as above"),
    ("resources-templates-read", "as above"),
    ("resources-subscribe", "no capability `subscribe`"),
    ("resources-unsubscribe", "as above"),
    ("prompts-get-simple", "there are no prompts"),
    ("prompts-get-with-args", "as above"),
    ("prompts-get-embedded-resource", "as above"),
    ("prompts-get-with-image", "as above"),
];

/// Scenarios that must be there, and pass: a suite that asked nothing would pass, too.
const APPLY: [&str; 9] = [
    "dns-rebinding-protection",
    "json-schema-2020-12",
    "ping",
    "resources-list",
    "server-initialize",
    "tools-call-error",
    "tools-call-simple-text",
    "tools-call-with-progress",
    "tools-list",
];

/// The tools that the suite calls.
async fn tools(stage: &Stage, peer: &Peer) {
    let text = json!({"statusCode": 200, "headers": {}, "body": "This is a simple text response for testing."});
    let simple = stage.flow(one("Simple", "respond", text)).await;
    let failing = stage.flow(one("Failing", "fail", json!({"message": "on purpose"}))).await;
    let steps = stage.flow(calls("Steps", peer, 3)).await;
    let mut schema = tool("json_schema_2020_12_tool", &simple, "sync");
    schema["inputSchema"] = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
        "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
        "additionalProperties": false,
    });
    let mut routes = vec![
        tool("test_simple_text", &simple, "sync"),
        tool("test_error_handling", &failing, "sync"),
        tool("test_tool_with_progress", &steps, "sync"),
        schema,
    ];
    for route in &mut routes {
        route["description"] = "For the suite.".into();
    }
    make(stage, "suite", routes).await;
}

/// A way to the server that shows a key: the suite has none. Each connection has one request.
async fn with_key(server: SocketAddr, key: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let key = key.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                let end = loop {
                    if client.read_buf(&mut head).await.unwrap_or(0) == 0 {
                        return;
                    }
                    if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                        break end;
                    }
                };
                let text = String::from_utf8_lossy(&head[..end]).into_owned();
                let kept = text.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
                let mut sent = kept.collect::<Vec<_>>().join("\r\n");
                sent.push_str(&format!("\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"));
                let mut server = TcpStream::connect(server).await.expect("connects");
                // Either may go away at any time.
                let _ = server.write_all(&[sent.as_bytes(), &head[end + 4..]].concat()).await;
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    at
}

/// The scenarios of the suite, and what failed of each.
async fn outcomes(at: SocketAddr) -> BTreeMap<String, Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = tokio::process::Command::new(place("mcp-conformance"));
    command.args(["server", "--suite", "all", "--url", &format!("http://{at}/mcp"), "--output-dir"]);
    command.arg(folder.path()).env("NO_PROXY", "*").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = command.kill_on_drop(true).output();
    let ended = tokio::time::timeout(Duration::from_secs(120), ended).await.expect("it ends").expect("it runs");
    let said = || format!("{}\n{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder.path()).expect("results") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        // `server-NAME-2026-01-01T00-00-00-000Z`
        let name = name.strip_prefix("server-").unwrap_or(&name);
        let scenario = name.get(..name.len().saturating_sub(25)).unwrap_or(name).to_owned();
        let checks =
            std::fs::read(entry.path().join("checks.json")).unwrap_or_else(|error| panic!("{error}: {}", said()));
        let checks: Vec<Value> = serde_json::from_slice(&checks).expect("JSON");
        let failed = checks.iter().filter(|check| check["status"] == "FAILURE");
        found.insert(scenario, failed.map(|check| format!("{}: {}", check["id"], check["errorMessage"])).collect());
    }
    assert!(!found.is_empty(), "no results: {}", said());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_conformance_suite_passes_where_it_applies() {
    let stage = Stage::reaching(Vec::new()).await;
    // Each step is told by itself.
    let peer = Peer::start(Duration::from_millis(100), |_| (200, "{}".into())).await;
    tools(&stage, &peer).await;
    let (port, key) = (Port::of(&stage).await, stage.key(&["mcp", "plays:view"]).await);
    let outcomes = outcomes(with_key(port.at, key).await).await;
    for name in APPLY {
        assert!(outcomes.contains_key(name), "{name} was not asked: {:?}", outcomes.keys());
    }
    let unlike = outcomes.iter().filter_map(|(name, failed)| {
        match (DO_NOT_APPLY.iter().find(|(other, _)| other == name), failed.is_empty()) {
            (Some((_, why)), true) => Some(format!("{name} passes, and is on the list: {why}")),
            (None, false) => Some(format!("{name}: {failed:?}")),
            _ => None,
        }
    });
    let unlike: Vec<String> = unlike.collect();
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}
