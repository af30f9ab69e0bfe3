//! Flows that start by themselves: when a play ends or waits for an approval, or a key/value changes.

use serde_json::{Value, json};

use crate::stage::{Stage, echo, one};

/// A flow that gives back what it is told, and starts by itself.
fn listener(name: &str, on: Value) -> Value {
    let mut flow = one(name, "var", json!({"value": "{{ $prev.args }}"}));
    flow["on"] = on;
    flow
}

fn failing() -> Value {
    one("Failing", "fail", json!({"message": "no"}))
}

/// The plays of a flow, when there are so many of them and all have ended.
async fn plays(stage: &Stage, flow: &str, count: usize) -> Vec<Value> {
    let mut feed = stage.engine.feed();
    loop {
        feed.borrow_and_update();
        let said = stage.ask(&format!("GET /api/plays?flowId={flow}&size=100")).gives(200).await;
        let found = said["data"].as_array().expect("rows").clone();
        if found.len() >= count && found.iter().all(|play| play["endedAt"].is_string()) {
            assert_eq!(found.len(), count);
            return found;
        }
        feed.changed().await.expect("the engine runs");
    }
}

/// What a listener was told.
async fn told(stage: &Stage, play: &Value) -> Value {
    stage.ended(play["id"].as_str().expect("an id")).await["out"]["value"].clone()
}

#[tokio::test]
async fn the_end_of_a_play_starts_whoever_listens_once_and_tells_of_it() {
    let stage = Stage::new().await;
    let (heard, unheard) = (stage.flow(echo()).await, stage.flow(one("Other", "var", json!({"value": 1}))).await);
    let done = stage.flow(listener("Done", json!({"flow": "echo"}))).await;
    let failed = stage.flow(listener("Failed", json!([{"flow": "echo", "states": ["FAIL", "CANCELED"]}]))).await;
    stage.run(&unheard, json!({})).await;
    let play = stage.run(&heard, json!({"amount": 5})).await;
    let found = plays(&stage, &done, 1).await;
    assert_eq!((&found[0]["trigger"], &found[0]["causeId"]), (&json!("event"), &play["playId"]));
    let told = told(&stage, &found[0]).await;
    assert_eq!((&told["event"], &told["play"]["permanentId"]), (&json!("end"), &json!("echo")));
    assert_eq!((&told["play"]["state"], &told["play"]["out"]), (&json!("DONE"), &json!({"value": {"amount": 5}})));
    plays(&stage, &failed, 0).await;
}

#[tokio::test]
async fn one_flow_hears_of_every_failure_but_its_own() {
    let stage = Stage::new().await;
    let fails = stage.flow(failing()).await;
    let calls = stage.flow(one("Calls", "subflow", json!({"flowId": "failing"}))).await;
    let mut alarm = failing();
    (alarm["name"], alarm["on"]) = (json!("Alarm"), json!({"flow": "*", "states": ["FAIL"]}));
    let alarm = stage.flow(alarm).await;
    let failed = stage.run(&fails, json!({})).await;
    assert_eq!(failed["state"], "FAIL");
    assert_eq!(plays(&stage, &alarm, 1).await[0]["causeId"], failed["playId"]);
    // Of a play that another waits for, that one tells.
    let called = stage.ask(&format!("POST /api/flows/{calls}/run")).json(json!({})).gives(202).await;
    let found = plays(&stage, &alarm, 2).await;
    assert!(found.iter().any(|play| play["causeId"] == called["playId"]), "{found:?}");
}

#[tokio::test]
async fn flows_that_start_each_other_come_to_an_end() {
    let stage = Stage::new().await;
    let ping = stage.flow(listener("Ping", json!({"flow": "pong"}))).await;
    let pong = stage.flow(listener("Pong", json!({"flow": "ping"}))).await;
    stage.run(&ping, json!({})).await;
    // The first, and sixteen because of it.
    plays(&stage, &ping, 9).await;
    plays(&stage, &pong, 8).await;
}

#[tokio::test]
async fn a_change_of_a_key_starts_whoever_listens_whoever_makes_it() {
    let stage = Stage::new().await;
    let rates = stage.flow(listener("Rates", json!({"kv": "rates/*"}))).await;
    let exact = stage.flow(listener("Exact", json!({"kv": "rates/eur"}))).await;
    let mut writes = one("Writes", "kv-set", json!({"key": "rates/eur", "value": 2, "scope": "global"}));
    writes["on"] = json!({"kv": "rates/eur"});
    let writes = stage.flow(writes).await;
    stage.ask("POST /api/kv").json(json!({"key": "rates/usd", "value": "hush"})).gives(204).await;
    stage.ask("POST /api/kv").json(json!({"key": "other", "value": 1})).gives(204).await;
    let found = plays(&stage, &rates, 1).await;
    let heard = told(&stage, &found[0]).await;
    assert_eq!(heard, json!({"event": "kv", "kv": {"key": "rates/usd", "removed": false}}), "and no value");
    stage.run(&writes, json!({})).await;
    plays(&stage, &rates, 2).await;
    plays(&stage, &exact, 1).await;
    plays(&stage, &writes, 1).await;
    stage.ask("DELETE /api/kv?key=rates/eur").gives(204).await;
    // Somebody else changed it; and what that starts changes it again.
    plays(&stage, &writes, 2).await;
    plays(&stage, &exact, 3).await;
}

#[tokio::test]
async fn an_approval_that_waits_starts_whoever_tells_people() {
    let stage = Stage::new().await;
    let mut pays = one("Pays", "var", json!({"value": 1}));
    pays["layers"][0]["needsApproval"] = json!({"roles": ["approver"]});
    let pays = stage.flow(pays).await;
    let tells = stage.flow(listener("Tells", json!({"approval": "*"}))).await;
    let play = stage.run_until_it_waits(&pays).await;
    let found = plays(&stage, &tells, 1).await;
    let told = told(&stage, &found[0]).await;
    assert_eq!((&told["play"]["id"], &told["approval"]["ref"]), (&json!(play), &json!("step")));
    assert_eq!(told["approval"]["layerId"], stage.layer(&play, "step").await["id"]);
}

#[tokio::test]
async fn only_what_is_published_and_enabled_listens() {
    let stage = Stage::new().await;
    let heard = stage.flow(echo()).await;
    let id = stage.flow(listener("Listens", json!({"flow": heard}))).await;
    stage.run(&heard, json!({})).await;
    plays(&stage, &id, 1).await;
    let mut off = listener("Listens", json!({"flow": heard}));
    off["enabled"] = json!(false);
    stage.ask(&format!("PUT /api/flows/{id}")).json(off).gives(200).await;
    stage.run(&heard, json!({})).await;
    stage.ask(&format!("PUT /api/flows/{id}")).json(listener("Listens", json!({"flow": heard}))).gives(200).await;
    stage.run(&heard, json!({})).await;
    plays(&stage, &id, 2).await;
    let draft = listener("Listens", json!([]));
    stage.ask(&format!("PUT /api/flows/{id}?draft=true")).json(draft).gives(200).await;
    stage.run(&heard, json!({})).await;
    plays(&stage, &id, 3).await;
    stage.ask(&format!("POST /api/flows/{id}/publish")).gives(200).await;
    stage.run(&heard, json!({})).await;
    stage.ask(&format!("DELETE /api/flows/{id}")).gives(204).await;
    stage.run(&heard, json!({})).await;
    plays(&stage, &id, 3).await;
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_refused() {
    let stage = Stage::new().await;
    for on in [
        json!({}),
        json!({"flow": "a", "kv": "b"}),
        json!({"flow": ""}),
        json!({"flow": "a", "states": ["RUN"]}),
        json!({"kv": "a", "states": ["FAIL"]}),
        json!([{"flow": "a"}, {"approval": "x".repeat(513)}]),
    ] {
        let made = stage.ask("POST /api/flows").json(listener("Odd", on.clone())).gives(201).await;
        let problem = made["problems"][0]["path"].as_str().unwrap_or_default();
        assert!(made["published"] == false && problem.starts_with("on["), "{on}: {made}");
    }
    stage.ask("POST /api/flows").json(listener("Odd", json!("a"))).refused(400, "VALIDATION_ERROR").await;
    stage.ask("POST /api/flows").json(listener("Odd", json!({"file": "a"}))).refused(400, "VALIDATION_ERROR").await;
}
