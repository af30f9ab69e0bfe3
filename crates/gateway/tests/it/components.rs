//! Components through the API, on a real database.

use std::time::Duration;

use model::ids::CompanyId;
use peers::Postgres;
use sdk::component::{Component, Kind};
use serde_json::{Value, json};

use crate::peer::{Heard, Peer};
use crate::stage::Stage;

fn books(port: u16) -> Value {
    let config = json!({"host": "127.0.0.1", "port": port, "database": Postgres::DATABASE, "user": Postgres::USER, "tls": "off"});
    json!({"name": "books", "kind": "db", "config": config, "secret": {"password": Postgres::PASSWORD}})
}

/// A flow that asks a database something.
fn asking(name: &str, component: &Value) -> Value {
    let layer = json!({"ref": "step", "appId": "db-query", "componentConfigIds": {"db": component},
        "args": {"sql": "SELECT 1.10 AS price, $1 AS who", "params": ["{{ $prev.args.who }}"]}});
    json!({"name": name, "layers": [layer]})
}

#[tokio::test]
async fn a_component_is_made_tested_used_and_never_tells_its_secret() {
    let server = Postgres::start();
    let stage = Stage::reaching(Vec::new()).await;
    let made = stage.ask("POST /api/components").json(books(server.port())).gives(201).await;
    assert_eq!((&made["provider"], &made["secret"]), (&json!("postgres"), &json!({"password": "***"})));
    assert_eq!((&made["trusted"], &made["readOnly"]), (&json!(true), &json!(false)));
    let id = made["id"].as_str().expect("an id");
    let tested = stage.ask(&format!("POST /api/components/{id}/test")).gives(200).await;
    assert_eq!(tested["ok"], true, "{tested}");
    for (name, component) in [("By name", json!("books")), ("By id", json!(id))] {
        let flow = stage.flow(asking(name, &component)).await;
        let play = stage.run(&flow, json!({"who": "ada"})).await;
        assert_eq!(play["out"]["rows"][0], json!({"price": 1.10, "who": "ada"}), "{play}");
    }
    let path = format!("/api/components/{id}");
    // Where it leads is not changed under a password that stays.
    let moved = json!({"config": {"host": "evil.example", "database": "x", "user": "x"}});
    let said = stage.ask(&format!("PUT {path}")).json(moved).refused(400, "VALIDATION_ERROR").await;
    assert!(said.starts_with("secret:"), "{said}");
    stage.ask("DELETE /api/flows/by-name").gives(204).await;
    let wrong = json!({"secret": {"password": "wr0ng-pass"}, "name": "old books"});
    assert_eq!(stage.ask(&format!("PUT {path}")).json(wrong).gives(200).await["name"], "old books");
    let tested = stage.ask(&format!("POST {path}/test")).gives(200).await;
    assert_eq!((&tested["ok"], &tested["error"]["code"]), (&json!(false), &json!("COMPONENT_UNREACHABLE")));
    for line in [
        format!("GET {path}"),
        "GET /api/components".into(),
        "GET /api/audit?size=100".into(),
        format!("POST {path}/test"),
    ] {
        let said = stage.ask(&line).send().await.text();
        assert!(!said.contains(Postgres::PASSWORD) && !said.contains("wr0ng"), "{line}: {said}");
    }
    let audit = stage.ask("GET /api/audit?entity=component&size=100").gives(200).await;
    let actions: Vec<&str> =
        audit["data"].as_array().expect("rows").iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions.iter().filter(|action| **action == "component.test").count(), 3, "{actions:?}");
    assert_eq!(
        audit["data"].as_array().expect("rows").iter().filter(|row| row["action"] == "component.update").count(),
        1
    );
    stage.ask(&format!("DELETE {path}?force=true")).gives(204).await;
    stage.ask(&format!("GET {path}")).refused(404, "COMPONENT_NOT_FOUND").await;
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    let stage = Stage::new().await;
    let post = |body: Value| stage.ask("POST /api/components").json(body);
    for (key, value) in [
        ("name", json!(" ")),
        ("name", json!("0123456789abcdef01234567")),
        ("kind", json!("cellar")),
        ("kind", json!("console")),
        ("provider", json!("oracle")),
        ("config", json!({"host": "x"})),
        ("config", json!(["x"])),
        ("secret", json!({"passwort": "hush-hush"})),
        ("secret", json!({"password": "x".repeat(100_000)})),
    ] {
        let mut body = books(1);
        body[key] = value;
        let said = post(body).refused(400, "VALIDATION_ERROR").await;
        assert!(!said.contains("hush"), "{said}");
    }
    post(books(1)).gives(201).await;
    post(books(1)).refused(409, "COMPONENT_NAME_TAKEN").await;
    // Who is no administrator makes one that goes where flows may go.
    let sid = stage.person("bob", &["builder"]).await;
    let mut own = books(1);
    own["name"] = json!("own");
    let made = post(own).cookie(&sid).gives(201).await;
    assert_eq!(made["trusted"], false);
    let id = made["id"].as_str().expect("an id");
    let tested = stage.ask(&format!("POST /api/components/{id}/test")).cookie(&sid).gives(200).await;
    assert_eq!(tested["error"]["code"], "COMPONENT_EGRESS", "{tested}");
}

#[tokio::test]
async fn a_flow_names_components_that_there_are() {
    let stage = Stage::new().await;
    let tries = async |flow: Value| {
        let made = stage.ask("POST /api/flows").json(flow).gives(201).await;
        (made["published"].clone(), made["problems"].to_string())
    };
    let (published, problems) = tries(asking("A", &Value::Null)).await;
    assert!(published == false && problems.contains("no component \\\"default\\\""), "{problems}");
    let (published, problems) = tries(asking("B", &json!("nowhere"))).await;
    assert!(published == false && problems.contains("componentConfigIds.db"), "{problems}");
    stage.ask("POST /api/components").json(books(1)).gives(201).await;
    assert_eq!(tries(asking("C", &json!("books"))).await.0, true);
    let mut odd = asking("D", &json!("books"));
    odd["layers"][0]["componentConfigIds"] = json!({"db": "books", "cellar": "x", "mail": "books"});
    let (published, problems) = tries(odd).await;
    assert!(published == false && problems.contains("the kinds are") && problems.contains("works on no"), "{problems}");
    let mut default = books(1);
    default["name"] = json!("default");
    stage.ask("POST /api/components").json(default).gives(201).await;
    assert_eq!(tries(asking("E", &Value::Null)).await.0, true);
}

#[tokio::test]
async fn a_component_of_the_configuration_is_used_and_stays_as_it_is() {
    let server = Postgres::start();
    let company = Stage::new().await.company;
    let declared = |company: CompanyId| Component {
        company,
        id: "db:books".into(),
        revision: 0,
        name: "books".into(),
        kind: Kind::Db,
        provider: "postgres".into(),
        config: model::Value::from_json(books(server.port())["config"].to_string().as_bytes()).expect("JSON"),
        secret: model::Value::map([("password", Postgres::PASSWORD)]),
        trusted: true,
    };
    let stage = Stage::reaching(vec![declared(company)]).await;
    let listed = stage.ask("GET /api/components?kind=db").gives(200).await;
    assert_eq!((&listed["data"][0]["readOnly"], &listed["total"]), (&json!(true), &json!(1)), "{listed}");
    assert_eq!(listed["data"][0]["secret"], json!({"password": "***"}));
    let flow = stage.flow(asking("Asks", &json!("books"))).await;
    assert_eq!(stage.run(&flow, json!({"who": "ada"})).await["out"]["count"], 1);
    assert_eq!(stage.ask("POST /api/components/db:books/test").gives(200).await["ok"], true);
    stage.ask("DELETE /api/components/db:books").refused(409, "COMPONENT_READ_ONLY").await;
    stage.ask("PUT /api/components/db:books").json(json!({"name": "x"})).refused(409, "COMPONENT_READ_ONLY").await;
    // Another company sees nothing of it.
    let other = stage.other_company().await;
    assert_eq!(other.ask("GET /api/components").gives(200).await["total"], 0);
    other.ask("GET /api/components/db:books").refused(404, "COMPONENT_NOT_FOUND").await;
}

#[tokio::test]
async fn a_call_is_made_below_a_component_and_carries_its_headers() {
    let stage = Stage::reaching(Vec::new()).await;
    let answer = |heard: &Heard| {
        (
            if heard.line.contains("/down") { 500 } else { 200 },
            json!({"line": heard.line, "got": heard.authorization}).to_string(),
        )
    };
    let peer = Peer::start(Duration::ZERO, answer).await;
    let config = json!({"baseUrl": format!("http://{}/api", peer.at()), "testPath": "ping"});
    let secret = json!({"headers": {"authorization": "Bearer web-hush-hush"}});
    let body = json!({"name": "erp", "kind": "request", "config": config, "secret": secret});
    let made = stage.ask("POST /api/components").json(body).gives(201).await;
    assert_eq!((&made["provider"], &made["secret"]), (&json!("http"), &json!({"headers": "***"})));
    let id = made["id"].as_str().expect("an id");
    assert_eq!(stage.ask(&format!("POST /api/components/{id}/test")).gives(200).await["ok"], true);
    assert_eq!(peer.heard()[0].line, "GET /api/ping");
    let call = async |name: &str, args: Value| {
        let layer = json!({"ref": "step", "appId": "curl", "componentConfigIds": {"request": "erp"}, "args": args});
        let flow = stage.flow(json!({"name": name, "layers": [layer]})).await;
        stage.run(&flow, json!({})).await
    };
    let play = call("Below", json!({"url": "/bills?all=1", "query": {"n": 1}})).await;
    assert_eq!(play["out"]["body"], json!({"line": "GET /api/bills?all=1&n=1", "got": "***"}), "{play}");
    assert_eq!(peer.heard().last().expect("was called").authorization, "Bearer web-hush-hush");
    for (name, url) in [("Up", "../admin"), ("Encoded", "a/%2E%2e/b"), ("Away", "https://evil.example/")] {
        let play = call(name, json!({"url": url})).await;
        assert_eq!(play["error"]["code"], "COMPONENT_INVALID", "{url}: {play}");
    }
    let play = call("Own", json!({"url": "x", "bearerToken": "mine"})).await;
    assert_eq!(play["error"]["code"], "BAD_ARGUMENTS", "{play}");
    assert_eq!(peer.heard().len(), 2);
    let down = json!({"config": {"baseUrl": format!("http://{}", peer.at()), "testPath": "down"}, "secret": {}});
    stage.ask(&format!("PUT /api/components/{id}")).json(down).gives(200).await;
    assert_eq!(stage.ask(&format!("POST /api/components/{id}/test")).gives(200).await["ok"], false);
    let console = json!({"name": "default", "kind": "console", "config": {}});
    let console = stage.ask("POST /api/components").json(console).gives(201).await;
    let path = format!("POST /api/components/{}/test", console["id"].as_str().expect("an id"));
    assert_eq!(stage.ask(&path).gives(200).await["ok"], true);
}
