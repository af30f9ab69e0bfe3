//! Invitations, and passwords that an administrator resets.

use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::{PASSWORD, Stage};

const NEW: &str = "a password of my own";

async fn invite(stage: &Stage, email: &str) -> (String, String) {
    let person = json!({"email": email, "roles": ["builder"]});
    let made = stage.ask("POST /api/users").json(person).gives(201).await;
    assert_eq!(made["hasPassword"], false, "{made}");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["id"]), text(&made["invitation"]["token"]))
}

fn choose(stage: &Stage, token: &str, password: &str) -> crate::client::Ask {
    stage.ask("POST /api/auth/password").nobody().json(json!({"token": token, "password": password}))
}

#[tokio::test]
async fn whoever_is_invited_chooses_a_password_once_and_in_time() {
    let stage = Stage::new().await;
    let (id, token) = invite(&stage, "bob@flow8.test").await;
    assert!(token.starts_with("f8once_") && token.len() > 40, "{token}");
    let people = stage.ask("GET /api/users").gives(200).await.to_string();
    let log = stage.ask("GET /api/audit").gives(200).await.to_string();
    assert!(!people.contains(&token) && !log.contains(&token));
    // Until then nobody signs in as them, not even with nothing.
    let login = |password: &str| {
        let body = json!({"email": "bob@flow8.test", "password": password});
        stage.ask("POST /api/auth/login").nobody().json(body)
    };
    for password in ["", &token, PASSWORD] {
        login(password).refused(401, "UNAUTHORIZED").await;
    }
    choose(&stage, &token, "short").refused(400, "VALIDATION_ERROR").await;
    choose(&stage, "f8once_nothing", NEW).refused(403, "FORBIDDEN").await;
    // Two at once: one of them has chosen, whoever it is.
    let (one, other) = tokio::join!(choose(&stage, &token, NEW).send(), choose(&stage, &token, NEW).send());
    let mut said = [one.status.as_u16(), other.status.as_u16()];
    said.sort_unstable();
    assert!(said[0] == 204 && matches!(said[1], 403 | 409), "{said:?}");
    choose(&stage, &token, PASSWORD).refused(403, "FORBIDDEN").await;
    login(NEW).gives(200).await;

    let (_, late) = invite(&stage, "eve@flow8.test").await;
    stage.world.pass(Duration::from_secs(72 * 3600 + 1));
    assert!(choose(&stage, &late, NEW).refused(403, "FORBIDDEN").await.contains("ask an administrator"));
    // Who was removed is gone, token and all.
    let (grace, gone) = invite(&stage, "grace@flow8.test").await;
    stage.ask(&format!("DELETE /api/users/{grace}")).gives(204).await;
    choose(&stage, &gone, NEW).refused(403, "FORBIDDEN").await;
    stage.ask(&format!("GET /api/audit?action=user.password&entityId={id}")).gives(200).await;
}

#[tokio::test]
async fn a_reset_takes_the_password_and_ends_sessions_at_once() {
    let stage = Stage::new().await;
    let sid = stage.person("bob", &["builder"]).await;
    let key = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(json!({"name": "k"})).gives(201).await;
    let key = key["key"].as_str().expect("a key");
    let me = stage.ask("GET /api/auth/me").cookie(&sid).gives(200).await;
    let id = me["userId"].as_str().expect("an id");
    let reset = |body: Value| stage.ask(&format!("POST /api/users/{id}/password-reset")).json(body);
    let first = reset(json!({})).gives(200).await["token"].as_str().expect("a token").to_owned();
    stage.ask("GET /api/auth/me").cookie(&sid).refused(401, "UNAUTHORIZED").await;
    let login = json!({"email": "bob@flow8.test", "password": PASSWORD});
    stage.ask("POST /api/auth/login").nobody().json(login).refused(401, "UNAUTHORIZED").await;
    // Programs go on, unless they are to end, too. A second reset takes the token of the first.
    stage.ask("GET /api/auth/me").bearer(key).gives(200).await;
    let second = reset(json!({"revokeKeys": true})).gives(200).await["token"].as_str().expect("a token").to_owned();
    stage.ask("GET /api/auth/me").bearer(key).refused(401, "UNAUTHORIZED").await;
    choose(&stage, &first, NEW).refused(403, "FORBIDDEN").await;
    choose(&stage, &second, NEW).gives(204).await;
    let sid = stage.sign_in("bob@flow8.test", NEW).await;
    // For administrators alone, and of the same company.
    let asked = || stage.ask(&format!("POST /api/users/{id}/password-reset")).json(json!({}));
    asked().cookie(&sid).refused(403, "FORBIDDEN").await;
    let other = stage.other_company().await;
    asked().cookie(other.sid()).refused(404, "USER_NOT_FOUND").await;
    stage.ask("GET /api/auth/me").cookie(&sid).gives(200).await;
}

#[tokio::test]
async fn whoever_guesses_tokens_has_to_wait() {
    let stage = Stage::new().await;
    let (_, token) = invite(&stage, "bob@flow8.test").await;
    for guess in 0..100 {
        choose(&stage, &format!("f8once_{guess}"), NEW).refused(403, "FORBIDDEN").await;
    }
    let said = choose(&stage, &token, NEW).send().await;
    assert_eq!((said.status.as_u16(), &said.json()["error"]), (429, &json!("RATE_LIMITED")));
    let wait: u64 = said.header("retry-after").parse().expect("seconds");
    assert!((295..=301).contains(&wait) && said.text().contains(&format!("{wait} seconds")), "{}", said.text());
    stage.world.pass(Duration::from_secs(301));
    choose(&stage, &token, NEW).gives(204).await;
}
