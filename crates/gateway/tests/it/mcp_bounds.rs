//! What the MCP server refuses, whom it lets in, how lists and calls are bounded, who cancels; and that it keeps
//! nothing.

use std::sync::Arc;
use std::time::Duration;

use gateway::Settings;
use serde_json::{Value, json};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

use crate::client::Ask;
use crate::mcp::{Port, calls, make, order, peers, simple, tool};
use crate::peer::Peer;
use crate::stage::{Stage, one};

fn names(page: &Value) -> Vec<&str> {
    page["result"]["tools"].as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect()
}

#[tokio::test]
async fn a_token_is_good_for_its_scopes_alone() {
    let stage = Stage::new().await;
    let (port, key) = simple(&stage).await;
    let [manage, other] = [stage.key(&["mcp:manage", "flows:view"]).await, stage.key(&["flows:run"]).await];
    let sid = stage.person("bob", &["owner"]).await;
    let list = |token: &str| port.ask(token, "tools/list", json!({}));
    for ask in [list("").nobody(), list("f8_wrong"), list("").nobody().cookie(&sid)] {
        let said = ask.send().await;
        assert_eq!(said.status, 401, "{}", said.text());
        assert!(said.header("www-authenticate").starts_with("Bearer "), "{:?}", said.headers);
    }
    assert_eq!(names(&list(&key).gives(200).await), ["order"]);
    assert_eq!(names(&list(&manage).gives(200).await).len(), 5);
    let call = |token: &str, tool: &str| port.ask(token, "tools/call", json!({"name": tool, "arguments": {"n": 1}}));
    let read =
        |token: &str| port.ask(token, "resources/read", json!({"uri": "flow8://plays/0123456789abcdef01234567"}));
    for (ask, scope) in [
        (list(&other), "mcp"),
        (call(&other, "order"), "mcp"),
        (call(&manage, "order"), "mcp"),
        (call(&key, "flow8_list_flows"), "mcp:manage"),
        (read(&key), "plays:view"),
    ] {
        let said = ask.send().await;
        assert_eq!(said.status, 403, "{}", said.text());
        let challenge = format!("Bearer realm=\"flow8\", error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(said.header("www-authenticate"), challenge);
        assert_eq!(said.json()["id"], 7, "{}", said.text());
    }
    assert_eq!(call(&key, "order").gives(200).await["result"]["isError"], false);
    // What the API refuses, the tools refuse.
    let said = port.call(&manage, "flow8_run_flow", json!({"flowId": "order"})).await;
    let told = said["content"][0]["text"].as_str().expect("text");
    assert!(said["isError"] == true && told.contains("\"FORBIDDEN\""), "{said}");
    let other = stage.other_company().await;
    let theirs = other.ask("POST /api/auth/api-keys").json(json!({"name": "k"})).gives(201).await;
    let theirs = theirs["key"].as_str().expect("a key").to_owned();
    assert!(!names(&list(&theirs).gives(200).await).contains(&"order"));
    assert_eq!(call(&theirs, "order").gives(200).await["error"]["code"], -32_602);
}

#[tokio::test]
async fn pages_of_other_origins_get_nothing() {
    let settings = Settings { allowed_origins: vec!["https://app.example".into()], ..Settings::default() };
    let stage = Stage::with(settings).await;
    let (port, key) = simple(&stage).await;
    let list = || port.ask(&key, "tools/list", json!({}));
    // `flow8.test` is the name by which this client asks: whoever rebinds a name has the same in both.
    for origin in ["https://evil.example", "http://flow8.test", "null"] {
        assert_eq!(list().header("origin", origin).send().await.status, 403, "{origin}");
    }
    for (host, origin, status) in [
        ("localhost:4445", "http://localhost:3000", 200),
        ("[::1]:4445", "http://127.0.0.1", 200),
        ("flow8.test", "http://localhost:3000", 403),
        ("localhost:4445", "http://localhost.evil.example", 403),
        ("localhost:4445", "http://evil.example:80", 403),
    ] {
        let said = list().header("host", host).header("origin", origin).send().await;
        assert_eq!(said.status.as_u16(), status, "{host} {origin}");
    }
    let said = list().header("origin", "https://app.example").send().await;
    assert_eq!((said.status.as_u16(), said.header("access-control-allow-origin")), (200, "https://app.example"));
    let before = Ask::new(port.at, "OPTIONS /mcp").header("origin", "https://app.example");
    let said = before.header("access-control-request-method", "POST").send().await;
    assert_eq!((said.status.as_u16(), said.header("access-control-allow-methods")), (204, "POST"));
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_the_server_stays_up() {
    let stage = Stage::new().await;
    let (port, key) = simple(&stage).await;
    let raw = |body: &str| port.ask(&key, "tools/list", json!({})).body(body.to_owned());
    let list = || port.ask(&key, "tools/list", json!({}));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for (ask, status, code) in [
        (raw("{"), 400, -32_700),
        (raw(""), 400, -32_700),
        (raw(&deep), 400, -32_700),
        (raw("\u{0}"), 400, -32_700),
        (raw("[]"), 400, -32_600),
        (raw("1"), 400, -32_600),
        (list().header("mcp-method", "tools/call"), 400, -32_020),
        (list().header("mcp-protocol-version", "2025-11-25"), 400, -32_020),
        (port.ask(&key, "no/such", json!({})), 404, -32_601),
        (port.ask(&key, "tools/call", json!({"name": "x".repeat(1_000), "arguments": {}})), 200, -32_602),
        (port.old(&key, "tools/call", json!({"name": "nothing"})), 200, -32_602),
    ] {
        let said = ask.send().await;
        assert_eq!(said.status.as_u16(), status, "{}", said.text());
        assert_eq!(said.json()["error"]["code"], code, "{}", said.text());
    }
    let statuses = [
        (list().header("accept", "text/html"), 406),
        (list().header("content-type", "text/plain"), 415),
        (port.old(&key, "tools/list", json!({})).header("mcp-protocol-version", "1999-01-01"), 400),
        (raw(&" ".repeat(5_000_000)), 413),
        (Ask::new(port.at, "GET /mcp").bearer(&key), 405),
        (Ask::new(port.at, "DELETE /mcp").bearer(&key), 405),
        (Ask::new(port.at, "POST /api/flows").bearer(&key), 404),
    ];
    for (ask, status) in statuses {
        let said = ask.send().await;
        assert_eq!(said.status.as_u16(), status, "{}", said.text());
        assert_eq!(said.header("content-type").split(';').next(), Some("application/json"), "{}", said.text());
        assert!(said.json()["error"].is_object() || said.json()["error"].is_string(), "{}", said.text());
    }
    let key_of = json!({"name": "order", "arguments": {"n": 1}, "_meta": {"flow8/idempotencyKey": 5}});
    let said = port.ask(&key, "tools/call", key_of).gives(200).await;
    assert_eq!(said["result"]["structuredContent"]["error"], "VALIDATION_ERROR");
    let flow = stage.flow(one("Again", "var", json!({"value": 1}))).await;
    let route = tool("again", &flow, "sync");
    for (schema, problem) in [
        (json!({"type": "object", "properties": 3}), "is no JSON Schema"),
        (json!({"type": "object", "$ref": "https://example.com/s"}), "is no JSON Schema"),
        (json!({"type": "string"}), "type object"),
    ] {
        for field in ["inputSchema", "outputSchema"] {
            let mut route = route.clone();
            route[field] = schema.clone();
            let channel = json!({"name": "a", "slug": "a", "kind": "mcp", "authMode": "api_key", "routes": [route]});
            let told = stage.ask("POST /api/channels").json(channel).refused(400, "VALIDATION_ERROR").await;
            assert!(told.contains(problem) && told.contains(field), "{told}");
        }
    }
    let exact = port.call(&key, "order", json!({"n": 1})).await;
    assert_eq!(exact["structuredContent"]["value"]["twice"], 2, "it still answers");
    assert_eq!(port.ask(&key, "tools/list", json!({})).gives(200).await["result"]["cacheScope"], "private");
}

/// What is answered, as far as it says what is wrong: the status, the id, the code, the message.
async fn wrong(ask: Ask) -> (u16, Value, Value, String) {
    let said = ask.send().await;
    assert_eq!(said.header("content-type"), "application/json", "{}", said.text());
    let body = said.json();
    assert_eq!(body["jsonrpc"], "2.0", "{body}");
    let message = body["error"]["message"].as_str().expect("a message").to_owned();
    (said.status.as_u16(), body["id"].clone(), body["error"]["code"].clone(), message)
}

#[tokio::test]
async fn what_has_another_shape_is_told_with_its_field_and_its_id() {
    let stage = Stage::new().await;
    let (port, key) = simple(&stage).await;
    for (params, problem) in [
        (json!({"name": "order", "arguments": [1]}), "params.arguments: is an object"),
        (json!({"name": "order", "arguments": "x"}), "params.arguments: is an object"),
        (json!({"name": 5, "arguments": {}}), "params.name: is a text"),
        (json!({}), "params.name: is a text"),
    ] {
        let told = (200, json!(7), json!(-32_602), problem.to_owned());
        assert_eq!(wrong(port.ask(&key, "tools/call", params.clone())).await, told);
        let older = port.old(&key, "tools/call", params).header("mcp-protocol-version", "2025-06-18");
        assert_eq!(wrong(older).await, told);
    }
    for (body, status, id, code, problem) in [
        (r#"{"id":1}"#, 400, json!(1), -32_600, "jsonrpc: is \"2.0\""),
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, 400, json!("a"), -32_600, "jsonrpc: is \"2.0\""),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, Value::Null, -32_600, "id: is a text or a whole number"),
        (r#"{"jsonrpc":"2.0","id":2,"method":3}"#, 400, json!(2), -32_600, "method: is a text"),
        (
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":[]}"#,
            200,
            json!(3),
            -32_602,
            "params: is an object",
        ),
    ] {
        let told = (status, id, json!(code), problem.to_owned());
        assert_eq!(wrong(port.old(&key, "ping", json!({})).body(body)).await, told, "{body}");
    }
    let unknown = port.old(&key, "tools/list", json!({})).header("mcp-protocol-version", "1999-01-01");
    let (status, id, code, message) = wrong(unknown).await;
    assert_eq!((status, id, code), (400, json!(7), json!(-32_022)), "{message}");
    // What the protocol is silent about is told in its words too.
    let (status, id, _, message) = wrong(port.ask(&key, "tools/list", json!({})).header("accept", "text/html")).await;
    assert_eq!((status, id), (406, json!(7)), "{message}");
    assert_eq!(
        port.call(&key, "order", Value::Null).await["isError"],
        true,
        "arguments may be left out; the flow misses `n`"
    );
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_a_channel_takes_so_many_calls() {
    let stage = Stage::new().await;
    let flow = stage.flow(order()).await;
    let routes = |kind: &str| (0..60).map(|at| tool(&format!("{kind}{at:02}"), &flow, "sync")).collect::<Vec<_>>();
    make(&stage, "one", routes("a")).await;
    let limited = json!({"name": "two", "slug": "two", "kind": "mcp", "authMode": "api_key", "routes": routes("b"),
        "rateLimit": {"perSecond": 1, "burst": 2}});
    stage.ask("POST /api/channels").json(limited).gives(201).await;
    let (port, key) = (Port::of(&stage).await, stage.key(&["mcp"]).await);
    let (mut all, mut cursor, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
        let page = port.ask(&key, "tools/list", params).gives(200).await;
        all.extend(names(&page).into_iter().map(str::to_owned));
        (cursor, pages) = (page["result"]["nextCursor"].clone(), pages + 1);
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((all.len(), pages, all.is_sorted()), (120, 3, true));
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(port.call(&key, "b01", json!({"n": 1})).await["isError"].clone());
    }
    assert_eq!((&told[0], &told[3]), (&json!(false), &json!(true)), "{told:?}");
    // Two that are called the same.
    make(&stage, "three", vec![tool("a00", &flow, "sync")]).await;
    assert_eq!(port.call(&key, "three_a00", json!({"n": 1})).await["isError"], false);
    assert_eq!(port.call(&key, "one_a00", json!({"n": 1})).await["isError"], false);
    // While flow8 shuts down, another replica is asked.
    stage.engine.drain(Duration::ZERO).await;
    assert_eq!(port.ask(&key, "tools/list", json!({})).send().await.status, 503);
}

/// Sends a call whose play takes for ever, and goes away once it has begun.
async fn go_away(port: &Port, stage: &Stage, ask: Ask, silent: &Peer, calls: usize) -> String {
    let call = tokio::spawn(ask.send());
    let mut feed = stage.engine.feed();
    while silent.heard().len() < calls {
        feed.borrow_and_update();
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()), "{}", port.url());
    let plays = stage.ask("GET /api/plays?flowId=hang").gives(200).await;
    plays["data"][0]["id"].as_str().expect("a play").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_has_cancelled_in_the_newest_revision_alone() {
    let stage = Stage::reaching(Vec::new()).await;
    let (_, silent) = peers().await;
    let flow = stage.flow(calls("Hang", &silent, 1)).await;
    make(&stage, "shop", vec![tool("hang", &flow, "sync")]).await;
    let (port, key) = (Port::of(&stage).await, stage.key(&["mcp"]).await);
    let params = json!({"name": "hang", "arguments": {}});
    let old = go_away(&port, &stage, port.old(&key, "tools/call", params.clone()), &silent, 1).await;
    let new = go_away(&port, &stage, port.ask(&key, "tools/call", params), &silent, 2).await;
    assert_ne!(old, new);
    assert_eq!(stage.ended(&new).await["state"], "CANCELED");
    assert_eq!(stage.ask(&format!("GET /api/plays/{old}")).gives(200).await["state"], "RUN");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_answers_any_request() {
    let server = Mongod::start();
    server.initiate().await;
    let open = async || {
        let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
        Arc::new(MongoStore::open(&options).await.expect("opens"))
    };
    let one_of = Stage::on(open().await, true).await;
    let other = Stage::on(open().await, false).await;
    let (_, silent) = peers().await;
    let flows = [one_of.flow(order()).await, one_of.flow(calls("Hang", &silent, 1)).await];
    make(&one_of, "shop", vec![tool("order", &flows[0], "sync"), tool("hang", &flows[1], "sync")]).await;
    let (ports, key) = ([Port::of(&one_of).await, Port::of(&other).await], one_of.key(&["mcp"]).await);
    let start =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let begin = ports[0].old(&key, "initialize", start).header("mcp-protocol-version", "2025-06-18").send().await;
    assert_eq!(begin.json()["result"]["protocolVersion"], "2025-06-18", "{}", begin.text());
    let session = begin.header("mcp-session-id").to_owned();
    for at in 0..6 {
        let params =
            json!({"name": "order", "arguments": {"n": at}, "_meta": {"flow8/idempotencyKey": format!("k{}", at / 2)}});
        let said = ports[at % 2].old(&key, "tools/call", params).header("mcp-session-id", &session).gives(200).await;
        let expected = if at % 2 == 0 { json!(false) } else { json!(true) };
        assert_eq!(said["result"]["isError"], expected, "the same key with other arguments, elsewhere: {said}");
    }
    let hang = ports[0].old(&key, "tools/call", json!({"name": "hang", "arguments": {}}));
    let call = tokio::spawn(hang.header("mcp-session-id", &session).send());
    while silent.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    // Another session, and another key, have other requests of that number.
    let cancel = |session: &str| {
        let note = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        ports[1].old(&key, "", json!({})).header("mcp-session-id", session).json(note)
    };
    assert_eq!(cancel("another").send().await.status, 202);
    assert_eq!(cancel(&session).send().await.status, 202);
    let said = call.await.expect("is answered").json();
    assert_eq!(said["result"]["structuredContent"]["state"], "CANCELED", "{said}");
}

/// What the page about MCP shows as JSON.
fn examples() -> Vec<Value> {
    let page = include_str!("../../../../docs/mcp.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| serde_json::from_str(block).expect("JSON")).collect()
}

#[tokio::test]
async fn the_examples_of_the_page_about_mcp_work() {
    let stage = Stage::new().await;
    let examples = examples();
    let [channel, client] = examples.as_slice() else { panic!("a channel, and what a client is told") };
    stage.flow(one("Place order", "var", json!({"value": "{{ $prev.args.customer }}"}))).await;
    stage.ask("POST /api/channels").json(channel.clone()).gives(201).await;
    let (port, key) = (Port::of(&stage).await, stage.key(&["mcp"]).await);
    let server = &client["mcpServers"]["flow8"];
    assert_eq!((&server["type"], &server["url"]), (&json!("http"), &json!("http://localhost:4445/mcp")));
    let token = server["headers"]["Authorization"].as_str().expect("a header").replace("FLOW8_KEY", &key);
    let token = token.strip_prefix("Bearer ").expect("a bearer token");
    let said = port.call(token, "place_order", json!({"customer": "Ada"})).await;
    assert_eq!(said["structuredContent"], json!({"value": "Ada"}), "{said}");
}
