//! A second factor: enrolled, asked for, taken once, lost, and guessed at.

use std::time::Duration;

use engine::world::World as _;
use serde_json::{Value, json};
use vault::Totp;

use crate::client::Ask;
use crate::stage::{EMAIL, PASSWORD, Stage};

/// A person with a second factor.
struct Holder {
    sid: String,
    totp: Totp,
    recovery: Vec<String>,
}

impl Holder {
    /// Enrols the administrator.
    async fn new(stage: &Stage) -> Self {
        let sid = stage.sign_in(EMAIL, PASSWORD).await;
        let made = stage.ask("POST /api/auth/totp").cookie(&sid).json(json!({"password": PASSWORD})).gives(201).await;
        let totp = secret(&made);
        let code = json!({"code": now(stage, &totp)});
        let on = stage.ask("POST /api/auth/totp/confirm").cookie(&sid).json(code).gives(200).await;
        let recovery = on["recoveryCodes"].as_array().expect("codes").iter();
        let recovery = recovery.map(|code| code.as_str().expect("a code").to_owned()).collect();
        stage.world.pass(Duration::from_secs(30));
        Self { sid, totp, recovery }
    }
}

/// What an app reads from the QR code.
fn secret(made: &Value) -> Totp {
    let (text, uri) = (made["secret"].as_str().expect("a secret"), made["uri"].as_str().expect("a URI"));
    assert!(uri.starts_with("otpauth://totp/flow8:ada%40flow8%2Etest?secret=") && uri.contains(text), "{uri}");
    let digit = |c: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).expect("base 32");
    let bits: Vec<bool> = text.chars().flat_map(|c| (0..5).rev().map(move |bit| digit(c) >> bit & 1 == 1)).collect();
    let bytes: Vec<u8> =
        bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect();
    Totp::of(&bytes).expect("a secret")
}

/// The code of now.
fn now(stage: &Stage, totp: &Totp) -> String {
    totp.code(stage.world.now().0 as u64 / 1_000)
}

fn login(stage: &Stage, code: Option<&str>) -> Ask {
    let mut body = json!({"email": EMAIL, "password": PASSWORD});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    stage.ask("POST /api/auth/login").nobody().json(body)
}

#[tokio::test]
async fn a_code_is_asked_for_beside_the_password_and_taken_once() {
    let stage = Stage::new().await;
    let before = stage.sign_in(EMAIL, PASSWORD).await;
    let wrong = stage.ask("POST /api/auth/totp").cookie(&before).json(json!({"password": "not it at all"}));
    wrong.refused(403, "FORBIDDEN").await;
    // Until it is confirmed, it is not asked for.
    stage.ask("POST /api/auth/totp").cookie(&before).json(json!({"password": PASSWORD})).gives(201).await;
    let confirm = |code: &str| stage.ask("POST /api/auth/totp/confirm").cookie(&before).json(json!({"code": code}));
    confirm("000000").refused(403, "FORBIDDEN").await;
    login(&stage, None).gives(200).await;

    let ada = Holder::new(&stage).await;
    assert_eq!(ada.recovery.len(), 10);
    stage.ask("GET /api/auth/me").cookie(&before).refused(401, "UNAUTHORIZED").await;
    let me = stage.ask("GET /api/auth/me").cookie(&ada.sid).gives(200).await;
    assert_eq!(me["hasSecondFactor"], true);
    login(&stage, None).refused(401, "SECOND_FACTOR_REQUIRED").await;
    let stranger = json!({"email": EMAIL, "password": "not it at all", "code": now(&stage, &ada.totp)});
    stage.ask("POST /api/auth/login").nobody().json(stranger).refused(401, "UNAUTHORIZED").await;
    let code = now(&stage, &ada.totp);
    // Of two at once, one is signed in.
    let (one, other) = tokio::join!(login(&stage, Some(&code)).send(), login(&stage, Some(&code)).send());
    let mut said = [one.status.as_u16(), other.status.as_u16()];
    said.sort_unstable();
    assert!(said[0] == 200 && matches!(said[1], 401 | 409), "{said:?}");
    login(&stage, Some(&code)).refused(401, "UNAUTHORIZED").await;
    stage.world.pass(Duration::from_secs(30));
    let spaced = format!("{} {}", &now(&stage, &ada.totp)[..3], &now(&stage, &ada.totp)[3..]);
    login(&stage, Some(&spaced)).gives(200).await;
    let again = stage.ask("POST /api/auth/totp").cookie(&ada.sid).json(json!({"password": PASSWORD}));
    again.refused(409, "SECOND_FACTOR_EXISTS").await;
    // The secret is sealed where it lies.
    let log = stage.ask("GET /api/audit").gives(200).await.to_string();
    assert!(log.contains("user.secondFactor") && !log.contains(&*ada.totp.base32()));
}

#[tokio::test]
async fn whoever_loses_it_has_recovery_codes_or_an_administrator() {
    let stage = Stage::new().await;
    let ada = Holder::new(&stage).await;
    let spare = ada.recovery[0].to_lowercase();
    login(&stage, Some(&spare)).gives(200).await;
    login(&stage, Some(&spare)).refused(401, "UNAUTHORIZED").await;
    login(&stage, Some(&ada.recovery[1])).gives(200).await;
    let remove = |code: &str| stage.ask("POST /api/auth/totp/remove").cookie(&ada.sid).json(json!({"code": code}));
    remove("000000").refused(403, "FORBIDDEN").await;
    remove(&ada.recovery[2]).gives(204).await;
    login(&stage, None).gives(200).await;
    remove("000000").refused(409, "NO_SECOND_FACTOR").await;

    let ada = Holder::new(&stage).await;
    let me = stage.ask("GET /api/auth/me").cookie(&ada.sid).gives(200).await;
    let of = format!("DELETE /api/users/{}/totp", me["userId"].as_str().expect("an id"));
    let bob = stage.person("bob", &["builder"]).await;
    stage.ask(&of).cookie(&bob).refused(403, "FORBIDDEN").await;
    login(&stage, None).refused(401, "SECOND_FACTOR_REQUIRED").await;
    stage.ask(&of).gives(204).await;
    login(&stage, None).gives(200).await;
    // A program has none.
    stage.ask("POST /api/auth/totp").json(json!({"password": PASSWORD})).refused(403, "FORBIDDEN").await;
}

#[tokio::test]
async fn whoever_guesses_codes_waits_longer_and_longer() {
    let stage = Stage::new().await;
    let ada = Holder::new(&stage).await;
    let remove = |code: &str| stage.ask("POST /api/auth/totp/remove").cookie(&ada.sid).json(json!({"code": code}));
    for wait in [300, 600, 1_200] {
        for _ in 0..10 {
            remove("000000").refused(403, "FORBIDDEN").await;
        }
        // Not even the right one, wherever it is shown.
        remove(&now(&stage, &ada.totp)).refused(429, "RATE_LIMITED").await;
        login(&stage, Some(&ada.recovery[0])).refused(429, "RATE_LIMITED").await;
        stage.world.pass(Duration::from_secs(wait - 30));
        remove(&now(&stage, &ada.totp)).refused(429, "RATE_LIMITED").await;
        stage.world.pass(Duration::from_secs(31));
    }
    let sid = login(&stage, Some(&now(&stage, &ada.totp))).send().await;
    assert_eq!(sid.status, 200, "{}", sid.text());
}
