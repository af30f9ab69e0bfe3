//! One flowlet after another: arguments, outputs, records.

use std::time::Duration;

use engine::driver::AdmitError;
use model::play::PlayState;

use crate::stage::{Stage, json};

#[tokio::test(start_paused = true)]
async fn values_pass_from_flowlet_to_flowlet() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Price
layers:
  - {ref: net, appId: var, args: {value: "{{ $prev.args.amount }}"}}
  - {ref: gross, appId: var, index: 1, args: {value: "{{ $prev.net.value * 1.19 }}"}}
  - {ref: note, appId: var, index: 2, args: {value: "{{ $prev.gross.value }} for {{ $prev.args.name }}"}}
"#,
            r#"{"amount": 100.10, "name": "Ada"}"#,
        )
        .await;
    assert_eq!(out, r#"{"value":"119.119 for Ada"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_play_of_pure_flowlets_is_one_commit() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Pure
layers:
  - {ref: a, appId: var, args: {value: 1}}
  - {ref: b, appId: var, index: 1, args: {value: "{{ $prev.a.value + 1 }}"}}
  - {ref: c, appId: var, index: 2, args: {value: "{{ $prev.b.value + 1 }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!((report.header.revision, report.header.state), (1, PlayState::Done));
    assert_eq!(report.out.expect("an output").to_json(), r#"{"value":3}"#);
    assert_eq!(stage.layers(report.header.key).await, ["a[] DONE", "b[] DONE", "c[] DONE"]);
    let row = stage.row(report.header.key, "b").await;
    assert_eq!(row.args.expect("args").plain(), Some(&json(r#"{"value":2}"#)));
}

#[tokio::test(start_paused = true)]
async fn an_intent_is_committed_before_the_call_and_shares_its_commit_with_the_result_before() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Calls
layers:
  - {ref: a, appId: call, args: {name: a}}
  - {ref: b, appId: call, index: 1, args: {name: b, data: "{{ $prev.a.name }}"}}
  - {ref: c, appId: var, index: 2, args: {value: "{{ $prev.b.data }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.out.expect("an output").to_json(), r#"{"value":"a"}"#);
    // Admission with the first intent; its result with the second; its result with the rest.
    assert_eq!(report.header.revision, 3);
    assert_eq!(stage.peer.names(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn the_output_is_the_answer_where_a_flowlet_responds() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Answer
layers:
  - {ref: answer, appId: respond, args: {statusCode: 201, body: {ok: true}}}
  - {ref: later, appId: call, index: 1, args: {name: later}}
"#,
            "{}",
        )
        .await;
    stage.ended(report.header.key).await;
    let out = stage.output(report.header.key).await;
    let out = json(&out);
    assert_eq!((out.get("statusCode"), out.get("body")), (Some(&json("201")), Some(&json(r#"{"ok":true}"#))));
    assert_eq!(stage.peer.names(), ["later"], "the play goes on behind its answer");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_play_ends_when_it_ends_or_comes_to_wait_or_time_is_over() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [crate::stage::Act::Do(Duration::from_secs(20))]);
    let published = stage.publish("{name: Slow, layers: [{ref: a, appId: call, args: {name: slow}}]}").await;
    let wish = Stage::wish(&published.flow.id.to_string(), "{}");
    let report = stage.engine.admit(wish, Some(Duration::from_secs(5))).await.expect("is admitted");
    assert_eq!((report.header.state, report.out), (PlayState::Run, None));
    stage.until(report.header.key, PlayState::Done).await;
    let report = stage.run("{name: Wait, layers: [{ref: a, appId: delay, args: {seconds: 3600}}]}", "{}").await;
    assert_eq!((report.header.state, report.out), (PlayState::Wait, None));
}

#[tokio::test(start_paused = true)]
async fn an_idempotency_key_is_granted_one_play() {
    let stage = Stage::new().await;
    let published = stage.publish("{name: Once, layers: [{ref: a, appId: call, args: {name: pay}}]}").await;
    let wish = |args: &str| {
        let mut wish = Stage::wish(&published.flow.id.to_string(), args);
        wish.idempotency_key = Some("order-1".into());
        wish
    };
    let wait = Some(Duration::from_secs(60));
    let first = stage.engine.admit(wish(r#"{"a":1,"b":2.0}"#), wait).await.expect("is admitted");
    let again = stage.engine.admit(wish(r#"{"b":2,"a":1}"#), wait).await.expect("is found");
    assert_eq!((first.replayed, again.replayed), (false, true));
    assert_eq!(first.header.key, again.header.key);
    assert_eq!(again.out.expect("an output").to_json(), r#"{"name":"pay","data":null,"attempt":1}"#);
    let other = stage.engine.admit(wish(r#"{"a":2}"#), wait).await;
    assert!(matches!(other, Err(AdmitError::KeyReused)));
    assert_eq!(stage.peer.names(), ["pay"]);
    // Many at once: the unique key decides.
    let mut race = Vec::new();
    for _ in 0..20 {
        let mut wish = wish("{}");
        wish.idempotency_key = Some("order-2".into());
        let engine = stage.engine.clone();
        race.push(tokio::spawn(async move { engine.admit(wish, None).await.expect("is admitted").header.key }));
    }
    let mut keys = Vec::new();
    for play in race {
        keys.push(play.await.expect("runs"));
    }
    keys.dedup();
    assert_eq!(keys.len(), 1);
    // A day later the key is free again.
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    let later = stage.engine.admit(wish(r#"{"a":2}"#), wait).await.expect("is admitted");
    assert!(!later.replayed);
}

#[tokio::test(start_paused = true)]
async fn a_start_time_is_waited_for() {
    let stage = Stage::new().await;
    let published = stage.publish("{name: Later, layers: [{ref: a, appId: call, args: {name: late}}]}").await;
    let mut wish = Stage::wish(&published.flow.id.to_string(), "{}");
    wish.start_at = Some(stage.engine.now().plus(Duration::from_secs(90 * 24 * 3600)));
    let play = stage.admit(wish).await.expect("is admitted").header.key;
    assert_eq!(stage.state(play).await, PlayState::Deferred);
    tokio::time::sleep(Duration::from_secs(89 * 24 * 3600)).await;
    assert_eq!((stage.state(play).await, stage.peer.calls().len()), (PlayState::Deferred, 0));
    tokio::time::sleep(Duration::from_secs(24 * 3600 + 1)).await;
    assert_eq!(stage.state(play).await, PlayState::Done);
    assert_eq!(stage.engine.active_plays(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_is_refused() {
    let stage = Stage::new().await;
    let made = stage.engine.create_flow(&stage.edit(), crate::stage::flow("{name: Draft}")).await.expect("creates");
    let refused =
        async |flow: &str, args: &str| stage.admit(Stage::wish(flow, args)).await.expect_err("refused").to_string();
    assert_eq!(refused("nothing", "{}").await, "there is no flow \"nothing\"");
    assert!(refused(&made.id.to_string(), "{}").await.contains("has no published version"));
    let published =
        stage.publish("{name: Off, enabled: false, layers: [{ref: a, appId: var, args: {value: 1}}]}").await;
    assert_eq!(refused("off", "{}").await, "the flow off is not enabled; enable it, or run it with force");
    assert!(refused(&published.flow.id.to_string(), "{}").await.starts_with("the flow off is not enabled"));
    let mut forced = Stage::wish("off", "{}");
    forced.force = true;
    assert_eq!(stage.admit(forced).await.expect("is admitted").header.flow.version, 0);
    stage.publish("{name: On, layers: [{ref: a, appId: var, args: {value: 1}}]}").await;
    assert!(refused("on", "[1]").await.starts_with("the arguments are an object, not a list"));
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20));
    assert!(refused("on", &large).await.starts_with("the arguments are larger than 16 MiB"));
}
