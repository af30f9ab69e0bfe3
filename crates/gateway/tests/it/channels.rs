//! Channels, as those outside see them: over a real connection, with a real engine behind it.

use std::net::SocketAddr;
use std::time::Duration;

use gateway::{ChannelGateway, Stop, serve};
use model::limits::{CHANNEL_REFUSALS_BURST, CHANNEL_REQUESTS_LOGGED};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::{Ask, Said};
use crate::stage::{Stage, echo, one};

/// The port that all channels of a stage share.
pub(crate) struct Port {
    pub(crate) at: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
}

impl Port {
    pub(crate) async fn of(stage: &Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let at = listener.local_addr().expect("an address");
        let (stop, stopped) = Stop::switch();
        tokio::spawn(serve(
            listener,
            ChannelGateway::new(stage.gateway.app().clone()),
            stopped,
            Duration::from_secs(5),
        ));
        Self { at, stop }
    }

    pub(crate) fn ask(&self, line: &str) -> Ask {
        Ask::new(self.at, line)
    }
}

/// A channel for everybody, with one route.
pub(crate) fn public(slug: &str, route: Value) -> Value {
    json!({"name": slug, "slug": slug, "kind": "http", "authMode": "public", "routes": [route]})
}

pub(crate) fn route(method: &str, path: &str, mode: &str, flow: &str) -> Value {
    json!({"name": "r", "httpMethod": method, "path": path, "responseMode": mode, "targetFlowIds": [flow]})
}

pub(crate) async fn make(stage: &Stage, channel: Value) -> Value {
    stage.ask("POST /api/channels").json(channel).gives(201).await
}

fn play_of(said: &Said) -> String {
    said.json()["playId"].as_str().expect("a play").to_owned()
}

#[tokio::test]
async fn a_request_becomes_arguments_and_the_output_an_answer() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    make(&stage, public("hooks", route("ANY", "/orders/:id", "sync", &flow))).await;
    let ask = port.ask("POST /hooks/orders/a%20b?x=1&y=2&x=3").header("x-thing", "T").header("cookie", "sid=1");
    let said = ask.header("authorization", "Bearer f8_x").json(json!({"n": 1.50})).send().await;
    assert_eq!(said.status, 200, "{}", said.text());
    let args = &said.json()["value"];
    assert_eq!(args["body"], json!({"n": 1.5}));
    assert_eq!(args["query"], json!({"x": ["1", "3"], "y": "2"}));
    assert_eq!(args["params"], json!({"id": "a b"}));
    assert_eq!((&args["method"], &args["path"]), (&json!("POST"), &json!("/orders/a%20b")));
    assert_eq!(args["headers"]["x-thing"], "T");
    assert!(args["headers"].get("cookie").is_none() && args["headers"].get("authorization").is_none(), "{args}");
    let play = stage.ask(&format!("GET /api/plays/{}", said.header("x-play-id"))).gives(200).await;
    assert_eq!((&play["trigger"], &play["actor"]["kind"]), (&json!("channel"), &json!("channel")), "{play}");
    for (line, status) in [
        ("GET /hooks/orders/1", 200),
        ("GET /hooks/orders/1/", 200),
        ("OPTIONS /hooks/orders/1", 405),
        ("GET /hooks/orders", 404),
        ("GET /hooks", 404),
        ("GET /hook/orders/1", 404),
        ("GET /", 404),
        ("GET /HOOKS/orders/1", 404),
        ("GET /../hooks/orders/1", 404),
    ] {
        assert_eq!(port.ask(line).send().await.status, status, "{line}");
    }
}

/// A flow that asks for approval.
fn asking() -> Value {
    let mut flow = one("Asking", "var", json!({"value": 1}));
    flow["layers"][0]["needsApproval"] = json!(true);
    flow
}

#[tokio::test]
async fn answers_are_those_of_the_contract() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let respond = json!({"statusCode": 201, "headers": {"X-A": "b", "Set-Cookie": "sid=1"}, "body": "made"});
    let flows = [
        ("respond", one("Respond", "respond", respond)),
        ("fail", one("Fail", "fail", json!({"message": "no stock"}))),
        ("ask", asking()),
        ("slow", one("Slow", "delay", json!({"seconds": 600}))),
    ];
    let mut routes = Vec::new();
    for (path, flow) in flows {
        let flow = stage.flow(flow).await;
        let mut route = route("GET", &format!("/{path}"), "sync", &flow);
        route["timeoutSeconds"] = json!(1);
        routes.push(route);
    }
    let echo = stage.flow(echo()).await;
    let mut both = route("POST", "/both", "async", &echo);
    let other = stage.flow(one("Other", "var", json!({"value": 1}))).await;
    both["targetFlowIds"] = json!([echo, other]);
    routes.push(both);
    routes.push(route("POST", "/one", "async", "echo"));
    let mut channel = public("all", json!(null));
    channel["routes"] = json!(routes);
    make(&stage, channel).await;

    let said = port.ask("GET /all/respond").send().await;
    assert_eq!((said.status.as_u16(), said.text().as_str()), (201, "made"));
    assert_eq!((said.header("x-a"), said.header("set-cookie")), ("b", ""));
    let said = port.ask("GET /all/fail").send().await;
    assert_eq!(said.status, 502, "{}", said.text());
    assert!(said.json()["error"]["message"].as_str().is_some_and(|text| text.contains("no stock")), "{}", said.text());
    play_of(&said);
    // Where a person has to do something first, nobody waits; else time decides.
    for (path, status) in [("ask", 202), ("slow", 504)] {
        let said = port.ask(&format!("GET /all/{path}")).send().await;
        assert_eq!((said.status.as_u16(), &said.json()["state"]), (status, &json!("WAIT")), "{}", said.text());
        play_of(&said);
    }
    let said = port.ask("POST /all/one").json(json!({})).send().await;
    assert_eq!((said.status.as_u16(), &said.json()["status"]), (202, &json!("queued")));
    stage.ended(&play_of(&said)).await;
    let said = port.ask("POST /all/both").json(json!({})).send().await;
    let plays = said.json()["playIds"].as_array().expect("plays").clone();
    assert_eq!(plays.len(), 2, "{}", said.text());
    for play in plays {
        assert_eq!(stage.ended(play.as_str().expect("an id")).await["state"], "DONE");
    }
    // Where one of them cannot run, none is started.
    let before = stage.ask("GET /api/plays").gives(200).await["total"].clone();
    let mut off = one("Other", "var", json!({"value": 1}));
    off["enabled"] = json!(false);
    stage.ask(&format!("PUT /api/flows/{other}")).json(off).gives(200).await;
    let said = port.ask("POST /all/both").json(json!({})).send().await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (503, &json!("FLOW_UNAVAILABLE")), "{}", said.text());
    assert_eq!(stage.ask("GET /api/plays").gives(200).await["total"], before);
}

#[tokio::test]
async fn a_form_brings_files_and_a_malformed_one_is_refused() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut to_all = route("POST", "/", "sync", &flow);
    to_all["idempotencyHeader"] = json!("X-Key");
    make(&stage, public("form", to_all)).await;
    let form = "--B\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--B\r\n\
        Content-Disposition: form-data; name=\"doc\"; filename=\"../a b.txt\"\r\nContent-Type: text/plain\r\n\r\n\
        the file\r\n--B--\r\n";
    let send = |form: &str| {
        let ask = port.ask("POST /form").header("content-type", "multipart/form-data; boundary=B");
        ask.header("x-key", "1").body(form.to_owned()).send()
    };
    let said = send(form).await;
    assert_eq!(said.status, 200, "{}", said.text());
    let body = &said.json()["value"]["body"];
    assert_eq!(body["note"], "hello");
    assert_eq!((&body["doc"]["name"], &body["doc"]["size"]), (&json!("../a b.txt"), &json!(8)));
    assert_eq!(body["doc"]["contentType"], "text/plain");
    let path = body["doc"]["path"].as_str().expect("a path");
    assert!(path.ends_with("/a_b.txt"), "{path}");
    let kept = stage.ask(&format!("GET /api/files/content?path={path}")).send().await;
    assert_eq!(kept.text(), "the file");
    // The same form again is the same play, and its files are not kept twice.
    let again = send(form).await;
    assert_eq!(again.header("x-play-id"), said.header("x-play-id"), "{}", again.text());
    assert_eq!(stage.ask("GET /api/files").gives(200).await["total"], 1);
    assert_eq!(send(&form.replace("the file", "the fire")).await.status, 409);
    assert_eq!(stage.ask("GET /api/files").gives(200).await["total"], 1);
    for form in ["", "--B", "--B\r\nnothing\r\n\r\n--B--", &form[..form.len() - 20]] {
        assert_eq!(send(form).await.status, 400, "{form}");
    }
}

#[tokio::test]
async fn what_happens_in_a_play_is_told_as_it_happens() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut stream = route("POST", "/", "stream", &flow);
    stream["idempotencyHeader"] = json!("x-key");
    make(&stage, public("told", stream)).await;
    let ask = || port.ask("POST /told").header("x-key", "1").json(json!({"a": 1})).send();
    let said = ask().await;
    assert_eq!((said.status.as_u16(), said.header("content-type")), (200, "text/event-stream"));
    let text = said.text();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(kinds, ["play:started", "play:layer:completed", "play:completed", "outcome"], "{text}");
    let last = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().expect("an outcome");
    let outcome: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!((&outcome["state"], &outcome["out"]["value"]["body"]["a"]), (&json!("DONE"), &json!(1)));
    // Asked again, the end is all there is to tell.
    let again = ask().await.text();
    assert!(again.starts_with("event: outcome\n") && again.contains(outcome["playId"].as_str().expect("an id")));
}

#[tokio::test]
async fn requests_are_kept_for_a_while_and_can_be_sent_again() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let channel = make(&stage, public("log", route("POST", "/in", "sync", &flow))).await;
    let at = format!("/api/channels/{}/requests", channel["id"].as_str().expect("an id"));
    let began = Instant::now();
    let said = port.ask("POST /log/in?q=1").header("authorization", "Bearer hush").json(json!({"n": 7})).send().await;
    let list = stage.ask(&format!("GET {at}")).gives(200).await;
    assert_eq!(list["total"], 1, "{list}");
    let entry = &list["data"][0];
    assert_eq!((&entry["method"], &entry["path"], &entry["bytes"]), (&json!("POST"), &json!("/in"), &json!(7)));
    assert_eq!(entry["playIds"], json!([said.header("x-play-id")]));
    let id = entry["id"].as_str().expect("an id");
    let one = stage.ask(&format!("GET {at}/{id}")).gives(200).await;
    assert_eq!(one["args"]["body"], json!({"n": 7}));
    assert!(!one.to_string().contains("hush"), "{one}");
    let replayed = stage.ask(&format!("POST {at}/{id}/replay")).gives(202).await;
    let play = stage.ended(replayed["playIds"][0].as_str().expect("a play")).await;
    assert_eq!((&play["args"]["body"]["n"], &play["state"]), (&json!(7), &json!("DONE")));
    stage.ask(&format!("GET {at}/0123456789abcdef01234567")).refused(404, "REQUEST_NOT_FOUND").await;
    for _ in 0..30 {
        port.ask("POST /log/in").json(json!({})).send().await;
    }
    // So many at once are written down, and then so many for each second that went by.
    let each_second = u64::from(CHANNEL_REQUESTS_LOGGED);
    let most = each_second + each_second * began.elapsed().as_millis() as u64 / 1_000 + 1;
    let total = stage.ask(&format!("GET {at}")).gives(200).await["total"].as_u64().expect("a number");
    assert!((each_second..=most).contains(&total), "{each_second}..={most}: {total}");
    stage.world.pass(Duration::from_secs(25 * 3600));
    assert_eq!(stage.ask(&format!("GET {at}")).gives(200).await["total"], 0);
}

#[tokio::test]
async fn what_is_refused_is_kept_for_a_while_with_its_reason() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut guarded = public("guarded", route("POST", "/in", "sync", &flow));
    guarded["authMode"] = json!("header_token");
    guarded["auth"] = json!({"secret": "a token that is long enough"});
    guarded["bodyLimit"] = json!(1_000);
    guarded["routes"][0]["idempotencyHeader"] = json!("x-key");
    let channel = make(&stage, guarded).await;
    let at = format!("/api/channels/{}/requests", channel["id"].as_str().expect("an id"));
    let ask = || port.ask("POST /guarded/in?token=shown").header("authorization", "Bearer a token that is long enough");
    let taken = ask().json(json!({"n": 1})).send().await;
    assert_eq!(taken.status, 200);
    for (refused, status) in [
        (port.ask("POST /guarded/in").header("authorization", "Bearer another"), 401),
        (ask().json(json!({"long": "x".repeat(1_000)})), 413),
        (ask().header("x-key", "").json(json!({})), 400),
        (ask().header("content-type", "application/json").body("{"), 400),
    ] {
        let said = refused.send().await;
        assert_eq!(said.status, status, "{}", said.text());
        // The newest stands first.
        let entry = &stage.ask(&format!("GET {at}")).gives(200).await["data"][0];
        assert_eq!((&entry["status"], &entry["playIds"], &entry["state"]), (&json!(status), &json!([]), &Value::Null));
        assert_eq!((&entry["error"], &entry["requestId"]), (&said.json()["message"], &said.json()["requestId"]));
        assert!(!entry.to_string().contains("long enough") && !entry.to_string().contains("shown"), "{entry}");
        let replay = format!("POST {at}/{}/replay", entry["id"].as_str().expect("an id"));
        stage.ask(&replay).refused(409, "CONFLICT").await;
    }
    // Strangers push out nobody who was let in, and are not written down without end.
    for _ in 0..2 * CHANNEL_REFUSALS_BURST {
        port.ask("POST /guarded/in").send().await;
    }
    let list = stage.ask(&format!("GET {at}?size=100")).gives(200).await;
    let entries = list["data"].as_array().expect("a list");
    let (let_in, refused): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.get("status").is_none());
    assert_eq!(let_in.len(), 1, "{list}");
    assert_eq!((&let_in[0]["playIds"][0], &let_in[0]["state"]), (&json!(taken.header("x-play-id")), &json!("DONE")));
    assert!((CHANNEL_REFUSALS_BURST as usize..100).contains(&refused.len()), "{}", refused.len());
}

#[tokio::test]
async fn a_channel_is_checked_as_a_whole_and_its_secret_never_comes_out() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let with = |field: &str, value: Value| {
        let mut channel = public("one", route("GET", "/a", "sync", &flow));
        channel[field] = value;
        channel
    };
    let two = |one: &str, other: &str| json!([route("GET", one, "async", &flow), route("GET", other, "async", &flow)]);
    let routed = |field: &str, value: Value| {
        let mut changed = route("GET", "/a", "sync", &flow);
        changed[field] = value;
        with("routes", json!([changed]))
    };
    for (channel, field) in [
        (with("slug", json!("A b")), "slug"),
        (with("kind", json!("smtp")), "kind"),
        (with("colour", json!("red")), "colour"),
        (with("name", json!(" ")), "name"),
        (with("authMode", json!("hmac")), "auth.secret"),
        (with("auth", json!({"secret": "x".repeat(20)})), "auth.secret"),
        (with("bodyLimit", json!(0)), "bodyLimit"),
        (with("bodyLimit", json!(1_u64 << 40)), "bodyLimit"),
        (with("rateLimit", json!({"perSecond": 0})), "rateLimit"),
        (with("cors", json!({"origins": ["https://a.example/path"]})), "cors.origins[0]"),
        (with("routes", two("/a", "/a")), "routes[1].path"),
        (with("routes", two("/:a", "/:b")), "path"),
        (routed("path", json!("a")), "routes[0].path"),
        (routed("path", json!("/a/*rest/b")), "routes[0].path"),
        (routed("path", json!("/{a}")), "routes[0].path"),
        (routed("path", json!("/:a/b/:a")), "routes[0].path: has :a twice"),
        (routed("httpMethod", Value::Null), "routes[0].httpMethod"),
        (routed("toolName", json!("x")), "routes[0].toolName"),
        (routed("targetFlowIds", json!([])), "routes[0].targetFlowIds"),
        (routed("targetFlowIds", json!(["echo", flow])), "routes[0].targetFlowIds"),
        (routed("targetFlowIds", json!(["nothing"])), "routes[0].targetFlowIds"),
        (routed("timeoutSeconds", json!(301)), "routes[0].timeoutSeconds"),
        (routed("idempotencyHeader", json!("a b")), "routes[0].idempotencyHeader"),
    ] {
        let message = stage.ask("POST /api/channels").json(channel.clone()).refused(400, "VALIDATION_ERROR").await;
        assert!(message.contains(field), "{field}: {message}");
    }
    let mut channel = with("authMode", json!("header_token"));
    channel["auth"] = json!({"secret": "hush-hush-hush-hush"});
    let made = make(&stage, channel.clone()).await;
    assert!(made["hasSecret"] == true && !made.to_string().contains("hush"), "{made}");
    stage.ask("POST /api/channels").json(channel.clone()).refused(409, "CHANNEL_SLUG_TAKEN").await;
    let at = format!("/api/channels/{}", made["id"].as_str().expect("an id"));
    channel["auth"] = json!({});
    let kept = stage.ask(&format!("PUT {at}")).json(channel.clone()).gives(200).await;
    assert_eq!(kept["hasSecret"], true, "it stays as it is where nobody gives another");
    let added = stage.ask(&format!("POST {at}/routes")).json(route("POST", "/b", "async", &flow)).gives(201).await;
    let of = format!("{at}/routes/{}", added["id"].as_str().expect("an id"));
    stage.ask(&format!("PUT {of}")).json(route("POST", "/c", "async", &flow)).gives(200).await;
    let routes = stage.ask(&format!("GET {at}/routes")).gives(200).await;
    assert_eq!((&routes["total"], &routes["data"][1]["path"]), (&json!(2), &json!("/c")), "{routes}");
    stage.ask(&format!("DELETE {of}")).gives(204).await;
    let audit = stage.ask("GET /api/audit?entity=channel").gives(200).await;
    assert!(audit["total"] == 5 && !audit.to_string().contains("hush"), "{audit}");
    stage.ask(&format!("DELETE {at}")).gives(204).await;
    stage.ask(&format!("GET {at}")).refused(404, "CHANNEL_NOT_FOUND").await;
    let mcp = json!({"name": "t", "slug": "tools", "kind": "mcp", "authMode": "api_key", "routes": [
        {"name": "add", "toolName": "add", "inputSchema": {"type": "object"}, "description": "Adds.",
         "targetFlowIds": [flow], "responseMode": "sync"}]});
    make(&stage, mcp).await;
    assert_eq!(stage.ask("GET /api/channels?kind=mcp").gives(200).await["total"], 1);
}
