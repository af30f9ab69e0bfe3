//! Channels that take in, on a queue in memory that fails on demand.

use std::time::Duration;

use sdk::intake::Verdict;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::heap::{Fault, Heap};
use crate::stage::{Stage, echo, one};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, looking).await.is_ok(), "in vain: {what}");
}

struct Taking {
    stage: Stage,
    heap: Heap,
    component: String,
    channel: String,
}

fn channel(kind: &str, more: Value) -> Value {
    let route = json!({"name": "in", "targetFlowIds": ["echo"]});
    let source = json!({"component": "heap", "queue": "orders"});
    let mut channel = json!({"name": "Orders", "slug": "orders", "kind": kind, "source": source, "routes": [route]});
    let more = more.as_object().expect("an object").clone();
    channel.as_object_mut().expect("an object").extend(more);
    channel
}

impl Taking {
    async fn from(kind: &str, more: Value) -> Self {
        let heap = Heap::default();
        let stage = Stage::taking(heap.clone()).await;
        let component = stage.ask("POST /api/components");
        let component = component.json(json!({"name": "heap", "kind": kind, "config": {}})).gives(201).await;
        stage.flow(echo()).await;
        let made = stage.ask("POST /api/channels").json(channel(kind, more)).gives(201).await;
        let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
        let taking = Self { component: id(&component), channel: id(&made), stage, heap };
        assert_eq!(made["intake"]["state"], "off", "{made}");
        taking.stage.intakes.start();
        taking
    }

    async fn state(&self) -> Value {
        let channel = self.stage.ask(&format!("GET /api/channels/{}", self.channel)).gives(200).await;
        channel["intake"].clone()
    }

    async fn is(&self, state: &str) -> Value {
        until(state, || async { self.state().await["state"] == state }).await;
        self.state().await
    }

    async fn settled(&self, count: usize) -> Vec<(String, Verdict)> {
        until("all is settled", || async { self.heap.settled().len() >= count && self.heap.left() == 0 }).await;
        self.heap.settled()
    }

    async fn plays(&self) -> Vec<Value> {
        let plays = self.stage.ask("GET /api/plays?size=100").gives(200).await;
        plays["data"].as_array().expect("plays").clone()
    }

    /// What the only play gave back: what it was run with.
    async fn args(&self) -> Value {
        let plays = self.plays().await;
        assert_eq!(plays.len(), 1, "{plays:?}");
        let play = self.stage.ended(plays[0]["id"].as_str().expect("an id")).await;
        play["out"]["value"].clone()
    }

    async fn requests(&self) -> Vec<Value> {
        let log = self.stage.ask(&format!("GET /api/channels/{}/requests", self.channel)).gives(200).await;
        log["data"].as_array().expect("requests").clone()
    }

    async fn metric(&self, line: &str) -> u64 {
        let text = self.stage.ask("GET /metrics").nobody().send().await.text();
        let number = text.lines().find_map(|said| said.strip_prefix(line)?.strip_prefix(' '));
        number.unwrap_or_else(|| panic!("no {line} in {text}")).parse().expect("a number")
    }
}

#[tokio::test]
async fn a_message_becomes_a_play_and_is_settled_then() {
    let taking = Taking::from("queue", json!({})).await;
    taking.heap.text("1", "application/json", r#"{"order": 1.50}"#);
    assert_eq!(taking.settled(1).await, [("1".to_owned(), Verdict::Done)]);
    let args = taking.args().await;
    let source = json!({"heap": "orders", "channel": "orders"});
    assert_eq!(args, json!({"body": {"order": 1.50}, "headers": {"x-shop": "7"}, "source": source}), "{args}");
    let state = taking.is("connected").await;
    assert_eq!((&state["taken"], &state["replayed"], &state["dead"]), (&json!(1), &json!(0), &json!(0)), "{state}");
    assert_eq!(taking.heap.opened()[0].1.to_json(), r#"{"queue":"orders"}"#);

    // The same again is the same play; another content under its key is no play at all.
    taking.heap.text("1", "application/json", r#"{"order": 1.5}"#);
    taking.heap.text("1", "application/json", r#"{"order": 2}"#);
    let settled = taking.settled(3).await;
    assert_eq!(settled[1].1, Verdict::Done);
    assert!(matches!(&settled[2].1, Verdict::Dead(why) if why.contains("idempotency key")), "{settled:?}");
    assert_eq!((taking.plays().await.len(), &taking.state().await["replayed"]), (1, &json!(1)));
    assert_eq!(taking.metric(r#"flow8_intake_messages_total{kind="queue",verdict="replayed"}"#).await, 1);
    assert_eq!(taking.metric(r#"flow8_intake_connected{kind="queue"}"#).await, 1);

    // It is in the log of the channel, and can be sent again from there.
    let requests = taking.requests().await;
    let first = requests.last().expect("a request");
    assert_eq!((&first["method"], &first["path"], &first["bytes"]), (&json!("MESSAGE"), &json!("1"), &json!(15)));
    let (channel, request) = (&taking.channel, first["id"].as_str().expect("an id"));
    taking.stage.ask(&format!("POST /api/channels/{channel}/requests/{request}/replay")).gives(202).await;
    assert_eq!(taking.plays().await.len(), 2);
    // Without a key, each is another message.
    taking.heap.text("", "text/plain", "hi");
    taking.heap.text("", "text/plain", "hi");
    taking.settled(5).await;
    assert_eq!(taking.plays().await.len(), 4);
}

#[tokio::test]
async fn what_can_never_be_taken_is_dead_and_says_why() {
    let taking = Taking::from("queue", json!({"bodyLimit": 100})).await;
    taking.heap.text("broken", "application/json", "{");
    taking.heap.text("large", "text/plain", vec![b'x'; 101]);
    taking.heap.text("odd", "text/\u{1}", "x");
    let settled = taking.settled(3).await;
    for ((key, verdict), told) in settled.iter().zip(["not JSON", "larger than the 100 bytes", "media type"]) {
        assert!(matches!(verdict, Verdict::Dead(why) if why.contains(told)), "{key}: {verdict:?}");
    }
    let errors: Vec<Value> = taking.requests().await.iter().map(|request| request["error"].clone()).collect();
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().any(|error| error.as_str().is_some_and(|why| why.contains("not JSON"))), "{errors:?}");
    assert_eq!((taking.plays().await.len(), &taking.state().await["dead"]), (0, &json!(3)));
    let (channel, request) = (&taking.channel, taking.requests().await[0]["id"].as_str().expect("an id").to_owned());
    let again = taking.stage.ask(&format!("POST /api/channels/{channel}/requests/{request}/replay"));
    again.refused(409, "CONFLICT").await;
    // The channel goes on.
    taking.heap.text("fine", "text/plain", "x");
    assert_eq!(taking.settled(4).await[3], ("fine".to_owned(), Verdict::Done));
}

#[tokio::test]
async fn what_cannot_start_now_stays_where_it_is_and_comes_when_it_can() {
    let taking = Taking::from("queue", json!({})).await;
    let enable = |enabled: bool| {
        let mut flow = echo();
        flow["enabled"] = json!(enabled);
        taking.stage.ask("PUT /api/flows/echo").json(flow).gives(200)
    };
    enable(false).await;
    for number in 0..40 {
        taking.heap.text(&format!("{number}"), "text/plain", "x");
    }
    let state = taking.is("paused").await;
    assert!(state["error"].as_str().is_some_and(|why| why.contains("not enabled")), "{state}");
    assert_eq!((taking.heap.left(), taking.plays().await.len()), (40, 0));
    enable(true).await;
    until("all are taken", || async { taking.heap.left() == 0 }).await;
    assert!(taking.heap.settled().iter().all(|(_, verdict)| !matches!(verdict, Verdict::Dead(_))));
    assert_eq!(taking.state().await["taken"], 40);
    assert_eq!(taking.plays().await.len(), 40);
    let state = taking.is("connected").await;
    assert_eq!(state["error"], Value::Null);
    assert!(taking.heap.most_at_once() <= 16, "{}", taking.heap.most_at_once());
}

#[tokio::test]
async fn a_lost_connection_is_opened_again_and_nothing_comes_twice() {
    let taking = Taking::from("queue", json!({})).await;
    taking.is("connected").await;
    taking.heap.fault(Fault::Next);
    taking.heap.fault(Fault::Open);
    taking.heap.fault(Fault::Open);
    taking.heap.fault(Fault::Bug);
    let state = taking.is("failing").await;
    assert!(state["error"].as_str().is_some_and(|why| why.contains("heap") || why.contains("client")), "{state}");
    taking.is("connected").await;
    assert_eq!(taking.metric(r#"flow8_intake_reconnects_total{kind="queue"}"#).await, 3);
    // Its play is durable, and the heap does not hear of it.
    taking.heap.fault(Fault::Settle);
    for number in 0..20 {
        taking.heap.text(&format!("{number}"), "text/plain", "x");
    }
    taking.settled(20).await;
    assert_eq!(taking.plays().await.len(), 20);
    let state = taking.is("connected").await;
    assert!(state["replayed"].as_u64().is_some_and(|count| count > 0), "{state}");
    assert_eq!(taking.heap.opened().len(), 3);
}

#[tokio::test]
async fn a_channel_goes_by_what_it_and_its_component_are_now() {
    let taking = Taking::from("queue", json!({})).await;
    taking.is("connected").await;
    let component = format!("PUT /api/components/{}", taking.component);
    taking.stage.ask(&component).json(json!({"secret": {"password": "new"}})).gives(200).await;
    until("it is opened anew", || async { taking.heap.opened().len() == 2 }).await;
    let opened = taking.heap.opened();
    assert!(opened[1].0 > opened[0].0, "{opened:?}");
    let path = format!("PUT /api/channels/{}", taking.channel);
    let change = |more: Value| taking.stage.ask(&path).json(channel("queue", more)).gives(200);
    change(json!({"source": {"component": "heap", "queue": "others"}})).await;
    until("it is opened elsewhere", || async { taking.heap.opened().len() == 3 && taking.heap.open() == 1 }).await;
    assert_eq!(taking.heap.opened()[2].1.to_json(), r#"{"queue":"others"}"#);
    change(json!({"enabled": false})).await;
    taking.is("off").await;
    until("it is closed", || async { taking.heap.open() == 0 }).await;
    taking.heap.text("1", "text/plain", "x");
    change(json!({})).await;
    taking.settled(1).await;
    // A component that is gone all the same: people see it.
    taking.stage.ask(&format!("DELETE /api/components/{}?force=true", taking.component)).gives(204).await;
    let state = taking.is("failing").await;
    assert!(state["error"].as_str().is_some_and(|why| why.contains("no component \"heap\"")), "{state}");
    taking.stage.ask(&format!("DELETE /api/channels/{}", taking.channel)).gives(204).await;
    until("it is closed", || async { taking.heap.open() == 0 }).await;
}

#[tokio::test]
async fn who_stops_takes_nothing_more_and_settles_what_it_has() {
    let taking = Taking::from("queue", json!({"rateLimit": {"perSecond": 1, "burst": 5}})).await;
    for number in 0..30 {
        taking.heap.text(&format!("{number}"), "text/plain", "x");
    }
    until("some are taken", || async { taking.heap.settled().len() > 3 }).await;
    taking.stage.intakes.stop(PATIENCE).await;
    let (settled, left) = (taking.heap.settled().len(), taking.heap.left());
    assert!(left > 0, "it stopped at once");
    assert_eq!((settled + left, taking.heap.open(), taking.plays().await.len()), (30, 0, settled));
    assert_eq!(taking.state().await["state"], "off");
}

#[tokio::test]
async fn the_files_of_a_mail_lie_where_its_play_finds_them() {
    let taking = Taking::from("mailbox", json!({})).await;
    taking.heap.mail("7/1", "Bill", b"%PDF");
    taking.settled(1).await;
    let args = taking.args().await;
    let file = &args["body"]["attachments"][0];
    assert_eq!(
        (&args["body"]["subject"], &file["name"], &file["size"]),
        (&json!("Bill"), &json!("bill.pdf"), &json!(4))
    );
    assert_eq!((&file["contentType"], &file["contentId"]), (&json!("application/pdf"), &json!("logo")), "{args}");
    let path = file["path"].as_str().expect("a path");
    let files = || async { taking.stage.ask("GET /api/files?prefix=channels/").gives(200).await["data"].clone() };
    let before = files().await;
    assert!(before.to_string().contains(path), "{before}");
    // The same mail again has its play: what was put there for it is taken away.
    taking.heap.mail("7/1", "Bill", b"%PDF");
    taking.settled(2).await;
    assert_eq!((files().await, taking.state().await["replayed"].clone()), (before, json!(1)));
    assert_eq!(taking.requests().await[0]["method"], "MAIL");
}

#[tokio::test]
async fn a_channel_that_takes_in_is_checked_and_keeps_its_component() {
    let taking = Taking::from("queue", json!({})).await;
    let stage = &taking.stage;
    let make = |more: Value| {
        let mut more = more;
        more["slug"] = json!("more");
        stage.ask("POST /api/channels").json(channel("queue", more))
    };
    let source = |source: Value| make(json!({"source": source})).refused(400, "VALIDATION_ERROR");
    assert!(source(json!({"component": "other", "queue": "x"})).await.contains("no component \"other\""));
    assert!(source(json!({"component": "heap"})).await.contains("source.queue: is required"));
    make(json!({"authMode": "public"})).refused(400, "VALIDATION_ERROR").await;
    let mailbox = json!({"source": {"component": "heap", "queue": "x"}, "kind": "mailbox"});
    assert!(make(mailbox).refused(400, "VALIDATION_ERROR").await.contains("of kind mailbox"));
    // Whoever may edit flows alone empties nobody's queue.
    let editor = stage.key(&["flows:view", "flows:edit"]).await;
    make(json!({})).bearer(&editor).refused(403, "FORBIDDEN").await;
    let keeper = stage.key(&["flows:view", "flows:edit", "secrets:manage"]).await;
    make(json!({})).bearer(&keeper).gives(201).await;
    let remove = format!("DELETE /api/components/{}", taking.component);
    let said = stage.ask(&remove).send().await.json();
    assert_eq!((&said["error"], &said["details"]["flows"]), (&json!("COMPONENT_IN_USE"), &json!([])), "{said}");
    assert_eq!(said["details"]["channels"].as_array().map(Vec::len), Some(2), "{said}");
    assert!(said["message"].as_str().is_some_and(|text| text.contains("these channels take in from it")), "{said}");
    // Nobody comes to it from outside.
    let port = crate::channels::Port::of(stage).await;
    assert_eq!(port.ask("POST /orders/").send().await.status, 404);
    let flow = one("Other", "var", json!({"value": 1}));
    stage.flow(flow).await;
}
