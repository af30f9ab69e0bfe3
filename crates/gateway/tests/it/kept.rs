//! What is kept beside flows: key/values, secrets, groups, files, events.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{Stage, echo, waiting};

#[tokio::test]
async fn key_values_are_set_read_listed_and_removed() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    stage.ask("POST /api/kv").json(json!({"key": "rate", "value": {"eur": 1.10}})).gives(204).await;
    let own = json!({"scope": "flow", "ownerId": flow, "key": "rate", "value": 2});
    stage.ask("POST /api/kv").json(own).gives(204).await;
    assert_eq!(stage.ask("GET /api/kv/value?key=rate").gives(200).await, json!({"key": "rate", "value": {"eur": 1.1}}));
    let of_flow = format!("scope=flow&ownerId={flow}");
    assert_eq!(stage.ask(&format!("GET /api/kv/value?{of_flow}&key=rate")).gives(200).await["value"], 2);
    let soon = stage.engine.now().plus(Duration::from_secs(60)).to_string();
    stage.ask("POST /api/kv").json(json!({"key": "soon gone", "value": 1, "expiresAt": soon})).gives(204).await;
    assert_eq!(stage.ask("GET /api/kv").gives(200).await["total"], 2);
    stage.world.pass(Duration::from_secs(61));
    let listed = stage.ask("GET /api/kv").gives(200).await;
    assert_eq!((&listed["total"], &listed["data"][0]), (&json!(1), &json!({"key": "rate"})));
    stage.ask("GET /api/kv/value?key=soon+gone").refused(404, "KEY_NOT_FOUND").await;
    stage.ask("DELETE /api/kv?key=rate").gives(204).await;
    stage.ask("DELETE /api/kv?key=rate").refused(404, "KEY_NOT_FOUND").await;
    assert_eq!(stage.ask(&format!("GET /api/kv?{of_flow}")).gives(200).await["total"], 1);
    stage.ask("GET /api/kv?scope=flow").refused(400, "VALIDATION_ERROR").await;
    stage.ask("POST /api/kv").json(json!({"key": "", "value": 1})).refused(400, "VALIDATION_ERROR").await;
    let large = "x".repeat(300 << 10);
    stage.ask("POST /api/kv").json(json!({"key": "k", "value": large})).refused(400, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn who_reads_the_value_of_a_key_leaves_a_row_without_it() {
    let stage = Stage::new().await;
    stage.ask("POST /api/kv").json(json!({"key": "rate", "value": "hush-hush"})).gives(204).await;
    stage.ask("GET /api/kv").gives(200).await;
    stage.ask("GET /api/kv/value?key=other").refused(404, "KEY_NOT_FOUND").await;
    let rows = async || stage.ask("GET /api/audit?action=kv.read").gives(200).await;
    assert_eq!(rows().await["total"], 0, "a list holds no values");
    let bob = stage.person("bob", &["builder"]).await;
    stage.ask("GET /api/kv/value?key=rate").cookie(&bob).gives(200).await;
    let rows = rows().await;
    let row = &rows["data"][0];
    assert_eq!((&row["entity"], &row["actor"]["name"]), (&json!("kv"), &json!("bob@flow8.test")), "{rows}");
    assert_eq!(row["after"], json!({"scope": "global", "key": "rate"}), "{rows}");
    assert!(rows["total"] == 1 && !rows.to_string().contains("hush"), "{rows}");
    let set = stage.ask("GET /api/audit?action=kv.set").gives(200).await;
    assert_eq!(row["entityId"], set["data"][0]["entityId"]);
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let stage = Stage::new().await;
    stage.ask("PUT /api/secrets/api-token").json(json!({"value": "hush-hush"})).gives(204).await;
    stage.ask("PUT /api/secrets/bad%20name").json(json!({"value": 1})).refused(400, "VALIDATION_ERROR").await;
    stage.ask("GET /api/secrets/api-token").refused(405, "METHOD_NOT_ALLOWED").await;
    let listed = stage.ask("GET /api/secrets").gives(200).await;
    assert_eq!((&listed["data"], &listed["total"]), (&json!(["api-token"]), &json!(1)));
    for line in ["GET /api/secrets", "GET /api/audit", "GET /api/kv", "GET /api/kv/value?key=api-token"] {
        assert!(!stage.ask(line).send().await.text().contains("hush"), "{line}");
    }
    let audit = stage.ask("GET /api/audit?action=secret.set").gives(200).await;
    assert_eq!(audit["data"][0]["entityId"], "api-token");
    stage.ask("DELETE /api/secrets/api-token").gives(204).await;
    stage.ask("DELETE /api/secrets/api-token").refused(404, "SECRET_NOT_FOUND").await;
}

#[tokio::test]
async fn a_group_that_holds_a_flow_stays() {
    let stage = Stage::new().await;
    for name in ["", "a\0b", "a\r\nb", "a\u{1b}[31mb"] {
        stage.ask("POST /api/groups").json(json!({"name": name})).refused(400, "VALIDATION_ERROR").await;
    }
    let made = stage.ask("POST /api/groups").json(json!({"name": " Finance "})).gives(201).await;
    let (id, name) = (made["id"].as_str().expect("an id"), &made["name"]);
    assert_eq!(name, "Finance");
    stage.ask("POST /api/groups").json(json!({"name": " "})).refused(400, "VALIDATION_ERROR").await;
    let mut flow = echo();
    flow["groupId"] = json!(id);
    stage.flow(flow).await;
    assert_eq!(stage.ask(&format!("GET /api/flows?groupId={id}")).gives(200).await["total"], 1);
    stage.ask(&format!("DELETE /api/groups/{id}")).refused(409, "GROUP_IN_USE").await;
    stage.ask("DELETE /api/flows/echo").gives(204).await;
    let path = format!("/api/groups/{id}");
    stage.ask(&format!("PUT {path}")).json(json!({"name": "Money"})).gives(200).await;
    assert_eq!(stage.ask(&format!("GET {path}")).gives(200).await["name"], "Money");
    assert_eq!(stage.ask("GET /api/groups").gives(200).await["total"], 1);
    stage.ask(&format!("DELETE {path}")).gives(204).await;
    stage.ask(&format!("GET {path}")).refused(404, "GROUP_NOT_FOUND").await;
}

#[tokio::test]
async fn files_are_written_read_and_removed() {
    let stage = Stage::new().await;
    let file = stage.ask("POST /api/files?path=in/%C3%A4.bin").body(vec![0_u8, 1, 255]).gives(201).await;
    assert_eq!((&file["path"], &file["size"]), (&json!("in/ä.bin"), &json!(3)));
    let read = stage.ask("GET /api/files/content?path=in/%C3%A4.bin").send().await;
    assert_eq!((read.status.as_u16(), &read.body[..]), (200, &[0, 1, 255][..]));
    assert_eq!(read.header("content-type"), "application/octet-stream");
    assert_eq!(read.header("content-disposition"), "attachment; filename=\"_.bin\"; filename*=UTF-8''%C3%A4.bin");
    assert_eq!(read.header("x-content-type-options"), "nosniff");
    assert_eq!(stage.ask("GET /api/files?prefix=in/").gives(200).await["total"], 1);
    stage.ask("POST /api/files?path=../up").body("x").refused(400, "VALIDATION_ERROR").await;
    stage.ask("DELETE /api/files?path=in/%C3%A4.bin").gives(204).await;
    stage.ask("DELETE /api/files?path=in/%C3%A4.bin").refused(404, "FILE_NOT_FOUND").await;
    stage.ask("GET /api/files/content?path=in/%C3%A4.bin").refused(404, "FILE_NOT_FOUND").await;
    assert_eq!(stage.ask("GET /api/audit?entity=file").gives(200).await["total"], 2);
}

#[tokio::test]
async fn an_event_wakes_a_play_and_counts_once() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let play = stage.run_until_it_waits(&flow).await;
    let layer = stage.layer(&play, "step").await;
    assert_eq!(layer["waitsFor"], "go");
    let post = |body: Value| stage.ask("POST /api/events").json(body);
    let event = json!({"key": "go", "data": {"n": 1}, "idempotencyKey": "once"});
    assert_eq!(post(event.clone()).gives(202).await["replayed"], false);
    assert_eq!(post(event).gives(200).await["replayed"], true);
    assert_eq!(stage.ended(&play).await["out"], json!({"key": "go", "data": {"n": 1}}));
    post(json!({"key": ""})).refused(400, "VALIDATION_ERROR").await;
    post(json!({"key": "go", "idempotencyKey": ""})).refused(400, "VALIDATION_ERROR").await;
}
