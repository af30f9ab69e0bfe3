//! Concurrency limits, holds, and the order of queues.

use std::time::Duration;

use engine::Settings;
use engine::decide::Command;
use engine::driver::AdmitError;
use model::play::{PlayKey, PlayState};
use std::sync::Arc;
use store::memory::MemoryStore;

use crate::stage::{Act, Stage, person};

const ONE: &str = r#"
name: One at a time
concurrency: {limit: 1, key: "{{ $prev.args.customer }}"}
layers: [{ref: a, appId: call, args: {name: "{{ $prev.args.customer }}{{ $prev.args.n }}"}}]
"#;

async fn play(stage: &Stage, customer: &str, n: u32) -> PlayKey {
    stage.start("one-at-a-time", &format!("{{\"customer\":\"{customer}\",\"n\":{n}}}")).await
}

#[tokio::test(start_paused = true)]
async fn plays_under_one_key_run_one_after_another_first_in_first_out() {
    let stage = Stage::new().await;
    stage.publish(ONE).await;
    for n in 0..5 {
        stage.peer.will(&format!("a{n}"), [Act::Do(Duration::from_secs(10))]);
    }
    let mut plays = Vec::new();
    for n in 0..5 {
        plays.push(play(&stage, "a", n).await);
    }
    let other = play(&stage, "b", 0).await;
    assert_eq!(stage.ended(other).await.state, PlayState::Done, "another key has slots of its own");
    assert_eq!(stage.state(plays[0]).await, PlayState::Run);
    assert_eq!(stage.state(plays[1]).await, PlayState::Deferred);
    for play in plays {
        assert_eq!(stage.ended(play).await.state, PlayState::Done);
    }
    assert_eq!(stage.peer.names(), ["b0", "a0", "a1", "a2", "a3", "a4"]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_while_a_play_waits_and_freed_by_its_end_however_it_ends() {
    let stage = Stage::new().await;
    stage
        .publish("{name: Limited, concurrency: {limit: 1}, layers: [{ref: a, appId: wait-event, args: {key: go, timeout: 100}}]}")
        .await;
    let start = async || stage.start("limited", "{}").await;
    let (one, two, three, four) = (start().await, start().await, start().await, start().await);
    assert_eq!((stage.state(one).await, stage.state(two).await), (PlayState::Wait, PlayState::Deferred));
    stage.cancel(one, false).await;
    stage.until(two, PlayState::Wait).await;
    // One that leaves the queue lets the others move up.
    stage.cancel(three, false).await;
    assert_eq!(stage.ended(two).await.state, PlayState::Fail, "by its timeout");
    stage.until(four, PlayState::Wait).await;
    stage.post("go", "1").await;
    assert_eq!(stage.ended(four).await.state, PlayState::Done);
    assert_eq!(stage.state(start().await).await, PlayState::Wait);
}

#[tokio::test(start_paused = true)]
async fn no_crash_leaks_a_slot() {
    let mut stage = Stage::new().await;
    stage.publish(ONE).await;
    stage.peer.will("a0", [Act::Hang, Act::Do(Duration::ZERO)]);
    let first = play(&stage, "a", 0).await;
    let second = play(&stage, "a", 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.restart().await;
    stage.until(first, PlayState::Wait).await;
    assert_eq!(stage.state(second).await, PlayState::Deferred);
    stage.cancel(first, false).await;
    assert_eq!(stage.ended(second).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn a_flow_may_refuse_instead_of_queueing() {
    let stage = Stage::new().await;
    stage.publish("{name: Busy, concurrency: {limit: 2, onLimit: reject}, layers: [{ref: a, appId: delay, args: {seconds: 9}}]}").await;
    let plays = [stage.start("busy", "{}").await, stage.start("busy", "{}").await];
    assert!(matches!(stage.admit(Stage::wish("busy", "{}")).await, Err(AdmitError::LimitReached)));
    stage.ended(plays[0]).await;
    stage.ended(plays[1]).await;
    stage.start("busy", "{}").await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_is_raised_lets_those_who_queue_begin() {
    let stage = Stage::new().await;
    let flow = |limit: u32| {
        format!(
            "{{name: Raised, concurrency: {{limit: {limit}}}, layers: [{{ref: a, appId: delay, args: {{seconds: 1000}}}}]}}"
        )
    };
    stage.publish(&flow(1)).await;
    let plays =
        [stage.start("raised", "{}").await, stage.start("raised", "{}").await, stage.start("raised", "{}").await];
    assert_eq!(stage.state(plays[2]).await, PlayState::Deferred);
    let new = crate::stage::flow(&flow(3));
    stage.engine.edit_flow(&stage.edit(), "raised", None, |_| Ok(new.clone())).await.expect("edits");
    stage.engine.publish_flow(&stage.edit(), "raised").await.expect("publishes");
    let fourth = stage.start("raised", "{}").await;
    // Those who queue were admitted under the old limit; they begin as slots come free under it.
    stage.cancel(plays[0], false).await;
    stage.until(plays[1], PlayState::Wait).await;
    assert_eq!(stage.state(fourth).await, PlayState::Deferred, "nobody passes the queue");
}

#[tokio::test(start_paused = true)]
async fn a_play_on_hold_finishes_what_is_under_way_and_begins_nothing() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [Act::Do(Duration::from_secs(10))]);
    stage
        .publish(
            r#"
name: Held
timeout: 60
layers:
  - {ref: slow, appId: call, args: {name: slow}}
  - {ref: next, appId: call, index: 1, args: {name: next}}
"#,
        )
        .await;
    let play = stage.start("held", "{}").await;
    stage.command(play, Command::Hold { actor: person(1) }).await.expect("holds");
    assert_eq!(stage.state(play).await, PlayState::Run);
    stage.until(play, PlayState::OnHold).await;
    assert_eq!(stage.peer.names(), ["slow"]);
    assert!(stage.command(play, Command::Hold { actor: person(1) }).await.is_err());
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(
        (stage.state(play).await, stage.engine.active_plays()),
        (PlayState::OnHold, 0),
        "a pause counts against no time"
    );
    stage.command(play, Command::Resume { actor: person(1) }).await.expect("resumes");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["slow", "next"]);
}

#[tokio::test(start_paused = true)]
async fn what_fails_during_a_hold_is_undone_after_it() {
    let stage = Stage::new().await;
    stage.peer.will("hotel", [Act::RefuseLate(Duration::from_secs(10))]);
    stage
        .publish(
            r#"
name: Trip
layers:
  - {ref: flight, appId: call, args: {name: flight}, compensate: {appId: call, args: {name: cancel flight}}}
  - {ref: hotel, appId: call, index: 1, args: {name: hotel}}
"#,
        )
        .await;
    let play = stage.start("trip", "{}").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    stage.command(play, Command::Hold { actor: person(1) }).await.expect("holds");
    stage.until(play, PlayState::OnHold).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.peer.names(), ["flight", "hotel"], "nothing begins, no undoing either");
    stage.command(play, Command::Resume { actor: person(1) }).await.expect("resumes");
    assert_eq!(stage.ended(play).await.state, PlayState::Fail);
    assert_eq!(stage.peer.names(), ["flight", "hotel", "cancel flight"]);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_fires_during_a_hold_is_heeded_after_it() {
    let stage = Stage::new().await;
    let play = stage.run("{name: Timer, layers: [{ref: a, appId: delay, args: {seconds: 60}}]}", "{}").await.header.key;
    stage.command(play, Command::Hold { actor: person(1) }).await.expect("holds");
    assert_eq!(stage.state(play).await, PlayState::OnHold);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(stage.state(play).await, PlayState::OnHold);
    stage.command(play, Command::Resume { actor: person(1) }).await.expect("resumes");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn more_plays_and_attempts_than_fit_wait_their_turn() {
    let settings = Settings { max_effects: 3, max_active: 10, ..Settings::default() };
    let stage = Stage::with(Arc::new(MemoryStore::default()), settings).await;
    stage.peer.will("work", vec![Act::Do(Duration::from_secs(1)); 60]);
    stage.publish("{name: Many, layers: [{ref: a, appId: call, args: {name: work}}]}").await;
    let mut plays = Vec::new();
    for _ in 0..60 {
        plays.push(stage.start("many", "{}").await);
        assert!(stage.engine.active_plays() <= 10 && stage.engine.attempts_under_way() <= 3);
    }
    let begun = stage.engine.now();
    for play in plays {
        assert_eq!(stage.ended(play).await.state, PlayState::Done);
        assert!(stage.engine.active_plays() <= 10 && stage.engine.attempts_under_way() <= 3);
    }
    let took = stage.engine.now().since(begun);
    assert!(took >= Duration::from_secs(19) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(stage.peer.calls().len(), 60);
}
