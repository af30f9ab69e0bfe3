//! Flows: made, published in the same call, changed, removed; and what is not understood.

use serde_json::{Value, json};

use crate::stage::{Stage, echo, one};

#[tokio::test]
async fn a_flow_is_made_and_published_in_one_call() {
    let stage = Stage::new().await;
    let said = stage.ask("POST /api/flows").json(echo()).send().await;
    assert_eq!((said.status.as_u16(), said.header("etag")), (201, "\"1\""));
    let made = said.json();
    assert_eq!((&made["permanentId"], &made["version"], &made["published"]), (&json!("echo"), &json!(1), &json!(true)));
    let id = made["id"].as_str().expect("an id");
    for target in [id, "echo"] {
        let read = stage.ask(&format!("GET /api/flows/{target}")).gives(200).await;
        assert_eq!(read, made);
    }
    // What was read may be sent back as it is.
    let mut changed = made.clone();
    changed["name"] = json!("Echo two");
    let changed = stage.ask("PUT /api/flows/echo").json(changed).gives(200).await;
    assert_eq!(
        (&changed["name"], &changed["revision"], &changed["version"]),
        (&json!("Echo two"), &json!(2), &json!(2))
    );
    // A draft is not published, and what is published stays.
    let draft = stage.ask("PUT /api/flows/echo?draft=true").json(echo()).gives(200).await;
    assert_eq!((&draft["published"], &draft["version"], &draft["revision"]), (&json!(false), &json!(2), &json!(3)));
    let published = stage.ask("POST /api/flows/echo/publish").gives(200).await;
    assert_eq!((&published["published"], &published["version"]), (&json!(true), &json!(3)));
    stage.ask("DELETE /api/flows/echo").gives(204).await;
    stage.ask("GET /api/flows/echo").refused(404, "FLOW_NOT_FOUND").await;
    stage.ask("DELETE /api/flows/echo").refused(404, "FLOW_NOT_FOUND").await;
}

#[tokio::test]
async fn a_flow_that_is_not_sound_is_kept_and_says_why_it_does_not_run() {
    let stage = Stage::new().await;
    let broken = one("Broken", "vra", json!({"value": 1}));
    let made = stage.ask("POST /api/flows").json(broken).gives(201).await;
    assert_eq!((&made["published"], &made["version"]), (&json!(false), &Value::Null));
    let problem = &made["problems"][0];
    assert!(problem.to_string().contains("vra") && problem.to_string().contains("step"), "{made}");
    stage.ask("POST /api/flows/broken/run").json(json!({})).refused(409, "FLOW_NOT_PUBLISHED").await;
    let said = stage.ask("POST /api/flows/broken/publish").gives(422).await;
    assert_eq!((&said["error"], &said["details"]["problems"][0]), (&json!("VALIDATION_ERROR"), problem));
    // Without flowlets there is nothing to publish; without being enabled there is no reason to.
    let empty = stage.ask("POST /api/flows").json(json!({"name": "Empty"})).gives(201).await;
    assert_eq!(empty["published"], false);
    let mut disabled = echo();
    disabled["enabled"] = json!(false);
    let made = stage.ask("POST /api/flows").json(disabled.clone()).gives(201).await;
    assert_eq!((&made["published"], made.get("problems")), (&json!(false), None));
    // Disabling a flow that runs stops it.
    disabled["enabled"] = json!(true);
    stage.ask("PUT /api/flows/echo").json(disabled.clone()).gives(200).await;
    disabled["enabled"] = json!(false);
    stage.ask("PUT /api/flows/echo").json(disabled).gives(200).await;
    stage.ask("POST /api/flows/echo/run").json(json!({})).refused(409, "FLOW_DISABLED").await;
    stage.ask("POST /api/flows/echo/run?wait=60").json(json!({"force": true})).gives(200).await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_with_its_path() {
    let stage = Stage::new().await;
    let refused = async |body: Value, words: &[&str]| {
        let message = stage.ask("POST /api/flows").json(body).refused(400, "VALIDATION_ERROR").await;
        words.iter().for_each(|word| assert!(message.contains(word), "{word}: {message}"));
    };
    refused(json!({"name": "x", "colour": "red"}), &["colour"]).await;
    refused(json!({"name": "x", "layers": [{"ref": "a", "appId": "var", "arsg": {}}]}), &["layers[0]", "arsg"]).await;
    refused(json!({"name": "x", "layers": [{"ref": "a", "appId": "var", "timeout": "soon"}]}), &["layers[0].timeout"])
        .await;
    refused(json!({"name": "x", "layers": [{"ref": "1a", "appId": "var"}]}), &["layers[0].ref"]).await;
    refused(json!({"name": 1}), &["name"]).await;
    refused(json!([]), &["object"]).await;
    let broken = stage.ask("POST /api/flows").body("{\"name\":").refused(400, "VALIDATION_ERROR").await;
    assert!(broken.contains("not JSON"), "{broken}");
    stage.ask("POST /api/flows?drfat=true").json(echo()).refused(400, "VALIDATION_ERROR").await;
    stage.ask("GET /api/flows?size=ten").refused(400, "VALIDATION_ERROR").await;
    let wrong_id = stage.ask("GET /api/plays/xyz").refused(400, "VALIDATION_ERROR").await;
    assert!(wrong_id.contains("24"), "{wrong_id}");
}

#[tokio::test]
async fn ten_megabytes_of_brackets_are_refused() {
    let stage = Stage::new().await;
    let deep = "[".repeat(10 << 20);
    for line in ["POST /api/flows", "POST /api/flows/import", "POST /api/expressions/evaluate"] {
        stage.ask(line).body(deep.clone()).refused(400, "VALIDATION_ERROR").await;
    }
    let deep = format!("{{\"args\":{}{}}}", "{\"a\":".repeat(100_000), "1".to_owned() + &"}".repeat(100_000));
    stage.ask("POST /api/flows/echo/run").body(deep).refused(400, "VALIDATION_ERROR").await;
}

#[tokio::test]
async fn lists_of_flows_are_filtered_sorted_and_cut() {
    let stage = Stage::new().await;
    for (name, category) in [("Beta", "x"), ("alpha", "x"), ("Gamma", "y")] {
        let mut flow = echo();
        (flow["name"], flow["category"]) = (json!(name), json!(category));
        stage.flow(flow).await;
    }
    let names = async |query: &str| {
        let said = stage.ask(&format!("GET /api/flows{query}")).gives(200).await;
        let names: Vec<String> = said["data"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["name"].as_str().expect("a name").to_owned())
            .collect();
        (names.join(" "), said["total"].as_u64().expect("a total"), said["pages"].as_u64().expect("pages"))
    };
    assert_eq!(names("").await, ("alpha Beta Gamma".into(), 3, 1));
    assert_eq!(names("?sort=-name&size=2").await, ("Gamma Beta".into(), 3, 2));
    assert_eq!(names("?sort=createdAt&size=2&page=1").await, ("Gamma".into(), 3, 2));
    assert_eq!(names("?category=x&search=ALPH").await, ("alpha".into(), 1, 1));
    assert_eq!(names("?enabled=false").await, (String::new(), 0, 0));
    stage.ask("GET /api/flows?sort=colour").refused(400, "VALIDATION_ERROR").await;
    for size in [0, 101] {
        stage.ask(&format!("GET /api/flows?size={size}")).refused(400, "VALIDATION_ERROR").await;
    }
}
