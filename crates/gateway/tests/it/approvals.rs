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
async fn a_list_of_roles_binds_owners_and_admins_too() {
    let stage = Stage::new().await;
    let asking = async |name: &str, terms| {
        let mut flow = one(name, "var", json!({"value": 1}));
        flow["layers"][0]["needsApproval"] = terms;
        let flow = stage.flow(flow).await;
        let play = stage.run_until_it_waits(&flow).await;
        let layer = stage.layer(&play, "step").await["id"].clone();
        (play, json!({"layerId": layer, "decision": "approved"}))
    };
    let decide = |play: &str, who: &str, body: &serde_json::Value| {
        stage.ask(&format!("POST /api/plays/{play}/approve")).cookie(who).json(body.clone())
    };
    let (play, body) = asking("Pay", json!({"roles": ["approver"]})).await;
    for role in ["owner", "admin"] {
        let sid = stage.person(role, &[role]).await;
        let message = decide(&play, &sid, &body).refused(403, "FORBIDDEN").await;
        assert_eq!(message, "only approver may decide this");
        let all = json!({"filter": {}, "decision": "approved"});
        let said = stage.ask("POST /api/plays/approve").cookie(&sid).json(all).gives(200).await;
        assert_eq!(said["done"], json!([]), "{said}");
        // Where no role is listed, whoever may decide at all does.
        let (any, body) = asking(role, json!(true)).await;
        decide(&any, &sid, &body).gives(200).await;
    }
    let both = stage.person("both", &["admin", "approver"]).await;
    decide(&play, &both, &body).gives(200).await;
    assert_eq!(stage.ended(&play).await["state"], "DONE");
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

#[tokio::test]
async fn a_decision_is_about_what_was_shown_and_the_audit_log_keeps_its_digest() {
    let stage = Stage::new().await;
    let mut flow =
        one("Pay", "var", json!({"value": {"sum": "{{ $prev.args.sum }}", "card": "{{ $prev.args.card }}"}}));
    flow["layers"][0]["needsApproval"] = json!(true);
    flow["layers"][0]["sensitive"] = json!({"args": ["/value/card"]});
    let flow = stage.flow(flow).await;
    let run = async |sum: u32, card: &str| {
        let args = json!({"args": {"sum": sum, "card": card}});
        let said = stage.ask(&format!("POST /api/flows/{flow}/run?wait=60")).json(args).gives(202).await;
        let play = said["playId"].as_str().expect("an id").to_owned();
        let asked = stage.ask(&format!("GET /api/approvals?playId={play}")).gives(200).await["data"][0].clone();
        (play, asked)
    };
    let (first, of_first) = run(5, "4000-0012").await;
    let (_, of_second) = run(5, "4000-0013").await;
    let digest = of_first["digest"].as_str().expect("a digest");
    assert_eq!(digest.len(), 64, "{of_first}");
    assert_ne!(digest, of_second["digest"], "another play is something else");
    assert_eq!(of_first["args"], json!({"value": {"sum": 5, "card": "••••••"}}));
    let decide = |digest: &serde_json::Value| {
        let body = json!({"layerId": of_first["layerId"], "decision": "approved", "digest": digest});
        stage.ask(&format!("POST /api/plays/{first}/approve")).json(body)
    };
    let message = decide(&of_second["digest"]).refused(409, "CONFLICT").await;
    assert!(message.contains("not what you were shown"), "{message}");
    decide(&json!("12")).refused(400, "VALIDATION_ERROR").await;
    decide(&of_first["digest"]).gives(200).await;
    stage.ended(&first).await;
    let row = stage.ask("GET /api/audit?action=play.approve").gives(200).await;
    assert_eq!((&row["total"], &row["data"][0]["after"]["digest"]), (&json!(1), &json!(digest)));
}
