//! Channels and those who may not, or come too often, or say too much.

use std::time::Duration;

use gateway::{Rates, Settings};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::channels::{Port, make, public, route};
use crate::client::Said;
use crate::stage::{EMAIL, PASSWORD, Stage, echo, one};

const SECRET: &str = "a secret that is long";

fn guarded(slug: &str, mode: &str, auth: Value, flow: &str) -> Value {
    let mut channel = public(slug, route("POST", "/", "sync", flow));
    channel["authMode"] = json!(mode);
    channel["auth"] = auth;
    channel
}

fn sign(text: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn plays(list: &Value) -> u64 {
    list["total"].as_u64().expect("a number")
}

#[tokio::test]
async fn whoever_cannot_show_that_they_may_is_told_nothing_more() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    make(&stage, guarded("token", "header_token", json!({"secret": SECRET}), &flow)).await;
    make(&stage, guarded("other", "header_token", json!({"secret": SECRET, "header": "X-Token"}), &flow)).await;
    make(&stage, guarded("keyed", "api_key", json!({}), &flow)).await;
    make(&stage, guarded("hub", "hmac", json!({"secret": SECRET, "scheme": "github"}), &flow)).await;
    let (runs, sees) = (stage.key(&["flows:run"]).await, stage.key(&["flows:view"]).await);
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let hub = format!("sha256={}", sign("{}"));
    for (path, name, value, status) in [
        ("/token", "authorization", bearer(SECRET), 200),
        ("/token", "authorization", bearer("another"), 401),
        ("/token", "authorization", SECRET.to_owned(), 401),
        ("/token", "x-token", SECRET.to_owned(), 401),
        ("/other", "x-token", SECRET.to_owned(), 200),
        ("/other", "x-token", String::new(), 401),
        ("/keyed", "authorization", bearer(&runs), 200),
        ("/keyed", "x-api-key", runs.clone(), 200),
        ("/keyed", "authorization", bearer(&sees), 401),
        ("/keyed", "cookie", format!("sid={sid}"), 401),
        ("/hub", "x-hub-signature-256", hub.clone(), 200),
        ("/hub", "x-hub-signature-256", format!("sha256={}", sign("[]")), 401),
        ("/hub", "x-hub-signature-256", hub.replace("sha256=", "sha1="), 401),
        ("/hub", "x-hub-signature-256", "sha256=".into(), 401),
        ("/hub", "x-other", hub.clone(), 401),
    ] {
        let said = port.ask(&format!("POST {path}")).header(name, &value).json(json!({})).send().await;
        assert_eq!(said.status, status, "{path} {name}: {}", said.text());
        assert!(!said.text().contains(SECRET) && !said.text().contains(&runs), "{}", said.text());
        if status == 401 {
            assert_eq!(said.json()["message"], "this needs a proof that you may", "{}", said.text());
            let challenge = if matches!(path, "/token" | "/keyed") { "Bearer" } else { "" };
            assert_eq!(said.header("www-authenticate"), challenge, "{path}");
        }
    }
    let other = stage.other_company().await;
    let key = other.ask("POST /api/auth/api-keys").json(json!({"name": "k"})).gives(201).await;
    let said = port.ask("POST /keyed").bearer(key["key"].as_str().expect("a key")).json(json!({})).send().await;
    assert_eq!(said.status, 401, "a key of another company");
}

#[tokio::test]
async fn a_secret_may_stand_among_those_of_the_company() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    make(&stage, guarded("named", "header_token", json!({"secretName": "hook"}), &flow)).await;
    let ask = || port.ask("POST /named").bearer(SECRET).json(json!({})).send();
    assert_eq!(ask().await.status, 401, "nobody may come before there is a secret");
    stage.ask("PUT /api/secrets/hook").json(json!({"value": SECRET})).gives(204).await;
    // What is not there is asked for again, soon.
    stage.engine.ways_in_have_changed();
    assert_eq!(ask().await.status, 200);
}

#[tokio::test]
async fn whoever_is_turned_away_too_often_waits() {
    let rates = Rates { per_address: Some(1), per_key: None };
    let stage = Stage::with(Settings { rates, ..Settings::default() }).await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    make(&stage, guarded("token", "header_token", json!({"secret": SECRET}), &flow)).await;
    let mut last = 401;
    for _ in 0..20 {
        last = port.ask("POST /token").bearer("wrong").json(json!({})).send().await.status.as_u16();
    }
    assert_eq!(last, 429);
    assert_eq!(port.ask("GET /nothing").send().await.status, 429);
    let said = port.ask("POST /token").bearer(SECRET).json(json!({})).send().await;
    assert_eq!(said.status, 200, "whoever may come is not kept out by others at the same address");
}

#[tokio::test]
async fn a_signature_holds_for_a_while_and_once() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let auth = json!({"secret": SECRET, "timestampHeader": "X-At"});
    let mut channel = guarded("signed", "hmac", auth, &flow);
    let mut keyed = route("POST", "/keyed", "sync", &flow);
    keyed["idempotencyHeader"] = json!("x-key");
    channel["routes"].as_array_mut().expect("routes").push(keyed);
    make(&stage, channel).await;
    let send = |path: &'static str, at: i64, body: &'static str, key: &'static str| {
        let ask = port.ask(&format!("POST {path}")).header("x-at", &at.to_string()).header("x-key", key);
        ask.header("content-type", "application/json")
            .header("x-signature", &sign(&format!("{at}.{body}")))
            .body(body)
            .send()
    };
    let now = stage.engine.now().0 / 1000;
    assert_eq!(send("/signed", now, "{\"a\":1}", "").await.status, 200);
    let said = send("/signed", now, "{\"a\":1}", "").await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (409, &json!("REPLAYED")));
    assert_eq!(send("/signed", now - 1, "{\"a\":1}", "").await.status, 200, "another time, another signature");
    for off in [-301, 302] {
        assert_eq!(send("/signed", now + off, "{\"a\":2}", "").await.status, 401, "{off}");
    }
    // A sender that tries again with its key gets the first answer; somebody else's key does not help a replay.
    let first = send("/signed/keyed", now, "{\"a\":3}", "k1").await;
    assert_eq!(first.status, 200, "{}", first.text());
    let again = send("/signed/keyed", now, "{\"a\":3}", "k1").await;
    assert_eq!((again.status.as_u16(), again.header("x-play-id")), (200, first.header("x-play-id")));
    assert_eq!(send("/signed/keyed", now, "{\"a\":3}", "k2").await.status, 409);
    let later = send("/signed/keyed", now + 5, "{\"a\":3}", "k1").await;
    assert_eq!(later.header("x-play-id"), first.header("x-play-id"), "signed anew, and the same wish");
    assert_eq!(plays(&stage.ask("GET /api/plays").gives(200).await), 3);
}

#[tokio::test]
async fn the_same_key_is_the_same_play() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut keyed = route("POST", "/pay", "sync", &flow);
    keyed["idempotencyHeader"] = json!("Idempotency-Key");
    let mut channel = public("once", keyed.clone());
    keyed["path"] = json!("/other");
    channel["routes"].as_array_mut().expect("routes").push(keyed);
    make(&stage, channel).await;
    let send = |path: &str, key: &str, attempt: &str, body: Value| {
        let ask = port.ask(&format!("POST /once{path}")).header("idempotency-key", key);
        ask.header("x-attempt", attempt).json(body).send()
    };
    let asked: Vec<Said> = futures::future::join_all(
        (0..20).map(|attempt| send("/pay", "k", ["1", "2", "3"][attempt % 3], json!({"amount": 7}))),
    )
    .await;
    let first = asked[0].header("x-play-id").to_owned();
    for said in &asked {
        assert_eq!((said.status.as_u16(), said.header("x-play-id")), (200, first.as_str()), "{}", said.text());
        assert_eq!(said.body, asked[0].body, "the same answer, whatever the headers of the attempt");
    }
    let said = send("/pay", "k", "1", json!({"amount": 8})).await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (409, &json!("IDEMPOTENCY_KEY_REUSED")));
    assert_ne!(send("/other", "k", "1", json!({"amount": 7})).await.header("x-play-id"), first);
    assert_eq!(send("/pay", &"k".repeat(256), "1", json!({})).await.status, 400);
    assert_eq!(plays(&stage.ask("GET /api/plays").gives(200).await), 2);
}

#[tokio::test]
async fn what_is_too_large_too_slow_or_too_much_is_refused() {
    let read_timeout = Duration::from_millis(300);
    let stage = Stage::with(Settings { read_timeout, ..Settings::default() }).await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut channel = public("small", route("POST", "/", "sync", &flow));
    channel["bodyLimit"] = json!(1000);
    channel["rateLimit"] = json!({"perSecond": 1, "burst": 3});
    make(&stage, channel).await;
    make(&stage, public("large", route("POST", "/", "async", &flow))).await;
    assert_eq!(port.ask("POST /large").body(vec![b'x'; 100 << 20]).send().await.status, 413);
    assert_eq!(port.ask("POST /large").body(vec![b'x'; 10 << 20]).send().await.status, 202);
    for (words, status) in [
        ("", ""),
        ("POST /small HTTP/1.1\r\nhost: x\r\n", "HTTP/1.1 408"),
        ("POST /small HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{", "HTTP/1.1 408"),
        ("POST /small HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"),
    ] {
        let mut stream = TcpStream::connect(port.at).await.expect("connects");
        stream.write_all(words.as_bytes()).await.expect("writes");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).await.expect("is closed");
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.is_empty() || said.starts_with(status), "{words:?}: {said}");
    }
    let ask = |size: usize| port.ask("POST /small").header("content-type", "text/plain").body(vec![b'x'; size]).send();
    // Of the three, the two that broke off took one each.
    assert_eq!(ask(1000).await.status, 200);
    let said = ask(1001).await;
    assert_eq!(said.status, 429);
    assert!(!said.header("retry-after").is_empty());
    assert_eq!(port.ask("POST /large").header("content-encoding", "gzip").body("x").send().await.status, 415);
    assert_eq!(port.ask("POST /large").header("content-type", "application/json").body("{").send().await.status, 400);
}

#[tokio::test]
async fn only_pages_that_a_channel_names_may_read_its_answers() {
    const PAGE: &str = "https://shop.example.com";
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage
        .flow(one(
            "Page",
            "respond",
            json!({"body": "<script>alert(1)</script>",
        "headers": {"Content-Type": "text/html", "Access-Control-Allow-Origin": "*", "Content-Security-Policy": "x"}}),
        ))
        .await;
    let mut channel = public("shop", route("POST", "/", "sync", &flow));
    channel["cors"] = json!({"origins": [PAGE]});
    make(&stage, channel).await;
    for (origin, allowed) in [(PAGE, PAGE), ("https://evil.example.com", "")] {
        let said = port.ask("POST /shop").header("origin", origin).send().await;
        assert_eq!(said.header("access-control-allow-origin"), allowed);
        assert!(said.header("content-security-policy").contains("default-src 'none'"), "it runs nothing in our name");
        assert_eq!(said.header("access-control-allow-credentials"), "");
        let before = port.ask("OPTIONS /shop").header("origin", origin).header("access-control-request-method", "POST");
        let before = before.send().await;
        assert_eq!(before.status, if allowed.is_empty() { 405 } else { 204 });
        assert_eq!(before.header("access-control-allow-methods"), if allowed.is_empty() { "" } else { "POST" });
    }
}

#[tokio::test]
async fn it_is_said_which_methods_a_path_takes() {
    const PAGE: &str = "https://shop.example.com";
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut channel = public("shop", route("ANY", "/any", "sync", &flow));
    let more = [("GET", "/get"), ("PATCH", "/some"), ("GET", "/some"), ("ANY", "/all"), ("GET", "/all")];
    let routes = more.map(|(method, path)| route(method, path, "sync", &flow));
    channel["routes"].as_array_mut().expect("routes").extend(routes);
    channel["cors"] = json!({"origins": [PAGE]});
    make(&stage, channel).await;
    for (path, methods) in [
        ("/any", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("/get", "GET, HEAD"),
        ("/some", "GET, HEAD, PATCH"),
        ("/all", "GET, HEAD, POST, PUT, PATCH, DELETE"),
    ] {
        let before = port.ask(&format!("OPTIONS /shop{path}")).header("origin", PAGE);
        let before = before.header("access-control-request-method", "DELETE").send().await;
        assert_eq!((before.status.as_u16(), before.header("access-control-allow-methods")), (204, methods), "{path}");
        let said = port.ask(&format!("OPTIONS /shop{path}")).send().await;
        assert_eq!((said.status.as_u16(), said.header("allow")), (405, methods), "{path}");
        for method in methods.split(", ") {
            assert_eq!(port.ask(&format!("{method} /shop{path}")).send().await.status, 200, "{method} {path}");
        }
    }
    // What opens connections answers no HEAD.
    let socket = json!({"name": "s", "path": "/", "targetFlowIds": [flow]});
    let socket = json!({"name": "ws", "slug": "ws", "kind": "websocket", "authMode": "public", "routes": [socket]});
    make(&stage, socket).await;
    let said = port.ask("POST /ws").send().await;
    assert_eq!((said.status.as_u16(), said.header("allow")), (405, "GET"));
}

#[tokio::test]
async fn while_flow8_stops_what_is_under_way_is_answered_and_what_is_new_is_sent_elsewhere() {
    let stage = Stage::reaching(Vec::new()).await;
    let port = Port::of(&stage).await;
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/", peer.local_addr().expect("an address"));
    let flow = stage.flow(one("Slow", "curl", json!({"url": url}))).await;
    let echo = stage.flow(echo()).await;
    let mut channel = public("drain", route("POST", "/slow", "sync", &flow));
    channel["routes"].as_array_mut().expect("routes").push(route("POST", "/new", "sync", &echo));
    make(&stage, channel).await;
    let slow = tokio::spawn(port.ask("POST /drain/slow").send());
    let (mut call, _) = peer.accept().await.expect("is called");
    let (engine, patience) = (stage.engine.clone(), Duration::from_secs(5));
    let drained = tokio::spawn(async move { engine.drain(patience).await });
    while !stage.engine.is_draining() {
        tokio::task::yield_now().await;
    }
    for path in ["/drain/new", "/nothing"] {
        let said = port.ask(&format!("POST {path}")).send().await;
        assert_eq!(said.status, 503, "{path}: {}", said.text());
        assert_eq!((said.header("retry-after"), said.header("connection")), ("2", "close"));
    }
    call.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue").await.expect("writes");
    let said = slow.await.expect("is answered");
    assert_eq!((said.status.as_u16(), &said.json()["body"]), (200, &json!("true")), "{}", said.text());
    drained.await.expect("drains");
    port.stop.send_replace(true);
}
