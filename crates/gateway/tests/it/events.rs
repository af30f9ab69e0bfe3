//! The WebSocket: what happens to plays, as it happens and afterwards.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::stage::{EMAIL, PASSWORD, Stage, echo, one};

pub(crate) type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn open(stage: &Stage, query: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://flow8.test/api/ws{query}").into_client_request().expect("a request");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    let stream = TcpStream::connect(stage.at).await.expect("connects");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn follow(stage: &Stage, query: &str) -> Socket {
    let token = stage.token();
    open(stage, &format!("?token={token}{query}"), &[]).await.expect("opens")
}

/// The next event.
pub(crate) async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("more").expect("a message") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The next event; none where the socket closes before.
pub(crate) async fn last(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).ok(),
            Some(Ok(Message::Ping(_))) => {}
            _ => return None,
        }
    }
}

/// Events until a play has ended.
async fn until_the_end(socket: &mut Socket) -> Vec<Value> {
    let mut events = Vec::new();
    loop {
        let event = next(socket).await;
        let is_end = event["type"] == "play:completed" || event["type"] == "play:failed";
        events.push(event);
        if is_end {
            return events;
        }
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().expect("a type")).collect()
}

#[tokio::test]
async fn events_come_in_order_and_what_was_missed_is_told_again() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let mut socket = follow(&stage, "").await;
    let play = stage.run(&flow, json!({"n": 1})).await;
    let events = until_the_end(&mut socket).await;
    assert_eq!(types(&events), ["play:started", "play:layer:completed", "play:completed"]);
    for event in &events {
        assert_eq!((&event["playId"], &event["flowId"]), (&play["id"], &json!(flow)));
        assert!(event["seq"].is_u64() && event["timestamp"].is_string(), "{event}");
    }
    let layer = &events[1];
    assert_eq!(
        (&layer["ref"], &layer["state"], &layer["out"]),
        (&json!("step"), &json!("DONE"), &json!({"value": {"n": 1}}))
    );
    assert_eq!((&events[2]["state"], &events[2]["out"]), (&json!("DONE"), &json!({"value": {"n": 1}})));
    let seen = events[2]["seq"].as_u64().expect("a place");
    drop(socket);

    // Two plays while nobody listens.
    let missed = [stage.run(&flow, json!({})).await["id"].clone(), stage.run(&flow, json!({})).await["id"].clone()];
    let mut socket = follow(&stage, &format!("&since={seen}")).await;
    for play in missed {
        let events = until_the_end(&mut socket).await;
        assert!(events.iter().all(|event| event["playId"] == play && event["seq"].as_u64() > Some(seen)), "{events:?}");
    }
    // And then what is new.
    let play = stage.run(&flow, json!({})).await;
    assert_eq!(until_the_end(&mut socket).await[0]["playId"], play["id"]);
}

#[tokio::test]
async fn a_failure_and_a_wait_are_told_as_such() {
    let stage = Stage::new().await;
    let failing = stage.flow(one("Fails", "fail", json!({"message": "no"}))).await;
    let waiting = stage.flow(crate::stage::waiting()).await;
    let mut socket = follow(&stage, "").await;
    stage.run(&failing, json!({})).await;
    let events = until_the_end(&mut socket).await;
    assert_eq!(types(&events), ["play:started", "play:layer:failed", "play:failed"]);
    assert!(events[1]["error"]["message"].as_str().is_some_and(|message| message.contains("no")), "{events:?}");
    assert_eq!(events[2]["error"], events[1]["error"], "the play says why, too");
    let play = stage.run_until_it_waits(&waiting).await;
    assert_eq!(next(&mut socket).await["type"], "play:started");
    let wait = next(&mut socket).await;
    assert_eq!((&wait["type"], &wait["ref"], &wait["playId"]), (&json!("play:waiting"), &json!("step"), &json!(play)));
}

#[tokio::test]
async fn a_place_that_is_too_old_or_was_never_given_out_means_looking_anew() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    stage.run(&flow, json!({})).await;
    let end = *stage.engine.feed().borrow();
    for since in [end + 1_000, u64::MAX] {
        let mut socket = follow(&stage, &format!("&since={since}")).await;
        assert_eq!(next(&mut socket).await, json!({"type": "resync", "seq": end}));
    }
    stage.world.pass(Duration::from_secs(3_700));
    let mut socket = follow(&stage, "&since=0").await;
    assert_eq!(next(&mut socket).await, json!({"type": "resync", "seq": end}));
    stage.run(&flow, json!({})).await;
    assert_eq!(until_the_end(&mut socket).await.len(), 3);
}

#[tokio::test]
async fn only_the_own_company_is_told() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let mut socket = follow(&stage, "").await;
    let other = stage.other_company().await;
    let theirs =
        other.ask("POST /api/flows").json(echo()).send().await.json()["id"].as_str().expect("an id").to_owned();
    let said = other.ask(&format!("POST /api/flows/{theirs}/run?wait=60")).json(json!({})).send().await.json();
    assert_eq!(said["state"], "DONE");
    let play = stage.run(&flow, json!({})).await;
    assert_eq!(next(&mut socket).await["playId"], play["id"], "the first event is of one's own play");
}

#[tokio::test]
async fn whoever_may_not_listen_is_refused() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let cookie = format!("sid={sid}");
    assert_eq!(open(&stage, "", &[]).await.err(), Some(401));
    assert_eq!(open(&stage, "?token=f8_wrong", &[]).await.err(), Some(401));
    assert_eq!(open(&stage, "?token=", &[("cookie", cookie.as_str())]).await.err(), Some(401));
    assert_eq!(open(&stage, "?colour=red", &[("cookie", cookie.as_str())]).await.err(), Some(400));
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.test")];
    assert_eq!(open(&stage, "", &foreign).await.err(), Some(403));
    let own = [("cookie", cookie.as_str()), ("origin", "https://flow8.test")];
    open(&stage, "", &own).await.expect("opens");
    // A page that knows a key is a page of another origin all the same; a program tells of none.
    let query = format!("?token={}", stage.token());
    assert_eq!(open(&stage, &query, &[("origin", "https://evil.test")]).await.err(), Some(403));
    open(&stage, &query, &[]).await.expect("opens");
    let narrow = stage.key(&["flows:view"]).await;
    assert_eq!(open(&stage, &format!("?token={narrow}"), &[]).await.err(), Some(403));
    stage.ask("GET /api/ws").refused(400, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn a_client_says_goodbye_and_so_does_flow8() {
    let stage = Stage::new().await;
    let mut socket = follow(&stage, "").await;
    socket.close(None).await.expect("closes");
    while let Some(Ok(_)) = socket.next().await {}
    let mut socket = follow(&stage, "").await;
    socket.send(Message::text("hello")).await.expect("is read, and means nothing");
    stage.stop.send(true).expect("is heard");
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("no goodbye") };
    assert_eq!(u16::from(frame.code), 1001);
}
