//! What one provider alone does, and what is looked at before any server is asked.

use std::sync::Arc;

use libtest_mimic::Failed;
use model::failure::Failure;
use model::value::Value;
use modules::provider::HttpOptions;
use peers::Nats;
use sdk::component::{Backend as _, Component};
use sdk::intake::{Intake as _, Verdict};
use tokio::time::Instant;

use crate::peer::{Given, OfNats, PATIENCE, Peer as _, Stage, body, json, next, queues};

pub(crate) fn with(provider: &str, config: &str, secret: &str) -> Component {
    Component {
        company: model::ids::CompanyId::default(),
        id: "0".into(),
        revision: 1,
        name: "orders".into(),
        kind: sdk::component::Kind::Queue,
        provider: provider.into(),
        config: json(config),
        secret: json(secret),
        trusted: true,
    }
}

pub(crate) fn settings() -> Result<(), Failed> {
    let queues = queues(&HttpOptions::default());
    assert_eq!(queues.providers(), ["nats", "amqp", "redis"]);
    let seed = Nats::SEED;
    for (provider, config, secret) in [
        ("redis", r#"{"host":"h"}"#, "{}"),
        ("redis", r#"{"host":"h","port":1,"user":"u","database":3,"tls":"off"}"#, r#"{"password":"p"}"#),
        ("nats", r#"{"host":"h"}"#, "{}"),
        ("nats", r#"{"host":"h","user":"u"}"#, r#"{"password":"p"}"#),
        ("nats", r#"{"host":"h"}"#, r#"{"token":"t"}"#),
        ("nats", r#"{"host":"h"}"#, &format!(r#"{{"nkeySeed":"{seed}"}}"#)),
        ("amqp", r#"{"host":"h","user":"u"}"#, r#"{"password":"p"}"#),
        ("amqp", r#"{"host":"h","user":"u","vhost":"v","port":1,"tls":"verify"}"#, r#"{"password":"p"}"#),
    ] {
        queues.check(&with(provider, config, secret)).unwrap_or_else(|failure| panic!("{config} {secret}: {failure}"));
    }
    for (provider, config, secret, field) in [
        ("kafka", "{}", "{}", "provider"),
        ("redis", "{}", "{}", "host"),
        ("redis", r#"{"host":""}"#, "{}", "config.host"),
        ("redis", r#"{"host":"a b"}"#, "{}", "config.host"),
        ("redis", r#"{"host":"h","port":0}"#, "{}", "config.port"),
        ("redis", r#"{"host":"h","port":70000}"#, "{}", "config: port"),
        ("redis", r#"{"host":"h","user":"u"}"#, "{}", "secret.password"),
        ("redis", r#"{"host":"h","tls":"maybe"}"#, "{}", "config: tls"),
        ("redis", r#"{"host":"h","vhost":"/"}"#, "{}", "vhost"),
        ("redis", r#"{"host":"h"}"#, r#"{"password":"s3cr3t","more":1}"#, "secret: holds"),
        ("nats", r#"{"host":"h"}"#, r#"{"password":"s3cr3t"}"#, "config.user"),
        ("nats", r#"{"host":"h","user":"u"}"#, r#"{"token":"s3cr3t"}"#, "config.user"),
        ("nats", r#"{"host":"h"}"#, r#"{"nkeySeed":"s3cr3t"}"#, "secret.nkeySeed"),
        ("nats", r#"{"host":"h"}"#, r#"{"token":"s3cr3t\r\nPUB"}"#, "secret.token"),
        ("amqp", r#"{"host":"h"}"#, r#"{"password":"s3cr3t"}"#, "user"),
        ("amqp", r#"{"host":"h","user":"u"}"#, "{}", "secret: holds"),
        ("amqp", r#"{"host":"h","user":"u","vhost":""}"#, r#"{"password":"s3cr3t"}"#, "config.vhost"),
    ] {
        let failure = queues.check(&with(provider, config, secret)).expect_err(config);
        assert_eq!(failure.code, "COMPONENT_INVALID", "{failure}");
        assert!(failure.message.contains(field), "{config}: {failure}");
        assert!(!failure.message.contains("s3cr3t"), "{failure}");
    }
    Ok(())
}

pub(crate) fn sources() -> Result<(), Failed> {
    let queues = queues(&HttpOptions::default());
    let check = |provider: &str, source: &str| -> Result<(), Failure> {
        queues.check_source(&with(provider, "{}", "{}"), &json(source))
    };
    for (provider, source) in [
        ("redis", r#"{"component":"c","stream":"s","group":"g"}"#),
        ("redis", r#"{"stream":"s:a.b c","group":"g","idleSeconds":1}"#),
        ("nats", r#"{"component":"c","stream":"s","consumer":"c"}"#),
        ("nats", r#"{"stream":"s","consumer":"c","subject":"a.*.>"}"#),
        ("amqp", r#"{"component":"c","queue":"q"}"#),
    ] {
        check(provider, source).unwrap_or_else(|failure| panic!("{source}: {failure}"));
    }
    let long = "x".repeat(201);
    for (provider, source, field) in [
        ("redis", "[]", "source"),
        ("redis", r#"{"stream":"s"}"#, "group"),
        ("redis", r#"{"stream":"","group":"g"}"#, "source.stream"),
        ("redis", &format!(r#"{{"stream":"{long}","group":"g"}}"#), "source.stream"),
        ("redis", r#"{"stream":"s","group":"g\n"}"#, "source.group"),
        ("redis", r#"{"stream":"s","group":"g","idleSeconds":0}"#, "source.idleSeconds"),
        ("redis", r#"{"stream":"s","group":"g","idleSeconds":86401}"#, "source.idleSeconds"),
        ("redis", r#"{"stream":"s","group":"g","queue":"q"}"#, "queue"),
        ("nats", r#"{"stream":"a.b","consumer":"c"}"#, "source.stream"),
        ("nats", r#"{"stream":"s","consumer":"c d"}"#, "source.consumer"),
        ("nats", r#"{"stream":"s","consumer":"c","subject":"a..b"}"#, "source.subject"),
        ("nats", r#"{"stream":"s","consumer":"c","subject":"a b"}"#, "source.subject"),
        ("amqp", "{}", "queue"),
        ("amqp", r#"{"queue":7}"#, "source: queue"),
    ] {
        let failure = check(provider, source).expect_err(source);
        assert_eq!(failure.code, "BAD_ARGUMENTS", "{failure}");
        assert!(failure.message.contains(field), "{source}: {failure}");
    }
    Ok(())
}

pub(crate) async fn fields_without_a_body_are_an_object(stage: Stage) {
    let source = stage.make();
    stage.peer.does(&format!("XADD {} * customer ada total 7", stage.name));
    let mut inbox = stage.open(&source, 4).await;
    let message = next(&mut inbox).await;
    assert_eq!(body(&message), r#"{"customer":"ada","total":"7"}"#);
    assert!(message.headers.is_empty(), "{message:?}");
}

pub(crate) async fn consumers_that_are_gone_are_removed(stage: Stage) {
    let source = stage.make();
    let Stage { peer, name, .. } = &stage;
    let does = |what: &str| peer.does(&what.replace("@", name));
    does("XGROUP CREATE @ flows 0 MKSTREAM");
    does("XADD @ * body one");
    does("XREADGROUP GROUP flows flow8-busy COUNT 1 STREAMS @ >");
    for consumer in ["flow8-gone", "flow8-late", "somebody-else"] {
        does(&format!("XGROUP CREATECONSUMER @ flows {consumer}"));
    }
    let open = json(&format!(r#"{{"stream":"{name}","group":"flows","idleSeconds":86400}}"#));
    let mut waiting = stage.open(&open, 4).await;
    // Each way in looks when it is opened; what was pending is claimed by the first one that may.
    let began = Instant::now();
    while does("XINFO CONSUMERS @ flows").contains("flow8-gone") {
        assert!(began.elapsed() < PATIENCE, "they stay");
        drop(next(&mut stage.open(&source, 4).await).await);
    }
    let left = does("XINFO CONSUMERS @ flows");
    assert!(left.contains("somebody-else") && !left.contains("flow8-late"), "{left}");
    does("XADD @ * body two");
    assert_eq!(body(&next(&mut waiting).await), "two");
}

pub(crate) async fn what_cannot_be_put_among_the_dead_comes_again(stage: Stage) {
    let source = stage.make();
    stage.peer.does(&format!("SET {}:dead something", stage.name));
    stage.publish(&["one", "two"]);
    let mut inbox = stage.open(&source, 4).await;
    let one = next(&mut inbox).await;
    let failure = inbox.settle(one.ticket, Verdict::Dead("no".into())).await.expect_err("cannot be put there");
    assert_eq!(failure.code, "QUEUE_REFUSED", "{failure}");
    assert_eq!(body(&next(&mut inbox).await), "two");
    let again = next(&mut inbox).await;
    assert_eq!(again.key, one.key);
    inbox.settle(again.ticket, Verdict::Done).await.expect("settles");
}

pub(crate) async fn a_group_that_is_removed_is_told(stage: Stage) {
    let source = stage.make();
    let mut inbox = stage.open(&source, 4).await;
    stage.peer.does(&format!("XGROUP DESTROY {} flows", stage.name));
    let failure = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(failure.code, "QUEUE_NOT_FOUND", "{failure}");
}

pub(crate) async fn a_key_lets_in(mut stage: Stage) {
    let source = stage.make();
    let port = stage.peer.port();
    let config = format!(r#"{{"host":"127.0.0.1","port":{port},"tls":"off"}}"#);
    stage.component = with("nats", &config, &format!(r#"{{"nkeySeed":"{}"}}"#, Nats::SEED));
    stage.queues.test(&stage.component).await.expect("works");
    stage.publish(&["one"]);
    assert_eq!(body(&next(&mut stage.open(&source, 4).await).await), "one");
}

pub(crate) async fn a_token_lets_in() {
    let server = OfNats::new(Nats::start_with_token("open-sesame"));
    let config = format!(r#"{{"host":"127.0.0.1","port":{},"tls":"off"}}"#, server.port());
    let mut stage = Stage::new(Arc::new(server), "tokens");
    stage.component = with("nats", &config, r#"{"token":"open-sesame"}"#);
    let source = stage.make();
    stage.publish(&["one"]);
    assert_eq!(body(&next(&mut stage.open(&source, 4).await).await), "one");
    stage.component = with("nats", &config, r#"{"token":"another"}"#);
    assert!(stage.queues.test(&stage.component).await.is_err());
}

pub(crate) async fn a_consumer_that_is_there_is_taken_as_it_is(stage: Stage) {
    stage.make();
    let name = &stage.name;
    let make = |consumer: &str, more: &str| {
        let wish = format!(
            r#"{{"stream_name":"{name}","config":{{"durable_name":"{consumer}","filter_subject":"{name}.a",{more}}}}}"#
        );
        let said = stage.peer.does(&format!("$JS.API.CONSUMER.DURABLE.CREATE.{name}.{consumer} {wish}"));
        assert!(!said.contains("\"error\""), "{said}");
    };
    make("fine", r#""ack_policy":"explicit","ack_wait":1000000000"#);
    make("pushed", r#""ack_policy":"explicit","deliver_subject":"x""#);
    make("careless", r#""ack_policy":"none""#);
    stage.peer.does(&format!("{name}.b other"));
    stage.peer.does(&format!("{name}.a mine"));
    let source = |consumer: &str| Value::map([("stream", name.as_str()), ("consumer", consumer)]);
    let mut inbox = stage.open(&source("fine"), 4).await;
    assert_eq!(body(&next(&mut inbox).await), "mine");
    let other = json(&format!(r#"{{"stream":"{name}","consumer":"fine","subject":"{name}.b"}}"#));
    for (source, why) in
        [(source("pushed"), "asked for messages"), (source("careless"), "acknowledged"), (other, "another subject")]
    {
        let failure = stage.queues.open(&stage.component, &source, 4).await.err().expect("an error");
        assert!(failure.message.contains(why), "{failure}");
    }
    let own = json(&format!(r#"{{"stream":"{name}","consumer":"of-b","subject":"{name}.b"}}"#));
    assert_eq!(body(&next(&mut stage.open(&own, 4).await).await), "other");
}

pub(crate) async fn a_consumer_that_is_removed_is_told(stage: Stage) {
    let source = stage.make();
    let mut inbox = stage.open(&source, 4).await;
    stage.peer.does(&format!("$JS.API.CONSUMER.DELETE.{}.flows", stage.name));
    let failure = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(failure.code, "QUEUE_NOT_FOUND", "{failure}");
}

pub(crate) async fn a_stream_that_is_made_anew_has_other_keys(stage: Stage) {
    let source = stage.make();
    stage.publish(&["one"]);
    let first = next(&mut stage.open(&source, 4).await).await;
    stage.peer.does(&format!("$JS.API.STREAM.DELETE.{}", stage.name));
    stage.make();
    stage.publish(&["one"]);
    let second = next(&mut stage.open(&source, 4).await).await;
    assert_ne!(first.key, second.key);
    assert_eq!(first.about.get("sequence"), second.about.get("sequence"));
}

pub(crate) async fn without_a_message_id_there_is_no_key(stage: Stage) {
    let source = stage.make();
    stage.peer.publish(&stage.name, &[Given { id: "", headers: &[], body: b"one" }]);
    let mut inbox = stage.open(&source, 4).await;
    let one = next(&mut inbox).await;
    assert_eq!(one.key, None);
    inbox.settle(one.ticket, Verdict::Done).await.expect("settles");
    stage.peer.publish(&stage.name, &[Given { id: &"x".repeat(255), headers: &[], body: b"two" }]);
    let key = next(&mut inbox).await.key.expect("a key");
    assert!(key.len() < 128, "{key}");
}

pub(crate) async fn properties_and_tables_are_headers(stage: Stage) {
    let source = stage.make();
    let properties = r#"{"message_id":"m-1","correlation_id":"c-1","type":"order","timestamp":1700000000,"priority":3,
        "headers":{"Message-Id":"forged","list":[1,{"deep":true}],"number":-7,"text":"tëxt"}}"#;
    let wish = format!(
        r#"POST exchanges/%2F/amq.default/publish {{"properties":{properties},"routing_key":"{}","payload":"x","payload_encoding":"string"}}"#,
        stage.name
    );
    assert!(stage.peer.does(&wish).contains("true"));
    let mut inbox = stage.open(&source, 4).await;
    let message = next(&mut inbox).await;
    let header = |name: &str| message.headers.get(name).map(String::as_str);
    assert_eq!(
        (header("message-id"), header("correlation-id"), header("type")),
        (Some("m-1"), Some("c-1"), Some("order"))
    );
    assert_eq!(
        (header("list"), header("number"), header("text")),
        (Some(r#"[1,{"deep":true}]"#), Some("-7"), Some("tëxt"))
    );
    assert_eq!(message.about.get("at"), Some(&Value::from("2023-11-14T22:13:20Z")));
    assert_eq!(message.key.as_deref(), Some(format!("{}/m-1", stage.name).as_str()));
}

pub(crate) async fn a_queue_that_is_removed_is_told(stage: Stage) {
    let source = stage.make();
    let mut inbox = stage.open(&source, 4).await;
    let said = stage.peer.does(&format!("DELETE queues/%2F/{} ", stage.name));
    assert!(said.starts_with("HTTP/1.1 204"), "{said}");
    let failure = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time").expect_err("is noticed");
    assert_eq!(failure.code, "QUEUE_NOT_FOUND", "{failure}");
}
