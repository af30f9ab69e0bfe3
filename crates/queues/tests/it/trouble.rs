//! What every provider does when something is wrong: with what it was told, with the server, with a message.

use std::time::Duration;

use model::limits::{COMPONENT_TEST, QUEUE_HEADER_BYTES, QUEUE_MESSAGE_BYTES, QUEUE_SILENCE};
use model::value::Value;
use modules::provider::HttpOptions;
use sdk::component::Backend as _;
use sdk::intake::{Intake as _, Verdict};
use tokio::time::Instant;

use crate::peer::{Given, PATIENCE, Stage, body, component, next, queues};
use crate::relay::Relay;

pub(crate) async fn a_wrong_password_is_told(stage: Stage) {
    let source = stage.make();
    let mut wrong = stage.component.clone();
    wrong.secret = Value::map([("password", "not-the-password")]);
    let opened = stage.queues.open(&wrong, &source, 4).await.err().expect("an error");
    let tested = stage.queues.test(&wrong).await.expect_err("an error");
    for failure in [opened, tested] {
        assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
        assert!(failure.message.contains("lets nobody in"), "{failure}");
        assert!(!failure.message.contains("not-the-password"), "{failure}");
    }
}

pub(crate) async fn what_is_not_there_is_told(stage: Stage) {
    let source = match stage.peer.provider() {
        // A stream of Redis is made with its group; what is there and is none is told.
        "redis" => {
            stage.peer.does(&format!("SET {} x", stage.name));
            stage.peer.make(&stage.name, 1)
        }
        "nats" => Value::map([("stream", "nowhere"), ("consumer", "flows")]),
        _ => Value::map([("queue", "nowhere")]),
    };
    let failure = stage.queues.open(&stage.component, &source, 4).await.err().expect("an error");
    let code = if stage.peer.provider() == "redis" { "QUEUE_REFUSED" } else { "QUEUE_NOT_FOUND" };
    assert_eq!(failure.code, code, "{failure}");
    // Nobody listens there, once this is gone.
    let port = Relay::to(1).await.port;
    let nobody = stage.at(port);
    let failure = stage.queues.test(&nobody).await.expect_err("an error");
    assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
}

pub(crate) async fn the_certificate_must_be_the_hosts(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let options = HttpOptions { extra_ca: Some(stage.peer.ca().into_bytes()), ..HttpOptions::default() };
    let trusting = queues(&options);
    let at = |host: &str| component(&*stage.peer, host, stage.peer.tls_port(), "verify");
    let mut inbox = trusting.open(&at("localhost"), &source, 4).await.unwrap_or_else(|failure| panic!("{failure}"));
    let one = next(&mut inbox).await;
    assert_eq!(body(&one), "one");
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    trusting.test(&at("localhost")).await.expect("works");
    // Another host's, and one that nobody vouches for.
    for failure in [
        trusting.test(&at("127.0.0.1")).await.expect_err("an error"),
        stage.queues.test(&at("localhost")).await.expect_err("an error"),
    ] {
        assert_eq!(failure.code, "COMPONENT_UNREACHABLE", "{failure}");
        assert!(failure.message.contains("certificate"), "{failure}");
    }
}

pub(crate) async fn a_message_that_is_too_long_is_dead(stage: Stage) {
    let source = stage.make();
    let (long, fits) = (vec![b'x'; QUEUE_MESSAGE_BYTES + 1], vec![b'x'; 1 << 20]);
    let given = |id, body| Given { id, headers: &[], body };
    stage.peer.publish(&stage.name, &[given("long", &long), given("fits", &fits), given("short", b"short")]);
    let mut inbox = stage.open(&source, 4).await;
    let found = next(&mut inbox).await;
    assert_eq!(body(&found).len(), fits.len());
    inbox.settle(found.ticket, Verdict::Done).await.expect("settles");
    let found = next(&mut inbox).await;
    assert_eq!(body(&found), "short");
    inbox.settle(found.ticket, Verdict::Done).await.expect("settles");
    drop(inbox);
    let dead = stage.peer.dead(&stage.name);
    match stage.peer.provider() {
        "nats" => assert!(dead.contains(r#""num_ack_pending":0"#), "{dead}"),
        "redis" => assert!(dead.contains("QUEUE_MESSAGE_BYTES") && dead.len() < 1_000, "{dead}"),
        _ => assert!(dead.contains(r#""message_id":"long""#), "{} bytes", dead.len()),
    }
}

pub(crate) async fn headers_without_end_are_dead(stage: Stage) {
    let source = stage.make();
    let long = "x".repeat(QUEUE_HEADER_BYTES / 8);
    let names: Vec<String> = (0..9).map(|number| format!("x-{number}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), long.as_str())).collect();
    let odd = Given { id: "odd", headers: &headers, body: b"odd" };
    stage.peer.publish(&stage.name, &[odd, Given { id: "fine", headers: &headers[..7], body: b"fine" }]);
    let mut inbox = stage.open(&source, 4).await;
    let found = next(&mut inbox).await;
    assert_eq!((body(&found).as_str(), found.headers["x-6"].len()), ("fine", long.len()));
}

pub(crate) async fn a_test_uses_the_connection(stage: Stage) {
    stage.queues.test(&stage.component).await.expect("works");
    let relay = Relay::to(stage.peer.port()).await;
    relay.silence();
    let began = Instant::now();
    let failure = stage.queues.test(&stage.at(relay.port)).await.expect_err("an error");
    assert!(began.elapsed() < COMPONENT_TEST + Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(failure.message.contains("in time"), "{failure}");
}

pub(crate) async fn a_silent_server_is_noticed(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let relay = Relay::to(stage.peer.port()).await;
    let mut inbox = stage.open_at(&stage.at(relay.port), &source, 4).await;
    next(&mut inbox).await;
    relay.silence();
    let began = Instant::now();
    let failure = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(failure.code, "QUEUE_BROKEN", "{failure}");
    assert!(began.elapsed() < QUEUE_SILENCE + Duration::from_secs(10), "after {:?}", began.elapsed());
}

pub(crate) async fn where_flows_may_not_go_a_component_may_not_either(stage: Stage) {
    let source = stage.make();
    let mut component = stage.component.clone();
    component.trusted = false;
    let failure = stage.queues.open(&component, &source, 4).await.err().expect("an error");
    assert_eq!(failure.code, "COMPONENT_EGRESS", "{failure}");
}

pub(crate) async fn a_server_that_starts_again_is_noticed_and_gives_what_it_held(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one", "two"]);
    let mut inbox = stage.open(&source, 1).await;
    let one = next(&mut inbox).await;
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    let two = next(&mut inbox).await;
    stage.peer.restart();
    let failure = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(failure.code, "QUEUE_BROKEN", "{failure}");
    assert!(inbox.settle(two.ticket, Verdict::Done).await.is_err(), "nobody was told");
    let mut inbox = stage.open(&source, 4).await;
    let mut again = next(&mut inbox).await;
    if stage.peer.provider() == "amqp" && again.key == one.key {
        // RabbitMQ confirms nothing, and may have heard it without having written it down.
        inbox.settle(again.ticket, Verdict::Done).await.expect("settles");
        again = next(&mut inbox).await;
    }
    assert_eq!((body(&again), again.key), ("two".to_owned(), two.key));
    inbox.settle(again.ticket, Verdict::Done).await.expect("settles");
    stage.publish(&["three"]);
    assert_eq!(body(&next(&mut inbox).await), "three");
}
