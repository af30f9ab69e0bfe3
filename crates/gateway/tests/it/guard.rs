//! What stands before every route: headers, pages of other sites, addresses behind proxies, rates.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::{Rates, Settings};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::client::{Ask, Said};
use crate::stage::{EMAIL, PASSWORD, Stage};

const PAGE: &str = "https://app.example.com";

/// What no browser may be told: nothing of CORS at all.
fn tells_pages_nothing(said: &Said) -> bool {
    !said.headers.keys().any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let stage = Stage::with(Settings { is_tls: true, ..Settings::default() }).await;
    let asks = [
        "GET /",
        "GET /health",
        "GET /health/ready",
        "GET /metrics",
        "GET /api/openapi.json",
        "GET /api/flows",
        "POST /api/flows",
        "PATCH /api/flows",
        "GET /nothing",
        "GET /api/ws",
        "OPTIONS /api/flows",
    ];
    for ask in asks {
        for said in [stage.ask(ask).send().await, stage.ask(ask).nobody().send().await] {
            let policy = said.header("content-security-policy");
            assert!(
                policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
                "{ask}: {policy}"
            );
            assert_eq!(said.header("cache-control"), "no-store", "{ask}");
            assert_eq!(said.header("x-content-type-options"), "nosniff", "{ask}");
            assert_eq!(said.header("x-frame-options"), "DENY", "{ask}");
            assert_eq!(said.header("referrer-policy"), "no-referrer", "{ask}");
            assert_eq!(said.header("cross-origin-resource-policy"), "same-origin", "{ask}");
            assert_eq!(said.header("strict-transport-security"), "max-age=31536000", "{ask}");
        }
    }
    let plain = Stage::new().await;
    assert_eq!(plain.ask("GET /").send().await.header("strict-transport-security"), "");
}

#[tokio::test]
async fn the_first_page_may_look_as_it_does_and_run_nothing() {
    let said = Stage::new().await.ask("GET /").nobody().send().await;
    let text = said.text();
    let style = text.split_once("<style>").and_then(|(_, rest)| rest.split_once("</style>")).expect("a style").0;
    let digest = STANDARD.encode(Sha256::digest(style));
    let policy = said.header("content-security-policy");
    assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy} {digest}");
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call_and_no_other() {
    let stage = Stage::with(Settings { allowed_origins: vec![PAGE.into()], ..Settings::default() }).await;
    let sid = stage.sign_in(EMAIL, PASSWORD).await;
    let make = |origin: &str| {
        let ask = stage.ask("POST /api/groups").cookie(&sid).header("origin", origin);
        ask.json(json!({"name": format!("of {origin}")})).send()
    };
    let said = make(PAGE).await;
    assert_eq!(said.status, 201, "{}", said.text());
    assert_eq!(said.header("access-control-allow-origin"), PAGE);
    assert_eq!(said.header("access-control-allow-credentials"), "true");
    assert!(said.header("access-control-expose-headers").contains("x-request-id"));
    assert_eq!(said.header("vary"), "Origin");
    for origin in ["https://evil.example.com", "https://app.example.com.evil.com", "http://app.example.com", "null"] {
        let said = make(origin).await;
        assert_eq!(said.status, 403, "{origin}: {}", said.text());
        assert!(tells_pages_nothing(&said), "{origin}: {:?}", said.headers);
        // What changes nothing is answered, and the page cannot read it.
        let read = stage.ask("GET /api/groups").cookie(&sid).header("origin", origin).send().await;
        assert!(tells_pages_nothing(&read), "{origin}: {:?}", read.headers);
    }
    let own = make("http://flow8.test").await;
    assert_eq!(own.status, 201, "a page of flow8's own: {}", own.text());
}

#[tokio::test]
async fn a_browser_that_asks_beforehand_learns_what_the_page_may() {
    let stage = Stage::with(Settings { allowed_origins: vec![PAGE.into()], ..Settings::default() }).await;
    let before = |path: &str, origin: &str| {
        let ask = stage.ask(&format!("OPTIONS {path}")).nobody();
        ask.header("origin", origin).header("access-control-request-method", "PUT").send()
    };
    let said = before("/api/flows/0123456789abcdef01234567", PAGE).await;
    assert_eq!(said.status, 204);
    assert_eq!(said.header("access-control-allow-origin"), PAGE);
    assert_eq!(said.header("access-control-allow-credentials"), "true");
    let methods: Vec<&str> = said.header("access-control-allow-methods").split(',').collect();
    assert!(methods.contains(&"PUT") && methods.contains(&"DELETE") && !methods.contains(&"POST"), "{methods:?}");
    for header in ["authorization", "content-type", "idempotency-key", "if-match"] {
        assert!(said.header("access-control-allow-headers").contains(header), "{header}");
    }
    let said = before("/api/flows", "https://evil.example.com").await;
    assert_eq!(said.status, 403);
    assert!(tells_pages_nothing(&said), "{:?}", said.headers);
    // Without that question, it is a method that nothing takes.
    stage.ask("OPTIONS /api/flows").header("origin", PAGE).refused(405, "METHOD_NOT_ALLOWED").await;
}

/// The address that the audit log has for the last sign-in.
async fn place_of(stage: &Stage, lines: &[(&'static str, &str)]) -> String {
    let login = stage.ask("POST /api/auth/login").nobody().json(json!({"email": EMAIL, "password": PASSWORD}));
    let login = lines.iter().fold(login, |login, (name, line)| login.header(name, line));
    login.gives(200).await;
    let rows = stage.ask("GET /api/audit?action=auth.login&size=1").gives(200).await;
    rows["data"][0]["ip"].as_str().expect("an address").to_owned()
}

#[tokio::test]
async fn the_audit_log_has_the_clients_address_where_a_trusted_proxy_tells_it() {
    let lines = [("x-forwarded-for", "6.6.6.6, 198.51.100.7")];
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a net")];
    let behind = Stage::with(Settings { trusted_proxies, ..Settings::default() }).await;
    assert_eq!(place_of(&behind, &lines).await, "198.51.100.7");
    assert_eq!(place_of(&behind, &[]).await, "127.0.0.1");
    let alone = Stage::new().await;
    assert_eq!(place_of(&alone, &lines).await, "127.0.0.1");
}

fn limited(rates: Rates) -> Settings {
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a net")];
    Settings { rates, trusted_proxies, ..Settings::default() }
}

/// How often it is answered before it is one too many.
async fn answered(ask: impl Fn() -> Ask) -> (usize, Said) {
    for count in 0..1_000 {
        let said = ask().send().await;
        if said.status == 429 {
            return (count, said);
        }
    }
    panic!("there is no limit");
}

#[tokio::test]
async fn an_address_that_has_not_signed_in_is_slowed_down_and_no_header_helps() {
    let stage = Stage::with(limited(Rates { per_address: Some(2), per_key: None })).await;
    let from = |line: &str, address: &str| stage.ask(line).nobody().header("x-forwarded-for", address);
    let (count, said) = answered(|| from("GET /api/flows", "198.51.100.1")).await;
    // A burst of ten seconds' worth, and what the test took.
    assert!((20..100).contains(&count), "{count}");
    assert_eq!(said.json()["error"], "RATE_LIMITED");
    let wait: u64 = said.header("retry-after").parse().expect("seconds");
    assert!((1..=10).contains(&wait), "{wait}");
    // A key that does not hold, a path that leads nowhere and a lie to its left are no way around.
    let wrong = from("GET /api/flows", "198.51.100.1").bearer("f8_wrong");
    wrong.header("x-forwarded-for", "198.51.100.1").refused(429, "RATE_LIMITED").await;
    from("GET /nothing", "198.51.100.1").refused(429, "RATE_LIMITED").await;
    from("GET /api/ws", "198.51.100.1").refused(429, "RATE_LIMITED").await;
    from("GET /api/flows", "203.0.113.5, 198.51.100.1").refused(429, "RATE_LIMITED").await;
    // Others, whoever signed in, and probes go on.
    from("GET /api/flows", "198.51.100.2").refused(401, "UNAUTHORIZED").await;
    from("GET /health", "198.51.100.1").gives(200).await;
    stage.ask("GET /api/flows").header("x-forwarded-for", "198.51.100.1").gives(200).await;
}

#[tokio::test]
async fn a_key_has_its_own_rate_and_the_command_line_none() {
    let stage = Stage::with(limited(Rates { per_address: None, per_key: Some(2) })).await;
    let key = stage.key(&["flows:view"]).await;
    let (count, _) = answered(|| stage.ask("GET /api/flows").bearer(&key)).await;
    assert!((20..100).contains(&count), "{count}");
    let other = stage.key(&["flows:view"]).await;
    stage.ask("GET /api/flows").bearer(&other).gives(200).await;
    for _ in 0..50 {
        stage.ask("GET /api/flows").gives(200).await;
    }
}
