//! Approvals: who may decide, and what they see.

use serde_json::json;

use crate::stage::{Stage, one};

#[tokio::test]
async fn whoever_started_it_does_not_approve_it_and_builders_never_do() {
    let stage = Stage::new().await;
    let mut flow = one("Pay", "var", json!({"value": "{{ $prev.args.sum }}"}));
    flow["layers"][0]["needsApproval"] = json!({"roles": ["approver"], "fourEyes": true});
    let flow = stage.flow(flow).await;
    let starter = stage.person("sam", &["operator", "approver"]).await;
    let second = stage.person("sue", &["approver"]).await;
    let builder = stage.person("bert", &["builder"]).await;
    let run =
        stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).cookie(&starter).json(json!({"args": {"sum": 5}}));
    let said = run.gives(202).await;
    assert_eq!(said["state"], "WAIT");
    let play = said["playId"].as_str().expect("an id");

    let inbox = stage.ask("GET /api/approvals").cookie(&second).gives(200).await;
    let asked = &inbox["data"][0];
    assert_eq!((&inbox["total"], &asked["flowName"], &asked["args"]), (&json!(1), &json!("Pay"), &json!({"value": 5})));
    let body = json!({"layerId": asked["layerId"], "decision": "approved", "note": "fine"});
    let decide = |who: &str| stage.ask(&format!("POST /api/plays/{play}/approve")).cookie(who).json(body.clone());
    decide(&builder).refused(403, "FORBIDDEN").await;
    decide(&starter).refused(403, "FORBIDDEN").await;
    decide(&second).gives(200).await;
    let ended = stage.ended(play).await;
    assert_eq!((&ended["state"], &ended["out"]), (&json!("DONE"), &json!({"value": 5})));
    decide(&second).refused(409, "CONFLICT").await;
    assert_eq!(stage.ask("GET /api/approvals").gives(200).await["total"], 0);
}

#[tokio::test]
async fn a_no_fails_the_play_and_many_are_decided_at_once() {
    let stage = Stage::new().await;
    let mut flow = one("Pay", "var", json!({"value": 1}));
    flow["layers"][0]["needsApproval"] = json!(true);
    let flow = stage.flow(flow).await;
    let plays = [stage.run_until_it_waits(&flow).await, stage.run_until_it_waits(&flow).await];
    let page = stage.ask("GET /api/approvals?size=1&page=1").gives(200).await;
    assert_eq!((&page["total"], &page["pages"], &page["data"][0]["playId"]), (&json!(2), &json!(2), &json!(plays[1])));
    let one_play = stage.ask(&format!("GET /api/approvals?playId={}", plays[0])).gives(200).await;
    assert_eq!((&one_play["total"], &one_play["data"][0]["playId"]), (&json!(1), &json!(plays[0])));
    let decision = json!({"filter": {"flowId": flow}, "decision": "declined", "note": "not today"});
    let said = stage.ask("POST /api/plays/approve").json(decision).gives(200).await;
    assert_eq!(said["done"].as_array().map(Vec::len), Some(2));
    for play in plays {
        let ended = stage.ended(&play).await;
        assert_eq!((&ended["state"], &ended["error"]["code"]), (&json!("FAIL"), &json!("APPROVAL_DECLINED")));
    }
}
