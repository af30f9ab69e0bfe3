//! Components and links that flows use are not removed from under them.

use serde_json::{Value, json};

use crate::stage::{Stage, one};

async fn component(stage: &Stage, name: &str) -> String {
    let config = json!({"host": "127.0.0.1", "database": "books", "user": "ada"});
    let component = json!({"name": name, "kind": "db", "config": config, "secret": {"password": "hush"}});
    stage.ask("POST /api/components").json(component).gives(201).await["id"].as_str().expect("an id").to_owned()
}

async fn link(stage: &Stage, name: &str) -> String {
    let link = json!({"name": name, "kind": "bearer", "hosts": ["a.example"], "secret": {"token": "hush-hush"}});
    stage.ask("POST /api/links").json(link).gives(201).await["id"].as_str().expect("an id").to_owned()
}

/// A flow that reads a database.
fn reading(name: &str, component: Option<&str>) -> Value {
    let mut flow = one(name, "db-query", json!({"sql": "SELECT 1"}));
    if let Some(component) = component {
        flow["layers"][0]["componentConfigIds"] = json!({"db": component});
    }
    flow
}

#[tokio::test]
async fn a_component_stays_while_a_version_or_a_draft_names_it() {
    let stage = Stage::new().await;
    let (books, free) = (component(&stage, "books").await, component(&stage, "free").await);
    stage.ask(&format!("DELETE /api/components/{free}")).gives(204).await;
    // By its name, in what runs.
    stage.flow(reading("By name", Some("books"))).await;
    let remove = |query: &str| stage.ask(&format!("DELETE /api/components/{books}{query}"));
    assert!(remove("").refused(409, "COMPONENT_IN_USE").await.contains("by-name"));
    // The draft names it no more; the version does, until that is published.
    let mut other = one("By name", "var", json!({"value": 1}));
    stage.ask("PUT /api/flows/by-name?draft=true").json(other.clone()).gives(200).await;
    remove("").refused(409, "COMPONENT_IN_USE").await;
    stage.ask("POST /api/flows/by-name/publish").gives(200).await;
    // By its id, in a draft alone.
    other["layers"][0] = reading("", Some(&books))["layers"][0].clone();
    stage.ask("PUT /api/flows/by-name?draft=true").json(other).gives(200).await;
    remove("").refused(409, "COMPONENT_IN_USE").await;
    stage.ask("DELETE /api/flows/by-name").gives(204).await;
    for flow in 0..6 {
        stage.flow(reading(&format!("Flow {flow}"), Some("books"))).await;
    }
    let said = remove("").send().await.json();
    assert_eq!(said["details"]["flows"].as_array().map(Vec::len), Some(5), "{said}");
    assert!(said["message"].as_str().is_some_and(|text| text.contains(" and others;")), "{said}");
    remove("?force=true").gives(204).await;
    let row = stage.ask("GET /api/audit?action=component.delete").gives(200).await["data"][0].clone();
    let after = &row["after"];
    assert_eq!((&after["forced"], after["usedBy"].as_array().map(Vec::len)), (&json!(true), Some(5)), "{row}");
}

#[tokio::test]
async fn what_is_named_by_its_name_is_not_renamed() {
    let stage = Stage::new().await;
    let books = component(&stage, "books").await;
    stage.flow(reading("By name", Some("books"))).await;
    let rename = |name: &str| stage.ask(&format!("PUT /api/components/{books}")).json(json!({"name": name}));
    let told = rename("ledger").refused(409, "COMPONENT_IN_USE").await;
    assert!(told.contains("by-name") && told.contains("by its id") && !told.contains("force"), "{told}");
    // The same name is no change, and by its id it is found whatever it is called.
    rename("books").gives(200).await;
    stage.ask("PUT /api/flows/by-name").json(reading("By name", Some(&books))).gives(200).await;
    assert_eq!(rename("ledger").gives(200).await["name"], "ledger");

    let erp = link(&stage, "erp").await;
    let mut flow = one("Calls", "curl", json!({"url": "http://a.example/"}));
    flow["layers"][0]["linkId"] = json!("erp");
    stage.flow(flow).await;
    let rename = |name: &str| stage.ask(&format!("PUT /api/links/{erp}")).json(json!({"name": name}));
    assert!(rename("sap").refused(409, "LINK_IN_USE").await.contains("calls"));
    rename("erp").gives(200).await;
    stage.ask("DELETE /api/flows/calls").gives(204).await;
    assert_eq!(rename("sap").gives(200).await["name"], "sap");
}

#[tokio::test]
async fn the_default_component_is_used_without_a_word() {
    let stage = Stage::new().await;
    let id = component(&stage, "default").await;
    stage.flow(reading("Silent", None)).await;
    stage.ask(&format!("DELETE /api/components/{id}")).refused(409, "COMPONENT_IN_USE").await;
}

#[tokio::test]
async fn a_link_stays_while_a_flow_names_it() {
    let stage = Stage::new().await;
    let id = link(&stage, "erp").await;
    let mut flow = one("Calls", "curl", json!({"url": "http://a.example/"}));
    flow["layers"][0]["linkId"] = json!("erp");
    stage.flow(flow.clone()).await;
    let remove = |query: &str| stage.ask(&format!("DELETE /api/links/{id}{query}"));
    assert!(remove("").refused(409, "LINK_IN_USE").await.contains("calls"));
    // Another company's flow of the same words is not in its way.
    let other = stage.other_company().await;
    flow["layers"][0]["linkId"] = json!(id);
    other.ask("POST /api/flows?draft=true").json(flow).gives(201).await;
    stage.ask("DELETE /api/flows/calls").gives(204).await;
    remove("").gives(204).await;
    let row = stage.ask("GET /api/audit?action=link.delete").gives(200).await["data"][0].clone();
    assert_eq!(row["after"], Value::Null, "{row}");
    remove("?force=true").refused(404, "LINK_NOT_FOUND").await;
}
