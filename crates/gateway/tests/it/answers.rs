//! `respond`: over channels, the API and MCP alike, the answer leaves when it is committed, and the play goes on.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use tokio::time::Instant;

use crate::channels::{Port, make, public, route};
use crate::mcp;
use crate::peer::Peer;
use crate::stage::Stage;

/// Answers, and then goes on for ten minutes.
fn goes_on() -> Value {
    json!({"name": "Goes on", "layers": [
        {"ref": "answer", "appId": "respond", "args": {"statusCode": 201, "headers": {"X-A": "b"}, "body": {"n": 1}}},
        {"ref": "later", "appId": "delay", "index": 1, "args": {"seconds": 600}},
    ]})
}

#[tokio::test]
async fn the_answer_leaves_while_the_play_waits() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(goes_on()).await;
    make(&stage, public("hooks", route("POST", "/", "sync", &flow))).await;
    let asked = Instant::now();
    let said = port.ask("POST /hooks").send().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!((said.status.as_u16(), said.json(), said.header("x-a")), (201, json!({"n": 1}), "b"));
    let play = stage.ask(&format!("GET /api/plays/{}", said.header("x-play-id"))).gives(200).await;
    assert_eq!(play["state"], "WAIT", "{play}");

    let given = stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({})).gives(200).await;
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert_eq!((&given["state"], &given["out"]["body"]), (&json!("WAIT"), &json!({"n": 1})), "{given}");
    assert_eq!((&given["out"]["statusCode"], given["playId"].is_string()), (&json!(201), true), "{given}");
    let told = stage.ask(&format!("POST /api/flows/{flow}/run")).json(json!({})).gives(202).await;
    assert!(told.get("out").is_none(), "nobody waited: {told}");

    mcp::make(&stage, "tools", vec![mcp::tool("goes", &flow, "sync")]).await;
    let (mcp, key) = (mcp::Port::of(&stage).await, stage.key(&["mcp"]).await);
    let called = mcp.call(&key, "goes", json!({})).await;
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!((&called["structuredContent"], &called["isError"]), (&json!({"n": 1}), &json!(false)), "{called}");
}

/// A wait that ends by itself is none of the caller's business: the answer comes behind it.
#[tokio::test]
async fn whoever_waits_for_an_answer_waits_through_timers_and_subflows() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    stage.flow(json!({"name": "Child", "layers": [{"ref": "a", "appId": "delay", "args": {"seconds": 0.05}}]})).await;
    let layers = json!([
        // So long that the play leaves memory meanwhile.
        {"ref": "pause", "appId": "delay", "args": {"seconds": 1.2}},
        {"ref": "child", "appId": "subflow", "index": 1, "args": {"flowId": "child", "args": {}}},
        {"ref": "answer", "appId": "respond", "index": 2, "args": {"statusCode": 201, "body": {"n": 1}}},
    ]);
    let flow = stage.flow(json!({"name": "Waits", "layers": layers})).await;
    let mut routes = json!([route("POST", "/sync", "sync", &flow), route("POST", "/stream", "stream", &flow)]);
    routes[1]["name"] = json!("stream");
    let mut channel = public("hooks", json!(null));
    channel["routes"] = routes;
    make(&stage, channel).await;
    mcp::make(&stage, "tools", vec![mcp::tool("waits", &flow, "sync")]).await;
    let (mcp, key) = (mcp::Port::of(&stage).await, stage.key(&["mcp"]).await);
    let said = port.ask("POST /hooks/sync").send().await;
    assert_eq!((said.status.as_u16(), said.json()), (201, json!({"n": 1})), "{}", said.text());
    let said = port.ask("POST /hooks/stream").send().await.text();
    assert!(said.contains("event: play:waiting") && said.contains("event: play:completed"), "{said}");
    let called = mcp.call(&key, "waits", json!({})).await;
    assert_eq!((&called["structuredContent"], &called["isError"]), (&json!({"n": 1}), &json!(false)), "{called}");
    // Whoever runs a flow through the API is told of each wait.
    let given = stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({})).gives(202).await;
    assert_eq!(given["state"], "WAIT", "{given}");
}

#[tokio::test]
async fn what_is_sensitive_stays_masked_in_an_answer_that_leaves_early() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let mut flow = goes_on();
    flow["layers"][0]["sensitive"] = json!({"out": ["/body/n"]});
    let flow = stage.flow(flow).await;
    make(&stage, public("hooks", route("POST", "/", "sync", &flow))).await;
    let said = port.ask("POST /hooks").send().await;
    assert_eq!(said.status, 201, "{}", said.text());
    let given = stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({})).gives(200).await;
    for shown in [&said.json()["n"], &given["out"]["body"]["n"]] {
        assert!(shown.is_string() && shown != "1", "{shown}");
    }
}

#[tokio::test]
async fn an_answer_counts_where_the_play_fails_behind_it() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let mut flow = goes_on();
    flow["layers"][1] = json!({"ref": "fails", "appId": "fail", "index": 1, "args": {"message": "no"}});
    let flow = stage.flow(flow).await;
    make(&stage, public("hooks", route("POST", "/", "sync", &flow))).await;
    let said = port.ask("POST /hooks").send().await;
    assert_eq!((said.status.as_u16(), said.json()), (201, json!({"n": 1})));
    let play = stage.ended(said.header("x-play-id")).await;
    assert_eq!((&play["state"], &play["out"]["statusCode"]), (&json!("FAIL"), &json!(201)), "{play}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_at_another_replica_has_the_answer_too() {
    let server = Mongod::start();
    server.initiate().await;
    let open = async || {
        let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
        Arc::new(MongoStore::open(&options).await.expect("opens"))
    };
    let (first, second) = (Stage::on(open().await, true).await, Stage::on(open().await, false).await);
    let (here, there) = (Port::of(&first).await, Port::of(&second).await);
    // Long enough that whoever asks second waits at the other replica.
    let held = Peer::start(Duration::from_secs(1), |_| (200, "{}".into())).await;
    let silent = Peer::start(Duration::from_secs(600), |_| (200, "{}".into())).await;
    let call = |name: &str, index: u32, peer: &Peer| {
        let args = json!({"method": "GET", "url": format!("http://127.0.0.1:{}/", peer.port)});
        json!({"ref": name, "appId": "curl", "index": index, "args": args})
    };
    let flow = json!({"name": "Far", "layers": [
        call("held", 0, &held),
        {"ref": "answer", "appId": "respond", "index": 1, "args": {"statusCode": 201, "body": "taken"}},
        call("silent", 2, &silent),
    ]});
    let flow = first.flow(flow).await;
    let mut keyed = route("POST", "/", "sync", &flow);
    keyed["idempotencyHeader"] = json!("x-key");
    make(&first, public("hooks", keyed)).await;
    let ask = |port: &Port| port.ask("POST /hooks").header("x-key", "k").send();
    let asked = Instant::now();
    let (one, two) = tokio::join!(ask(&here), ask(&there));
    // And once more, when it has long been answered.
    let (three, four) = (ask(&here).await, ask(&there).await);
    for said in [&one, &two, &three, &four] {
        assert_eq!((said.status.as_u16(), said.text().as_str()), (201, "taken"));
    }
    assert_eq!(one.header("x-play-id"), two.header("x-play-id"));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let play = first.ask(&format!("GET /api/plays/{}", one.header("x-play-id"))).gives(200).await;
    assert_eq!(play["state"], "RUN", "{play}");
}
