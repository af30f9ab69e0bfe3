//! The audit log.

use model::batch::Batch;
use serde_json::json;

use crate::stage::{EMAIL, PASSWORD, Stage, echo, waiting};

#[tokio::test]
async fn every_change_has_a_row_that_says_who_what_and_from_where() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    stage.ask("POST /api/flows").cookie(&sid).header("x-request-id", "req-1").json(echo()).gives(201).await;
    let mut changed = echo();
    changed["category"] = json!("Finance");
    stage
        .ask("PUT /api/flows/echo?draft=true")
        .cookie(&sid)
        .header("x-request-id", "req-2")
        .json(changed)
        .gives(200)
        .await;
    let rows = stage.ask("GET /api/audit?entity=flow").gives(200).await;
    let actions: Vec<&str> =
        rows["data"].as_array().expect("rows").iter().map(|row| row["action"].as_str().expect("a word")).collect();
    assert_eq!(actions, ["flow.update", "flow.publish", "flow.create"], "newest first");
    let update = &rows["data"][0];
    assert_eq!((&update["actor"]["name"], &update["actor"]["kind"]), (&json!(EMAIL), &json!("user")));
    assert_eq!((&update["requestId"], &update["ip"]), (&json!("req-2"), &json!("127.0.0.1")));
    assert_eq!((update["before"].get("category"), &update["after"]["draft"]["category"]), (None, &json!("Finance")));
    let create = &rows["data"][2];
    assert_eq!((create.get("before"), &create["after"]["name"]), (None, &json!("Echo")));
    assert_eq!(create["requestId"], "req-1");
    let id = create["entityId"].as_str().expect("an id");
    assert_eq!(stage.ask(&format!("GET /api/audit?entityId={id}&action=flow.create")).gives(200).await["total"], 1);
    let login = stage.ask("GET /api/audit?action=auth.login").gives(200).await;
    assert_eq!((&login["total"], &login["data"][0]["entity"]), (&json!(1), &json!("user")));
    stage.ask("POST /api/flows/echo/run?wait=60").cookie(&sid).json(json!({})).gives(200).await;
    let run = stage.ask("GET /api/audit?entity=play").gives(200).await;
    assert_eq!((&run["total"], &run["data"][0]["actor"]["name"]), (&json!(1), &json!(EMAIL)));
}

#[tokio::test]
async fn an_api_key_acts_in_its_own_name() {
    let stage = Stage::new().await;
    let key = stage.key(&["flows:edit"]).await;
    stage.ask("POST /api/flows").bearer(&key).json(echo()).gives(201).await;
    let rows = stage.ask("GET /api/audit?action=flow.create").gives(200).await;
    let actor = &rows["data"][0]["actor"];
    assert_eq!((&actor["kind"], &actor["name"]), (&json!("apiKey"), &json!("test")));
    assert!(actor["user"].is_string(), "and names its owner");
}

#[tokio::test]
async fn what_people_do_to_a_play_has_its_row_in_the_same_commit() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let play = stage.run_until_it_waits(&flow).await;
    let verb = |verb: &str, request: &'static str| {
        stage.ask(&format!("POST /api/plays/{play}/{verb}")).header("x-request-id", request)
    };
    verb("hold", "req-hold").json(json!({})).gives(200).await;
    verb("hold", "req-again").json(json!({})).refused(409, "CONFLICT").await;
    verb("resume", "req-resume").json(json!({})).gives(200).await;
    verb("cancel", "req-cancel").json(json!({"reason": "no longer needed"})).gives(200).await;
    let rows = stage.ask(&format!("GET /api/audit?entity=play&entityId={play}")).gives(200).await;
    let found: Vec<(&str, &str)> = rows["data"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (row["action"].as_str().expect("a word"), row["requestId"].as_str().expect("an id")))
        .filter(|(action, _)| *action != "play.run")
        .collect();
    let expected = [("play.cancel", "req-cancel"), ("play.resume", "req-resume"), ("play.hold", "req-hold")];
    assert_eq!(found, expected, "newest first; what was refused has none");
    assert_eq!(rows["data"][0]["after"]["reason"], "no longer needed");
}

#[tokio::test]
async fn the_log_is_checked_and_exported_by_whoever_may_see_it() {
    let stage = Stage::new().await;
    stage.ask("POST /api/flows").json(echo()).gives(201).await;
    let other = stage.other_company().await;
    let log = audit::Log::new(stage.engine.store().clone(), stage.ring.clone());
    log.seal(stage.engine.now()).await.expect("seals");
    let found = stage.ask("GET /api/audit/verify").gives(200).await;
    assert_eq!((&found["ok"], &found["unsealed"], found.get("broken")), (&json!(true), &json!(0), None), "{found}");
    let said = stage.ask("GET /api/audit/export").send().await;
    assert_eq!(said.header("content-type"), "application/x-ndjson");
    assert!(said.header("content-disposition").contains("audit.jsonl"));
    let report = audit::verify_export(said.text().as_bytes(), None).expect("an export");
    assert_eq!(report.broken, None);
    // The export stands in the log itself, and is sealed with the rest.
    assert_eq!(Some(report.rows), found["rows"].as_u64().map(|rows| rows + 1));
    assert_eq!(report.public_key.map(|key| key.to_string()).as_deref(), found["publicKey"].as_str());
    let table = stage.ask("GET /api/audit/export?format=csv").send().await.text();
    assert!(table.contains(",flow.create,flow,"), "{table}");
    let exports = stage.ask("GET /api/audit?action=audit.export").gives(200).await;
    assert_eq!((&exports["total"], &exports["data"][0]["after"]), (&json!(2), &json!({"format": "csv"})));
    stage.ask("GET /api/audit/export?format=xml").refused(400, "VALIDATION_ERROR").await;
    // Another company has another log, and another key.
    let theirs = other.ask("GET /api/audit/export").send().await;
    assert!(!theirs.text().contains("flow.create"), "{}", theirs.text());
    assert_ne!(other.ask("GET /api/audit/verify").gives(200).await["publicKey"], found["publicKey"]);
}

#[tokio::test]
async fn what_was_changed_behind_flow8s_back_is_named() {
    let stage = Stage::new().await;
    stage.ask("POST /api/flows").json(echo()).gives(201).await;
    let log = audit::Log::new(stage.engine.store().clone(), stage.ring.clone());
    log.seal(stage.engine.now()).await.expect("seals");
    let newest = stage.engine.store().audit_end().await.expect("reads");
    let gone = Batch { drop_audit: Some((stage.company, newest)), ..Batch::default() };
    stage.engine.store().commit(gone).await.expect("commits");
    let found = stage.ask("GET /api/audit/verify").gives(200).await;
    assert_eq!(
        (&found["ok"], &found["broken"]["what"], &found["broken"]["segment"]),
        (&json!(false), &json!("rowMissing"), &json!(1))
    );
    assert!(found["broken"]["message"].as_str().expect("words").ends_with("is missing"), "{found}");
}
