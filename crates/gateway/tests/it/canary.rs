//! What is secret of a link, a component and a secret is planted, used, and then looked for in everything
//! that the API says, in events, and in what the store holds.

use std::time::Duration;

use peers::Postgres;
use serde_json::{Value, json};

use crate::peer::{Heard, Peer};
use crate::stage::Stage;

/// Every secret has this in it.
const CANARY: &str = "c4nary";

/// All routes that can be asked without a body, with ids of what was made.
async fn says(stage: &Stage, ids: &[(&str, String)]) -> Vec<(String, String)> {
    let document = stage.ask("GET /api/openapi.json").gives(200).await;
    let mut said = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        if operations.get("get").is_none() || path == "/api/ws" {
            continue;
        }
        let own: Vec<&(&str, String)> = ids.iter().filter(|(begin, _)| path.starts_with(begin)).collect();
        let ids =
            if path.contains("{id}") { own.iter().map(|(_, id)| id.clone()).collect() } else { vec![String::new()] };
        for id in ids {
            let layers = stage.ask(&format!("GET /api/plays/{id}/layers?size=100")).send().await;
            let layer = serde_json::from_slice::<Value>(&layers.body)
                .ok()
                .and_then(|found| Some(found["data"][0]["id"].as_str()?.to_owned()));
            let line =
                path.replace("{id}", &id).replace("{layerId}", &layer.unwrap_or_default()).replace("{name}", "token");
            let query = if line.ends_with("/out") || line.ends_with("/export") { "" } else { "?size=100" };
            for query in ["", query] {
                let answer = stage.ask(&format!("GET {line}{query}")).send().await;
                said.push((format!("GET {line}{query}: {}", answer.status), answer.text()));
            }
        }
    }
    said
}

#[tokio::test]
async fn no_secret_is_seen_anywhere() {
    let server = Postgres::start();
    let stage = Stage::reaching(Vec::new()).await;
    // A peer that says again whatever it gets, as an answer and as an error.
    let answer = |heard: &Heard| {
        (if heard.line.contains("/bad") { 500 } else { 200 }, json!({"got": heard.authorization}).to_string())
    };
    let peer = Peer::start(Duration::ZERO, answer).await;
    let post = async |path: &str, body: Value| {
        stage.ask(&format!("POST {path}")).json(body).gives(201).await["id"].as_str().expect("an id").to_owned()
    };
    let bearer = post(
        "/api/links",
        json!({"name": "erp", "kind": "bearer", "hosts": [peer.at()], "secret": {"token": format!("{CANARY}-bearer")}}),
    )
    .await;
    let basic = post("/api/links", json!({"name": "old", "kind": "basic", "hosts": [peer.at()], "config": {"username": "ada"}, "secret": {"password": format!("{CANARY}-basic")}})).await;
    let config = json!({"host": "127.0.0.1", "port": server.port(), "database": Postgres::DATABASE, "user": Postgres::USER, "tls": "off"});
    let wrong = post(
        "/api/components",
        json!({"name": "wrong", "kind": "db", "config": config, "secret": {"password": format!("{CANARY}-db")}}),
    )
    .await;
    let right = post(
        "/api/components",
        json!({"name": "default", "kind": "db", "config": config, "secret": {"password": Postgres::PASSWORD}}),
    )
    .await;
    stage.ask("PUT /api/secrets/token").json(json!({"value": format!("{CANARY}-secret")})).gives(204).await;
    for id in [&wrong, &right] {
        stage.ask(&format!("POST /api/components/{id}/test")).gives(200).await;
    }
    let url = |path: &str| format!("http://{}{path}", peer.at());
    let child = json!([{"ref": "got", "appId": "var", "args": {"value": "{{ $prev.args.token }}"}}]);
    stage.flow(json!({"name": "Child", "layers": child})).await;
    let layers = json!([
        {"ref": "bearer", "appId": "curl", "linkId": "erp", "args": {"url": url("/x")}},
        {"ref": "basic", "appId": "curl", "linkId": "old", "args": {"url": url("/x")}},
        {"ref": "bad", "appId": "curl", "linkId": "erp", "args": {"url": url("/bad"), "expectStatus": [200]}, "onError": "continue"},
        {"ref": "elsewhere", "appId": "curl", "linkId": "erp", "args": {"url": "http://127.0.0.1:1/"}, "onError": "continue"},
        {"ref": "wrong", "appId": "db-query", "componentConfigIds": {"db": "wrong"}, "args": {"sql": "SELECT 1"}, "onError": "continue"},
        {"ref": "typed", "appId": "db-query", "args": {"sql": "SELECT $1::int", "params": ["{{ $secret.token }}"]}, "onError": "continue"},
        {"ref": "hidden", "appId": "curl", "args": {"url": url("/bad"), "bearerToken": "{{ $secret.token }}", "expectStatus": [200]}, "onError": "continue"},
        {"ref": "echoed", "appId": "curl", "args": {"url": url("/x"), "bearerToken": "{{ $secret.token }}"}},
        {"ref": "kept", "appId": "var", "args": {"value": "{{ $secret.token }}"}},
        {"ref": "named", "index": 1, "appId": "var", "args": {"value": {"deep": ["x {{ $prev.kept.value }}"]}}},
        {"ref": "logged", "index": 2, "appId": "log", "args": {"message": "m {{ $prev.named.value.deep[0] }}"}},
        {"ref": "sub", "index": 2, "appId": "subflow", "args": {"flowId": "child", "args": {"token": "{{ $secret.token }}"}}},
        {"ref": "after", "index": 3, "appId": "var", "args": {"value": "{{ $prev.sub.out.value }}"}},
        {"ref": "compared", "index": 2, "appId": "var", "args": {"value": "{{ $prev.kept.value == $secret.token }}"}},
    ]);
    let flow = stage.flow(json!({"name": "Canary", "layers": layers})).await;
    let began = stage.engine.store().feed_end().await.expect("reads");
    let begun = stage.ask(&format!("POST /api/flows/{flow}/run")).json(json!({})).gives(202).await;
    let play = begun["playId"].as_str().expect("an id").to_owned();
    let ended = stage.ended(&play).await;
    assert_eq!(ended["state"], "DONE", "{ended}");
    assert_eq!(
        stage.layer(&play, "compared").await["out"]["value"],
        true,
        "what is sealed is there for those who work"
    );
    let fails = json!([{"ref": "fails", "appId": "fail", "args": {"message": "no: {{ $secret.token }}"}}]);
    let fails = stage.flow(json!({"name": "Fails", "layers": fails})).await;
    let failed = stage.run(&fails, json!({})).await;
    assert_eq!((&failed["state"], &failed["error"]["message"]), (&json!("FAIL"), &json!("••••••")), "{failed}");
    let gives = json!([{"ref": "gives", "appId": "var", "args": {"value": "{{ $secret.token }}"}}]);
    let gives = stage.flow(json!({"name": "Gives", "layers": gives})).await;
    assert_eq!(stage.run(&gives, json!({})).await["out"]["value"], "••••••");
    let heard: Vec<String> = peer.heard().into_iter().map(|heard| heard.authorization).collect();
    assert!(heard.iter().filter(|sent| sent.contains(CANARY)).count() >= 3, "they were carried: {heard:?}");
    for layer in stage.ask(&format!("GET /api/plays/{play}/layers?size=100")).gives(200).await["data"]
        .as_array()
        .expect("layers")
    {
        let path = format!("GET /api/plays/{play}/layers/{}/out", layer["id"].as_str().expect("an id"));
        let said = stage.ask(&path).send().await.text();
        assert!(!is_seen(&said), "{path}: {said}");
    }
    stage.ask(&format!("PUT /api/links/{bearer}")).json(json!({"name": "erp"})).gives(200).await;
    let ids = [
        ("/api/links/", bearer),
        ("/api/links/", basic),
        ("/api/components/", wrong),
        ("/api/components/", right),
        ("/api/flows/", flow),
        ("/api/plays/", play),
    ];
    let said = says(&stage, &ids).await;
    assert!(said.len() > 60 && said.iter().filter(|(line, _)| line.contains(": 200")).count() > 40, "{}", said.len());
    for (line, text) in &said {
        assert!(!is_seen(text), "{line}: {text}");
    }
    // What the store holds: records, documents, the audit log.
    let mut rows = stage.engine.store().dump().await.expect("dumps");
    let mut count = 0_usize;
    while let Some(page) = rows.next().await.expect("reads") {
        count += page.len();
        // Documents and records are bytes here: as text, and as they are listed.
        for row in page {
            let json = serde_json::to_string(&row).expect("JSON");
            assert!(!is_seen(&json) && !is_seen(&format!("{row:?}")), "{json}");
        }
    }
    assert!(count > 20, "{count}");
    for chunk in stage.engine.store().feed(None, began, 1_000).await.expect("reads") {
        assert!(!is_seen(&String::from_utf8_lossy(&chunk.chunk.bytes)));
    }
}

/// Whether a secret is in a text: as it is, as bytes that are listed, or as a basic credential.
fn is_seen(text: &str) -> bool {
    let listed = format!("{:?}", CANARY.as_bytes());
    let basic = "YWRhOmM0bmFyeS1iYXNpYw";
    [CANARY, basic, Postgres::PASSWORD, listed.trim_matches(['[', ']'])].iter().any(|secret| text.contains(secret))
}
