//! The process ends and another takes over.

use std::time::Duration;

use model::play::{LayerState, PlayState};

use crate::stage::{Act, Stage};

#[tokio::test(start_paused = true)]
async fn what_is_finished_never_runs_again() {
    let mut stage = Stage::new().await;
    stage.peer.will("three", [Act::Hang]);
    let published = stage
        .publish(
            r#"
name: Steps
layers:
  - {ref: one, appId: call, args: {name: one}}
  - {ref: two, appId: var, index: 1, args: {value: "{{ $prev.one.name }} {{ uuid }} {{ $date.now }}"}}
  - {ref: three, appId: look, index: 2, args: {name: three, data: "{{ $prev.two.value }}"}}
  - {ref: four, appId: var, index: 3, args: {value: "{{ $prev.three.data == $prev.two.value }}"}}
"#,
        )
        .await;
    let play = stage.start(&published.flow.id.to_string(), "{}").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart().await;
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    assert_eq!(stage.output(play).await, r#"{"value":true}"#);
    assert_eq!(stage.peer.names(), ["one", "three", "three"]);
    let calls = stage.peer.calls_of("three");
    assert_eq!((&calls[0].data, &calls[0].key), (&calls[1].data, &calls[1].key), "frozen arguments, one key");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_under_way_follows_its_policy() {
    for (app, state, calls) in [("call", PlayState::Wait, 1), ("put", PlayState::Done, 2)] {
        let mut stage = Stage::new().await;
        stage.peer.will("x", [Act::Hang]);
        let published =
            stage.publish(&format!("{{name: Write, layers: [{{ref: a, appId: {app}, args: {{name: x}}}}]}}")).await;
        let play = stage.start(&published.flow.id.to_string(), "{}").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.restart().await;
        stage.until(play, state).await;
        assert_eq!(stage.peer.calls().len(), calls);
        if app == "call" {
            assert_eq!(stage.layer_state(play, "a").await, LayerState::InDoubt);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_goes_on_waiting() {
    let mut stage = Stage::new().await;
    let delay = stage.run("{name: Delay, layers: [{ref: a, appId: delay, args: {seconds: 100}}]}", "{}").await.header;
    let event = stage.run("{name: Event, layers: [{ref: a, appId: wait-event, args: {key: go}}]}", "{}").await.header;
    let approval = stage
        .run("{name: Approval, layers: [{ref: a, appId: var, needsApproval: true, args: {value: 1}}]}", "{}")
        .await
        .header;
    stage.restart().await;
    assert_eq!(stage.engine.active_plays(), 0, "a waiting play takes no memory");
    let ended = stage.ended(delay.key).await;
    assert_eq!(ended.ended_at.expect("ended").since(delay.created_at).as_secs(), 100);
    stage.post("go", "7").await;
    assert_eq!(stage.ended(event.key).await.state, PlayState::Done);
    assert_eq!(stage.output(event.key).await, r#"{"key":"go","data":7}"#);
    stage.approve(approval.key, "a", 2, true).await.expect("approves");
    assert_eq!(stage.ended(approval.key).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_the_process_down_every_time_is_given_up() {
    let mut stage = Stage::new().await;
    stage.peer.will("x", vec![Act::Hang; 99]);
    let published = stage.publish("{name: Poison, layers: [{ref: a, appId: look, args: {name: x}}]}").await;
    let play = stage.start(&published.flow.id.to_string(), "{}").await;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.restart().await;
    }
    let header = stage.ended(play).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "INTERRUPTED"));
    assert_eq!(stage.peer.calls().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn compensation_goes_on_after_a_crash() {
    let mut stage = Stage::new().await;
    stage.peer.will("bad", [Act::Refuse]);
    stage.peer.will("undo b", [Act::Hang]);
    let published = stage
        .publish(
            r#"
name: Undo
layers:
  - {ref: a, appId: call, args: {name: a}, compensate: {appId: put, args: {name: undo a}}}
  - {ref: b, appId: call, index: 1, args: {name: b}, compensate: {appId: put, args: {name: undo b}}}
  - {ref: c, appId: call, index: 2, args: {name: bad}}
"#,
        )
        .await;
    let play = stage.start(&published.flow.id.to_string(), "{}").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart().await;
    assert_eq!(stage.ended(play).await.state, PlayState::Fail);
    assert_eq!(stage.peer.names(), ["a", "b", "bad", "undo b", "undo b", "undo a"]);
    assert_eq!(stage.layers(play).await, ["a[] COMPENSATED", "b[] COMPENSATED", "c[] FAIL"]);
}
