//! Every route of the document as nobody, as somebody of another company and with each role, beside
//! the one table of who may do what (`access.txt`). A route without a row fails. Beside that, every route as somebody
//! with whom another group is shared, and nothing else (`shares.txt`).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::Said;
use crate::stage::{PASSWORD, Stage, waiting};

const TABLE: &str = include_str!("access.txt");

const SHARES: &str = include_str!("shares.txt");

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
    let group = stage.ask("POST /api/groups").json(json!({"name": "Finance"})).gives(201).await;
    let mut flow = waiting();
    flow["groupId"] = group["id"].clone();
    let flow = stage.flow(flow).await;
    let play = stage.run_until_it_waits(&flow).await;
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
    let calendar = stage.ask("POST /api/calendars").json(json!({"name": "Bank"})).gives(201).await;
    let schedule = json!({"name": "Nightly", "flowId": flow, "cron": "0 2 * * *"});
    let schedule = stage.ask("POST /api/schedules").json(schedule).gives(201).await;
    stage.ask("POST /api/files?path=a.txt").body("hush-hush").gives(201).await;
    let channel = json!({"name": "hush", "slug": "hush", "kind": "http", "authMode": "header_token",
        "auth": {"secret": "hush-hush-hush-hush"}});
    let channel = stage.ask("POST /api/channels").json(channel).gives(201).await;
    BTreeMap::from([
        ("/api/channels/", id(&channel)),
        ("/api/flows/", flow),
        ("/api/plays/", play),
        ("/api/components/", id(&component)),
        ("/api/calendars/", id(&calendar)),
        ("/api/schedules/", id(&schedule)),
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
    let all = json!({});
    match path {
        "/api/plays/approve" => return json!({"filter": all, "decision": "approved"}),
        "/api/plays/resolve" => return json!({"filter": all, "decision": "happened"}),
        "/api/plays/cancel" | "/api/plays/hold" | "/api/plays/resume" | "/api/plays/retry" => {
            return json!({"filter": all});
        }
        _ => {}
    }
    match path.rsplit('/').next().unwrap_or_default() {
        "shares" => json!({"email": "bob@flow8.test", "roles": ["auditor"]}),
        "approve" => json!({"layerId": layer, "decision": "approved"}),
        "resolve" => json!({"layerId": layer, "decision": "happened"}),
        "rollback" => json!({"version": 1}),
        "try" => json!({"ref": "step", "args": {}}),
        "authorize" => json!({"redirectUri": "https://flow8.example/api/links/callback"}),
        "layers" | "{layerId}" => json!({"ref": "more", "appId": "var", "args": {"value": 1}}),
        "{name}" => json!({"value": 1}),
        "routes" | "{routeId}" => {
            json!({"name": "r", "httpMethod": "GET", "path": "/", "targetFlowIds": ["waiting"]})
        }
        "{id}" if path.starts_with("/api/channels/") => {
            json!({"name": "Taken over", "slug": "taken", "kind": "http", "authMode": "public"})
        }
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
            let path = route.path.replace("{id}", id).replace("{layerId}", layer).replace("{name}", name);
            path.replace("{userId}", id).replace("{routeId}", NOTHING).replace("{requestId}", NOTHING)
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
    compare(&table, TABLE);
    // What the other company tried left no trace.
    let flow = stage.ask(&format!("GET /api/flows/{}", things["/api/flows/"])).gives(200).await;
    assert_eq!((&flow["name"], &flow["version"]), (&json!("Waiting"), &json!(1)), "{flow}");
    let play = stage.ask(&format!("GET /api/plays/{}", things["/api/plays/"])).gives(200).await;
    assert_eq!(play["state"], "WAIT", "{play}");
    assert_eq!(stage.ask("GET /api/secrets").gives(200).await["total"], 1);
    assert_eq!(stage.ask("GET /api/files").gives(200).await["total"], 1);
}

/// The rows that differ between two tables, each way.
fn compare(is: &str, was: &str) {
    let rows =
        |table: &str| -> Vec<String> { table.lines().filter(|row| !row.starts_with('#')).map(str::to_owned).collect() };
    let (is, was) = (rows(is), rows(was));
    let new: Vec<&String> = is.iter().filter(|row| !was.contains(row)).collect();
    let gone: Vec<&String> = was.iter().filter(|row| !is.contains(row)).collect();
    assert!(new.is_empty() && gone.is_empty(), "is: {new:#?}\nwas: {gone:#?}");
}

#[tokio::test]
async fn whoever_has_a_share_of_another_group_is_told_of_nothing_here() {
    let stage = Stage::new().await;
    let things = things(&stage).await;
    let layer = stage.layer(&things["/api/plays/"], "step").await["id"].as_str().expect("an id").to_owned();
    let elsewhere = stage.ask("POST /api/groups").json(json!({"name": "Elsewhere"})).gives(201).await;
    let share = json!({"email": "eve@flow8.test", "roles": ["admin"]});
    stage.person("eve", &[]).await;
    let shares = format!("POST /api/groups/{}/shares", elsewhere["id"].as_str().expect("an id"));
    stage.ask(&shares).json(share).gives(201).await;
    let eve = stage.sign_in("eve@flow8.test", PASSWORD).await;
    let document = stage.ask("GET /api/openapi.json").nobody().gives(200).await;
    let mut table = String::new();
    for route in routes(&document) {
        if route.path.ends_with("/logout") {
            continue;
        }
        let thing = things.iter().find(|(begin, _)| route.path.starts_with(*begin)).map_or(NOTHING, |(_, id)| id);
        let fill = |id: &str| {
            let user = &things["/api/users/"];
            route.path.replace("{id}", id).replace("{layerId}", &layer).replace("{name}", "x").replace("{userId}", user)
        };
        let filled = body(&route.path, &layer);
        let (real, unreal) = (fill(thing), fill(NOTHING));
        if ask(&stage, &route, &unreal, None, &json!("?")).await.status != 401 {
            continue; // Anybody may.
        }
        let told = ask(&stage, &route, &real, Some(&eve), &filled).await;
        let untold = ask(&stage, &route, &unreal, Some(&eve), &filled).await;
        let (status, text) = (told.status.as_u16(), told.text());
        let is_about_flows =
            ["/api/flows/{", "/api/plays/{", "/api/groups/{"].iter().any(|at| route.path.starts_with(at));
        if is_about_flows {
            // Whether there is such a thing or not: the same.
            let code = |said: &Said| (said.status.as_u16(), said.json()["error"].clone());
            assert_eq!(code(&told), code(&untold), "{} {real}", route.method);
            assert!(status >= 400, "{} {real}: {text}", route.method);
        }
        let is_secret = |word: &&str| status < 300 && text.contains(*word);
        let words = ["hush", "Waiting", "Finance", &things["/api/flows/"], &things["/api/plays/"]];
        assert_eq!(words.iter().copied().find(|word| is_secret(word)), None, "{} {real}: {text}", route.method);
        if status != 403 {
            writeln!(table, "{:6} {}  {status}", route.method, route.path).expect("writes");
        }
    }
    compare(&table, SHARES);
    let flow = stage.ask(&format!("GET /api/flows/{}", things["/api/flows/"])).gives(200).await;
    assert_eq!((&flow["name"], &flow["revision"]), (&json!("Waiting"), &json!(1)), "{flow}");
    let play = stage.ask(&format!("GET /api/plays/{}", things["/api/plays/"])).gives(200).await;
    assert_eq!(play["state"], "WAIT", "{play}");
}
