//! Trying one flowlet of a draft out.

use serde_json::json;

use crate::stage::{Stage, one};

#[tokio::test]
async fn a_flowlet_is_tried_with_what_is_pinned_and_no_play_is_made() {
    let stage = Stage::new().await;
    let flow = json!({"name": "Sums", "layers": [
        {"ref": "read", "appId": "curl", "index": 0, "args": {"url": "https://{{ $prev.args.host }}/", "bearerToken": "{{ $secret.token }}"}},
        {"ref": "big", "appId": "var", "index": 1, "args": {"value": "{{ $prev.read.body.sum }}"},
            "filters": [{"leftValue": "{{ $prev.read.body.sum }}", "operator": "gt", "rightValue": "100", "cast": "number"}]},
        {"ref": "note", "appId": "log", "index": 2, "args": {"message": "of {{ $kv.who }} with {{ $secret.token }}"}},
        {"ref": "keep", "appId": "kv-set", "index": 3, "args": {"key": "k", "value": 1}},
    ]});
    let made = stage.ask("POST /api/flows?draft=true").json(flow).gives(201).await;
    let path = format!("POST /api/flows/{}/try", made["id"].as_str().expect("an id"));
    let attempt = |body| stage.ask(&path).json(body);
    let big = |sum: u64| json!({"ref": "big", "pinned": {"read": {"body": {"sum": sum}}}});
    let said = attempt(big(250)).gives(200).await;
    assert_eq!(said, json!({"state": "DONE", "args": {"value": 250}, "out": {"value": 250}, "log": []}));
    assert_eq!(attempt(big(50)).gives(200).await["state"], "FILTERED");
    let unpinned = attempt(json!({"ref": "big"})).gives(200).await;
    assert_eq!(unpinned["state"], "FAIL");
    assert!(
        unpinned["error"]["message"].as_str().is_some_and(|text| text.contains("no output is pinned for read")),
        "{unpinned}"
    );

    // What reads the store reads it; a secret stays one.
    stage.ask("PUT /api/secrets/token").json(json!({"value": "hush-hush"})).gives(204).await;
    stage.ask("POST /api/kv").json(json!({"key": "who", "value": "Ada"})).gives(204).await;
    let noted = attempt(json!({"ref": "note"})).gives(200).await;
    assert_eq!(
        (&noted["state"], &noted["log"][0]["message"]),
        (&json!("DONE"), &json!("of Ada with ••••••")),
        "{noted}"
    );
    let read = attempt(json!({"ref": "read", "args": {"host": "peer.test"}})).gives(200).await;
    assert_eq!((&read["state"], &read["args"]["url"]), (&json!("READY"), &json!("https://peer.test/")));
    assert_eq!(read["args"]["bearerToken"], "••••••");
    assert!(!format!("{noted}{read}").contains("hush-hush"));
    // It does not write either.
    assert_eq!(attempt(json!({"ref": "keep"})).gives(200).await["state"], "READY");
    stage.ask("GET /api/kv/value?key=k").refused(404, "KEY_NOT_FOUND").await;
    assert_eq!(stage.ask("GET /api/plays").gives(200).await["total"], 0);
    assert_eq!(stage.ask("GET /api/audit?action=flow.try").gives(200).await["total"], 6);
}

#[tokio::test]
async fn a_trial_needs_a_sound_draft_a_ref_that_exists_and_the_permission() {
    let stage = Stage::new().await;
    let flow = stage.flow(one("Keys", "var", json!({"value": "{{ $secret.token ?? 0 }}"}))).await;
    let path = format!("POST /api/flows/{flow}/try");
    stage.ask(&path).json(json!({"ref": "other"})).refused(404, "LAYER_NOT_FOUND").await;
    stage.ask(&path).json(json!({"ref": "step", "pinned": 1})).refused(400, "VALIDATION_ERROR").await;
    let (edits, runs) = (stage.key(&["flows:edit"]).await, stage.key(&["flows:run"]).await);
    stage.ask(&path).bearer(&runs).json(json!({"ref": "step"})).refused(403, "FORBIDDEN").await;
    let said = stage.ask(&path).bearer(&edits).json(json!({"ref": "step"})).gives(200).await;
    assert_eq!(said["error"]["code"], "FORBIDDEN", "a secret is read by whoever may run");
    let broken = one("Broken", "var", json!({"value": "{{ $prev.nobody }}"}));
    let made = stage.ask("POST /api/flows").json(broken).gives(201).await;
    let path = format!("POST /api/flows/{}/try", made["id"].as_str().expect("an id"));
    stage.ask(&path).json(json!({"ref": "step"})).refused(422, "VALIDATION_ERROR").await;
}
