//! It may have happened: nothing is silently done twice.

use std::time::Duration;

use model::play::{LayerState, PlayState};
use model::record::Resolution;

use crate::stage::{Act, Stage};

const PAY: &str = "{name: Pay, layers: [{ref: pay, appId: call, args: {name: pay}}, {ref: then, appId: var, index: 1, args: {value: '{{ $prev.pay.ok ?? $prev.pay.name }}'}}]}";

#[tokio::test(start_paused = true)]
async fn a_write_whose_outcome_is_unknown_asks_a_person() {
    let stage = Stage::new().await;
    stage.peer.will("pay", [Act::DoAndLose]);
    let report = stage.run(PAY, "{}").await;
    let play = report.header.key;
    assert_eq!(report.header.state, PlayState::Wait);
    assert_eq!(stage.layer_state(play, "pay").await, LayerState::InDoubt);
    tokio::time::sleep(Duration::from_secs(30 * 24 * 3600)).await;
    assert_eq!(stage.peer.calls().len(), 1, "it is never done twice on its own");
    stage.resolve(play, "pay", Resolution::Happened, Some(r#"{"ok":"yes"}"#)).await;
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    assert_eq!(stage.output(play).await, r#"{"value":"yes"}"#);
    assert_eq!(stage.peer.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_person_may_have_it_repeated_under_the_same_key_or_give_it_up() {
    let stage = Stage::new().await;
    stage.peer.will("pay", [Act::Lose]);
    let play = stage.run(PAY, "{}").await.header.key;
    stage.resolve(play, "pay", Resolution::Repeat, None).await;
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    let calls = stage.peer.calls();
    assert_eq!((calls.len(), &calls[0].key, calls[1].attempt), (2, &calls[1].key, 2));

    stage.peer.will("pay", [Act::Lose]);
    let play = stage.run(PAY, "{}").await.header.key;
    stage.resolve(play, "pay", Resolution::Failed, None).await;
    let header = stage.ended(play).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "OUTCOME_UNKNOWN"));
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_question_expires() {
    let stage = Stage::new().await;
    stage.peer.will("pay", [Act::Lose]);
    let flow =
        "{name: Ask, layers: [{ref: pay, appId: call, inDoubt: {policy: ask, expiresIn: 3600}, args: {name: pay}}]}";
    let play = stage.run(flow, "{}").await.header.key;
    let header = stage.ended(play).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "OUTCOME_UNKNOWN"));
    assert_eq!(header.ended_at.expect("ended").since(header.created_at).as_secs(), 3600);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_repeated_is_repeated_under_the_same_key() {
    for flow in [
        "{name: Put, layers: [{ref: a, appId: put, args: {name: x}}]}",
        "{name: Honours, layers: [{ref: a, appId: call, idempotent: true, args: {name: x}}]}",
        "{name: Says so, layers: [{ref: a, appId: call, inDoubt: repeat, args: {name: x}}]}",
    ] {
        let stage = Stage::new().await;
        stage.peer.will("x", [Act::DoAndLose, Act::DoAndLose]);
        let play = stage.run(flow, "{}").await.header.key;
        assert_eq!(stage.ended(play).await.state, PlayState::Done, "{flow}");
        let calls = stage.peer.calls();
        assert!(calls.len() == 3 && calls.iter().all(|call| call.key == calls[0].key), "{flow}");
    }
}

#[tokio::test(start_paused = true)]
async fn repeating_has_an_end_and_then_it_is_a_failure_in_doubt() {
    let stage = Stage::new().await;
    stage.peer.will("x", vec![Act::DoAndLose; 99]);
    let play = stage.run("{name: Put, layers: [{ref: a, appId: put, args: {name: x}}]}", "{}").await.header.key;
    let header = stage.ended(play).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "OUTCOME_UNKNOWN"));
    assert_eq!(stage.peer.calls().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_policy_may_be_to_fail() {
    let stage = Stage::new().await;
    stage.peer.will("pay", [Act::Lose]);
    let flow = "{name: Fail, layers: [{ref: pay, appId: call, inDoubt: fail, retry: {count: 5}, args: {name: pay}}]}";
    let report = stage.run(flow, "{}").await;
    assert_eq!(
        (report.header.state, &*report.header.error.expect("an error").code),
        (PlayState::Fail, "OUTCOME_UNKNOWN")
    );
    assert_eq!(stage.peer.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_is_never_in_doubt() {
    let stage = Stage::new().await;
    stage.peer.will("read", [Act::Lose]);
    let flow = "{name: Read, layers: [{ref: a, appId: look, retry: {count: 1, delayMs: 5}, args: {name: read}}]}";
    let play = stage.run(flow, "{}").await.header.key;
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_in_doubt_is_resolved_by_the_record_of_what_it_undoes() {
    let stage = Stage::new().await;
    stage.peer.will("bad", [Act::Refuse]);
    stage.peer.will("undo a", [Act::DoAndLose]);
    let play = stage
        .run(
            r#"
name: Doubtful undo
layers:
  - {ref: a, appId: call, args: {name: a}, compensate: {appId: call, args: {name: undo a}}}
  - {ref: bad, appId: call, index: 1, args: {name: bad}}
"#,
            "{}",
        )
        .await
        .header
        .key;
    stage.until(play, PlayState::Wait).await;
    assert_eq!(stage.layer_state(play, "a").await, LayerState::InDoubt);
    stage.resolve(play, "a", Resolution::Happened, None).await;
    assert_eq!(stage.ended(play).await.state, PlayState::Fail);
    assert_eq!(stage.layer_state(play, "a").await, LayerState::Compensated);
    assert_eq!(stage.peer.calls_of("undo a").len(), 1);
}
