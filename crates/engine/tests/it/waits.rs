//! Timers and events.

use std::time::Duration;

use model::play::PlayState;

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_delay_of_months_costs_nothing_while_it_lasts() {
    let stage = Stage::new().await;
    let report = stage.run("{name: Months, layers: [{ref: a, appId: delay, args: {seconds: 15552000}}]}", "{}").await;
    assert_eq!((report.header.state, stage.engine.active_plays()), (PlayState::Wait, 0));
    let ended = stage.ended(report.header.key).await;
    assert_eq!(ended.ended_at.expect("ended").since(report.header.created_at).as_secs(), 15_552_000);
    assert_eq!(ended.revision, 2, "admitted and parked, ended");
}

#[tokio::test(start_paused = true)]
async fn a_delay_until_a_time_that_is_over_is_over() {
    let stage = Stage::new().await;
    let flow = "{name: Past, layers: [{ref: a, appId: delay, args: {until: '2020-01-01T00:00:00Z'}}]}";
    let report = stage.run(flow, "{}").await;
    assert_eq!(stage.ended(report.header.key).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_all_who_wait() {
    let stage = Stage::new().await;
    let published = stage
        .publish(
            r#"
name: Event
layers:
  - {ref: a, appId: wait-event, args: {key: "paid-{{ $prev.args.id }}"}}
  - {ref: b, appId: var, index: 1, args: {value: "{{ $prev.a.data.sum }}"}}
"#,
        )
        .await;
    let flow = published.flow.id.to_string();
    let (one, two, other) = (
        stage.start(&flow, r#"{"id":1}"#).await,
        stage.start(&flow, r#"{"id":1}"#).await,
        stage.start(&flow, r#"{"id":2}"#).await,
    );
    for play in [one, two, other] {
        stage.until(play, PlayState::Wait).await;
    }
    stage.post("paid-1", r#"{"sum":7}"#).await;
    for play in [one, two] {
        stage.ended(play).await;
        assert_eq!(stage.output(play).await, r#"{"value":7}"#);
    }
    assert_eq!(stage.state(other).await, PlayState::Wait);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_early_is_kept_for_the_first_who_waits() {
    let stage = Stage::new().await;
    stage.post("early", "1").await;
    let published = stage.publish("{name: Event, layers: [{ref: a, appId: wait-event, args: {key: early}}]}").await;
    let flow = published.flow.id.to_string();
    let first = stage.start(&flow, "{}").await;
    assert_eq!(stage.ended(first).await.state, PlayState::Done);
    let second = stage.start(&flow, "{}").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.state(second).await, PlayState::Wait, "it was taken");
    stage.post("late", "1").await;
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    let late = stage.run("{name: Late, layers: [{ref: a, appId: wait-event, args: {key: late}}]}", "{}").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.state(late.header.key).await, PlayState::Wait, "a day is as long as it is kept");
}

#[tokio::test(start_paused = true)]
async fn waiting_for_an_event_may_have_an_end() {
    let stage = Stage::new().await;
    let flow = "{name: Impatient, layers: [{ref: a, appId: wait-event, args: {key: never, timeout: 60}}]}";
    let report = stage.run(flow, "{}").await;
    let header = stage.ended(report.header.key).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "TIMEOUT"));
}

#[tokio::test(start_paused = true)]
async fn an_event_with_a_key_of_its_own_counts_once() {
    let stage = Stage::new().await;
    let post = async || {
        let company = crate::stage::COMPANY;
        stage.engine.post_event(company, "k", 1.into(), Some("once"), Vec::new()).await.expect("posts")
    };
    assert!(post().await);
    assert!(!post().await);
}

#[tokio::test(start_paused = true)]
async fn two_flowlets_of_one_play_may_wait_for_the_same_event() {
    let stage = Stage::new().await;
    let flow = "{name: Two, layers: [{ref: a, appId: wait-event, args: {key: go}}, {ref: b, appId: wait-event, args: {key: go}}]}";
    let report = stage.run(flow, "{}").await;
    stage.post("go", "1").await;
    assert_eq!(stage.ended(report.header.key).await.state, PlayState::Done);
}
