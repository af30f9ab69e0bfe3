//! Signing in and out, sessions, and pages of other origins.

use std::sync::Arc;
use std::time::Duration;

use engine::world::{Ids, World as _};
use gateway::{Bootstrap, FirstAdmin, Settings};
use model::batch::Batch;
use model::doc::{DocKind, DocPut, DocWrite, Expect, UniqueKey};
use model::ids::CompanyId;
use serde_json::json;
use store::DocQuery;
use store::memory::MemoryStore;
use vault::{KeyRing, MasterKey};

use crate::stage::{EMAIL, PASSWORD, Stage, echo};
use crate::world::TestWorld;

#[tokio::test]
async fn a_session_is_in_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let stage = Stage::new().await;
    let login = |password: &str| {
        stage.ask("POST /api/auth/login").nobody().json(json!({"email": " ADA@flow8.test", "password": password}))
    };
    let said = login(PASSWORD).send().await;
    let cookie = said.header("set-cookie").to_owned();
    let flags: Vec<&str> = cookie.split("; ").skip(1).collect();
    assert_eq!(flags, ["Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=3600", "Secure"]);
    assert_eq!(said.header("cache-control"), "no-store");
    assert_eq!(said.json()["roles"], json!(["owner"]));
    login("wrong horse battery").refused(401, "UNAUTHORIZED").await;
    let stranger = json!({"email": "eve@flow8.test", "password": PASSWORD});
    stage.ask("POST /api/auth/login").nobody().json(stranger).refused(401, "UNAUTHORIZED").await;

    let sid = cookie.split([';', '=']).nth(1).expect("a session").to_owned();
    let me = stage.ask("GET /api/v1/auth/me").cookie(&sid).gives(200).await;
    assert_eq!((&me["name"], &me["companyId"]), (&json!(EMAIL), &json!(stage.company.to_string())));
    // It is no API key.
    stage.ask("GET /api/auth/me").bearer(&sid).refused(401, "UNAUTHORIZED").await;

    let out = stage.ask("POST /api/auth/logout").cookie(&sid).send().await;
    assert_eq!((out.status.as_u16(), out.body.len()), (204, 0));
    assert!(out.header("set-cookie").starts_with("sid=; ") && out.header("set-cookie").contains("Max-Age=0"));
    stage.ask("GET /api/auth/me").cookie(&sid).refused(401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let stage = Stage::new().await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    stage.world.pass(Duration::from_secs(3_500));
    stage.ask("GET /api/auth/me").cookie(&sid).gives(200).await;
    stage.world.pass(Duration::from_secs(101));
    stage.ask("GET /api/auth/me").cookie(&sid).refused(401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn a_new_password_ends_other_sessions_and_the_old_one_is_worth_nothing() {
    let stage = Stage::new().await;
    let (sid, other) = (stage.sign_in(EMAIL, PASSWORD).await, stage.sign_in(EMAIL, PASSWORD).await);
    let change = |current: &str, new: &str| {
        stage.ask("PUT /api/auth/password").cookie(&sid).json(json!({"current": current, "new": new}))
    };
    change("not it at all", "another long password").refused(403, "FORBIDDEN").await;
    change(PASSWORD, "short").refused(400, "VALIDATION_ERROR").await;
    // A password that was given once is changed to another one.
    let told = change(PASSWORD, PASSWORD).refused(400, "VALIDATION_ERROR").await;
    assert!(told.starts_with("new: "), "{told}");
    change(PASSWORD, "another long password").gives(204).await;
    stage.ask("GET /api/auth/me").cookie(&sid).gives(200).await;
    stage.ask("GET /api/auth/me").cookie(&other).refused(401, "UNAUTHORIZED").await;
    let login =
        |password: &str| stage.ask("POST /api/auth/login").nobody().json(json!({"email": EMAIL, "password": password}));
    login(PASSWORD).refused(401, "UNAUTHORIZED").await;
    login("another long password").gives(200).await;
    // A program has no password to change.
    let body = json!({"current": PASSWORD, "new": PASSWORD});
    stage.ask("PUT /api/auth/password").json(body).refused(403, "FORBIDDEN").await;
}

#[tokio::test]
async fn whoever_guesses_has_to_wait() {
    let stage = Stage::new().await;
    // Too long to be a password: refused without the work of hashing it.
    let guess = |password: String| {
        let body = json!({"email": EMAIL, "password": password});
        stage.ask("POST /api/auth/login").nobody().header("x-forwarded-for", "10.1.1.1").json(body)
    };
    for _ in 0..10 {
        guess("x".repeat(2_000)).refused(401, "UNAUTHORIZED").await;
    }
    guess(PASSWORD.into()).refused(429, "RATE_LIMITED").await;
    stage.world.pass(Duration::from_secs(301));
    guess(PASSWORD.into()).gives(200).await;
}

#[tokio::test]
async fn of_many_guesses_at_once_few_are_answered_whatever_replica_they_reach() {
    let (store, world) = (Stage::store().await, Arc::new(TestWorld::default()));
    let replica = async || Stage::replica(store.clone(), world.clone(), Settings::default(), None).await;
    let (first, second) = (replica().await, replica().await);
    let guess = |stage: &Stage, email: &str| {
        let body = json!({"email": email, "password": "x".repeat(2_000)});
        stage.ask("POST /api/auth/login").nobody().json(body).send()
    };
    let many = (0..40).map(|n| guess([&first, &second][n % 2], EMAIL));
    let said = futures::future::join_all(many).await;
    let answered = said.iter().filter(|said| said.status == 401).count();
    // Those that are checked at the same moment, two at each replica, may be beyond the ten.
    assert!((10..=13).contains(&answered), "{answered}");
    assert!(said.iter().all(|said| matches!(said.status.as_u16(), 401 | 429)));
    // A restart forgives nothing, and a stranger's address is no different.
    let third = replica().await;
    let right = json!({"email": EMAIL, "password": PASSWORD});
    third.ask("POST /api/auth/login").nobody().json(right.clone()).refused(429, "RATE_LIMITED").await;
    for _ in 0..10 {
        assert_eq!(guess(&third, "nobody@flow8.test").await.status, 401);
    }
    assert_eq!(guess(&first, "nobody@flow8.test").await.status, 429);
    let rows = first.ask("GET /api/audit?action=auth.locked").gives(200).await;
    assert_eq!((&rows["total"], &rows["data"][0]["entity"]), (&json!(1), &json!("user")), "{rows}");
    world.pass(Duration::from_secs(301));
    second.ask("POST /api/auth/login").nobody().json(right).gives(200).await;
}

#[tokio::test]
async fn a_session_that_is_stored_after_all_were_ended_is_over() {
    let stage = Stage::new().await;
    let sid = stage.person("bob", &["builder"]).await;
    let me = stage.ask("GET /api/auth/me").cookie(&sid).gives(200).await;
    let sessions = DocQuery::all(stage.company, DocKind::Session, 10);
    let late = stage.engine.store().docs(&sessions).await.expect("reads").remove(0);
    let reset = format!("POST /api/users/{}/password-reset", me["userId"].as_str().expect("an id"));
    stage.ask(&reset).json(json!({})).gives(200).await;
    stage.ask("GET /api/auth/me").cookie(&sid).refused(401, "UNAUTHORIZED").await;
    // As if the replica that signed them in had been slow to store it.
    let text = format!("token:{}", late.key.id);
    let unique = vec![UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::Session, text }];
    let put = DocPut { body: late.body, unique, expires_at: late.expires_at };
    let write = DocWrite { key: late.key, expect: Expect::Anything, put: Some(put) };
    stage.engine.store().commit(Batch { docs: vec![write], ..Batch::default() }).await.expect("commits");
    stage.ask("GET /api/auth/me").cookie(&sid).refused(401, "UNAUTHORIZED").await;
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let stage = Stage::with(gateway::Settings {
        allowed_origins: vec!["https://console.test".into()],
        ..gateway::Settings::default()
    })
    .await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let make = || stage.ask("POST /api/flows").cookie(&sid);
    for origin in ["https://evil.test", "null", "https://flow8.test.evil.test"] {
        make().header("origin", origin).json(echo()).refused(403, "FORBIDDEN").await;
    }
    make().header("sec-fetch-site", "cross-site").json(echo()).refused(403, "FORBIDDEN").await;
    for origin in ["https://flow8.test", "https://console.test"] {
        make().header("origin", origin).json(echo()).gives(201).await;
    }
    make().header("sec-fetch-site", "same-origin").json(echo()).gives(201).await;
    // To look is harmless, and a token is not sent by itself.
    stage.ask("GET /api/flows").cookie(&sid).header("origin", "https://evil.test").gives(200).await;
    stage.ask("POST /api/flows").header("origin", "https://evil.test").json(echo()).gives(201).await;
    // Nor is anybody signed in by a foreign page.
    let login = json!({"email": EMAIL, "password": PASSWORD});
    let login = stage.ask("POST /api/auth/login").nobody().header("origin", "https://evil.test").json(login);
    login.refused(403, "FORBIDDEN").await;
}

#[tokio::test]
async fn the_first_start_makes_one_administrator_and_the_next_one_none() {
    let fresh = || MasterKey::from_hex(&MasterKey::fresh_hex().expect("random")).expect("a key");
    let (store, master) = (MemoryStore::default(), fresh());
    let (world, ids) = (TestWorld::default(), Ids::default());
    let first = || FirstAdmin { email: EMAIL.into(), password: None };
    let prepare =
        async |ring: &KeyRing| Bootstrap::prepare(&store, ring, first(), world.now(), || ids.next(&world)).await;
    let made = prepare(&KeyRing::new(master.clone())).await.expect("prepares");
    let (email, password) = made.made.expect("an administrator");
    assert_eq!(email, EMAIL);
    assert!(password.expect("a password").reveal().len() >= 32);
    let again = prepare(&KeyRing::new(master)).await.expect("prepares");
    assert!(again.made.is_none() && again.company == made.company);
    assert!(prepare(&KeyRing::new(fresh())).await.is_err(), "another master key does not open what is there");
}
