//! Companies: they come, are named, and know nothing of each other.

use serde_json::json;

use crate::stage::{EMAIL, OTHER, PASSWORD, Stage, one};

#[tokio::test]
async fn a_company_comes_with_an_owner_and_keys_of_its_own() {
    let stage = Stage::new().await;
    let other = stage.other_company().await;
    let me = other.ask("GET /api/auth/me").gives(200).await;
    assert_eq!((&me["companyId"], &me["roles"]), (&json!(other.id), &json!(["owner"])));
    assert_eq!(me["mustChangePassword"], true, "somebody else chose it");
    other.ask("PUT /api/secrets/token").json(json!({"value": "hush"})).gives(204).await;
    let flow = one("Tell", "var", json!({"value": "{{ ($secret.token | size) }}"}));
    let flow = other.ask("POST /api/flows").json(flow).gives(201).await["id"].clone();
    let run = format!("POST /api/flows/{}/run?wait=60", flow.as_str().expect("an id"));
    let play = other.ask(&run).json(json!({})).gives(200).await;
    assert_eq!(play["state"], "DONE", "{play}");
    let begun = other.ask("GET /api/audit?action=company.create").gives(200).await;
    assert_eq!((&begun["total"], &begun["data"][0]["actor"]["kind"]), (&json!(1), &json!("system")));
    stage.ask("GET /api/users").gives(200).await["data"]
        .as_array()
        .expect("a list")
        .iter()
        .for_each(|user| assert_ne!(user["email"], OTHER));
}

#[tokio::test]
async fn only_the_first_company_looks_after_others() {
    let stage = Stage::new().await;
    let other = stage.other_company().await;
    assert_eq!(stage.ask("GET /api/companies").gives(200).await["total"], 2);
    let seen = other.ask("GET /api/companies").gives(200).await;
    assert_eq!((&seen["total"], &seen["data"][0]["id"]), (&json!(1), &json!(other.id)));
    let third = json!({"name": "Third", "owner": {"email": "third@flow8.test", "password": PASSWORD}});
    other.ask("POST /api/companies").json(third).refused(403, "FORBIDDEN").await;
    let first = format!("PUT /api/companies/{}", stage.company);
    other.ask(&first).json(json!({"name": "Mine"})).refused(404, "COMPANY_NOT_FOUND").await;
    let own = format!("PUT /api/companies/{}", other.id);
    other.ask(&own).json(json!({"name": " Grace & Co "})).gives(200).await;
    let named = stage.ask(&own).json(json!({"name": "Grace Ltd"})).gives(200).await;
    assert_eq!(named, json!({"id": other.id, "name": "Grace Ltd"}));
    let builder = stage.person("bert", &["builder"]).await;
    stage.ask("GET /api/companies").cookie(&builder).refused(403, "FORBIDDEN").await;
}

#[tokio::test]
async fn what_is_no_company_is_refused() {
    let stage = Stage::new().await;
    let owner = |email: &str, password: &str| json!({"email": email, "password": password});
    let bad = [
        json!({"name": " ", "owner": owner("a@flow8.test", PASSWORD)}),
        json!({"name": "x".repeat(300), "owner": owner("a@flow8.test", PASSWORD)}),
        json!({"name": "A", "owner": owner("nobody", PASSWORD)}),
        json!({"name": "A", "owner": owner("a@flow8.test", "short")}),
        json!({"name": "A"}),
    ];
    for body in bad {
        stage.ask("POST /api/companies").json(body).refused(400, "VALIDATION_ERROR").await;
    }
    let taken = json!({"name": "A", "owner": owner(EMAIL, PASSWORD)});
    stage.ask("POST /api/companies").json(taken).refused(409, "EMAIL_TAKEN").await;
    assert_eq!(stage.ask("GET /api/companies").gives(200).await["total"], 1);
    let unknown = format!("PUT /api/companies/{}", "0".repeat(24));
    stage.ask(&unknown).json(json!({"name": "A"})).refused(404, "COMPANY_NOT_FOUND").await;
}
