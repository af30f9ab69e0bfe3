//! What goes wrong: retries, timeouts, tolerated failures, compensation.

use std::time::Duration;

use model::play::{Compensation, LayerState, PlayState};

use crate::stage::{Act, Stage};

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_tried_again_later_and_later() {
    let stage = Stage::new().await;
    stage.peer.will("flaky", vec![Act::Refuse; 3]);
    let report = stage
        .run(
            r#"
name: Retry
layers:
  - ref: a
    appId: call
    args: {name: flaky}
    retry: {count: 3, delayMs: 1000, backoffMultiplier: 3, maxDelayMs: 5000, jitter: false}
"#,
            "{}",
        )
        .await;
    let play = report.header.key;
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    let calls = stage.peer.calls();
    let gaps: Vec<u64> = calls.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_secs()).collect();
    assert_eq!(gaps, [1, 3, 5]);
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(calls.iter().all(|call| call.key == calls[0].key), "all attempts share one key");
    assert_eq!(stage.row(play, "a").await.attempts, 4);
}

#[tokio::test(start_paused = true)]
async fn a_pure_flowlet_is_tried_again_like_any_other() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            "{name: Pure, layers: [{ref: a, appId: json-parse, args: {input: '{'}, retry: {count: 2, delayMs: 10}}]}",
            "{}",
        )
        .await;
    let play = report.header.key;
    assert_eq!(stage.ended(play).await.state, PlayState::Fail);
    assert_eq!(stage.row(play, "a").await.attempts, 3);
}

#[tokio::test(start_paused = true)]
async fn tolerated_failures_are_read_downstream() {
    let stage = Stage::new().await;
    stage.peer.will("a", [Act::Refuse]);
    stage.peer.will("b", [Act::Refuse]);
    let report = stage
        .run(
            r#"
name: Tolerant
layers:
  - {ref: a, appId: call, onError: continue, args: {name: a}}
  - {ref: b, appId: call, onError: skip, args: {name: b}}
  - {ref: c, appId: var, index: 1, args: {value: "{{ $prev.a.error.code }} {{ $prev.b.name ?? 'none' }}"}}
  - {ref: d, appId: var, dependsOn: [b], args: {value: 1}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Done);
    let mut layers = stage.layers(report.header.key).await;
    layers.sort();
    assert_eq!(layers, ["a[] FAIL", "b[] SKIP", "c[] DONE", "d[] SKIP"]);
    let c = stage.row(report.header.key, "c").await.out.expect("an output");
    assert_eq!(c.plain().expect("plain").to_json(), r#"{"value":"PEER none"}"#);
}

#[tokio::test(start_paused = true)]
async fn an_expression_that_fails_fails_its_flowlet() {
    let stage = Stage::new().await;
    let report =
        stage.run("{name: Bad, layers: [{ref: a, appId: var, args: {value: '{{ $prev.args.no.such }}'}}]}", "{}").await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code), (PlayState::Fail, "EXPRESSION_ERROR"));
    assert!(error.message.contains("no") && error.message.contains("value"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn a_fail_flowlet_fails_the_play_whatever_its_policy() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            "{name: Stop, layers: [{ref: a, appId: fail, onError: continue, args: {message: enough, code: TOO_MUCH}}]}",
            "{}",
        )
        .await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code, error.message.as_str()), (PlayState::Fail, "TOO_MUCH", "enough"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_lets_what_is_under_way_finish() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [Act::Do(Duration::from_secs(5))]);
    stage.peer.will("bad", [Act::Refuse]);
    let report = stage
        .run(
            r#"
name: Siblings
layers:
  - {ref: slow, appId: call, args: {name: slow}}
  - {ref: bad, appId: call, args: {name: bad}}
  - {ref: wait, appId: delay, args: {seconds: 86400}}
  - {ref: never, appId: call, index: 1, args: {name: never}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Fail);
    let mut layers = stage.layers(report.header.key).await;
    layers.sort();
    assert_eq!(layers, ["bad[] FAIL", "slow[] DONE", "wait[] CANCELED"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_and_a_play_may_take_only_so_long() {
    let stage = Stage::new().await;
    stage.peer.will("read", [Act::Hang]);
    let report = stage.run("{name: Read, layers: [{ref: a, appId: look, timeout: 7, args: {name: read}}]}", "{}").await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code), (PlayState::Fail, "TIMEOUT"));
    assert_eq!(report.header.ended_at.expect("ended").since(report.header.created_at).as_secs(), 7);

    stage.peer.will("write", [Act::Hang]);
    let report =
        stage.run("{name: Whole, timeout: 60, layers: [{ref: a, appId: call, args: {name: write}}]}", "{}").await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code), (PlayState::Fail, "TIMEOUT"));
    assert_eq!(stage.layer_state(report.header.key, "a").await, LayerState::InDoubt);
    let waiting =
        stage.run("{name: Waits, timeout: 60, layers: [{ref: a, appId: delay, args: {seconds: 9999}}]}", "{}").await;
    assert_eq!(stage.ended(waiting.header.key).await.state, PlayState::Fail, "waiting counts");
}

const TRIP: &str = r#"
name: Trip
layers:
  - ref: flight
    appId: call
    args: {name: book flight}
    compensate: {appId: call, args: {name: "cancel {{ $prev.flight.name }}"}}
  - ref: hotel
    appId: call
    index: 1
    args: {name: book hotel}
    compensate: {appId: call, args: {name: cancel hotel, data: "{{ $prev.args.guest }}"}, retry: {count: 1, delayMs: 10}}
  - ref: car
    appId: call
    index: 2
    args: {name: book car}
    compensate: {appId: call, args: {name: cancel car}}
"#;

#[tokio::test(start_paused = true)]
async fn what_was_done_is_undone_in_reverse_order() {
    let stage = Stage::new().await;
    stage.peer.will("book car", [Act::Refuse]);
    let report = stage.run(TRIP, r#"{"guest":"Ada"}"#).await;
    assert_eq!((report.header.state, report.header.compensation), (PlayState::Fail, Some(Compensation::Done)));
    assert_eq!(stage.peer.names(), ["book flight", "book hotel", "book car", "cancel hotel", "cancel book flight"]);
    assert_eq!(stage.peer.calls_of("cancel hotel")[0].data, "\"Ada\"");
    assert_eq!(stage.layers(report.header.key).await, ["flight[] COMPENSATED", "hotel[] COMPENSATED", "car[] FAIL"]);
    assert_eq!(report.header.error.expect("an error").message, "refused");
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_fails_for_good_marks_the_play_and_the_others_go_on() {
    let stage = Stage::new().await;
    stage.peer.will("book car", [Act::Refuse]);
    stage.peer.will("cancel hotel", [Act::Refuse, Act::Refuse]);
    let report = stage.run(TRIP, r#"{"guest":"Ada"}"#).await;
    let header = stage.ended(report.header.key).await;
    assert_eq!((header.state, header.compensation), (PlayState::Fail, Some(Compensation::Failed)));
    assert_eq!(stage.peer.calls_of("cancel hotel").len(), 2);
    assert_eq!(stage.peer.calls_of("cancel book flight").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancel_undoes_only_when_asked() {
    for compensate in [false, true] {
        let stage = Stage::new().await;
        stage.peer.will("book car", [Act::Hang]);
        let published = stage.publish(TRIP).await;
        let play = stage.start(&published.flow.id.to_string(), r#"{"guest":"Ada"}"#).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.cancel(play, compensate).await;
        assert_eq!(stage.ended(play).await.state, PlayState::Canceled);
        let undone = stage.peer.names().iter().filter(|name| name.starts_with("cancel")).count();
        assert_eq!(undone, if compensate { 2 } else { 0 });
        assert_eq!(stage.layer_state(play, "car").await, LayerState::InDoubt);
    }
}

#[tokio::test(start_paused = true)]
async fn payments_of_a_loop_are_undone_item_by_item() {
    let stage = Stage::new().await;
    stage.peer.will("pay 3", [Act::Refuse]);
    let report = stage
        .run(
            r#"
name: Payments
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2, 3]}}
  - ref: pay
    appId: call
    index: 1
    args: {name: "pay {{ $item }}"}
    compensate: {appId: call, args: {name: "refund {{ $item }} {{ $prev.pay.attempt }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: pay}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.compensation, Some(Compensation::Done));
    assert_eq!(stage.peer.names(), ["pay 1", "pay 2", "pay 3", "refund 2 1", "refund 1 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_module_that_breaks_fails_its_flowlet_and_nothing_else() {
    let stage = Stage::new().await;
    stage.peer.will("read", [Act::Panic]);
    let report = stage.run("{name: Breaks, layers: [{ref: a, appId: look, args: {name: read}}]}", "{}").await;
    assert_eq!(&*report.header.error.expect("an error").code, "MODULE_PANICKED");
    let fine = stage.run("{name: Fine, layers: [{ref: a, appId: look, args: {name: read}}]}", "{}").await;
    assert_eq!(fine.header.state, PlayState::Done);
}
