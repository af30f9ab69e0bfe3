//! Large and sensitive values, facts, key/values.

use model::failure::code;
use model::play::PlayState;

use crate::stage::{COMPANY, Stage, json};

#[tokio::test(start_paused = true)]
async fn a_large_value_is_stored_once_and_read_back() {
    let stage = Stage::new().await;
    let document = format!("{{\"doc\":{{\"rows\":[{}]}}}}", vec![r#"{"a":"0123456789"}"#; 2_000].join(","));
    let report = stage
        .run(
            r#"
name: Large
layers:
  - {ref: a, appId: var, args: {value: "{{ $prev.args.doc }}"}}
  - {ref: b, appId: delay, index: 1, args: {seconds: 1}}
  - {ref: c, appId: var, index: 2, args: {value: "{{ length $prev.a.value.rows }}"}}
"#,
            &document,
        )
        .await;
    let play = report.header.key;
    stage.ended(play).await;
    assert_eq!(stage.output(play).await, r#"{"value":2000}"#);
    let chunks = stage.store.chunks(play, 0, 100).await.expect("reads");
    let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
    assert!(bytes < 2_000, "the records only refer to it: {bytes} bytes");
    let args = stage.engine.args_of(play).await.expect("reads");
    assert_eq!(args, json(&document));
}

#[tokio::test(start_paused = true)]
async fn a_value_too_large_for_the_store_becomes_an_object() {
    let stage = Stage::new().await;
    let flow = "{name: Huge, layers: [{ref: a, appId: var, args: {value: \"{{ repeat 300000 'xy' }}\"}}, {ref: b, appId: delay, index: 1, args: {seconds: 1}}, {ref: c, appId: var, index: 2, args: {value: '{{ length $prev.a.value }}'}}]}";
    let report = stage.run(flow, "{}").await;
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, r#"{"value":600000}"#);
    assert_eq!(stage.files.paths().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_output_beyond_its_limits_fails_its_flowlet() {
    let stage = Stage::new().await;
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let flow = "{name: Deep, layers: [{ref: a, appId: var, args: {value: ['{{ $prev.args.deep }}']}}]}";
    let report = stage.run(flow, &format!("{{\"deep\":{deep}}}")).await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code), (PlayState::Fail, code::LIMIT_EXCEEDED));
}

#[tokio::test(start_paused = true)]
async fn what_is_sensitive_is_sealed_at_rest_and_masked_where_it_is_shown() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Card
layers:
  - ref: pay
    appId: call
    args: {name: pay, data: {card: "{{ $prev.args.card }}", sum: 5}}
    sensitive: {args: [/data/card], out: [/data/card]}
  - {ref: wait, appId: delay, index: 1, args: {seconds: 60}}
  - {ref: last, appId: call, index: 2, args: {name: again, data: "{{ $prev.pay.data.card }}"}}
  - {ref: said, appId: log, index: 3, args: {message: "paid with {{ $prev.last.data }}"}}
  - {ref: end, appId: fail, index: 4, args: {message: "no more of {{ $prev.last.data }}"}}
"#,
            r#"{"card":"4111111111111111"}"#,
        )
        .await;
    let play = report.header.key;
    stage.ended(play).await;
    let calls = stage.peer.calls();
    assert_eq!(calls[0].data, r#"{"card":"4111111111111111","sum":5}"#);
    assert_eq!(calls[1].data, "\"4111111111111111\"", "a sealed value is opened for whoever needs it");
    let row = stage.row(play, "pay").await;
    for payload in [row.args.expect("args"), row.out.expect("an output")] {
        let shown = stage.engine.shown(play, &payload).await.expect("reads").to_json();
        assert!(shown.contains("••••••") && !shown.contains("4111") && shown.contains("5"), "{shown}");
    }
    // The play's own arguments were not marked; nothing else of the play holds it.
    for chunk in stage.store.chunks(play, 0, 100).await.expect("reads").iter().skip(1) {
        assert!(!chunk.bytes.windows(8).any(|window| window == b"41111111"));
    }
}

#[tokio::test(start_paused = true)]
async fn key_values_are_written_with_the_step_and_read_by_scope() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Keys
layers:
  - {ref: a, appId: kv-set, args: {key: n, value: 5}}
  - {ref: b, appId: kv-increment, index: 1, args: {key: n, by: 2}}
  - {ref: c, appId: kv-set, index: 2, args: {key: n, value: 100, scope: global}}
  - {ref: d, appId: kv-append, index: 3, args: {key: list, value: x}}
  - {ref: e, appId: var, index: 4, args: {value: "{{ $kv.n }} {{ $kv.list }} {{ $kv.none ?? 'nothing' }} {{ $prev.b.value }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(out, r#"{"value":"7 [\"x\"] nothing 7"}"#);
    let other = stage.out("{name: Other, layers: [{ref: a, appId: var, args: {value: '{{ $kv.n }}'}}]}", "{}").await;
    assert_eq!(other, r#"{"value":100}"#, "the global scope is read where the flow's has no such key");
    let own = stage
        .out("{name: Own, kvInherit: false, layers: [{ref: a, appId: var, args: {value: '{{ $kv.n ?? 0 }}'}}]}", "{}")
        .await;
    assert_eq!(own, r#"{"value":0}"#);
    let query = store::DocQuery::all(COMPANY, model::doc::DocKind::Kv, 10);
    for doc in stage.store.docs(&query).await.expect("reads") {
        let text = String::from_utf8_lossy(&doc.body).into_owned();
        assert!(text.starts_with("{\"sealed\":"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_plays_count_with_one_key_and_lose_nothing() {
    let stage = Stage::new().await;
    let published = stage.publish("{name: Count, layers: [{ref: a, appId: kv-increment, args: {key: n}}]}").await;
    let flow = published.flow.id.to_string();
    let mut plays = Vec::new();
    for _ in 0..100 {
        let (engine, wish) = (stage.engine.clone(), Stage::wish(&flow, "{}"));
        plays.push(tokio::spawn(async move { engine.admit(wish, Some(std::time::Duration::from_secs(60))).await }));
    }
    let mut seen = Vec::new();
    for play in plays {
        let report = play.await.expect("runs").expect("is admitted");
        seen.push(report.out.expect("an output").get("value").and_then(|value| value.as_i64()).expect("a number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_found_out_only_on_the_way_is_asked_for_in_another_round() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Rounds
layers:
  - {ref: a, appId: kv-set, args: {key: first, value: second}}
  - {ref: b, appId: kv-set, index: 1, args: {key: second, value: found}}
  - {ref: c, appId: var, index: 2, args: {value: "{{ $kv[$kv.first] }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(out, r#"{"value":"found"}"#);
}
