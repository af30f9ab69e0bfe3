//! Every route of the document as nobody, as somebody of another company and with each role, beside
//! the one table of who may do what (`access.txt`). A route without a row fails.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::Said;
use crate::stage::{PASSWORD, Stage, waiting};

const TABLE: &str = include_str!("access.txt");

const ROLES: [&str; 6] = ["owner", "admin", "builder", "operator", "approver", "auditor"];

/// An id of nothing.
const NOTHING: &str = "0123456789abcdef01234567";

/// A socket is no answer; `events` tries who may have one.
const SOCKET: &str = "/api/ws";

/// A row of the document: a method, and a path with `{names}`.
struct Route {
    method: String,
    path: String,
    takes_body: bool,
}

fn routes(document: &Value) -> Vec<Route> {
    let mut found = Vec::new();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            if path != SOCKET {
                let takes_body = operation.get("requestBody").is_some();
                found.push(Route { method: method.to_uppercase(), path: path.clone(), takes_body });
            }
        }
    }
    found
}

/// Things of the first company, by the beginning of the paths that lead to them.
async fn things(stage: &Stage) -> BTreeMap<&'static str, String> {
    let id = |said: &Value| said["id"].as_str().expect("an id").to_owned();
    let flow = stage.flow(waiting()).await;
    let play = stage.run_until_it_waits(&flow).await;
    let group = stage.ask("POST /api/groups").json(json!({"name": "Finance"})).gives(201).await;
    let person = json!({"email": "bob@flow8.test", "roles": ["builder"], "password": PASSWORD});
    let user = stage.ask("POST /api/users").json(person).gives(201).await;
    let sid = stage.sign_in("bob@flow8.test", PASSWORD).await;
    let key = stage.ask("POST /api/auth/api-keys").cookie(&sid).json(json!({"name": "k"})).gives(201).await;
    stage.ask("PUT /api/secrets/token").json(json!({"value": "hush-hush"})).gives(204).await;
    stage.ask("POST /api/kv").json(json!({"key": "rate", "value": "hush-hush"})).gives(204).await;
    let config = json!({"host": "127.0.0.1", "database": "books", "user": "ada"});
    let component = json!({"name": "hush-books", "kind": "db", "config": config, "secret": {"password": "hush-hush"}});
    let component = stage.ask("POST /api/components").json(component).gives(201).await;
    let link = json!({"name": "hush", "kind": "bearer", "hosts": ["a.example"], "secret": {"token": "hush-hush"}});
    let link = stage.ask("POST /api/links").json(link).gives(201).await;
    stage.ask("POST /api/files?path=a.txt").body("hush-hush").gives(201).await;
    BTreeMap::from([
        ("/api/flows/", flow),
        ("/api/plays/", play),
        ("/api/components/", id(&component)),
        ("/api/groups/", id(&group)),
        ("/api/links/", id(&link)),
        ("/api/users/", id(&user)),
        ("/api/auth/api-keys/", id(&key)),
        ("/api/companies/", stage.company.to_string()),
        ("/api/modules/", "var".to_owned()),
    ])
}

/// A body that a route takes, so that what refuses is not the body.
fn body(path: &str, layer: &str) -> Value {
    match path.rsplit('/').next().unwrap_or_default() {
        "approve" => json!({"layerId": layer, "decision": "approved"}),
        "resolve" => json!({"layerId": layer, "decision": "happened"}),
        "rollback" => json!({"version": 1}),
        "try" => json!({"ref": "step", "args": {}}),
        "authorize" => json!({"redirectUri": "https://flow8.example/api/links/callback"}),
        "layers" | "{layerId}" => json!({"ref": "more", "appId": "var", "args": {"value": 1}}),
        "{name}" => json!({"value": 1}),
        "{id}" if path.starts_with("/api/flows/") => waiting(),
        "{id}" => json!({"name": "Taken over"}),
        _ => json!({}),
    }
}

async fn ask(stage: &Stage, route: &Route, path: &str, proof: Option<&str>, body: &Value) -> Said {
    let asked = stage.ask(&format!("{} {path}", route.method)).nobody();
    let asked = if route.takes_body { asked.json(body.clone()) } else { asked };
    match proof {
        Some(sid) => asked.cookie(sid).send().await,
        None => asked.send().await,
    }
}

#[tokio::test]
async fn who_may_do_what_is_as_the_table_says() {
    let stage = Stage::new().await;
    let things = things(&stage).await;
    let layer = stage.layer(&things["/api/plays/"], "step").await["id"].as_str().expect("an id").to_owned();
    let other = stage.other_company().await;
    let mut people = Vec::new();
    for role in ROLES {
        people.push((role, stage.person(role, &[role]).await));
    }
    let document = stage.ask("GET /api/openapi.json").nobody().gives(200).await;
    let mut table = String::new();
    for route in routes(&document) {
        let fill = |id: &str, layer: &str, name: &str| {
            route.path.replace("{id}", id).replace("{layerId}", layer).replace("{name}", name)
        };
        let thing = things.iter().find(|(begin, _)| route.path.starts_with(*begin)).map_or(NOTHING, |(_, id)| id);
        let (real, unreal) = (fill(thing, &layer, "token"), fill(NOTHING, NOTHING, "nothing"));
        let filled = body(&route.path, &layer);
        let nobody = ask(&stage, &route, &unreal, None, &json!("?")).await.status.as_u16();
        if nobody != 401 {
            writeln!(table, "{:6} {}  anybody", route.method, route.path).expect("writes");
            continue;
        }
        // To sign out would end what is still to come.
        let signs_out = route.path.ends_with("/logout");
        let told = if signs_out {
            "–".to_owned()
        } else {
            let said = ask(&stage, &route, &real, Some(other.sid()), &filled).await;
            assert!(!said.text().contains("hush"), "{} {real}: {}", route.method, said.text());
            said.status.as_u16().to_string()
        };
        let mut allowed = Vec::new();
        for (role, sid) in &people {
            let may = signs_out || {
                let said = ask(&stage, &route, &unreal, Some(sid), &json!("?")).await;
                assert!(said.status != 401, "{} {unreal} as {role}: {}", route.method, said.text());
                let needs =
                    |said: &Value| said["message"].as_str().is_some_and(|m| m.starts_with("this needs the permission"));
                !(said.status == 403 && needs(&said.json()))
            };
            allowed.extend(may.then_some(*role));
        }
        let allowed = allowed.join(" ");
        writeln!(table, "{:6} {}  {told}  {allowed}", route.method, route.path).expect("writes");
    }
    let differs: Vec<&str> = table.lines().filter(|line| !TABLE.lines().any(|row| row == *line)).collect();
    let gone: Vec<&str> =
        TABLE.lines().filter(|row| !row.starts_with('#') && !table.lines().any(|line| line == *row)).collect();
    assert!(differs.is_empty() && gone.is_empty(), "is: {differs:#?}\nwas: {gone:#?}");
    // What the other company tried left no trace.
    let flow = stage.ask(&format!("GET /api/flows/{}", things["/api/flows/"])).gives(200).await;
    assert_eq!((&flow["name"], &flow["version"]), (&json!("Waiting"), &json!(1)), "{flow}");
    let play = stage.ask(&format!("GET /api/plays/{}", things["/api/plays/"])).gives(200).await;
    assert_eq!(play["state"], "WAIT", "{play}");
    assert_eq!(stage.ask("GET /api/secrets").gives(200).await["total"], 1);
    assert_eq!(stage.ask("GET /api/files").gives(200).await["total"], 1);
}
