//! WebSocket channels, and ports that a channel has to itself.

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use gateway::{ChannelGateway, OwnPorts, PortRange, Stop};
use serde_json::{Value, json};
use store::Store;
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::channels::{Port, make, public, route};
use crate::client::Ask;
use crate::stage::{EMAIL, PASSWORD, Stage, echo, one, waiting};

type Socket = WebSocketStream<TcpStream>;

const SECRET: &str = "a secret that is long";

async fn open(port: &Port, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://flow8.test{path}").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(port.at).await.expect("connects");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("more").expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn say(socket: &mut Socket, message: Value) -> Value {
    socket.send(Message::text(message.to_string())).await.expect("sends");
    next(socket).await
}

/// The code that a connection ends with.
async fn code(socket: &mut Socket) -> u16 {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn channel(slug: &str, routes: &[(&str, &str, &str)]) -> Value {
    let route = |(path, mode, flow): &(&str, &str, &str)| json!({"name": path, "path": path, "responseMode": mode, "targetFlowIds": [flow], "eventPrefix": "go"});
    let routes: Vec<Value> = routes.iter().map(route).collect();
    json!({"name": slug, "slug": slug, "kind": "websocket", "authMode": "public", "routes": routes})
}

#[tokio::test]
async fn a_message_starts_a_play_or_reaches_one_that_waits() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let waits = stage.flow(waiting()).await;
    let fails = stage.flow(one("Fails", "fail", json!({"message": "no"}))).await;
    make(
        &stage,
        channel("ws", &[("/sync/:room", "sync", &flow), ("/fail", "sync", &fails), ("/async", "async", &flow)]),
    )
    .await;
    let mut socket = open(&port, "/ws/sync/r1?x=1", &[("x-a", "b"), ("cookie", "sid=1")]).await.expect("opens");
    let said = say(&mut socket, json!({"id": 7, "n": 1})).await;
    assert_eq!((&said["type"], &said["statusCode"], &said["inReplyTo"]), (&json!("answer"), &json!(200), &json!(7)));
    let args = &said["body"]["value"];
    assert_eq!(
        (&args["body"]["n"], &args["params"]["room"], &args["query"]["x"]),
        (&json!(1), &json!("r1"), &json!("1"))
    );
    assert!(args["connectionId"].is_string() && args["headers"].get("cookie").is_none(), "{args}");
    let play = stage.run_until_it_waits(&waits).await;
    let said = say(&mut socket, json!({"type": "event", "key": "go", "data": {"a": 1}})).await;
    assert_eq!(said["type"], "accepted", "{said}");
    assert_eq!(stage.ended(&play).await["out"]["data"]["a"], 1);
    let said = say(&mut socket, json!({"type": "event", "key": "other", "data": 1})).await;
    assert_eq!((&said["type"], &said["statusCode"]), (&json!("error"), &json!(400)), "keys of others are not reached");
    let mut socket = open(&port, "/ws/fail", &[]).await.expect("opens");
    assert_eq!(say(&mut socket, json!("text")).await["statusCode"], 502);
    let mut socket = open(&port, "/ws/async", &[]).await.expect("opens");
    let said = say(&mut socket, json!([1])).await;
    assert_eq!(stage.ended(said["playId"].as_str().expect("a play")).await["state"], "DONE");
    for (path, status) in [("/ws/nothing", 404), ("/ws", 404), ("/w/async", 404)] {
        assert_eq!(open(&port, path, &[]).await.err(), Some(status), "{path}");
    }
    let said = port.ask("GET /ws/async").header("x-request-id", "a-7").send().await;
    assert_eq!((said.status.as_u16(), &said.json()["requestId"]), (426, &json!("a-7")), "{}", said.text());
}

#[tokio::test]
async fn a_connection_needs_the_same_proofs_and_ends_with_them() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let mut token = channel("token", &[("/", "sync", &flow)]);
    token["authMode"] = json!("header_token");
    token["auth"] = json!({"secret": SECRET});
    token["cors"] = json!({"origins": ["https://app.example.com"]});
    make(&stage, token.clone()).await;
    token["slug"] = json!("signed");
    token["authMode"] = json!("hmac");
    stage.ask("POST /api/channels").json(token).refused(400, "VALIDATION_ERROR").await;
    assert_eq!(open(&port, "/token", &[]).await.err(), Some(401));
    assert_eq!(open(&port, "/token?token=wrong", &[]).await.err(), Some(401));
    let encoded = SECRET.replace(' ', "+");
    let foreign = [("origin", "https://evil.example.com")];
    assert_eq!(open(&port, &format!("/token?token={encoded}"), &foreign).await.err(), Some(401));
    let mut socket = open(&port, &format!("/token?token={encoded}"), &[]).await.expect("opens");
    let said = say(&mut socket, json!({"n": 1})).await;
    assert!(!said.to_string().contains(SECRET), "{said}");
    port.stop.send_replace(true);
    assert_eq!(code(&mut socket).await, 1001);
}

/// What lets somebody in is looked at before each message in either direction, not only when they come.
#[tokio::test]
async fn whoever_is_no_longer_let_in_is_neither_heard_nor_told_anything() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    let news = stage.flow(one("News", "ws-send", json!({"channel": "keyed", "message": {"n": 1}}))).await;
    let mut keyed = channel("keyed", &[("/", "sync", &flow)]);
    keyed["authMode"] = json!("api_key");
    make(&stage, keyed).await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    for is_heard in [true, false] {
        let wish = json!({"name": "a", "scopes": ["flows:run"]});
        let key = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(wish).gives(201).await;
        let token = key["key"].as_str().expect("a token");
        let mut socket = open(&port, &format!("/keyed?token={token}"), &[]).await.expect("opens");
        assert_eq!(say(&mut socket, json!({})).await["statusCode"], 200);
        let at = format!("DELETE /api/auth/api-keys/{}", key["id"].as_str().expect("an id"));
        stage.ask(&at).cookie(&sid).gives(204).await;
        if is_heard {
            socket.send(Message::text("{}")).await.expect("sends");
        } else {
            stage.run(&news, json!({})).await;
        }
        assert!(matches!(last(&mut socket).await, (1008, None)));
    }

    let mut token = channel("token", &[("/", "sync", &flow)]);
    token["authMode"] = json!("header_token");
    token["auth"] = json!({"secret": SECRET});
    let at = format!("/api/channels/{}", make(&stage, token.clone()).await["id"].as_str().expect("an id"));
    let encoded = SECRET.replace(' ', "+");
    let mut socket = open(&port, &format!("/token?token={encoded}"), &[]).await.expect("opens");
    token["auth"] = json!({"secret": "another secret that is long"});
    stage.ask(&format!("PUT {at}")).json(token).gives(200).await;
    assert!(matches!(last(&mut socket).await, (1008, None)));
}

/// The code that a connection ends with, and the last text before it.
async fn last(socket: &mut Socket) -> (u16, Option<String>) {
    let mut before = None;
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), before),
            Some(Ok(Message::Text(text))) => before = Some(text.to_string()),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_flow_sends_reaches_those_who_are_connected_anywhere() {
    let server = Mongod::start();
    server.initiate().await;
    let store = async || -> Arc<MongoStore> {
        let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
        Arc::new(MongoStore::open(&options).await.expect("opens"))
    };
    let (first, second): (Arc<dyn Store>, Arc<dyn Store>) = (store().await, store().await);
    let (first, second) = (Stage::on(first, true).await, Stage::on(second, false).await);
    let (here, there) = (Port::of(&first).await, Port::of(&second).await);
    let to_all =
        first.flow(one("All", "ws-send", json!({"channel": "news", "message": {"n": "{{ $prev.args.n }}"}}))).await;
    let args = json!({"channel": "news", "connectionId": "{{ $prev.args.connectionId }}", "message": {"only": "you"}});
    let to_one = first.flow(one("One", "ws-send", args)).await;
    make(&first, channel("news", &[("/", "async", &to_one)])).await;
    let mut sockets = Vec::new();
    for port in [&here, &there, &there] {
        sockets.push(open(port, "/news", &[]).await.expect("opens"));
    }
    // A message of its own shows that a connection is listened to.
    for socket in &mut sockets {
        let mut told = [say(socket, json!("me")).await, next(socket).await];
        told.sort_by_key(|said| said["type"].is_string());
        assert_eq!((&told[0], &told[1]["type"]), (&json!({"only": "you"}), &json!("queued")));
    }
    first.run(&to_all, json!({"n": 1})).await;
    let large = "x".repeat(100_000);
    first.run(&to_all, json!({"n": large})).await;
    for socket in &mut sockets {
        assert_eq!(next(socket).await, json!({"n": 1}));
        assert_eq!(next(socket).await["n"].as_str().map(str::len), Some(100_000));
    }
}

#[tokio::test]
async fn whoever_reads_nothing_is_let_go_and_holds_nobody_up() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let text = "x".repeat(200_000);
    let flow = stage.flow(one("All", "ws-send", json!({"channel": "news", "message": text}))).await;
    make(&stage, channel("news", &[("/", "async", &flow)])).await;
    let mut slow = open(&port, "/news", &[]).await.expect("opens");
    let mut quick = open(&port, "/news", &[]).await.expect("opens");
    let quick = tokio::spawn(async move {
        let mut heard = 0;
        while heard < 200 {
            heard += usize::from(matches!(quick.next().await, Some(Ok(Message::Text(_)))));
        }
        quick
    });
    for _ in 0..200 {
        stage.run(&flow, json!({})).await;
    }
    let _quick = quick.await.expect("hears all of it");
    // It hears what was sent until it was let go, and then why.
    let told = tokio::time::timeout(Duration::from_secs(20), code(&mut slow)).await;
    assert_eq!(told.expect("is let go"), 1008);
}

#[tokio::test]
async fn a_channel_may_have_a_port_to_itself() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let free = store_suite::port::Port::find();
    let number = free.number();
    let range = PortRange { first: number, last: number };
    let gateway = ChannelGateway::new(stage.gateway.app().clone());
    let (stop, stopped) = Stop::switch();
    let bind = "127.0.0.1".parse().expect("an address");
    let serve = |stopped| {
        let (opened, opening) = oneshot::channel();
        let ports = OwnPorts { gateway: gateway.clone(), bind, range, tls: None };
        (tokio::spawn(ports.serve(opened, stopped, Duration::from_secs(5))), opening)
    };
    let (served, opening) = serve(stopped);
    let mut channel = public("own", route("GET", "/hi", "sync", &flow));
    opening.await.expect("begins");
    assert!(stage.gateway.app().own_ports().is_some());
    channel["port"] = json!(number + 1);
    stage.ask("POST /api/channels").json(channel.clone()).refused(400, "VALIDATION_ERROR").await;
    channel["port"] = json!(number);
    let made = make(&stage, channel.clone()).await;
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], number));
    while TcpStream::connect(at).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(Ask::new(at, "GET /hi").send().await.status, 200);
    assert_eq!(Ask::new(at, "GET /own/hi").send().await.status, 404, "its paths begin at the root there");
    channel["slug"] = json!("another");
    stage.ask("POST /api/channels").json(channel).refused(409, "CHANNEL_PORT_TAKEN").await;
    stop.send_replace(true);
    served.await.expect("stops");
    // Whoever begins says so when the port is there.
    let (stop, stopped) = Stop::switch();
    let (served, opening) = serve(stopped);
    opening.await.expect("begins");
    assert_eq!(Ask::new(at, "GET /hi").send().await.status, 200);
    stage.ask(&format!("DELETE /api/channels/{}", made["id"].as_str().expect("an id"))).gives(204).await;
    // The port is free again.
    let again = loop {
        match TcpListener::bind(at).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    drop(again);
    stop.send_replace(true);
    served.await.expect("stops");
}
