//! Plays that plays start.

use std::time::Duration;

use model::play::{PlayState, Trigger};
use store::PlayQuery;

use crate::stage::{Act, COMPANY, Stage, json};

const CALLER: &str = r#"
name: Caller
layers:
  - {ref: sub, appId: subflow, args: {flowId: child, args: {n: "{{ $prev.args.n }}"}}}
  - {ref: after, appId: var, index: 1, args: {value: "{{ $prev.sub.state }} {{ $prev.sub.out.value }}"}}
"#;

#[tokio::test(start_paused = true)]
async fn a_subflow_is_a_play_of_its_own_and_its_output_comes_back() {
    let stage = Stage::new().await;
    stage
        .publish(
            r#"
name: Child
layers:
  - {ref: work, appId: call, args: {name: work}}
  - {ref: out, appId: var, index: 1, args: {value: "{{ $prev.args.n + 1 }}"}}
"#,
        )
        .await;
    let report = stage.run(CALLER, r#"{"n":41}"#).await;
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, r#"{"value":"DONE 42"}"#);
    let plays = stage.store.headers(&PlayQuery::of(COMPANY, 10)).await.expect("reads").plays;
    assert_eq!((plays.len(), plays[0].trigger), (2, Trigger::Subflow));
    assert_eq!(plays[0].parent.as_ref().expect("a parent").play, report.header.key.play);
}

#[tokio::test(start_paused = true)]
async fn large_outputs_come_back_too() {
    let stage = Stage::new().await;
    stage.publish("{name: Child, layers: [{ref: out, appId: var, args: {value: \"{{ repeat 10000 'ab' }}\"}}]}").await;
    let caller = CALLER.replace("{{ $prev.sub.out.value }}", "{{ length $prev.sub.out.value }}");
    let report = stage.run(&caller, r#"{"n":1}"#).await;
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, r#"{"value":"DONE 20000"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_subflow_that_fails_fails_the_flowlet() {
    let stage = Stage::new().await;
    stage.publish("{name: Child, layers: [{ref: a, appId: fail, args: {message: broken}}]}").await;
    let report = stage.run(CALLER, r#"{"n":1}"#).await;
    let header = stage.ended(report.header.key).await;
    let error = header.error.expect("an error");
    assert_eq!((header.state, &*error.code), (PlayState::Fail, "SUBFLOW_FAILED"));
    assert!(error.message.contains("broken"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn an_async_subflow_is_not_waited_for() {
    let stage = Stage::new().await;
    stage.publish("{name: Child, layers: [{ref: a, appId: delay, args: {seconds: 1000}}]}").await;
    let report =
        stage.run("{name: Fire, layers: [{ref: a, appId: subflow, args: {flowId: child, async: true}}]}", "{}").await;
    assert_eq!(report.header.state, PlayState::Done);
    let out = report.out.expect("an output");
    assert_eq!(out.get("state"), Some(&json("\"NEW\"")));
    let child = model::play::PlayKey {
        play: out.get("playId").and_then(|id| id.as_str()).and_then(|id| id.parse().ok()).expect("an id"),
        ..report.header.key
    };
    assert_eq!(stage.ended(child).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn cancel_and_timeout_reach_a_subflow_that_is_waited_for() {
    let stage = Stage::new().await;
    stage.publish("{name: Child, layers: [{ref: a, appId: delay, args: {seconds: 100000}}]}").await;
    let child_of = async |play: model::play::PlayKey| {
        let plays = stage.store.headers(&PlayQuery::of(COMPANY, 10)).await.expect("reads").plays;
        let is_child =
            |header: &&model::play::PlayHeader| header.parent.as_ref().is_some_and(|parent| parent.play == play.play);
        plays.iter().find(is_child).expect("a child").key
    };
    let parent = stage.run(CALLER, r#"{"n":1}"#).await.header.key;
    let child = child_of(parent).await;
    stage.until(child, PlayState::Wait).await;
    stage.cancel(parent, false).await;
    assert_eq!(stage.ended(child).await.state, PlayState::Canceled);

    let timed = "{name: Timed, layers: [{ref: a, appId: subflow, args: {flowId: child, timeout: 30}}]}";
    let parent = stage.run(timed, "{}").await.header.key;
    let child = child_of(parent).await;
    let header = stage.ended(parent).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "TIMEOUT"));
    assert_eq!(stage.ended(child).await.state, PlayState::Canceled);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_cannot_be_called() {
    let stage = Stage::new().await;
    let report = stage.run(CALLER, r#"{"n":1}"#).await;
    let error = report.header.error.expect("an error");
    assert_eq!((report.header.state, &*error.code), (PlayState::Fail, "FLOW_NOT_PUBLISHED"));
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_calls_itself_comes_to_an_end() {
    let stage = Stage::new().await;
    let report = stage.run("{name: Self, layers: [{ref: a, appId: subflow, args: {flowId: self}}]}", "{}").await;
    let header = stage.ended(report.header.key).await;
    assert_eq!(header.state, PlayState::Fail);
    assert_eq!(stage.store.headers(&PlayQuery::of(COMPANY, 100)).await.expect("reads").total, 17);
}

#[tokio::test(start_paused = true)]
async fn a_subflow_shares_the_slot_of_the_play_that_waits_for_it() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Down
concurrency: {limit: 1}
layers:
  - ref: again
    appId: subflow
    args: {flowId: down, args: {n: "{{ $prev.args.n - 1 }}"}}
    filters: [{leftValue: "{{ $prev.args.n }}", operator: gt, rightValue: 0}]
  - {ref: out, appId: var, index: 1, args: {value: "{{ $prev.args.n }}"}}
"#,
            r#"{"n":3}"#,
        )
        .await;
    assert_eq!(stage.ended(report.header.key).await.state, PlayState::Done, "it does not wait for itself");
}

#[tokio::test(start_paused = true)]
async fn a_subflow_survives_a_crash_of_both() {
    let mut stage = Stage::new().await;
    stage.peer.will("work", [Act::Hang]);
    stage.publish("{name: Child, layers: [{ref: work, appId: look, args: {name: work}}, {ref: out, appId: var, index: 1, args: {value: 5}}]}").await;
    let published = stage.publish(CALLER).await;
    let play = stage.start(&published.flow.id.to_string(), r#"{"n":1}"#).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart().await;
    stage.ended(play).await;
    assert_eq!(stage.output(play).await, r#"{"value":"DONE 5"}"#);
    assert_eq!(stage.store.headers(&PlayQuery::of(COMPANY, 10)).await.expect("reads").total, 2);
}
