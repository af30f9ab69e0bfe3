//! A new play goes on from an ended one.

use std::time::Duration;

use engine::driver::RequestInfo;
use model::play::{PlayKey, PlayState, Trigger};

use crate::stage::{Act, Stage, person};

async fn retry(stage: &Stage, play: PlayKey, from: Option<&str>) -> PlayKey {
    let from = from.map(str::to_owned);
    let report = stage.engine.retry(play, from, person(2), &RequestInfo::default()).await;
    report.unwrap_or_else(|error| panic!("{error}")).header.key
}

const STEPS: &str = r#"
name: Steps
layers:
  - {ref: a, appId: call, args: {name: a}}
  - {ref: b, appId: call, index: 1, args: {name: b, data: "{{ $prev.a.attempt }}"}}
  - {ref: c, appId: call, index: 2, args: {name: c}}
  - {ref: d, appId: var, index: 3, args: {value: "{{ $prev.b.data }} {{ $prev.c.name }} {{ $prev.args.x }}"}}
"#;

#[tokio::test(start_paused = true)]
async fn what_was_finished_is_taken_over_and_not_run_again() {
    let stage = Stage::new().await;
    stage.peer.will("c", [Act::Refuse]);
    let report = stage.run(STEPS, r#"{"x":"!"}"#).await;
    assert_eq!(report.header.state, PlayState::Fail);
    let again = retry(&stage, report.header.key, None).await;
    let header = stage.ended(again).await;
    assert_eq!((header.state, header.trigger), (PlayState::Done, Trigger::Retry));
    assert_eq!(header.retry_of, Some(report.header.key.play));
    assert_eq!(stage.output(again).await, r#"{"value":"1 c !"}"#);
    assert_eq!(stage.peer.names(), ["a", "b", "c", "c"]);
    assert_eq!(stage.state(report.header.key).await, PlayState::Fail, "an ended play never changes");
    let row = stage.row(again, "a").await;
    assert_eq!(row.reused_from, Some(report.header.key.play));
}

#[tokio::test(start_paused = true)]
async fn an_earlier_flowlet_takes_everything_downstream_with_it() {
    let stage = Stage::new().await;
    let report = stage.run(STEPS, r#"{"x":"!"}"#).await;
    assert_eq!(report.header.state, PlayState::Done);
    let again = retry(&stage, report.header.key, Some("b")).await;
    assert_eq!(stage.ended(again).await.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["a", "b", "c", "b", "c"]);
    let keys: Vec<String> = stage.peer.calls_of("b").into_iter().map(|call| call.key).collect();
    assert_ne!(keys[0], keys[1], "it is done anew, on purpose");
}

#[tokio::test(start_paused = true)]
async fn payments_that_went_out_stay_as_they_are() {
    let stage = Stage::new().await;
    stage.peer.will("pay 4", [Act::Refuse]);
    let flow = r#"
name: Payroll
layers:
  - {ref: list, appId: enumeration, args: {from: 1, to: 6}}
  - {ref: each, appId: iterator, index: 1, args: {items: "{{ $prev.list.items }}", parallel: 2}}
  - {ref: check, appId: var, index: 2, args: {value: "{{ $item }}"}}
  - {ref: pay, appId: call, index: 3, args: {name: "pay {{ $prev.check.value }}"}}
  - {ref: all, appId: aggregator, index: 4, args: {sourceRef: pay, field: name}}
"#;
    let report = stage.run(flow, "{}").await;
    assert_eq!(report.header.state, PlayState::Fail);
    let before = stage.peer.names();
    let again = retry(&stage, report.header.key, None).await;
    assert_eq!(stage.ended(again).await.state, PlayState::Done);
    let mut all = stage.peer.names();
    let new: Vec<String> = all.split_off(before.len());
    let done = |name: &String| before.contains(name) && name != "pay 4";
    assert!(new.iter().all(|name| !done(name)), "{before:?} then {new:?}");
    let expected: Vec<String> = (1..=6).map(|number| format!("\"pay {number}\"")).collect();
    assert!(stage.output(again).await.starts_with(&format!("{{\"items\":[{}]", expected.join(","))));
}

#[tokio::test(start_paused = true)]
async fn a_long_loop_is_taken_over_across_a_crash() {
    let mut stage = Stage::new().await;
    stage.peer.will("pay", [Act::Refuse]);
    let flow = r#"
name: Long
layers:
  - {ref: list, appId: enumeration, args: {from: 1, to: 3000}}
  - {ref: each, appId: iterator, index: 1, args: {items: "{{ $prev.list.items }}"}}
  - {ref: one, appId: var, index: 2, args: {value: "{{ $item }}"}}
  - {ref: pay, appId: put, index: 3, args: {name: pay}, filters: [{leftValue: "{{ $item }}", operator: eq, rightValue: 2999}]}
  - {ref: all, appId: aggregator, index: 4, args: {sourceRef: one, field: value}}
  - {ref: sum, appId: var, index: 5, args: {value: "{{ sum $prev.all.items }}"}}
"#;
    let report = stage.run(flow, "{}").await;
    assert_eq!(report.header.state, PlayState::Fail);
    stage.peer.will("pay", [Act::Hang]);
    let again = retry(&stage, report.header.key, None).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart().await;
    let ended = stage.ended(again).await;
    assert_eq!(ended.state, PlayState::Done, "{:?} {:?}", ended.error, ended.failed_ref);
    assert_eq!(stage.output(again).await, r#"{"value":4501500}"#);
    let rows = stage.rows(again).await;
    let reused = rows.iter().filter(|(name, row)| name == "one" && row.reused_from.is_some()).count();
    assert_eq!(reused, 2999);
}

#[tokio::test(start_paused = true)]
async fn what_was_undone_is_done_again() {
    let stage = Stage::new().await;
    stage.peer.will("b", [Act::Refuse]);
    let flow = r#"
name: Undone
layers:
  - {ref: a, appId: call, args: {name: a}, compensate: {appId: call, args: {name: undo a}}}
  - {ref: b, appId: call, index: 1, args: {name: b}}
"#;
    let report = stage.run(flow, "{}").await;
    let again = retry(&stage, report.header.key, None).await;
    assert_eq!(stage.ended(again).await.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["a", "b", "undo a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn the_key_of_an_unknown_outcome_carries_over() {
    let stage = Stage::new().await;
    stage.peer.will("pay", [Act::DoAndLose]);
    let flow = "{name: Pay, layers: [{ref: pay, appId: call, inDoubt: fail, args: {name: pay}}]}";
    let report = stage.run(flow, "{}").await;
    let second = retry(&stage, report.header.key, None).await;
    stage.ended(second).await;
    let calls = stage.peer.calls_of("pay");
    assert_eq!((calls.len(), &calls[0].key), (2, &calls[1].key));
}

#[tokio::test(start_paused = true)]
async fn only_an_ended_play_is_retried_and_only_from_its_own_flowlets() {
    let stage = Stage::new().await;
    let waiting = stage.run("{name: Waits, layers: [{ref: a, appId: delay, args: {seconds: 99}}]}", "{}").await;
    let request = RequestInfo::default();
    let refused = stage.engine.retry(waiting.header.key, None, person(2), &request).await.expect_err("refused");
    assert!(refused.to_string().contains("has not ended"));
    stage.ended(waiting.header.key).await;
    let refused =
        stage.engine.retry(waiting.header.key, Some("b".into()), person(2), &request).await.expect_err("refused");
    assert!(refused.to_string().contains("no flowlet \"b\""));
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_had_ended_is_open_again_where_something_in_it_was_undone() {
    let stage = Stage::new().await;
    stage.peer.will("bad", [Act::Refuse]);
    let report = stage
        .run(
            r#"
name: Undone loop
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2], parallel: 2}}
  - ref: pay
    appId: call
    index: 1
    args: {name: "pay {{ $item }}"}
    compensate: {appId: put, args: {name: "refund {{ $item }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: pay, field: name}}
  - {ref: bad, appId: call, index: 3, args: {name: bad, data: "{{ $prev.all.items }}"}}
"#,
            "{}",
        )
        .await;
    let before = report.header.key;
    assert_eq!(stage.state(before).await, PlayState::Fail);
    let again = retry(&stage, before, None).await;
    assert_eq!(stage.ended(again).await.state, PlayState::Done);
    assert_eq!(
        stage.peer.names(),
        ["pay 1", "pay 2", "bad", "refund 2", "refund 1", "pay 1", "pay 2", "bad"],
        "what was undone is done again, once"
    );
    assert_eq!(stage.peer.calls_of("bad")[1].data, r#"["pay 1","pay 2"]"#);
    let mut layers = stage.layers(again).await;
    layers.sort();
    assert_eq!(layers, ["all[] DONE", "bad[] DONE", "each[] DONE", "pay[0] DONE", "pay[1] DONE"]);
}
