//! Plays: lists, and what happened in one.

use serde_json::{Value, json};

use crate::stage::{Stage, echo, one, waiting};

#[tokio::test]
async fn lists_are_filtered_and_cut_into_pages() {
    let stage = Stage::new().await;
    let (echo, failing) = (stage.flow(echo()).await, stage.flow(one("Fails", "fail", json!({"message": "no"}))).await);
    for number in 0..3 {
        stage.run(&echo, json!({"n": number})).await;
    }
    let failed = stage.run(&failing, json!({})).await;
    assert_eq!((&failed["state"], &failed["failedRef"]), (&json!("FAIL"), &json!("step")));
    assert!(failed["error"]["message"].as_str().is_some_and(|message| message.contains("no")), "{failed}");
    let total = async |query: &str| stage.ask(&format!("GET /api/plays{query}")).gives(200).await["total"].clone();
    assert_eq!(total("").await, 4);
    assert_eq!(total("?state=FAIL").await, 1);
    assert_eq!(total("?state=done,fail").await, 4);
    assert_eq!(total(&format!("?flowId={echo}")).await, 3);
    assert_eq!(total("?flowId=echo&state=FAIL").await, 0);
    assert_eq!(total("?from=2999-01-01T00:00:00Z").await, 0);
    assert_eq!(total("?to=2999-01-01T00:00:00Z").await, 4);
    assert_eq!(stage.ask(&format!("GET /api/flows/{failing}/plays")).gives(200).await["total"], 1);
    let mut seen = Vec::new();
    for page in 0..2 {
        let said = stage.ask(&format!("GET /api/plays?size=3&page={page}")).gives(200).await;
        assert_eq!((&said["page"], &said["pages"], &said["size"]), (&json!(page), &json!(2), &json!(3)));
        seen.extend(
            said["data"].as_array().expect("rows").iter().map(|play| play["id"].as_str().expect("an id").to_owned()),
        );
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (4, &sorted), "newest first, each once");
    let after = stage.ask(&format!("GET /api/plays?after={}", seen[1])).gives(200).await;
    assert_eq!(after["data"][0]["id"], seen[2].as_str());
    for query in ["size=101", "state=BUSY", "from=soon", "colour=red"] {
        stage.ask(&format!("GET /api/plays?{query}")).refused(400, "VALIDATION_ERROR").await;
    }
    stage.ask("GET /api/plays?flowId=nobody").refused(404, "FLOW_NOT_FOUND").await;
}

#[tokio::test]
async fn a_play_shows_what_each_flowlet_did() {
    let stage = Stage::new().await;
    let flow = json!({"name": "Two", "layers": [
        {"ref": "first", "name": "The first", "appId": "var", "index": 0, "args": {"value": "{{ $prev.args.n + 1 }}"}},
        {"ref": "note", "appId": "log", "index": 1, "args": {"message": "n is {{ $prev.first.value }}", "level": "warn"}},
    ]});
    let flow = stage.flow(flow).await;
    let play = stage.run(&flow, json!({"n": 41})).await["playId"].as_str().expect("an id").to_owned();
    let whole = stage.ask(&format!("GET /api/plays/{play}")).gives(200).await;
    assert_eq!((&whole["args"], &whole["trigger"]), (&json!({"n": 41}), &json!("run")));
    let layers = stage.ask(&format!("GET /api/plays/{play}/layers")).gives(200).await;
    let first = &layers["data"][0];
    assert_eq!((&layers["total"], &first["ref"], &first["name"]), (&json!(2), &json!("first"), &json!("The first")));
    assert_eq!((&first["args"], &first["out"]), (&json!({"value": 42}), &json!({"value": 42})));
    assert_eq!((&first["state"], &first["attempts"], &first["appId"]), (&json!("DONE"), &json!(1), &json!("var")));
    let id = first["id"].as_str().expect("an id");
    assert_eq!(stage.ask(&format!("GET /api/plays/{play}/layers/{id}")).gives(200).await, *first);
    let log = stage.ask(&format!("GET /api/plays/{play}/log")).gives(200).await;
    let line = &log["data"][0];
    assert_eq!((&line["message"], &line["ref"], &line["level"]), (&json!("n is 42"), &json!("note"), &json!("warn")));
    stage.ask(&format!("GET /api/plays/{play}/layers?ref=nobody")).refused(404, "LAYER_NOT_FOUND").await;
    stage.ask(&format!("GET /api/plays/{play}/layers/{play}")).refused(404, "LAYER_NOT_FOUND").await;
    stage.ask("GET /api/plays/0123456789abcdef01234567").refused(404, "PLAY_NOT_FOUND").await;
}

#[tokio::test]
async fn a_large_output_is_fetched_by_itself() {
    let stage = Stage::new().await;
    let flow = stage.flow(one("Large", "enumeration", json!({"from": 1, "to": 60_000}))).await;
    let play = stage.run(&flow, json!({})).await["playId"].as_str().expect("an id").to_owned();
    let layer = stage.layer(&play, "step").await;
    let url = layer["outUrl"].as_str().expect("a place");
    assert!(layer.get("out").is_none());
    let said = stage.ask(&format!("GET {url}")).send().await;
    assert_eq!((said.status.as_u16(), said.header("content-type")), (200, "application/json"));
    assert_eq!(said.json()["items"].as_array().map(Vec::len), Some(60_000));
}

#[tokio::test]
async fn another_company_sees_nothing_of_it() {
    let stage = Stage::new().await;
    let flow = stage.flow(waiting()).await;
    let play = stage.run_until_it_waits(&flow).await;
    let layer = stage.layer(&play, "step").await["id"].as_str().expect("an id").to_owned();
    let other = stage.other_company().await;
    let mut lines: Vec<(String, Value, &str)> =
        ["", "/layers", "/log", &format!("/layers/{layer}"), &format!("/layers/{layer}/out")]
            .iter()
            .map(|path| (format!("GET /api/plays/{play}{path}"), json!({}), "PLAY_NOT_FOUND"))
            .collect();
    for verb in ["cancel", "hold", "resume", "retry"] {
        lines.push((format!("POST /api/plays/{play}/{verb}"), json!({}), "PLAY_NOT_FOUND"));
    }
    for (verb, decision) in [("approve", "approved"), ("resolve", "happened")] {
        let body = json!({"layerId": layer, "decision": decision});
        lines.push((format!("POST /api/plays/{play}/{verb}"), body, "PLAY_NOT_FOUND"));
    }
    for verb in [
        "GET /api/flows/X",
        "DELETE /api/flows/X",
        "POST /api/flows/X/run",
        "GET /api/flows/X/export",
        "GET /api/flows/X/plays",
    ] {
        lines.push((verb.replace('X', &flow), json!({}), "FLOW_NOT_FOUND"));
    }
    for (line, body, code) in lines {
        assert_eq!(other.ask(&line).json(body).send().await.json()["error"], code, "{line}");
    }
    for (list, own) in
        [("flows", 0), ("plays", 0), ("users", 1), ("auth/api-keys", 0), ("kv", 0), ("groups", 0), ("files", 0)]
    {
        assert_eq!(other.ask(&format!("GET /api/{list}")).gives(200).await["total"], own, "{list}");
    }
    let audit = other.ask("GET /api/audit").gives(200).await.to_string();
    assert!(audit.contains(&other.id) && ![&flow, &play].iter().any(|id| audit.contains(*id)), "{audit}");
    let cancelled = other.ask("POST /api/plays/cancel").json(json!({"filter": {}})).send().await.json();
    assert_eq!(cancelled["done"], json!([]));
}
