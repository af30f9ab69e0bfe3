//! The MCP server, as the clients of the official SDKs see it; and flows that are clients of other servers.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use gateway::{McpGateway, Stop, serve};
use peers::place;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::client::Ask;
use crate::peer::Peer;
use crate::stage::{Stage, one};

pub(crate) const NEWEST: &str = "2026-07-28";

/// The port of the MCP server of a stage.
pub(crate) struct Port {
    pub(crate) at: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Port {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("an address");
        let (stop, stopped) = Stop::switch();
        tokio::spawn(serve(listener, McpGateway::new(stage.gateway.clone()), stopped, Duration::from_secs(5)));
        Self { at, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.at)
    }

    /// A message of the newest revision.
    pub(crate) fn ask(&self, token: &str, method: &str, params: Value) -> Ask {
        let mut params = params;
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = NEWEST.into();
        params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let ask = self.old(token, method, params.clone()).header("mcp-protocol-version", NEWEST);
        let ask = ask.header("mcp-method", method);
        match params["name"].as_str().or(params["uri"].as_str()) {
            Some(name) => ask.header("mcp-name", name),
            None => ask,
        }
    }

    /// A message of an older revision.
    pub(crate) fn old(&self, token: &str, method: &str, params: Value) -> Ask {
        let ask = Ask::new(self.at, "POST /mcp").bearer(token);
        let ask = ask.json(json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}));
        ask.header("accept", "application/json, text/event-stream").header("mcp-protocol-version", "2025-11-25")
    }

    pub(crate) async fn call(&self, token: &str, tool: &str, args: Value) -> Value {
        self.ask(token, "tools/call", json!({"name": tool, "arguments": args})).gives(200).await["result"].clone()
    }
}

pub(crate) fn tool(name: &str, flow: &str, mode: &str) -> Value {
    json!({"name": name, "toolName": name, "responseMode": mode, "targetFlowIds": [flow]})
}

pub(crate) async fn make(stage: &Stage, slug: &str, routes: Vec<Value>) -> Value {
    let channel = json!({"name": slug, "slug": slug, "kind": "mcp", "authMode": "api_key", "routes": routes});
    stage.ask("POST /api/channels").json(channel).gives(201).await
}

/// A flow of several calls, one after the other.
pub(crate) fn calls(name: &str, peer: &Peer, times: usize) -> Value {
    let layers: Vec<Value> = (0..times)
        .map(|at| {
            let args = json!({"method": "GET", "url": format!("http://127.0.0.1:{}/", peer.port)});
            json!({"ref": format!("call{at}"), "appId": "curl", "index": at, "args": args})
        })
        .collect();
    json!({"name": name, "layers": layers})
}

pub(crate) fn order() -> Value {
    one("Order", "var", json!({"value": {"twice": "{{ $prev.args.n * 2 }}", "args": "{{ $prev.args }}"}}))
}

fn approval() -> Value {
    let mut flow = one("Approval", "var", json!({"value": 1}));
    flow["layers"][0]["needsApproval"] = json!(true);
    flow
}

/// A channel with a tool of each kind.
async fn tools(stage: &Stage, quick: &Peer, silent: &Peer) {
    let listed = one("Listed", "respond", json!({"statusCode": 200, "headers": {}, "body": [1, 2]}));
    let flows = [
        ("fails", one("Fails", "fail", json!({"message": "no stock"})), "sync"),
        ("approval", approval(), "sync"),
        ("later", one("Later", "var", json!({"value": 1})), "async"),
        ("listed", listed, "sync"),
        ("slow", calls("Slow", quick, 3), "sync"),
        ("hang", calls("Hang", silent, 1), "sync"),
        ("odd", one("Odd", "var", json!({"value": "hush"})), "sync"),
    ];
    let mut routes = vec![tool("order", &stage.flow(order()).await, "sync")];
    routes[0]["description"] = "Orders something.".into();
    routes[0]["inputSchema"] = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    for (name, flow, mode) in flows {
        routes.push(tool(name, &stage.flow(flow).await, mode));
    }
    // What the play of the first gives, and where the second stands, are both as they say.
    let value = json!({"$ref": "#/$defs/order"});
    let order = json!({"type": "object", "required": ["twice"], "properties": {"twice": {"type": "integer"}}});
    for (at, defined) in [(0, &order), (2, &order), (7, &order)] {
        routes[at]["outputSchema"] = json!({"type": "object", "required": ["value"],
            "properties": {"value": value}, "$defs": {"order": defined}});
    }
    make(stage, "shop", routes).await;
}

/// The echo of a channel's tool alone, and a key for it.
pub(crate) async fn simple(stage: &Stage) -> (Port, String) {
    let flow = stage.flow(order()).await;
    make(stage, "shop", vec![tool("order", &flow, "sync")]).await;
    (Port::of(stage).await, stage.key(&["mcp"]).await)
}

const SCOPES: [&str; 5] = ["mcp", "mcp:manage", "flows:view", "flows:run", "plays:view"];

/// What a script saw that calls with an SDK.
async fn seen(program: &str, script: &str, args: &[&str]) -> Value {
    let script = format!("{}/tests/it/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = tokio::process::Command::new(place(program));
    command.arg(script).args(args).stdin(Stdio::null()).env("NO_PROXY", "*").kill_on_drop(true);
    let ended = command.output().await.expect("runs");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program}: {error}");
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|problem| panic!("{problem}: {error}"))
}

/// Everything that a client of an SDK sees, whatever language and revision it speaks.
async fn as_documented(stage: &Stage, seen: &Value, revision: &str) {
    assert_eq!((&seen["revision"], &seen["server"]), (&json!(revision), &json!("flow8")), "{seen}");
    let own = ["flow8_check_flow", "flow8_get_play", "flow8_list_flows", "flow8_list_plays", "flow8_run_flow"];
    let of_channels = ["approval", "fails", "hang", "later", "listed", "odd", "order", "slow"];
    let names: Vec<&str> = of_channels[..2].iter().chain(&own).chain(&of_channels[2..]).copied().collect();
    assert_eq!(seen["tools"], json!(names));
    assert_eq!(seen["schema"]["required"], json!(["n"]));
    assert_eq!(seen["gives"]["anyOf"][0]["required"], json!(["value"]), "{}", seen["gives"]);
    let order = &seen["order"];
    assert_eq!(order["isError"], false, "{order}");
    assert_eq!(order["structured"], json!({"value": {"twice": 6, "args": {"n": 3}}}));
    let text: Value = serde_json::from_str(order["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(text, order["structured"]);
    let [first, again] = [0, 1].map(|at| &seen["again"][at]["meta"]["flow8/playId"]);
    assert!(first.is_string() && first == again, "{first} {again}");
    let told = |name: &str| -> Value {
        assert_eq!((&seen[name]["isError"], &seen[name]["structured"]), (&json!(true), &Value::Null));
        serde_json::from_str(seen[name]["text"].as_str().expect("text")).expect("JSON")
    };
    assert_eq!(told("wrong")["error"], "VALIDATION_ERROR");
    let odd = told("odd");
    assert_eq!((&odd["error"], &odd["state"]), (&json!("OUTPUT_INVALID"), &json!("DONE")));
    assert!(odd["message"].as_str().is_some_and(|why| why.contains("/value: ") && !why.contains("hush")), "{odd}");
    assert!(seen["wrong"]["text"].as_str().expect("text").contains("/n: "), "{}", seen["wrong"]);
    assert_eq!(seen["unknown"]["code"], -32_602, "{}", seen["unknown"]);
    let fails = &seen["fails"]["structured"];
    assert_eq!((&seen["fails"]["isError"], &fails["state"]), (&json!(true), &json!("FAIL")));
    assert_eq!((&fails["error"]["message"], fails["playId"].is_string()), (&json!("no stock"), true), "{fails}");
    let approval = &seen["approval"];
    assert_eq!((&approval["isError"], &approval["structured"]["state"]), (&json!(false), &json!("WAIT")), "{approval}");
    assert!(approval["structured"]["playId"].is_string() && seen["later"]["structured"]["playId"].is_string());
    assert_eq!(seen["listed"]["text"], "[1,2]");
    let structured = if revision == NEWEST { json!([1, 2]) } else { Value::Null };
    assert_eq!(seen["listed"]["structured"], structured, "older revisions have objects alone");
    let progress = seen["progress"].as_array().expect("a list");
    assert!(progress.len() > 1 && progress.iter().all(|told| told[1] == 3.0), "{progress:?}");
    assert!(progress.is_sorted_by(|one, next| one[0].as_f64() < next[0].as_f64()), "{progress:?}");
    assert_eq!(seen["slow"]["isError"], false);
    assert_eq!(seen["templates"], json!(["flow8://plays/{id}"]));
    assert_eq!((&seen["play"]["play"]["state"], &seen["play"]["play"]["trigger"]), (&json!("DONE"), &json!("channel")));
    assert_eq!(seen["play"]["layers"]["data"][0]["ref"], "step");
    assert_eq!(seen["noPlay"], if revision == NEWEST { -32_602 } else { -32_002 });
    assert_eq!((&seen["flows"], &seen["got"], &seen["listed_plays"]), (&json!(["order"]), &json!("run"), &json!(1)));
    assert_eq!(seen["checked"], json!({"sound": true, "problems": []}));
    assert_eq!((&seen["run"]["state"], &seen["run"]["out"]["value"]["twice"]), (&json!("DONE"), &json!(10)));
    assert_eq!(seen["none"]["isError"], true);
    assert!(seen["stranger"].as_str().is_some_and(|error| error != "let in"), "{}", seen["stranger"]);
    assert_eq!(seen["cancelled"], true);
    let plays = stage.ask("GET /api/plays?flowId=hang").gives(200).await;
    let play = stage.ended(plays["data"][0]["id"].as_str().expect("a play")).await;
    assert_eq!((&play["state"], &plays["total"]), (&json!("CANCELED"), &json!(1)), "{play}");
    let canceled = stage.ask("GET /api/audit?action=play.cancel").gives(200).await;
    assert_eq!(canceled["data"][0]["actor"]["kind"], "apiKey", "{canceled}");
}

/// Peers that answer soon, and never.
pub(crate) async fn peers() -> (Peer, Peer) {
    let answer = |_: &crate::peer::Heard| (200, "{}".to_owned());
    (Peer::start(Duration::from_millis(100), answer).await, Peer::start(Duration::from_secs(3_600), answer).await)
}

async fn sdk(program: &str, script: &str, mode: &str, revision: &str) {
    let stage = Stage::reaching(Vec::new()).await;
    let (port, (quick, silent)) = (Port::of(&stage).await, peers().await);
    tools(&stage, &quick, &silent).await;
    let key = stage.key(&SCOPES).await;
    let seen = seen(program, script, &[&port.url(), &key, mode]).await;
    as_documented(&stage, &seen, revision).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_speaks_the_newest_revision() {
    sdk("mcp-sdk-python", "mcp_client.py", "auto", NEWEST).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_speaks_an_older_revision() {
    sdk("mcp-sdk-python", "mcp_client.py", "legacy", "2025-11-25").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_sdk_speaks_an_older_revision() {
    sdk("mcp-sdk-node", "mcp_client.mjs", "", "2025-11-25").await;
}

/// A flow that calls a tool, and gives what it says.
fn calling(name: &str, url: &str, token: &str) -> Value {
    let args = json!({"url": url, "tool": "{{ $prev.args.tool }}", "arguments": "{{ $prev.args.with }}",
        "bearerToken": token});
    one(name, "mcp-call", args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_calls_tools_of_the_newest_revision_and_of_older_ones() {
    let stage = Stage::reaching(Vec::new()).await;
    let (port, key) = simple(&stage).await;
    let newest = stage.flow(calling("Newest", &port.url(), &key)).await;
    let script = format!("{}/tests/it/mcp_server.mjs", env!("CARGO_MANIFEST_DIR"));
    let mut command = tokio::process::Command::new(place("mcp-sdk-node"));
    command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = command.spawn().expect("starts");
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe")).lines();
    let url = lines.next_line().await.expect("reads").expect("says where it is");
    let older = stage.flow(calling("Older", &url, "hush-hush")).await;
    let stranger = stage.flow(calling("Stranger", &url, "wrong")).await;

    let play = stage.run(&newest, json!({"tool": "order", "with": {"n": 12.50}})).await;
    let out = &play["out"];
    assert_eq!((&out["isError"], &out["structuredContent"]["value"]["twice"]), (&json!(false), &json!(25)), "{play}");
    assert_eq!(out["content"][0]["type"], "text");
    let play = stage.run(&newest, json!({"tool": "nothing", "with": {}})).await;
    assert_eq!((&play["state"], &play["error"]["code"]), (&json!("FAIL"), &json!("MCP_ERROR")), "{play}");

    let play = stage.run(&older, json!({"tool": "works", "with": {"n": 1}})).await;
    let said = &play["out"]["structuredContent"];
    assert_eq!((&said["args"], &said["sessions"]), (&json!({"n": 1}), &json!(1)), "{play}");
    assert!(said["key"].as_str().is_some_and(|key| !key.is_empty()), "{said}");
    let play = stage.run(&older, json!({"tool": "refuses", "with": {}})).await;
    assert_eq!((&play["state"], &play["out"]["isError"]), (&json!("DONE"), &json!(true)), "an error of a tool is data");
    assert_eq!(play["out"]["structuredContent"]["sessions"], 1, "the session before was ended");
    let play = stage.run(&older, json!({"tool": "broken", "with": {}})).await;
    assert_eq!(play["error"]["code"], "MCP_ERROR", "{play}");
    let play = stage.run(&stranger, json!({"tool": "works", "with": {}})).await;
    assert_eq!(play["error"]["code"], "HTTP_STATUS", "{play}");
    assert!(!play.to_string().contains("hush"), "{play}");
}

/// A flow that calls the tool `order` with a link.
fn linked(name: &str, link: &str, url: &str) -> Value {
    let mut flow = one(name, "mcp-call", json!({"url": url, "tool": "order", "arguments": {"n": 2}}));
    flow["layers"][0]["linkId"] = link.into();
    flow
}

#[tokio::test]
async fn a_flow_calls_a_tool_with_a_stored_token() {
    let stage = Stage::reaching(Vec::new()).await;
    let (port, key) = simple(&stage).await;
    let odd = Peer::start(Duration::ZERO, |heard| {
        let message = format!("no to {}", heard.authorization);
        (200, json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32_000, "message": message}}).to_string())
    });
    let odd = odd.await;
    for (name, hosts, token) in [
        ("good", json!([port.at.to_string()]), key.as_str()),
        ("wrong", json!([port.at.to_string(), odd.at()]), "t0ken-hush-hush"),
    ] {
        let link = json!({"name": name, "kind": "bearer", "hosts": hosts, "secret": {"token": token}});
        stage.ask("POST /api/links").json(link).gives(201).await;
    }
    let play = stage.run(&stage.flow(linked("Good", "good", &port.url())).await, json!({})).await;
    assert_eq!(play["out"]["structuredContent"]["value"]["twice"], 4, "{play}");
    // What looks at the token says no in its own words, which are none of MCP.
    let play = stage.run(&stage.flow(linked("Wrong", "wrong", &port.url())).await, json!({})).await;
    assert_eq!((&play["state"], &play["error"]["code"]), (&json!("FAIL"), &json!("HTTP_STATUS")), "{play}");
    assert_eq!(play["error"]["message"], "the server answered with status 401", "{play}");
    let odd_url = format!("http://{}/mcp", odd.at());
    let play = stage.run(&stage.flow(linked("Told", "wrong", &odd_url)).await, json!({})).await;
    assert_eq!(odd.heard().last().expect("was called").authorization, "Bearer t0ken-hush-hush");
    assert_eq!((&play["error"]["code"], &play["error"]["message"]), (&json!("MCP_ERROR"), &json!("no to Bearer ***")));
    let play = stage.run(&stage.flow(linked("Elsewhere", "good", &odd_url)).await, json!({})).await;
    assert_eq!((&play["error"]["code"], odd.heard().len()), (&json!("LINK_HOST"), 1), "{play}");
}
