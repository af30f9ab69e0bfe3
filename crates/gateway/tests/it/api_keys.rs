//! API keys: shown once, stored as a hash, never more than their owner.

use std::time::Duration;

use model::doc::DocKind;
use serde_json::json;
use store::DocQuery;

use crate::stage::{EMAIL, PASSWORD, Stage, echo};

#[tokio::test]
async fn a_key_is_shown_once_and_stored_as_a_hash() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let new = json!({"name": "builds", "scopes": ["flows:view"]});
    let made = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(new).gives(201).await;
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("f8_") && key.len() > 40, "{key}");
    let listed = stage.ask("GET /api/auth/api-keys").cookie(&sid).gives(200).await;
    assert_eq!((listed["total"].as_u64(), &listed["data"][0]["name"]), (Some(1), &json!("builds")));
    assert!(!listed.to_string().contains(key));
    let docs = stage.engine.store().docs(&DocQuery::all(stage.company, DocKind::ApiKey, 10)).await.expect("reads");
    assert!(docs.iter().all(|doc| !String::from_utf8_lossy(&doc.body).contains(key)));
    let audit = stage.ask("GET /api/audit?action=apiKey.create").gives(200).await;
    assert!(audit["total"] == 1 && !audit.to_string().contains(key), "{audit}");
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say_and_ends_at_once_when_it_is_revoked() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let new = json!({"name": "look", "scopes": ["flows:view"]});
    let made = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(new).gives(201).await;
    let (id, key) = (made["id"].as_str().expect("an id"), made["key"].as_str().expect("a key"));
    stage.ask("GET /api/flows").bearer(key).gives(200).await;
    let message = stage.ask("POST /api/flows").bearer(key).json(echo()).refused(403, "FORBIDDEN").await;
    assert_eq!(message, "this needs the permission flows:edit");
    // It cannot make itself another, least of all one that may do more.
    let more = json!({"name": "more", "scopes": ["flows:view"]});
    stage.ask("POST /api/auth/api-keys").bearer(key).json(more).refused(403, "FORBIDDEN").await;
    let me = stage.ask("GET /api/auth/me").bearer(key).gives(200).await;
    assert_eq!((&me["name"], &me["permissions"]), (&json!("look"), &json!(["flows:view"])));
    // A cookie is no place for it.
    stage.ask("GET /api/flows").cookie(key).refused(401, "UNAUTHORIZED").await;

    stage.ask(&format!("DELETE /api/auth/api-keys/{id}")).cookie(&sid).gives(204).await;
    stage.ask("GET /api/flows").bearer(key).refused(401, "UNAUTHORIZED").await;
    stage.ask(&format!("DELETE /api/auth/api-keys/{id}")).cookie(&sid).refused(404, "API_KEY_NOT_FOUND").await;
}

#[tokio::test]
async fn a_key_with_fewer_scopes_looks_after_itself_alone() {
    let stage = Stage::new().await;
    let sid = stage.person("bob", &["operator"]).await;
    let make = async |body| {
        let made = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(body).gives(201).await;
        let text = |name: &str| made[name].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    };
    let (full, full_key) = make(json!({"name": "full"})).await;
    let (other, _) = make(json!({"name": "other"})).await;
    let (look, look_key) = make(json!({"name": "look", "scopes": ["flows:view"]})).await;
    let remove = |id: &str, key: &str| stage.ask(&format!("DELETE /api/auth/api-keys/{id}")).bearer(key);
    let seen = async |key: &str| stage.ask("GET /api/auth/api-keys").bearer(key).gives(200).await;
    let own = seen(&look_key).await;
    assert_eq!((&own["total"], &own["data"][0]["name"]), (&json!(1), &json!("look")), "{own}");
    remove(&full, &look_key).refused(404, "API_KEY_NOT_FOUND").await;
    remove(&look, &look_key).gives(204).await;
    // One that may do all that its owner may looks after all of theirs, as before.
    assert_eq!(seen(&full_key).await["total"], 2);
    remove(&other, &full_key).gives(204).await;
}

#[tokio::test]
async fn the_audit_log_says_what_a_key_may_do_and_until_when() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let until = stage.engine.now().plus(Duration::from_secs(3_600)).to_string();
    let new = json!({"name": "look", "scopes": ["plays:view", "flows:view"], "expiresAt": until});
    let made = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(new).gives(201).await;
    stage.ask(&format!("DELETE /api/auth/api-keys/{}", made["id"].as_str().expect("an id"))).gives(204).await;
    let shown = json!({"name": "look", "ownerId": made["ownerId"], "scopes": ["flows:view", "plays:view"],
        "expiresAt": until});
    for (action, at) in [("apiKey.create", "after"), ("apiKey.delete", "before")] {
        let rows = stage.ask(&format!("GET /api/audit?action={action}")).gives(200).await;
        let row = &rows["data"][0];
        assert_eq!((&row[at], &row["entity"], &row["entityId"]), (&shown, &json!("apiKey"), &made["id"]), "{row}");
        assert!(!rows.to_string().contains(made["key"].as_str().expect("a key")), "{rows}");
    }
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_have() {
    let stage = Stage::new().await;
    let sid = stage.person("bob", &["operator"]).await;
    let make = |body| stage.ask("POST /api/auth/api-keys").cookie(&sid).json(body);
    make(json!({"name": "x", "scopes": ["admin"]})).refused(403, "FORBIDDEN").await;
    make(json!({"name": " "})).refused(400, "VALIDATION_ERROR").await;
    make(json!({"name": "x\r\ny"})).refused(400, "VALIDATION_ERROR").await;
    let bad = make(json!({"name": "x", "scopes": ["fly"]})).refused(400, "VALIDATION_ERROR").await;
    assert!(bad.contains("scopes[0]"), "{bad}");
    make(json!({"name": "x", "expiresAt": "2020-01-01T00:00:00Z"})).refused(400, "VALIDATION_ERROR").await;
    let made = make(json!({"name": "x"})).gives(201).await;
    assert_eq!(made["scopes"], json!(["flows:run", "flows:view", "mcp", "mcp:manage", "plays:control", "plays:view"]));
    // Somebody else's key is none of his business, and goes with its owner.
    let others = stage.ask("GET /api/auth/api-keys").cookie(&sid).gives(200).await;
    assert_eq!(others["total"], 1);
    let key = made["key"].as_str().expect("a key");
    stage.ask("GET /api/flows").bearer(key).gives(200).await;
    let bob = made["ownerId"].as_str().expect("an owner");
    stage.ask(&format!("PUT /api/users/{bob}")).json(json!({"roles": ["approver"]})).gives(200).await;
    let me = stage.ask("GET /api/auth/me").bearer(key).gives(200).await;
    assert_eq!(me["permissions"], json!(["flows:view", "plays:view"]));
    stage.ask(&format!("DELETE /api/users/{bob}")).gives(204).await;
    stage.ask("GET /api/flows").bearer(key).refused(401, "UNAUTHORIZED").await;
    stage.ask("GET /api/flows").cookie(&sid).refused(401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn no_key_is_for_ever_and_nobody_has_any_number_of_them() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let days = |days: u64| stage.engine.now().plus(Duration::from_secs(days * 24 * 3600)).to_string();
    let make = |body| stage.ask("POST /api/auth/api-keys").cookie(&sid).json(body);
    let made = make(json!({"name": "x"})).gives(201).await;
    assert_eq!(made["expiresAt"].as_str().map(|at| &at[..10]), Some(&days(365)[..10]), "{made}");
    let told = make(json!({"name": "x", "expiresAt": days(731)})).refused(400, "VALIDATION_ERROR").await;
    assert!(told.contains("at most 730 days"), "{told}");
    make(json!({"name": "x", "expiresAt": days(729)})).gives(201).await;
    for _ in 2..100 {
        make(json!({"name": "x"})).gives(201).await;
    }
    make(json!({"name": "x"})).refused(409, "TOO_MANY_API_KEYS").await;
    let bob = stage.person("bob", &["builder"]).await;
    stage.ask("POST /api/auth/api-keys").cookie(&bob).json(json!({"name": "x"})).gives(201).await;
}

#[tokio::test]
async fn a_key_expires() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let until = stage.engine.now().plus(Duration::from_secs(60)).to_string();
    let new = json!({"name": "short", "expiresAt": until});
    let made = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(new).gives(201).await;
    let key = made["key"].as_str().expect("a key");
    stage.world.pass(Duration::from_secs(57));
    stage.ask("GET /api/flows").bearer(key).gives(200).await;
    stage.world.pass(Duration::from_secs(4));
    stage.ask("GET /api/flows").bearer(key).refused(401, "UNAUTHORIZED").await;
}
