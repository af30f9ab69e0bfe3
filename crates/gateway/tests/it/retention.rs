//! What is kept how long, by whose rules, and what a hold keeps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{Stage, echo};

const DAY: Duration = Duration::from_secs(86_400);

/// Another flow than [`echo`].
fn other() -> Value {
    let mut flow = echo();
    flow["name"] = json!("Other");
    flow
}

async fn clean_up(stage: &Stage) -> Value {
    let foretold = stage.ask("POST /api/retention/cleanup").json(json!({"dryRun": true})).gives(200).await;
    let done = stage.ask("POST /api/retention/cleanup").json(json!({})).gives(200).await;
    assert_eq!((&foretold["plays"], &foretold["auditRows"]), (&done["plays"], &done["auditRows"]), "what was foretold");
    done
}

async fn plays(stage: &Stage, flow: &str) -> Value {
    stage.ask(&format!("GET /api/plays?flowId={flow}")).gives(200).await["total"].clone()
}

#[tokio::test]
async fn a_flow_a_group_and_the_company_keep_plays_by_rules_of_their_own() {
    let stage = Stage::new().await;
    let group = stage.ask("POST /api/groups").json(json!({"name": "Short"})).gives(201).await;
    let (mut short, mut long) = (other(), other());
    (short["name"], short["groupId"]) = (json!("Short"), group["id"].clone());
    (long["name"], long["groupId"]) = (json!("Long"), group["id"].clone());
    let (plain, short, long) = (stage.flow(echo()).await, stage.flow(short).await, stage.flow(long).await);
    let set = |rules: Value| stage.ask("PUT /api/retention").json(rules);
    set(json!({"scope": "group", "ownerId": group["id"], "plays": {"cadence": "10d"}})).gives(200).await;
    set(json!({"scope": "flow", "ownerId": long, "plays": {"cadence": "60d"}})).gives(200).await;
    for flow in [&plain, &short, &long] {
        for _ in 0..3 {
            stage.run(flow, json!({})).await;
        }
    }
    assert_eq!(clean_up(&stage).await["plays"], 0);
    stage.world.pass(11 * DAY);
    assert_eq!(clean_up(&stage).await["plays"], 3);
    assert_eq!(plays(&stage, &short).await, 0, "by the group's rules");
    stage.world.pass(50 * DAY);
    assert_eq!(clean_up(&stage).await["plays"], 3);
    assert_eq!((plays(&stage, &long).await, plays(&stage, &plain).await), (json!(0), json!(3)), "by the flow's own");
    set(json!({"scope": "company", "plays": {"cadence": "20d", "minEntries": 2}})).gives(200).await;
    stage.run(&long, json!({})).await;
    assert_eq!(clean_up(&stage).await["plays"], 1, "two of the company's stay, and the flow's own do not count");
    assert_eq!(plays(&stage, &plain).await, 2);
    let listed = stage.ask("GET /api/retention").gives(200).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(listed["installation"]["plays"], json!({"cadence": "90d", "minEntries": 0, "enforcedMinimum": "0s"}));
    stage.ask("DELETE /api/retention?scope=company").gives(204).await;
    stage.ask("DELETE /api/retention?scope=company").refused(404, "RETENTION_NOT_FOUND").await;
}

#[tokio::test]
async fn nothing_goes_while_it_is_held() {
    let stage = Stage::new().await;
    let (held, free) = (stage.flow(echo()).await, stage.flow(other()).await);
    stage.run(&held, json!({})).await;
    stage.run(&free, json!({})).await;
    let hold = json!({"reason": "case 17"});
    let of_flow = json!({"scope": "flow", "ownerId": held, "hold": hold});
    let set = stage.ask("PUT /api/retention").json(of_flow.clone()).gives(200).await;
    assert_eq!(set["hold"]["by"]["kind"], "cli");
    stage.world.pass(DAY);
    let again = stage.ask("PUT /api/retention").json(of_flow).gives(200).await;
    assert_eq!(again["hold"]["since"], set["hold"]["since"], "it is the same hold");
    stage.world.pass(100 * DAY);
    assert_eq!(clean_up(&stage).await["plays"], 1);
    assert_eq!((plays(&stage, &held).await, plays(&stage, &free).await), (json!(1), json!(0)));
    stage.ask("DELETE /api/flows/echo").gives(204).await;
    assert_eq!(clean_up(&stage).await["plays"], 0, "though the flow is gone");
    let of_company = json!({"scope": "company", "hold": hold});
    stage.ask("PUT /api/retention").json(of_company).gives(200).await;
    stage.ask(&format!("DELETE /api/retention?scope=flow&ownerId={held}")).gives(204).await;
    let done = clean_up(&stage).await;
    assert_eq!((&done["plays"], &done["auditRows"], &done["isHeld"]), (&json!(0), &json!(0), &json!(true)));
    stage.ask("DELETE /api/retention?scope=company").gives(204).await;
    assert_eq!(clean_up(&stage).await["plays"], 1);
    let told = stage.ask("GET /api/audit?entity=retention").gives(200).await;
    let actions: Vec<&str> =
        told["data"].as_array().expect("rows").iter().filter_map(|row| row["action"].as_str()).collect();
    let count = |action: &str| actions.iter().filter(|found| **found == action).count();
    assert_eq!((count("retention.hold"), count("retention.release"), count("retention.set")), (2, 2, 1));
}

#[tokio::test]
async fn the_audit_log_goes_by_age_and_stays_whole() {
    let stage = Stage::new().await;
    let log = audit::Log::new(stage.engine.store().clone(), stage.ring.clone());
    for name in 0..20 {
        let set = json!({"key": format!("k{name}"), "value": 1});
        stage.ask("POST /api/kv").json(set).gives(204).await;
        log.seal(stage.engine.now()).await.expect("seals");
    }
    stage.world.pass(31 * DAY);
    let done = clean_up(&stage).await;
    let dropped = done["auditRows"].as_u64().expect("a number");
    assert!((5..=12).contains(&dropped), "ten stay: {done}");
    let found = stage.ask("GET /api/audit/verify").gives(200).await;
    assert_eq!((&found["ok"], &found["dropped"]), (&json!(true), &json!(dropped)), "{found}");
}

#[tokio::test]
async fn rules_that_cannot_be_are_refused() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let refused = async |rules: Value, word: &str| {
        let message = stage.ask("PUT /api/retention").json(rules).refused(400, "VALIDATION_ERROR").await;
        assert!(message.contains(word), "{message}");
    };
    let rule = json!({"cadence": "90d"});
    refused(json!({"scope": "company", "auditLogs": {"cadence": "13d"}}), "at least 14d").await;
    refused(json!({"scope": "company", "plays": {"cadence": "90"}}), "length of time").await;
    refused(json!({"scope": "company", "plays": {"cadence": "90d", "min": 1}}), "min").await;
    refused(json!({"scope": "company", "ownerId": flow, "plays": rule}), "ownerId").await;
    refused(json!({"scope": "flow", "plays": rule}), "ownerId").await;
    refused(json!({"scope": "flow", "ownerId": flow, "auditLogs": rule}), "auditLogs").await;
    refused(json!({"scope": "group", "ownerId": flow, "hold": {"reason": "x"}}), "hold").await;
    refused(json!({"scope": "company", "hold": {"reason": " "}}), "hold.reason").await;
    let unknown = json!({"scope": "flow", "ownerId": "0123456789abcdef01234567", "plays": rule});
    stage.ask("PUT /api/retention").json(unknown).refused(404, "FLOW_NOT_FOUND").await;
    let group = json!({"scope": "group", "ownerId": flow, "plays": rule});
    stage.ask("PUT /api/retention").json(group).refused(404, "GROUP_NOT_FOUND").await;
}
