//! What people do to plays: cancel, hold, resume, resolve, retry; one by one and in bulk.

use serde_json::{Value, json};

use crate::stage::{Stage, one, waiting};

async fn id_of(said: Value) -> String {
    said["playId"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_play_is_held_resumed_and_ended() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let play = stage.run_until_it_waits(&flow).await;
    let verb = |verb: &str| stage.ask(&format!("POST /api/plays/{play}/{verb}")).json(json!({}));
    assert_eq!(verb("hold").gives(200).await["state"], "ON_HOLD");
    verb("hold").refused(409, "CONFLICT").await;
    assert_eq!(verb("resume").gives(200).await["state"], "WAIT");
    verb("resume").refused(409, "CONFLICT").await;
    let reason = json!({"reason": "no longer needed"});
    verb("cancel").json(reason).gives(200).await;
    assert_eq!(stage.ended(&play).await["state"], "CANCELED");
    verb("cancel").refused(409, "CONFLICT").await;
    verb("resume").refused(409, "CONFLICT").await;
}

#[tokio::test]
async fn a_person_says_what_became_of_an_attempt_in_doubt() {
    let stage = Stage::new().await;
    let flow = stage.flow(one("Post", "curl", json!({"method": "POST", "url": "https://peer.test/"}))).await;
    let play = stage.run_until_it_waits(&flow).await;
    let inbox = stage.ask("GET /api/approvals?kind=inDoubt").gives(200).await;
    let asked = &inbox["data"][0];
    assert_eq!((&inbox["total"], &asked["playId"], &asked["ref"]), (&json!(1), &json!(play), &json!("step")));
    let layer = asked["layerId"].as_str().expect("an id");
    assert_eq!(stage.layer(&play, "step").await["state"], "IN_DOUBT");
    let answer = |body: Value| stage.ask(&format!("POST /api/plays/{play}/resolve")).json(body);
    answer(json!({"layerId": layer, "decision": "maybe"})).refused(400, "VALIDATION_ERROR").await;
    answer(json!({"layerId": play, "decision": "happened"})).refused(404, "LAYER_NOT_FOUND").await;
    answer(json!({"layerId": layer, "decision": "happened", "out": {"statusCode": 201}})).gives(200).await;
    let ended = stage.ended(&play).await;
    assert_eq!((&ended["state"], &ended["out"]), (&json!("DONE"), &json!({"statusCode": 201})));
    assert_eq!(stage.ask("GET /api/approvals?kind=inDoubt").gives(200).await["total"], 0);
}

#[tokio::test]
async fn a_retry_is_a_new_play() {
    let stage = Stage::new().await;
    let flow = json!({"name": "Fails", "layers": [
        {"ref": "first", "appId": "var", "index": 0, "args": {"value": 1}},
        {"ref": "second", "appId": "fail", "index": 1, "args": {"message": "no"}},
    ]});
    let flow = stage.flow(flow).await;
    let failed = id_of(stage.run(&flow, json!({})).await).await;
    let said = stage.ask(&format!("POST /api/plays/{failed}/retry")).json(json!({})).gives(202).await;
    let again = id_of(said).await;
    let ended = stage.ended(&again).await;
    assert_eq!((&ended["retryOf"], &ended["state"]), (&json!(failed), &json!("FAIL")));
    assert_eq!(stage.layer(&again, "first").await["reusedFrom"], failed.as_str());
    let from = stage.ask(&format!("POST /api/plays/{failed}/retry")).json(json!({"from": "first"})).gives(202).await;
    let whole = id_of(from).await;
    stage.ended(&whole).await;
    assert_eq!(stage.layer(&whole, "first").await.get("reusedFrom"), None);
    let audit = stage.ask("GET /api/audit?action=play.retry").gives(200).await;
    assert_eq!(audit["total"], 2);
}

#[tokio::test]
async fn many_plays_at_once_by_filter() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let other = stage.flow(one("Other", "wait-event", json!({"key": "other"}))).await;
    for _ in 0..3 {
        stage.run_until_it_waits(&flow).await;
    }
    let spared = stage.run_until_it_waits(&other).await;
    let bulk =
        |verb: &str, filter: Value| stage.ask(&format!("POST /api/plays/{verb}")).json(json!({"filter": filter}));
    let held = bulk("hold", json!({"flowId": flow})).gives(200).await;
    assert_eq!((held["done"].as_array().map(Vec::len), &held["more"]), (Some(3), &json!(false)));
    let resumed = bulk("resume", json!({})).gives(200).await;
    assert_eq!(resumed["done"].as_array().map(Vec::len), Some(3));
    let cancelled = bulk("cancel", json!({"flowId": "waiting"})).gives(200).await;
    assert_eq!(cancelled["done"].as_array().map(Vec::len), Some(3));
    assert_eq!(stage.ask(&format!("GET /api/plays/{spared}")).gives(200).await["state"], "WAIT");
    let again = bulk("cancel", json!({"flowId": "waiting", "state": "CANCELED"})).gives(200).await;
    assert_eq!(
        (again["refused"].as_array().map(Vec::len), &again["refused"][0]["error"]),
        (Some(3), &json!("CONFLICT"))
    );
    bulk("cancel", json!({"flowId": "nobody"})).refused(404, "FLOW_NOT_FOUND").await;
    stage.ask("POST /api/plays/cancel").json(json!({})).refused(400, "VALIDATION_ERROR").await;
    let failing = stage.flow(one("Fails", "fail", json!({"message": "no"}))).await;
    stage.run(&failing, json!({})).await;
    let retried = bulk("retry", json!({"flowId": failing})).gives(200).await;
    assert_eq!(retried["done"].as_array().map(Vec::len), Some(1));
}
