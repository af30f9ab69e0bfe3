//! `respond`: whoever waits has the answer as soon as it is committed, and the play goes on.

use std::time::Duration;

use engine::driver::{Admit, Report};
use model::play::PlayState;
use tokio::time::Instant;

use crate::stage::{Act, Stage, json};

const WAIT: Option<Duration> = Some(Duration::from_secs(300));

/// The body of what a play has answered.
#[track_caller]
fn body(report: &Report) -> String {
    let out = report.out.as_ref().unwrap_or_else(|| panic!("no answer: {report:?}"));
    out.get("body").unwrap_or_else(|| panic!("no body: {}", out.to_json())).to_json()
}

fn keyed(flow: &str) -> Admit {
    Admit { idempotency_key: Some("k".into()), ..Stage::wish(flow, "{}") }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_has_the_answer_while_the_play_waits() {
    let stage = Stage::new().await;
    let asked = Instant::now();
    let report = stage
        .run(
            r#"
name: Answer
layers:
  - {ref: answer, appId: respond, args: {statusCode: 201, body: taken}}
  - {ref: later, appId: delay, index: 1, args: {seconds: 600}}
  - {ref: last, appId: var, index: 2, args: {value: over}}
"#,
            "{}",
        )
        .await;
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!((report.header.state, body(&report).as_str()), (PlayState::Wait, "\"taken\""));
    assert_eq!(report.header.revision, 1, "all of that is one commit");
    let ended = stage.ended(report.header.key).await;
    assert_eq!((ended.state, ended.revision), (PlayState::Done, 2));
    assert_eq!(stage.output(report.header.key).await, report.out.expect("an answer").to_json());
    assert_eq!(stage.layers(report.header.key).await, ["answer[] DONE", "later[] DONE", "last[] DONE"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_behind_a_call_does_not_wait_for_the_next() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [Act::Do(Duration::from_secs(200))]);
    let asked = Instant::now();
    let report = stage
        .run(
            r#"
name: Answer
layers:
  - {ref: first, appId: call, args: {name: quick}}
  - {ref: answer, appId: respond, index: 1, args: {body: "{{ $prev.first.name }}"}}
  - {ref: slow, appId: call, index: 2, args: {name: slow}}
"#,
            "{}",
        )
        .await;
    assert!(asked.elapsed() < Duration::from_secs(100), "{:?}", asked.elapsed());
    assert_eq!((report.header.state, body(&report).as_str()), (PlayState::Run, "\"quick\""));
    assert_eq!(stage.ended(report.header.key).await.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["quick", "slow"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_answers_counts() {
    let stage = Stage::new().await;
    let flow = r#"
name: Twice
layers:
  - {ref: one, appId: respond, args: {body: first}}
  - {ref: later, appId: delay, index: 1, args: {seconds: 600}}
  - {ref: two, appId: respond, index: 2, args: {body: second}}
  - {ref: stop, appId: end, index: 3}
"#;
    let report = stage.run(flow, "{}").await;
    assert_eq!(body(&report), "\"first\"");
    assert_eq!(stage.ended(report.header.key).await.state, PlayState::Done);
    assert_eq!(stage.output(report.header.key).await, report.out.expect("an answer").to_json());
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_not_taken_answers_nothing() {
    let stage = Stage::new().await;
    let flow = r#"
name: Branches
layers:
  - {ref: way, appId: router, args: {routes: [{label: left, condition: "{{ $prev.args.left }}"}, {label: right, condition: true}]}}
  - {ref: left, appId: respond, dependsOn: [way], branch: {router: way, label: left}, args: {body: left}}
  - {ref: right, appId: delay, dependsOn: [way], branch: {router: way, label: right}, args: {seconds: 60}}
  - {ref: rest, appId: delay, dependsOn: [way], args: {seconds: 600}}
"#;
    let report = stage.run(flow, r#"{"left": false}"#).await;
    assert_eq!((report.header.state, &report.out), (PlayState::Wait, &None));
    stage.ended(report.header.key).await;
    let report = stage.run_published(&report.header.flow.id.to_string(), r#"{"left": true}"#).await;
    assert_eq!((report.header.state, body(&report).as_str()), (PlayState::Wait, "\"left\""));
}

#[tokio::test(start_paused = true)]
async fn an_answer_inside_of_a_loop_or_a_subflow_is_not_the_plays_own() {
    let stage = Stage::new().await;
    let looped = r#"
name: Looped
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2]}}
  - {ref: inner, appId: respond, dependsOn: [each], args: {body: "{{ $item }}"}}
  - {ref: all, appId: aggregator, dependsOn: [inner], args: {sourceRef: inner}}
  - {ref: later, appId: delay, dependsOn: [all], args: {seconds: 600}}
"#;
    let report = stage.run(looped, "{}").await;
    assert_eq!((report.header.state, &report.out), (PlayState::Wait, &None));
    // Where nothing else answers, the last of them is what the play gives.
    stage.ended(report.header.key).await;
    let out = json(&stage.output(report.header.key).await);
    assert_eq!(out.get("body"), Some(&json("2")));

    let own = looped.replace("name: Looped", "name: Own") + "  - {ref: own, appId: respond, args: {body: own}}\n";
    let report = stage.run(&own, "{}").await;
    assert_eq!(body(&report), "\"own\"");
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, report.out.expect("an answer").to_json());

    stage
        .publish(
            r#"
name: Child
layers:
  - {ref: inner, appId: respond, args: {body: child}}
  - {ref: later, appId: delay, index: 1, args: {seconds: 600}}
"#,
        )
        .await;
    let caller = r#"
name: Caller
layers:
  - {ref: sub, appId: subflow, args: {flowId: child}}
  - {ref: after, appId: var, index: 1, args: {value: "{{ $prev.sub.out.body }}"}}
"#;
    let report = stage.run(caller, "{}").await;
    assert_eq!((report.header.state, &report.out), (PlayState::Wait, &None));
    stage.ended(report.header.key).await;
    assert_eq!(stage.output(report.header.key).await, r#"{"value":"child"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_was_answered_stays_so_where_the_play_fails_behind_it() {
    let stage = Stage::new().await;
    // In one commit, and in two.
    for between in
        ["{ref: between, appId: var, index: 1, args: {value: 1}}", "{ref: b, appId: call, index: 1, args: {name: b}}"]
    {
        let flow = format!(
            "{{name: Fails, layers: [{{ref: answer, appId: respond, args: {{body: taken}}}}, {between}, \
             {{ref: fails, appId: fail, index: 2, args: {{message: no}}}}]}}"
        );
        let report = stage.run(&flow, "{}").await;
        assert_eq!(body(&report), "\"taken\"");
        assert_eq!(stage.ended(report.header.key).await.state, PlayState::Fail);
        assert_eq!(stage.output(report.header.key).await, report.out.expect("an answer").to_json());
    }
    let looped = r#"
name: Loop fails
layers:
  - {ref: each, appId: iterator, args: {items: [1]}}
  - {ref: inner, appId: respond, dependsOn: [each], args: {body: inner}}
  - {ref: all, appId: aggregator, dependsOn: [inner], args: {sourceRef: inner}}
  - {ref: fails, appId: fail, dependsOn: [all], args: {message: no}}
"#;
    let report = stage.run(looped, "{}").await;
    assert_eq!((report.header.state, report.out), (PlayState::Fail, Some(json("null"))));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_later_has_the_answer_too_and_a_restart_loses_nothing() {
    let mut stage = Stage::new().await;
    let flow = r#"
name: Answer
layers:
  - {ref: answer, appId: respond, args: {body: taken}}
  - {ref: wait, appId: wait-event, index: 1, args: {key: go}}
  - {ref: last, appId: call, index: 2, args: {name: last}}
"#;
    let flow = stage.publish(flow).await.flow.id.to_string();
    let first = stage.engine.admit(keyed(&flow), WAIT).await.expect("is admitted");
    assert_eq!((body(&first).as_str(), first.replayed), ("\"taken\"", false));
    let again = stage.engine.admit(keyed(&flow), WAIT).await.expect("is found");
    assert_eq!((body(&again).as_str(), again.replayed), ("\"taken\"", true));
    stage.restart().await;
    let again = stage.engine.admit(keyed(&flow), WAIT).await.expect("is found");
    assert_eq!((body(&again).as_str(), again.header.key), ("\"taken\"", first.header.key));
    assert_eq!(again.header.state, PlayState::Wait);
    stage.post("go", "1").await;
    assert_eq!(stage.ended(first.header.key).await.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["last"]);
    let again = stage.engine.admit(keyed(&flow), WAIT).await.expect("is found");
    assert_eq!((body(&again).as_str(), again.header.state), ("\"taken\"", PlayState::Done));
}
