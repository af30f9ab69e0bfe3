//! Stored credentials: they are carried where they may be, fetched once over all replicas, and told to nobody.

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

use crate::peer::{Heard, Peer};
use crate::stage::Stage;

/// A flow that calls a URL with a link.
fn calling(name: &str, link: &str, url: &str) -> Value {
    let layer = json!({"ref": "step", "appId": "curl", "linkId": link, "args": {"url": url}});
    json!({"name": name, "layers": [layer]})
}

/// A peer that says again what it was called with.
async fn echo() -> Peer {
    let answer =
        |heard: &Heard| (200, json!({"got": heard.authorization, "list": [{"a": heard.authorization}]}).to_string());
    Peer::start(Duration::ZERO, answer).await
}

async fn link(stage: &Stage, body: Value) -> String {
    let made = stage.ask("POST /api/links").json(body).gives(201).await;
    made["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_credential_is_carried_where_it_may_be_and_never_told() {
    let stage = Stage::reaching(Vec::new()).await;
    let (peer, other) = (echo().await, echo().await);
    let bearer = json!({"name": "erp", "kind": "bearer", "hosts": [peer.at()], "secret": {"token": "t0ken-hush-hush"}});
    let id = link(&stage, bearer).await;
    let basic = json!({"name": "old erp", "kind": "basic", "hosts": [peer.at()], "config": {"username": "ada"},
        "secret": {"password": "pass-hush-hush"}});
    link(&stage, basic).await;
    for (name, target, sent) in
        [("By id", id.as_str(), "Bearer t0ken-hush-hush"), ("Basic", "old erp", "Basic YWRhOnBhc3MtaHVzaC1odXNo")]
    {
        let flow = stage.flow(calling(name, target, &format!("http://{}/x", peer.at()))).await;
        let play = stage.run(&flow, json!({})).await;
        // The peer says again what it got; that is masked.
        let scheme = sent.split(' ').next().expect("a scheme");
        let shown = format!("{scheme} ***");
        assert_eq!(play["out"]["body"], json!({"got": shown, "list": [{"a": shown}]}), "{play}");
        assert_eq!(peer.heard().last().expect("was called").authorization, sent);
    }
    let flow = stage.flow(calling("Elsewhere", "erp", &format!("http://{}/x", other.at()))).await;
    let play = stage.run(&flow, json!({})).await;
    assert_eq!(play["error"]["code"], "LINK_HOST", "{play}");
    assert!(other.heard().is_empty());
    // Where it may be sent is not changed under a secret that stays.
    let path = format!("/api/links/{id}");
    let moved = json!({"hosts": ["evil.example"]});
    let why = stage.ask(&format!("PUT {path}")).json(moved).refused(400, "VALIDATION_ERROR").await;
    assert!(why.starts_with("secret:"), "{why}");
    stage.ask("DELETE /api/flows/elsewhere").gives(204).await;
    assert_eq!(
        stage.ask(&format!("PUT {path}")).json(json!({"name": "ERP"})).gives(200).await["secret"]["token"],
        "***"
    );
    stage
        .ask(&format!("POST {path}/authorize"))
        .json(json!({"redirectUri": "https://x/api/links/callback"}))
        .refused(409, "LINK_KIND")
        .await;
    let again = json!({"name": "ERP", "kind": "bearer", "hosts": ["a.example"], "secret": {"token": "x"}});
    stage.ask("POST /api/links").json(again).refused(409, "LINK_NAME_TAKEN").await;
    stage.ask(&format!("DELETE {path}?force=true")).gives(204).await;
    let mut missing = calling("Missing", "erp", "http://a.example/");
    missing["layers"]
        .as_array_mut()
        .expect("layers")
        .push(json!({"ref": "b", "appId": "var", "linkId": "ERP", "args": {"value": 1}}));
    let made = stage.ask("POST /api/flows").json(missing).gives(201).await;
    let problems = made["problems"].to_string();
    assert!(problems.contains("no link") && problems.contains("no stored credential"), "{problems}");
}

#[tokio::test]
async fn what_is_no_link_is_refused() {
    let stage = Stage::new().await;
    let good = json!({"name": "a", "kind": "bearer", "hosts": ["a.example"], "secret": {"token": "hush"}});
    for (key, value) in [
        ("name", json!("")),
        ("kind", json!("magic")),
        ("hosts", json!([])),
        ("hosts", json!(["*"])),
        ("hosts", json!(["https://a.example"])),
        ("hosts", json!(["a.example:0"])),
        ("config", json!({"username": "x"})),
        ("secret", json!({"token": "hush hush"})),
        ("secret", json!({"tokens": "hush"})),
    ] {
        let mut body = good.clone();
        body[key] = value;
        let why = stage.ask("POST /api/links").json(body).refused(400, "VALIDATION_ERROR").await;
        assert!(!why.contains("hush"), "{why}");
    }
    stage.ask("GET /api/links/callback?state=nobody&code=x").nobody().refused(400, "VALIDATION_ERROR").await;
    stage.ask("GET /api/links/callback").nobody().refused(400, "VALIDATION_ERROR").await;
}

/// What a form says of a name.
fn field(form: &str, name: &str) -> String {
    let found = form.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// A peer that gives tokens: each refresh token is good once, and what it gives with a code is expired at once.
async fn giving_tokens() -> Peer {
    let good = Mutex::new("refresh-hush-0".to_owned());
    let answer = move |heard: &Heard| {
        let mut good = good.lock().expect("the token");
        match (field(&heard.body, "grant_type").as_str(), field(&heard.body, "refresh_token")) {
            ("authorization_code", _) => {
                (200, json!({"access_token": "access-hush-0", "refresh_token": *good, "expires_in": 1}).to_string())
            }
            ("refresh_token", given) if given == *good => {
                *good = "refresh-hush-1".to_owned();
                (200, json!({"access_token": "access-hush-1", "refresh_token": *good, "expires_in": 3600}).to_string())
            }
            _ => (400, json!({"error": "invalid_grant", "error_description": "hush-hush"}).to_string()),
        }
    };
    // A refresh takes long enough for all others to come meanwhile.
    Peer::start(Duration::from_millis(500), answer).await
}

/// Stores a link and has somebody agree to it; gives its id.
async fn agreed(stage: &Stage, tokens: &Peer, peer: &Peer) -> String {
    let config = json!({"clientId": "flow8", "authorizationUrl": "https://id.example/agree?x=1",
        "tokenUrl": format!("http://{}/token", tokens.at()), "scopes": ["read", "write"]});
    let oauth = json!({"name": "crm", "kind": "oauth", "hosts": [peer.at()], "config": config,
        "secret": {"clientSecret": "client-hush"}});
    let id = link(stage, oauth).await;
    let begin = stage.ask(&format!("POST /api/links/{id}/authorize"));
    let began = begin.json(json!({"redirectUri": "https://flow8.example/api/links/callback"})).gives(200).await;
    let url = began["url"].as_str().expect("a URL");
    assert!(
        url.starts_with("https://id.example/agree?x=1&response_type=code&client_id=flow8&redirect_uri=https%3A%2F%2F"),
        "{url}"
    );
    assert_eq!((field(url, "scope").as_str(), field(url, "code_challenge_method").as_str()), ("read%20write", "S256"));
    let back = format!("GET /api/links/callback?state={}&code=c0de&session=more", field(url, "state"));
    assert_eq!(stage.ask(&back).nobody().gives(200).await["connected"], true);
    stage.ask(&back).nobody().refused(400, "VALIDATION_ERROR").await;
    let sent = tokens.heard()[0].body.clone();
    assert_eq!((field(&sent, "code").as_str(), field(&sent, "client_secret").as_str()), ("c0de", "client-hush"));
    let verifier = field(&sent, "code_verifier");
    assert_eq!(model::Digest::of(verifier.as_bytes()).0.len(), 32);
    assert!(verifier.len() >= 43 && !url.contains(&verifier), "{url}");
    id
}

#[tokio::test]
async fn fifty_plays_on_two_replicas_fetch_one_token() {
    let server = Mongod::start();
    server.initiate().await;
    let open = async || {
        let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
        std::sync::Arc::new(MongoStore::open(&options).await.expect("opens"))
    };
    let first = Stage::on(open().await, true).await;
    let second = Stage::on(open().await, false).await;
    let (tokens, peer) = (giving_tokens().await, echo().await);
    let id = agreed(&first, &tokens, &peer).await;
    let flow = first.flow(calling("Calls", "crm", &format!("http://{}/x", peer.at()))).await;
    let args = json!({});
    let plays = (0..50).map(|at| {
        let stage = if at % 2 == 0 { &first } else { &second };
        stage.run(&flow, args.clone())
    });
    for play in join_all(plays).await {
        assert_eq!(play["out"]["body"]["got"], "Bearer ***", "{play}");
    }
    let refreshes = tokens.heard().iter().filter(|heard| field(&heard.body, "grant_type") == "refresh_token").count();
    assert_eq!(refreshes, 1, "of 50 plays on two replicas, one fetches the token");
    assert_eq!(peer.heard().iter().filter(|heard| heard.authorization == "Bearer access-hush-1").count(), 50);
    let shown = second.ask(&format!("GET /api/links/{id}")).gives(200).await;
    assert!(shown["connected"] == true && shown["tokenExpiresAt"].is_string(), "{shown}");
}

#[tokio::test]
async fn a_token_is_renewed_until_the_agreement_ends() {
    let stage = Stage::reaching(Vec::new()).await;
    let (tokens, peer) = (giving_tokens().await, echo().await);
    let id = agreed(&stage, &tokens, &peer).await;
    let flow = stage.flow(calling("Calls", "crm", &format!("http://{}/x", peer.at()))).await;
    stage.run(&flow, json!({})).await;
    // In a while it expires, and what was given with it is what the next one is asked for with.
    stage.world.pass(Duration::from_secs(3600));
    let play = stage.run(&flow, json!({})).await;
    assert_eq!(play["out"]["body"]["got"], "Bearer ***", "{play}");
    let asked = tokens.heard().last().map(|heard| field(&heard.body, "refresh_token"));
    assert_eq!(asked.as_deref(), Some("refresh-hush-1"));
    // With another secret, what was agreed to before is forgotten.
    let used = json!({"secret": {"clientSecret": "other"}});
    stage.ask(&format!("PUT /api/links/{id}")).json(used).gives(200).await;
    let play = stage.run(&flow, json!({})).await;
    assert_eq!(play["error"]["code"], "LINK_NOT_CONNECTED", "{play}");
    let id = stage.ask("GET /api/links").gives(200).await["data"][0]["id"].as_str().expect("an id").to_owned();
    let begin = stage.ask(&format!("POST /api/links/{id}/authorize"));
    let began = begin.json(json!({"redirectUri": "https://flow8.example/api/links/callback"})).gives(200).await;
    stage.world.pass(Duration::from_secs(601));
    let late =
        format!("GET /api/links/callback?code=c&state={}", field(began["url"].as_str().expect("a URL"), "state"));
    stage.ask(&late).nobody().refused(400, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn a_service_account_claims_with_its_key() {
    let folder = std::env::temp_dir().join(format!("flow8-key-{}", std::process::id()));
    let openssl = |args: &[&str]| {
        let said = Command::new("openssl").args(args).output().expect("openssl is installed by scripts/needs");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).expect("text")
    };
    let key = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    std::fs::write(&folder, &key).expect("writes");
    let public = openssl(&["pkey", "-pubout", "-in", &folder.display().to_string()]);
    std::fs::remove_file(&folder).expect("removes");
    let stage = Stage::reaching(Vec::new()).await;
    let peer = echo().await;
    let answer = |_: &Heard| (200, json!({"access_token": "account-hush", "expires_in": 3600}).to_string());
    let tokens = Peer::start(Duration::ZERO, answer).await;
    let url = format!("http://{}/token", tokens.at());
    let config = json!({"clientEmail": "robot@flow8.test", "tokenUrl": url, "scopes": ["mail"], "keyId": "k1"});
    let account = json!({"name": "robot", "kind": "service_account", "hosts": [peer.at()], "config": config, "secret": {"privateKey": key}});
    link(&stage, account).await;
    let flow = stage.flow(calling("Calls", "robot", &format!("http://{}/x", peer.at()))).await;
    for _ in 0..3 {
        assert_eq!(stage.run(&flow, json!({})).await["out"]["body"]["got"], "Bearer ***");
    }
    assert_eq!(tokens.heard().len(), 1, "the token is kept");
    let sent = &tokens.heard()[0].body;
    assert!(sent.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="), "{sent}");
    let verify = json!({"algorithms": ["RS256"], "key": public, "token": field(sent, "assertion"), "audience": url});
    let verified = stage.flow(crate::stage::one("Verify", "jwt-verify", verify)).await;
    let out = stage.run(&verified, json!({})).await["out"].clone();
    assert_eq!((&out["claims"]["iss"], &out["claims"]["scope"]), (&json!("robot@flow8.test"), &json!("mail")), "{out}");
}
