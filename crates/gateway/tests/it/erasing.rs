//! A company is erased: what is sealed at once, everything else soon after, and whatever stands in the way.

use std::sync::Arc;
use std::time::Duration;

use engine::driver::Clearing;
use gateway::{Settings, clean_up};
use model::batch::Batch;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::seal::Seal as _;
use model::value::Value as Data;
use serde_json::{Value, json};
use store::{AuditSpan, DocQuery, PlayQuery};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

use crate::client::Ask;
use crate::stage::{Other, PASSWORD, Stage, waiting};

/// What was said of a company to erase it.
fn erase(stage: &Stage, company: &str, name: &str) -> Ask {
    stage.ask(&format!("DELETE /api/companies/{company}")).json(json!({"name": name}))
}

/// A company that has something of everything; gives a key to its API.
async fn full(other: &Other) -> String {
    other.ask("PUT /api/secrets/token").json(json!({"value": "hush-hush"})).gives(204).await;
    other.ask("POST /api/kv").json(json!({"key": "rate", "value": "hush-hush"})).gives(204).await;
    other.ask("POST /api/files?path=a.txt").body("hush-hush").gives(201).await;
    let person = json!({"email": "tim@flow8.test", "roles": ["builder"], "password": PASSWORD});
    other.ask("POST /api/users").json(person).gives(201).await;
    let flow = other.ask("POST /api/flows").json(waiting()).gives(201).await;
    let run = format!("POST /api/flows/{}/run?wait=60", flow["id"].as_str().expect("an id"));
    for _ in 0..3 {
        other.ask(&run).json(json!({"args": {"n": 1}})).gives(202).await;
    }
    let mut asking = waiting();
    (asking["name"], asking["layers"][0]["needsApproval"]) = (json!("Asking"), json!(true));
    other.ask("POST /api/flows").json(asking).gives(201).await;
    other.ask("POST /api/flows/asking/run?wait=60").json(json!({})).gives(202).await;
    let key = other.ask("POST /api/auth/api-keys").json(json!({"name": "robot"})).gives(201).await;
    key["key"].as_str().expect("a key").to_owned()
}

/// What the store has of a company: documents, plays, audit rows, files.
async fn left(stage: &Stage, company: CompanyId) -> (usize, u64, usize, usize) {
    let store = stage.engine.store();
    let mut docs = 0;
    for kind in DocKind::ALL {
        docs += store.docs(&DocQuery::all(company, kind, 1_000)).await.expect("reads").len();
    }
    let plays = store.headers(&PlayQuery::of(company, 10)).await.expect("reads").total;
    let span = AuditSpan { company: Some(company), after: 0, upto: u64::MAX >> 1, limit: 10 };
    let rows = store.audit_log(&span).await.expect("reads").len();
    let files = stage.engine.files().list(company, "", None, 10).await.expect("lists").len();
    (docs, plays, rows, files)
}

async fn clean(stage: &Stage, company: CompanyId) {
    clean_up(stage.gateway.app(), company, Clearing::Remove).await.expect("cleans up");
}

/// As if a company had begun to be erased so much earlier. A clock that is set ahead would not do: replicas on MongoDB go
/// by that of the server.
async fn began_earlier(stage: &Stage, company: CompanyId, time: Duration) {
    let store = stage.engine.store();
    let key = DocKey::new(CompanyId::INSTALLATION, DocKind::Company, company);
    let mut doc: Value = store.doc(&key).await.expect("reads").expect("a company").read().expect("reads");
    doc["erasing"] = serde_json::to_value(stage.engine.now().minus(time)).expect("JSON");
    let write = DocWrite::put(key, Expect::Anything, &doc);
    store.commit(Batch { docs: vec![write], ..Batch::default() }).await.expect("commits");
}

async fn all_of_it_goes(stage: Stage) {
    let other = stage.other_company().await;
    let company: CompanyId = CompanyId(other.id.parse().expect("an id"));
    let key = full(&other).await;
    let by_key = || stage.ask("GET /api/flows").bearer(&key);
    by_key().gives(200).await;
    let (docs, plays, rows, files) = left(&stage, company).await;
    assert!(docs > 5 && plays == 4 && rows > 5 && files == 1, "{docs} {plays} {rows} {files}");
    let said = erase(&stage, &other.id, "Other").gives(202).await;
    assert!(said["erasing"].is_string(), "{said}");
    // At once: nobody is anybody any more, and no key is left.
    other.ask("GET /api/auth/me").refused(401, "UNAUTHORIZED").await;
    by_key().refused(401, "UNAUTHORIZED").await;
    let login = json!({"email": "tim@flow8.test", "password": PASSWORD});
    stage.ask("POST /api/auth/login").nobody().json(login).refused(401, "UNAUTHORIZED").await;
    let keys = DocQuery::all(company, DocKind::DataKey, 10);
    assert!(stage.engine.store().docs(&keys).await.expect("reads").is_empty() && !stage.ring.knows(company));
    // Soon after: everything.
    clean(&stage, company).await;
    assert_eq!(left(&stage, company).await, (0, 0, 0, 0));
    // What somebody wrote at that very moment goes, too, whenever it is looked at again.
    let late = DocWrite::put(DocKey::new(company, DocKind::Kv, "late"), Expect::Absent, &Data::from(1));
    stage.engine.store().commit(Batch { docs: vec![late], ..Batch::default() }).await.expect("commits");
    let seen = |page: &Value| page["data"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == other.id));
    began_earlier(&stage, company, Duration::from_secs(601)).await;
    clean(&stage, company).await;
    assert_eq!(left(&stage, company).await, (0, 0, 0, 0));
    assert!(seen(&stage.ask("GET /api/companies").gives(200).await), "it was not looked at again yet");
    clean(&stage, company).await;
    assert!(!seen(&stage.ask("GET /api/companies").gives(200).await));
    for (action, before) in [("company.erase", json!({"name": "Other"})), ("company.erased", Value::Null)] {
        let rows = stage.ask(&format!("GET /api/audit?action={action}")).gives(200).await;
        let row = &rows["data"][0];
        assert_eq!((&rows["total"], &row["entityId"], &row["before"]), (&json!(1), &json!(other.id), &before));
    }
    // The addresses are free again, and the first company is as it was.
    stage.other_company().await;
    stage.ask("GET /api/users").gives(200).await;
}

#[tokio::test]
async fn all_of_a_company_goes_and_its_key_first() {
    all_of_it_goes(Stage::new().await).await;
}

#[tokio::test]
async fn it_goes_from_mongodb_too() {
    let server = Mongod::start();
    server.initiate().await;
    let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
    let store = Arc::new(MongoStore::open(&options).await.expect("opens"));
    all_of_it_goes(Stage::on(store, true).await).await;
}

#[tokio::test]
async fn only_administrators_of_the_first_company_erase_and_never_that_one() {
    let stage = Stage::new().await;
    let other = stage.other_company().await;
    let by_itself = |id: &str| other.ask(&format!("DELETE /api/companies/{id}")).json(json!({"name": "Other"}));
    by_itself(&other.id).refused(403, "FORBIDDEN").await;
    by_itself(&stage.company.to_string()).refused(404, "COMPANY_NOT_FOUND").await;
    let builder = stage.person("bert", &["builder"]).await;
    erase(&stage, &other.id, "Other").cookie(&builder).refused(403, "FORBIDDEN").await;
    erase(&stage, &stage.company.to_string(), "Default").refused(409, "FIRST_COMPANY").await;
    erase(&stage, "0123456789abcdef01234567", "Other").refused(404, "COMPANY_NOT_FOUND").await;
    for name in ["", "other", "Default"] {
        erase(&stage, &other.id, name).refused(400, "VALIDATION_ERROR").await;
    }
    other.ask("GET /api/auth/me").gives(200).await;
}

#[tokio::test]
async fn a_legal_hold_keeps_a_company() {
    let stage = Stage::new().await;
    let other = stage.other_company().await;
    let flow = other.ask("POST /api/flows").json(waiting()).gives(201).await["id"].clone();
    for scope in [json!({"scope": "company"}), json!({"scope": "flow", "ownerId": flow})] {
        let mut rules = scope.clone();
        rules["hold"] = json!({"reason": "a lawsuit"});
        other.ask("PUT /api/retention").json(rules).gives(200).await;
        erase(&stage, &other.id, "Other").refused(409, "LEGAL_HOLD").await;
        other.ask("PUT /api/retention").json(scope).gives(200).await;
    }
    other.ask("GET /api/auth/me").gives(200).await;
    erase(&stage, &other.id, "Other").gives(202).await;
}

#[tokio::test]
async fn another_replica_goes_on_where_one_ended() {
    let stage = Stage::new().await;
    let other = stage.other_company().await;
    let company: CompanyId = CompanyId(other.id.parse().expect("an id"));
    full(&other).await;
    // As it stands when the process ends right after the commit: it says so, and the key is gone.
    let store = stage.engine.store();
    let key = DocKey::new(CompanyId::INSTALLATION, DocKind::Company, company);
    let mut doc: Value = store.doc(&key).await.expect("reads").expect("a company").read().expect("reads");
    doc["erasing"] = serde_json::to_value(stage.engine.now()).expect("JSON");
    let keys = store.docs(&DocQuery::all(company, DocKind::DataKey, 10)).await.expect("reads");
    let mut docs = vec![DocWrite::put(key, Expect::Anything, &doc)];
    docs.extend(keys.into_iter().map(|key| DocWrite::remove(key.key, Expect::Anything)));
    store.commit(Batch { docs, ..Batch::default() }).await.expect("commits");
    // The key is still in the memory of the first replica, until it looks.
    assert!(stage.ring.knows(company));
    gateway::forget_erased(stage.gateway.app()).await.expect("looks");
    assert!(!stage.ring.knows(company) && stage.ring.knows(stage.company));
    let second = Stage::replica(store.clone(), stage.world.clone(), Settings::default(), None).await;
    clean(&second, company).await;
    let (docs, plays, rows, _) = left(&second, company).await;
    assert_eq!((docs, plays, rows), (0, 0, 0), "each stage has files of its own");
    second.world.pass(Duration::from_secs(601));
    clean(&second, company).await;
    assert_eq!(second.ask("GET /api/companies").gives(200).await["total"], 1);
}
