//! Revisions, versions, rolling back, and the flowlets of a draft one by one.

use serde_json::{Value, json};

use crate::stage::{Stage, echo, one};

#[tokio::test]
async fn an_edit_of_an_old_revision_is_refused() {
    let stage = Stage::new().await;
    stage.flow(echo()).await;
    let put = |tag: &str| stage.ask("PUT /api/flows/echo").header("if-match", tag).json(echo());
    put("\"1\"").gives(200).await;
    put("\"1\"").refused(412, "REVISION_CONFLICT").await;
    put("W/\"2\"").gives(200).await;
    put("*").gives(200).await;
    put("soon").refused(400, "VALIDATION_ERROR").await;
    let layer = json!({"ref": "more", "appId": "var", "args": {"value": 1}});
    let add = stage.ask("POST /api/flows/echo/layers").header("if-match", "\"1\"").json(layer);
    add.refused(412, "REVISION_CONFLICT").await;
}

#[tokio::test]
async fn a_version_stays_and_can_be_gone_back_to() {
    let stage = Stage::new().await;
    let flow = stage.flow(one("Versions", "var", json!({"value": 1}))).await;
    stage.ask(&format!("PUT /api/flows/{flow}")).json(one("Versions", "var", json!({"value": 2}))).gives(200).await;
    assert_eq!(stage.run(&flow, json!({})).await["out"], json!({"value": 2}));
    let back = stage.ask(&format!("POST /api/flows/{flow}/rollback")).json(json!({"version": 1})).gives(200).await;
    assert_eq!(
        (&back["version"], &back["published"], &back["layers"][0]["args"]["value"]),
        (&json!(3), &json!(true), &json!(1))
    );
    let play = stage.run(&flow, json!({})).await;
    assert_eq!((&play["out"], &play["version"]), (&json!({"value": 1}), &json!(3)));
    let versions = stage.ask(&format!("GET /api/flows/{flow}/versions")).gives(200).await;
    let rows = versions["data"].as_array().expect("rows");
    let numbers: Vec<(&Value, &Value)> = rows.iter().map(|row| (&row["version"], &row["current"])).collect();
    assert_eq!(numbers, [(&json!(3), &json!(true)), (&json!(2), &json!(false)), (&json!(1), &json!(false))]);
    assert!(versions["size"] == 25 && rows[0]["digest"] == rows[2]["digest"], "{versions}");
    let page = stage.ask(&format!("GET /api/flows/{flow}/versions?size=1&page=2")).gives(200).await;
    assert_eq!((&page["data"][0]["version"], &page["pages"]), (&json!(1), &json!(3)));
    let none = stage.ask(&format!("POST /api/flows/{flow}/rollback")).json(json!({"version": 9}));
    none.refused(404, "VERSION_NOT_FOUND").await;
}

#[tokio::test]
async fn flowlets_are_added_replaced_and_taken_out() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let path = format!("/api/flows/{flow}/layers");
    let more = json!({"ref": "more", "appId": "var", "index": 1, "args": {"value": "{{ $prev.step.value }}"}});
    let added = stage.ask(&format!("POST {path}")).json(more.clone()).gives(201).await;
    assert_eq!((&added["published"], added["layers"].as_array().map(Vec::len)), (&json!(true), Some(2)));
    stage.ask(&format!("POST {path}")).json(more.clone()).refused(400, "VALIDATION_ERROR").await;
    let listed = stage.ask(&format!("GET {path}")).gives(200).await;
    assert_eq!((&listed["data"][1]["ref"], &listed["revision"]), (&json!("more"), &json!(2)));
    let mut changed = more;
    changed["ref"] = json!("other");
    stage.ask(&format!("PUT {path}/more")).json(changed.clone()).gives(200).await;
    stage.ask(&format!("PUT {path}/more")).json(changed.clone()).refused(404, "LAYER_NOT_FOUND").await;
    changed["ref"] = json!("step");
    stage.ask(&format!("PUT {path}/other")).json(changed).refused(400, "VALIDATION_ERROR").await;
    // Taking out what another one reads leaves a draft that is not sound; the version stays.
    let taken = stage.ask(&format!("DELETE {path}/step")).gives(200).await;
    assert_eq!((&taken["published"], &taken["version"]), (&json!(false), &json!(3)));
    assert!(taken["problems"].to_string().contains("step"), "{taken}");
    stage.ask(&format!("DELETE {path}/step")).refused(404, "LAYER_NOT_FOUND").await;
    assert_eq!(stage.run(&flow, json!({"a": 1})).await["state"], "DONE");
}
