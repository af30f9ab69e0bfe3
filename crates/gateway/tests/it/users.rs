//! People of the company, and what their roles allow.

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage, echo};

#[tokio::test]
async fn people_come_change_and_go_but_for_the_last_owner() {
    let stage = Stage::new().await;
    let bob = json!({"email": "Bob@flow8.test", "roles": ["builder"], "password": PASSWORD});
    let made = stage.ask("POST /api/users").json(bob.clone()).gives(201).await;
    assert!(made.get("password").is_none() && !made.to_string().contains("argon2"), "{made}");
    stage.ask("POST /api/users").json(bob).refused(409, "EMAIL_TAKEN").await;
    let bad = [
        json!({"email": "no address", "roles": ["builder"], "password": PASSWORD}),
        json!({"email": "c@flow8.test", "password": PASSWORD}),
        json!({"email": "c@flow8.test", "roles": ["king"], "password": PASSWORD}),
        json!({"email": "c@flow8.test", "roles": ["builder"], "password": "short"}),
        json!({"email": "c@flow8.test", "roles": ["builder"], "password": PASSWORD, "extra": 1}),
    ];
    for body in bad {
        stage.ask("POST /api/users").json(body).refused(400, "VALIDATION_ERROR").await;
    }
    let all = stage.ask("GET /api/users").gives(200).await;
    assert_eq!(all["total"], 2);
    let id = made["id"].as_str().expect("an id");
    let ada =
        all["data"].as_array().expect("a list").iter().find(|user| user["id"] != id).expect("the owner")["id"].clone();
    let ada = ada.as_str().expect("an id");
    stage.ask(&format!("DELETE /api/users/{ada}")).refused(409, "LAST_OWNER").await;
    let demote = || stage.ask(&format!("PUT /api/users/{ada}")).json(json!({"roles": ["admin"]}));
    demote().refused(409, "LAST_OWNER").await;
    let change = |body: Value| stage.ask(&format!("PUT /api/users/{id}")).json(body);
    for name in ["x".repeat(300), String::new(), "  ".into(), "Bob\r\nEve".into(), "B\0b".into()] {
        let told = change(json!({"name": name})).refused(400, "VALIDATION_ERROR").await;
        assert!(told.starts_with("name: "), "{told}");
    }
    let changed = change(json!({"name": "Bob", "roles": ["owner", "owner"]})).gives(200).await;
    assert_eq!((&changed["name"], &changed["roles"]), (&json!("Bob"), &json!(["owner"])));
    demote().gives(200).await;
    stage.ask(&format!("DELETE /api/users/{ada}")).gives(204).await;
    stage.ask(&format!("DELETE /api/users/{ada}")).refused(404, "USER_NOT_FOUND").await;
}

#[tokio::test]
async fn a_role_allows_what_it_allows() {
    let stage = Stage::new().await;
    let flow = stage.flow(echo()).await;
    let auditor = stage.person("audrey", &["auditor"]).await;
    let run = format!("POST /api/flows/{flow}/run");
    stage.ask("GET /api/audit").cookie(&auditor).gives(200).await;
    stage.ask("GET /api/plays").cookie(&auditor).gives(200).await;
    for line in [run.as_str(), "POST /api/flows", "GET /api/secrets", "GET /api/users", "POST /api/plays/cancel"] {
        stage.ask(line).cookie(&auditor).json(json!({})).refused(403, "FORBIDDEN").await;
    }
    let builder = stage.person("bert", &["builder"]).await;
    stage.ask("POST /api/flows").cookie(&builder).json(echo()).gives(201).await;
    let operator = stage.person("olga", &["operator"]).await;
    stage.ask("POST /api/flows").cookie(&operator).json(echo()).refused(403, "FORBIDDEN").await;
    stage.ask(&run).cookie(&operator).json(json!({})).gives(202).await;
    // Whoever shall do both has both roles.
    let both = stage.person("beth", &["builder", "operator"]).await;
    stage.ask(&run).cookie(&both).json(json!({})).gives(202).await;
    for line in [run.as_str(), "GET /api/audit", "GET /api/users", "POST /api/plays/cancel", "POST /api/plays/approve"]
    {
        stage.ask(line).cookie(&builder).json(json!({})).refused(403, "FORBIDDEN").await;
    }
}

#[tokio::test]
async fn whoever_is_signed_in_reads_what_each_role_allows() {
    let stage = Stage::new().await;
    stage.ask("GET /api/roles").nobody().refused(401, "UNAUTHORIZED").await;
    let sid = stage.person("bob", &["auditor"]).await;
    let listed = stage.ask("GET /api/roles").cookie(&sid).gives(200).await;
    let names: Vec<&Value> = listed["data"].as_array().expect("rows").iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["owner", "admin", "builder", "operator", "approver", "auditor"]);
    assert_eq!(listed["data"][4]["permissions"], json!(["flows:view", "plays:view", "approvals:decide"]));
    let page = stage.ask("GET /api/roles?size=2&page=1").cookie(&sid).gives(200).await;
    assert_eq!((&page["total"], &page["data"][0]["name"]), (&json!(6), &json!("builder")));
}
