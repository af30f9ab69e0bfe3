//! Flows as files, and expressions that are tried out.

use serde_json::json;

use crate::stage::{Stage, echo};

#[tokio::test]
async fn a_flow_goes_out_as_a_file_and_comes_back_the_same() {
    let stage = Stage::new().await;
    let mut flow = echo();
    flow["layers"][0]["args"]["value"] = json!({"price": 1.10, "text": "yes", "of": "{{ $prev.args }}", "none": null});
    let id = stage.flow(flow).await;
    let file = stage.ask(&format!("GET /api/flows/{id}/export")).send().await;
    assert_eq!(file.header("content-type"), "application/yaml");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"echo.yaml\"");
    assert!(file.text().starts_with("apiVersion: flow8/v1\nkind: Flow\n"), "{}", file.text());
    let before = stage.ask(&format!("GET /api/flows/{id}")).gives(200).await;
    // The same again changes nothing.
    let same = stage.ask("POST /api/flows/import").body(file.body.clone()).gives(200).await;
    assert_eq!(same, before);
    stage.ask(&format!("DELETE /api/flows/{id}")).gives(204).await;
    let made = stage.ask("POST /api/flows/import").body(file.body.clone()).gives(201).await;
    assert_eq!((&made["layers"], &made["published"]), (&before["layers"], &json!(true)));
    let again = stage.ask(&format!("GET /api/flows/{}/export", made["id"].as_str().expect("an id"))).send().await;
    assert_eq!(again.text(), file.text());
}

#[tokio::test]
async fn a_file_replaces_the_flow_of_its_permanent_id() {
    let stage = Stage::new().await;
    let id = stage.flow(echo()).await;
    let json = r#"{"apiVersion":"flow8/v1","kind":"Flow","name":"Echo","permanentId":"echo",
        "layers":[{"ref":"step","appId":"var","args":{"value":12345678901234567890.10}}]}"#;
    let said = stage.ask("POST /api/flows/import").body(json).send().await;
    assert_eq!(said.status, 200, "{}", said.text());
    assert!(said.text().contains("12345678901234567890.10"), "numbers keep their digits: {}", said.text());
    assert_eq!((&said.json()["id"], &said.json()["version"]), (&json!(id), &json!(2)));
    let draft = "name: Echo\npermanentId: echo\nlayers: []\n";
    let draft = stage.ask("POST /api/flows/import?draft=true").body(draft).gives(200).await;
    assert_eq!((&draft["published"], &draft["version"]), (&json!(false), &json!(2)));
    let refused = async |text: &str, words: &str| {
        let message = stage.ask("POST /api/flows/import").body(text.to_owned()).refused(400, "VALIDATION_ERROR").await;
        assert!(message.contains(words), "{words}: {message}");
    };
    refused("apiVersion: flow8/v9\nname: x\n", "apiVersion").await;
    refused("kind: Channel\nname: x\n", "kind").await;
    refused("name: x\ncolour: red\n", "colour").await;
    refused("name: [x\n", "").await;
}

#[tokio::test]
async fn an_expression_is_tried_out() {
    let stage = Stage::new().await;
    let attempt = |body| stage.ask("POST /api/expressions/evaluate").json(body);
    let said = attempt(json!({
        "expression": {"sum": "{{ $prev.a.n + 1 }}", "text": "Hello {{ $prev.args.who }}"},
        "prev": {"a": {"n": 41}, "args": {"who": "Ada"}},
    }))
    .gives(200)
    .await;
    assert_eq!(said["value"], json!({"sum": 42, "text": "Hello Ada"}));
    let said = attempt(json!({"expression": "{{ $prev.a..b }}"})).gives(422).await;
    assert_eq!(said["error"], "EXPRESSION_ERROR");
    assert!(said["details"]["column"].as_u64() > Some(1), "{said}");
    attempt(json!({"expression": "{{ $prev.a.b }}"})).refused(422, "EXPRESSION_ERROR").await;
    attempt(json!({"expression": "{{ 1 }}", "prev": []})).refused(400, "VALIDATION_ERROR").await;
    let catalogue = stage.ask("GET /api/modules").gives(200).await;
    assert!(catalogue["total"].as_u64() > Some(40) && catalogue["data"][0]["args"].is_object());
    assert_eq!(stage.ask("GET /api/modules/var").gives(200).await["id"], "var");
    let message = stage.ask("GET /api/modules/vra").refused(404, "MODULE_NOT_FOUND").await;
    assert!(message.contains("var"), "{message}");
}
