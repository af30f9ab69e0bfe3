//! Channels of many: a thousand of them, and replicas that share a store.

use std::sync::Arc;
use std::time::Duration;

use model::batch::Batch;
use model::doc::Expect;
use serde_json::json;
use store::Store;
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use tokio::time::Instant;

use crate::channels::{Port, make, public, route};
use crate::stage::{Stage, echo};

/// How soon a change is to be served by every replica.
const SOON: Duration = Duration::from_secs(1);

async fn open(server: &Mongod) -> Arc<dyn Store> {
    let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
    Arc::new(MongoStore::open(&options).await.expect("opens"))
}

#[tokio::test]
async fn a_thousand_channels_answer_as_one_does() {
    let stage = Stage::new().await;
    let port = Port::of(&stage).await;
    let flow = stage.flow(echo()).await;
    // One comes through the API, and tells what all are like.
    let first = make(&stage, public("c0", route("GET", "/:n", "sync", &flow))).await;
    let key = channels::doc_key(stage.company, first["id"].as_str().expect("an id").parse().expect("an id"));
    let doc = stage.engine.store().doc(&key).await.expect("reads").expect("a channel");
    let like: channels::Channel = doc.read().expect("a channel");
    let mut docs = Vec::new();
    for number in 1..1_000 {
        let mut channel = channels::Channel { id: stage.engine.new_id(), ..like.clone() };
        channel.definition.slug = format!("c{number}").parse().expect("a slug");
        docs.push(channels::write(stage.company, &channel, Expect::Absent));
    }
    stage.engine.store().commit(Batch { docs, ..Batch::default() }).await.expect("commits");
    stage.engine.ways_in_have_changed();
    let more = public("more", route("GET", "/", "sync", &flow));
    stage.ask("POST /api/channels").json(more).refused(409, "TOO_MANY_CHANNELS").await;
    for number in 0..1_000 {
        let said = port.ask(&format!("GET /c{number}/{number}")).send().await;
        assert_eq!(said.json()["value"]["params"]["n"], json!(number.to_string()), "{}", said.text());
    }
    let text = stage.ask("GET /metrics").nobody().send().await.text();
    let series = text.lines().filter(|line| line.starts_with("flow8_channel_requests_total{")).count();
    assert!(series <= 502, "{series} series");
    assert!(text.contains("flow8_channel_requests_total{channel=\"c0\",route=\"r\",status=\"200\"} 1"));
    assert!(text.contains("flow8_channel_requests_total{channel=\"other\",route=\"other\",status=\"200\"} 500"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_adds_the_others_serve_and_what_came_once_came_once() {
    let server = Mongod::start();
    server.initiate().await;
    let (first, second) = (Stage::on(open(&server).await, true).await, Stage::on(open(&server).await, false).await);
    let (here, there) = (Port::of(&first).await, Port::of(&second).await);
    let flow = first.flow(echo()).await;
    // It is looked for in vain before it is there.
    assert_eq!(there.ask("POST /hooks").send().await.status, 404);
    let mut keyed = route("POST", "/", "sync", &flow);
    keyed["idempotencyHeader"] = json!("x-key");
    let made = make(&first, public("hooks", keyed)).await;
    let asked = Instant::now();
    let mut said = there.ask("POST /hooks").send().await;
    while said.status == 404 && asked.elapsed() < SOON {
        tokio::task::yield_now().await;
        said = there.ask("POST /hooks").send().await;
    }
    assert_eq!(said.status, 200, "{} after {:?}", said.text(), asked.elapsed());
    let at = format!("/api/channels/{}", made["id"].as_str().expect("an id"));
    first.ask(&format!("POST {at}/routes")).json(route("POST", "/more", "sync", &flow)).gives(201).await;
    let asked = Instant::now();
    while there.ask("POST /hooks/more").send().await.status == 404 {
        assert!(asked.elapsed() < SOON, "a route is not served elsewhere");
    }
    let one = here.ask("POST /hooks").header("x-key", "k").json(json!({"n": 1})).send();
    let two = there.ask("POST /hooks").header("x-key", "k").json(json!({"n": 1})).send();
    let (one, two) = tokio::join!(one, two);
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200), "{} {}", one.text(), two.text());
    assert_eq!(one.header("x-play-id"), two.header("x-play-id"));
    first.ask(&format!("DELETE {at}")).gives(204).await;
    let asked = Instant::now();
    while there.ask("POST /hooks").send().await.status != 404 {
        assert!(asked.elapsed() < SOON, "it is served elsewhere still");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_passed_at_one_replica_passes_at_no_other() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let server = Mongod::start();
    server.initiate().await;
    let (first, second) = (Stage::on(open(&server).await, true).await, Stage::on(open(&server).await, false).await);
    let (here, there) = (Port::of(&first).await, Port::of(&second).await);
    let flow = first.flow(echo()).await;
    let mut channel = public("hub", route("POST", "/", "sync", &flow));
    channel["authMode"] = json!("hmac");
    channel["auth"] = json!({"secret": "a secret that is long", "scheme": "github"});
    make(&first, channel).await;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"a secret that is long").expect("a key");
    mac.update(b"{}");
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let send = |port: &Port| port.ask("POST /hub").header("x-hub-signature-256", &signature).body("{}").send();
    let (one, two) = tokio::join!(send(&here), send(&there));
    let mut told = [one.status.as_u16(), two.status.as_u16()];
    told.sort_unstable();
    assert_eq!(told, [200, 409], "{} {}", one.text(), two.text());
    assert_eq!(send(&there).await.status, 409);
    assert_eq!(first.ask("GET /api/plays").gives(200).await["total"], 1);
}
