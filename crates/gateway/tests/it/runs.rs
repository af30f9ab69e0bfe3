//! Running flows.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{Stage, echo, one, waiting};

#[tokio::test]
async fn a_run_answers_at_once_or_waits_for_the_end() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let path = format!("POST /api/flows/{flow}/run");
    let said = stage.ask(&path).json(json!({"args": {"a": 1}, "labels": {"customer": "ada"}})).gives(202).await;
    let play = said["playId"].as_str().expect("an id");
    assert!(said["state"].is_string() && said["startedAt"].is_string(), "{said}");
    let ended = stage.ended(play).await;
    assert_eq!((&ended["state"], &ended["labels"]), (&json!("DONE"), &json!({"customer": "ada"})));
    let said = stage.run("echo", json!({"n": 1})).await;
    assert_eq!((&said["state"], &said["out"]), (&json!("DONE"), &json!({"value": {"n": 1}})));
    assert!(said["duration"].is_u64() && said["playId"] == said["id"], "{said}");
    // A body is not needed.
    stage.ask(&format!("{path}?wait=60")).gives(200).await;
    for wait in ["-1", "301", "NaN", "soon"] {
        stage.ask(&format!("{path}?wait={wait}")).refused(400, "VALIDATION_ERROR").await;
    }
    stage.ask(&path).json(json!({"args": [1]})).refused(400, "VALIDATION_ERROR").await;
    stage.ask(&path).json(json!({"arg": {}})).refused(400, "VALIDATION_ERROR").await;
    let many: serde_json::Map<String, Value> = (0..33).map(|at| (at.to_string(), json!("x"))).collect();
    stage.ask(&path).json(json!({"labels": many})).refused(400, "VALIDATION_ERROR").await;
    stage.ask("POST /api/flows/nobody/run").json(json!({})).refused(404, "FLOW_NOT_FOUND").await;
}

#[tokio::test]
async fn a_play_that_waits_is_answered_as_one_that_goes_on() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let said = stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(json!({})).gives(202).await;
    assert_eq!(said["state"], "WAIT");
    let later = stage.engine.now().plus(Duration::from_secs(3_600)).to_string();
    let said = stage.ask(&format!("POST /api/flows/{flow}/run?wait=0")).json(json!({"startAt": later}));
    let said = said.gives(202).await;
    assert_eq!(said["state"], "DEFERRED");
    let play = stage.ask(&format!("GET /api/plays/{}", said["playId"].as_str().expect("an id"))).gives(200).await;
    assert_eq!((&play["startAt"], play.get("startedAt")), (&json!(later), None));
}

#[tokio::test]
async fn the_same_key_starts_one_play() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let path = format!("POST /api/flows/{flow}/run");
    let first = stage.ask(&path).json(json!({"args": {"n": 1}, "idempotencyKey": "k"})).gives(202).await;
    let again = stage.ask(&path).header("idempotency-key", "k").json(json!({"args": {"n": 1}})).gives(200).await;
    assert_eq!((&again["playId"], &again["replayed"]), (&first["playId"], &json!(true)));
    let waited = stage.ask(&format!("{path}?wait=60")).json(json!({"args": {"n": 1}, "idempotencyKey": "k"}));
    let waited = waited.gives(200).await;
    assert_eq!((&waited["state"], &waited["out"]), (&json!("DONE"), &json!({"value": {"n": 1}})));
    let other = stage.ask(&path).json(json!({"args": {"n": 2}, "idempotencyKey": "k"}));
    other.refused(409, "IDEMPOTENCY_KEY_REUSED").await;
    stage.ask(&path).json(json!({"idempotencyKey": ""})).refused(400, "VALIDATION_ERROR").await;
    stage.ask(&path).header("idempotency-key", "ä").json(json!({})).refused(400, "VALIDATION_ERROR").await;
    assert_eq!(stage.ask("GET /api/plays").gives(200).await["total"], 1);
}

#[tokio::test]
async fn a_draft_runs_only_by_force() {
    let stage = Stage::new().await;
    let made = stage.ask("POST /api/flows?draft=true").json(echo()).gives(201).await;
    let path = format!("POST /api/flows/{}/run?wait=60", made["id"].as_str().expect("an id"));
    stage.ask(&path).json(json!({})).refused(409, "FLOW_NOT_PUBLISHED").await;
    let said = stage.ask(&path).json(json!({"force": true})).gives(200).await;
    assert_eq!((&said["state"], &said["version"]), (&json!("DONE"), &json!(0)));
}

#[tokio::test]
async fn a_limit_that_refuses_is_told_as_one() {
    let stage = Stage::new().await;
    let mut flow = waiting();
    flow["concurrency"] = json!({"limit": 1, "onLimit": "reject"});
    let flow = stage.flow(flow).await;
    stage.run_until_it_waits(&flow).await;
    stage.ask(&format!("POST /api/flows/{flow}/run")).json(json!({})).refused(429, "RATE_LIMITED").await;
}

#[tokio::test]
async fn what_is_sensitive_is_masked_wherever_it_is_shown() {
    let stage = Stage::new().await;
    stage.ask("PUT /api/secrets/token").json(json!({"value": "hush-hush"})).gives(204).await;
    let mut flow = one("Keys", "var", json!({"value": "Bearer {{ $secret.token }}"}));
    flow["layers"][0]["sensitive"] = json!({"out": ["/value"]});
    let flow = stage.flow(flow).await;
    let said = stage.run(&flow, json!({})).await;
    assert_eq!(said["out"], json!({"value": "••••••"}), "{said}");
    let play = said["playId"].as_str().expect("an id");
    let layer = stage.layer(play, "step").await;
    assert_eq!((&layer["args"]["value"], &layer["out"]["value"]), (&json!("••••••"), &json!("••••••")));
    let id = layer["id"].as_str().expect("an id");
    for path in ["", "/layers", "/log", &format!("/layers/{id}"), &format!("/layers/{id}/out")] {
        let said = stage.ask(&format!("GET /api/plays/{play}{path}")).send().await;
        assert!(said.status == 200 && !said.text().contains("hush"), "{path}: {}", said.text());
    }
}
