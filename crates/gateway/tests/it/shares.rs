//! Groups that are shared with single people: what they may do there, and that all else is not there for them.

use std::time::Duration;

use serde_json::{Value, json};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use tokio::time::Instant;

use crate::client::Ask;
use crate::events::{next, open};
use crate::stage::{PASSWORD, Stage, echo, one};

/// Two groups with a flow each; one of them is shared with Sam.
struct Set {
    stage: Stage,
    /// The group that is shared.
    ours: String,
    /// The other one.
    theirs: String,
    /// A flow in the group that is shared.
    flow: String,
    /// A flow in the other one.
    other: String,
    sam: String,
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A flow that asks before it runs.
fn asking(name: &str, group: &str) -> Value {
    let mut flow = one(name, "var", json!({"value": 1}));
    flow["layers"][0]["needsApproval"] = json!({"roles": ["approver"]});
    flow["groupId"] = json!(group);
    flow
}

impl Set {
    async fn new(roles: &[&str]) -> Self {
        Self::on(Stage::new().await, roles).await
    }

    async fn on(stage: Stage, roles: &[&str]) -> Self {
        let group =
            async |name: &str| text(&stage.ask("POST /api/groups").json(json!({"name": name})).gives(201).await["id"]);
        let (ours, theirs) = (group("Ours").await, group("Theirs").await);
        let (flow, other) = (stage.flow(asking("Ours", &ours)).await, stage.flow(asking("Theirs", &theirs)).await);
        stage.person("sam", &[]).await;
        let set = Self { sam: stage.sign_in("sam@flow8.test", PASSWORD).await, stage, ours, theirs, flow, other };
        set.share(&set.ours, roles).await;
        set
    }

    async fn share(&self, group: &str, roles: &[&str]) {
        let share = json!({"email": "SAM@flow8.test", "roles": roles});
        let said = self.stage.ask(&format!("POST /api/groups/{group}/shares")).json(share).send().await;
        assert!(said.status.is_success(), "{}", said.text());
    }

    async fn unshare(&self, stage: &Stage) {
        let me = self.ask("GET /api/auth/me").gives(200).await;
        stage.ask(&format!("DELETE /api/groups/{}/shares/{}", self.ours, text(&me["userId"]))).gives(204).await;
    }

    fn ask(&self, line: &str) -> Ask {
        self.stage.ask(line).cookie(&self.sam)
    }

    /// How many Sam finds in a list, and what these are.
    async fn finds(&self, path: &str, what: &str) -> (u64, Vec<String>) {
        let page = self.ask(&format!("GET {path}")).gives(200).await;
        let found = page["data"].as_array().expect("rows").iter().map(|row| text(&row[what])).collect();
        (page["total"].as_u64().expect("a total"), found)
    }

    /// A play that waits for somebody's approval.
    async fn play(&self, flow: &str) -> String {
        self.stage.run_until_it_waits(flow).await
    }
}

#[tokio::test]
async fn lists_hold_what_lies_in_the_group_and_pages_are_right() {
    let set = Set::new(&["operator"]).await;
    let mut ours = Vec::new();
    for _ in 0..3 {
        ours.insert(0, set.play(&set.flow).await);
        set.play(&set.other).await;
    }
    assert_eq!(set.finds("/api/flows", "name").await, (1, vec!["Ours".to_owned()]));
    assert_eq!(set.finds("/api/groups", "name").await, (1, vec!["Ours".to_owned()]));
    assert_eq!(set.finds("/api/plays", "id").await, (3, ours.clone()));
    assert_eq!(set.finds("/api/plays?size=2&page=1", "id").await, (3, vec![ours[2].clone()]));
    assert_eq!(set.finds("/api/plays?state=WAIT&size=1", "id").await, (3, vec![ours[0].clone()]));
    assert_eq!(set.finds(&format!("/api/plays?flowId={}", set.other), "id").await, (0, vec![]));
    set.ask("GET /api/plays?flowId=theirs").refused(404, "FLOW_NOT_FOUND").await;
    let oldest_first: Vec<String> = ours.iter().rev().cloned().collect();
    assert_eq!(set.finds("/api/approvals", "playId").await, (3, oldest_first.clone()));
    assert_eq!(set.finds("/api/approvals?size=2&page=1", "playId").await, (3, vec![ours[0].clone()]));
    for refused in ["users", "links", "kv?scope=global", "audit", "secrets", "components", "retention", "files"] {
        set.ask(&format!("GET /api/{refused}")).refused(403, "FORBIDDEN").await;
    }
    let me = set.ask("GET /api/auth/me").gives(200).await;
    assert_eq!((&me["roles"], &me["permissions"]), (&json!([]), &json!([])));
    assert_eq!(me["shares"], json!([{"groupId": set.ours, "roles": ["operator"]}]));
}

#[tokio::test]
async fn a_share_allows_what_its_roles_allow_there_and_nothing_elsewhere() {
    let set = Set::new(&["operator"]).await;
    set.ask("GET /api/flows/ours").gives(200).await;
    set.ask("GET /api/flows/theirs").refused(404, "FLOW_NOT_FOUND").await;
    let own = set.ask("POST /api/flows/ours/run?wait=60").json(json!({})).gives(202).await["playId"].clone();
    set.ask("POST /api/flows/theirs/run").json(json!({})).refused(404, "FLOW_NOT_FOUND").await;
    // There is no secret about the flow here, but about what may be done.
    set.ask("PUT /api/flows/ours").json(asking("Ours", &set.ours)).refused(403, "FORBIDDEN").await;
    let (play, other) = (set.play(&set.flow).await, set.play(&set.other).await);
    set.ask(&format!("GET /api/plays/{play}")).gives(200).await;
    set.ask(&format!("GET /api/plays/{other}")).refused(404, "PLAY_NOT_FOUND").await;
    let layer = set.stage.layer(&play, "step").await["id"].clone();
    let approve = |play: &str| {
        let body = json!({"layerId": layer, "decision": "approved"});
        set.ask(&format!("POST /api/plays/{play}/approve")).json(body)
    };
    approve(&play).refused(403, "FORBIDDEN").await;
    // An approver there, an operator elsewhere: each where it is.
    set.share(&set.ours, &["approver"]).await;
    set.share(&set.theirs, &["operator"]).await;
    approve(&play).gives(200).await;
    set.ask(&format!("POST /api/plays/{other}/approve"))
        .json(json!({"layerId": layer, "decision": "approved"}))
        .refused(403, "FORBIDDEN")
        .await;
    let all = json!({"filter": {}, "decision": "approved"});
    assert_eq!(set.ask("POST /api/plays/approve").json(all).gives(200).await["done"], json!([own]));
    let still = set.play(&set.flow).await;
    let done = set.ask("POST /api/plays/cancel").json(json!({"filter": {}})).gives(200).await;
    assert_eq!((&done["done"], &done["more"]), (&json!([other]), &json!(false)));
    let mine = json!({"filter": {"flowId": set.flow}});
    set.ask("POST /api/plays/cancel").json(mine).refused(404, "FLOW_NOT_FOUND").await;
    let all = json!({"filter": {}, "decision": "approved"});
    assert_eq!(set.ask("POST /api/plays/approve").json(all).gives(200).await["done"], json!([still]));
}

#[tokio::test]
async fn whoever_makes_flows_in_one_group_moves_none_into_or_out_of_it() {
    let set = Set::new(&["builder"]).await;
    let flow = |name: &str, group: &Value| {
        let mut flow = echo();
        (flow["name"], flow["groupId"]) = (json!(name), group.clone());
        flow
    };
    let (ours, theirs) = (json!(set.ours), json!(set.theirs));
    for outside in [Value::Null, theirs.clone()] {
        set.ask("POST /api/flows").json(flow("New", &outside)).refused(403, "FORBIDDEN").await;
        set.ask("PUT /api/flows/ours").json(flow("Ours", &outside)).refused(403, "FORBIDDEN").await;
        let file = json!({"name": "File", "groupId": outside}).to_string();
        set.ask("POST /api/flows/import").body(file).refused(403, "FORBIDDEN").await;
    }
    let file = json!({"name": "Theirs", "permanentId": "theirs", "groupId": ours}).to_string();
    set.ask("POST /api/flows/import").body(file).refused(409, "PERMANENT_ID_TAKEN").await;
    set.ask("PUT /api/flows/theirs").json(flow("Theirs", &ours)).refused(404, "FLOW_NOT_FOUND").await;
    assert_eq!(set.ask("POST /api/flows").json(flow("New", &ours)).gives(201).await["published"], true);
    assert_eq!(set.ask("PUT /api/flows/new").json(flow("Newer", &ours)).gives(200).await["published"], true);
    // To go back to a version that lay elsewhere is to move it there.
    set.stage.ask("PUT /api/flows/theirs").json(flow("Theirs", &ours)).gives(200).await;
    for query in ["", "?draft=true"] {
        let back = set.ask(&format!("POST /api/flows/theirs/rollback{query}")).json(json!({"version": 1}));
        back.refused(403, "FORBIDDEN").await;
    }
    // With both groups, it may be moved; and is gone from there.
    set.share(&set.theirs, &["builder"]).await;
    set.ask("PUT /api/flows/new").json(flow("Newer", &theirs)).gives(200).await;
    set.unshare(&set.stage).await;
    assert_eq!(set.finds("/api/flows", "name").await, (1, vec!["Newer".to_owned()]));
    set.ask("DELETE /api/flows/new").gives(204).await;
    let listed = set.stage.ask("GET /api/flows").gives(200).await;
    assert_eq!(listed["total"], 2, "{listed}");
}

#[tokio::test]
async fn a_share_counts_and_goes_at_once_and_everywhere() {
    let set = Set::new(&["operator"]).await;
    let key = set.ask("POST /api/auth/api-keys").json(json!({"name": "k", "scopes": ["plays:view"]})).gives(201).await;
    let key = text(&key["key"]);
    let by_key = |line: &str| set.stage.ask(line).bearer(&key);
    by_key("GET /api/plays").gives(200).await;
    by_key("GET /api/flows").refused(403, "FORBIDDEN").await;
    set.unshare(&set.stage).await;
    set.ask("GET /api/flows/ours").refused(403, "FORBIDDEN").await;
    by_key("GET /api/plays").refused(403, "FORBIDDEN").await;
    let row = set.stage.ask("GET /api/audit?action=group.unshare").gives(200).await["data"][0].clone();
    assert_eq!((&row["before"]["roles"], &row["entityId"]), (&json!(["operator"]), &json!(set.ours)), "{row}");
    let row = set.stage.ask("GET /api/audit?action=group.share").gives(200).await["data"][0].clone();
    assert_eq!((&row["after"]["email"], &row["before"]), (&json!("sam@flow8.test"), &Value::Null), "{row}");
}

#[tokio::test]
async fn on_two_replicas_a_share_is_taken_back_from_both() {
    let server = Mongod::start();
    server.initiate().await;
    let open = async || {
        let options = MongoOptions { uri: server.uri(), migrates: true, ..MongoOptions::default() };
        std::sync::Arc::new(MongoStore::open(&options).await.expect("opens"))
    };
    let set = Set::on(Stage::on(open().await, true).await, &["operator"]).await;
    let second = Stage::on(open().await, false).await;
    let (ours, theirs) = (set.play(&set.flow).await, set.play(&set.other).await);
    let by_second = |line: &str| second.ask(line).cookie(&set.sam);
    for list in ["plays", "approvals", "flows"] {
        let page = by_second(&format!("GET /api/{list}")).gives(200).await;
        assert_eq!(page["total"], 1, "{page}");
    }
    by_second(&format!("GET /api/plays/{theirs}")).refused(404, "PLAY_NOT_FOUND").await;
    by_second(&format!("GET /api/plays/{ours}")).gives(200).await;
    // The second replica knows what Sam may do, and would for five seconds.
    let began = Instant::now();
    set.unshare(&set.stage).await;
    while by_second("GET /api/plays").send().await.status != 403 {
        assert!(began.elapsed() < Duration::from_secs(4), "a share that was taken back still counts");
    }
}

#[tokio::test]
async fn the_admin_of_a_group_shares_it_and_no_other() {
    let set = Set::new(&["admin"]).await;
    set.stage.person("tim", &[]).await;
    let shares = |group: &str| set.ask(&format!("POST /api/groups/{group}/shares"));
    let tim = |roles: Value| json!({"email": "tim@flow8.test", "roles": roles});
    shares(&set.ours).json(tim(json!(["auditor"]))).gives(201).await;
    shares(&set.ours).json(tim(json!(["operator"]))).gives(200).await;
    shares(&set.ours).json(tim(json!(["owner"]))).refused(400, "VALIDATION_ERROR").await;
    shares(&set.ours).json(tim(json!([]))).refused(400, "VALIDATION_ERROR").await;
    shares(&set.ours).json(json!({"roles": ["auditor"]})).refused(400, "VALIDATION_ERROR").await;
    shares(&set.theirs).json(tim(json!(["auditor"]))).refused(404, "GROUP_NOT_FOUND").await;
    let nobody = json!({"email": "grace@flow8.test", "roles": ["auditor"]});
    set.stage.other_company().await;
    shares(&set.ours).json(nobody).refused(404, "USER_NOT_FOUND").await;
    let listed = set.finds(&format!("/api/groups/{}/shares", set.ours), "email").await;
    assert_eq!(listed, (2, vec!["sam@flow8.test".to_owned(), "tim@flow8.test".to_owned()]));
    set.ask("GET /api/users").refused(403, "FORBIDDEN").await;
    // A group that is shared is not removed from under whoever has a share.
    let empty = set.stage.ask("POST /api/groups").json(json!({"name": "Empty"})).gives(201).await;
    let empty = text(&empty["id"]);
    set.share(&empty, &["auditor"]).await;
    set.stage.ask(&format!("DELETE /api/groups/{empty}")).refused(409, "GROUP_IN_USE").await;
}

#[tokio::test]
async fn a_socket_tells_of_the_group_until_the_share_is_taken_back() {
    let set = Set::new(&["auditor"]).await;
    let cookie = format!("sid={}", set.sam);
    let mut socket = open(&set.stage, "", &[("cookie", &cookie)]).await.expect("opens");
    set.play(&set.other).await;
    let ours = set.play(&set.flow).await;
    assert_eq!(next(&mut socket).await["playId"], json!(ours), "the first event is of the group that is shared");
    assert_eq!(next(&mut socket).await["type"], "play:waiting");
    // The flow moves out of the group: from now on, its plays are not told of.
    let mut stays = echo();
    stays["groupId"] = json!(set.ours);
    let stays = set.stage.flow(stays).await;
    set.stage.ask("PUT /api/flows/ours").json(asking("Ours", &set.theirs)).gives(200).await;
    set.play(&set.flow).await;
    let play = set.stage.run(&stays, json!({})).await["id"].clone();
    assert_eq!(next(&mut socket).await["playId"], play);
    while next(&mut socket).await["type"] != "play:completed" {}
    set.unshare(&set.stage).await;
    set.stage.run(&stays, json!({})).await;
    let told = crate::events::last(&mut socket).await;
    assert!(told.is_none(), "{told:?}");
}
