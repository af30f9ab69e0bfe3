//! Who waits for whom, who is passed over.

use std::time::Duration;

use model::play::PlayState;

use crate::stage::{Act, Stage};

#[tokio::test(start_paused = true)]
async fn flowlets_of_one_index_run_side_by_side() {
    let stage = Stage::new().await;
    for name in ["a", "b", "c"] {
        stage.peer.will(name, [Act::Do(Duration::from_secs(10))]);
    }
    let begun = stage.engine.now();
    let report = stage
        .run(
            r#"
name: Side by side
layers:
  - {ref: a, appId: call, args: {name: a}}
  - {ref: b, appId: call, args: {name: b}}
  - {ref: c, appId: call, args: {name: c}}
  - {ref: d, appId: var, index: 1, args: {value: "{{ $prev.a.name }}{{ $prev.b.name }}{{ $prev.c.name }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.out.expect("an output").to_json(), r#"{"value":"abc"}"#);
    assert_eq!(stage.engine.now().since(begun), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn dependencies_make_a_graph_of_their_own() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [Act::Do(Duration::from_secs(60))]);
    let report = stage
        .run(
            r#"
name: Diamond
layers:
  - {ref: start, appId: var, args: {value: 1}}
  - {ref: slow, appId: call, dependsOn: [start], args: {name: slow}}
  - {ref: quick, appId: call, dependsOn: [start], args: {name: quick}}
  - {ref: after, appId: call, dependsOn: [quick], args: {name: after}}
  - {ref: end, appId: call, dependsOn: [slow, after], args: {name: end}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["quick", "after", "slow", "end"]);
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_does_not_pass_keeps_a_flowlet_from_running() {
    let stage = Stage::new().await;
    let flow = r#"
name: Filters
layers:
  - ref: large
    appId: call
    args: {name: large}
    filters: [{leftValue: "{{ $prev.args.amount }}", operator: gt, rightValue: "100", cast: number}]
  - {ref: after, appId: var, index: 1, args: {value: "{{ $prev.large.name ?? 'small' }}"}}
  - ref: only
    appId: call
    dependsOn: [large]
    args: {name: only}
"#;
    let published = stage.publish(flow).await;
    let run = async |args: &str| stage.run_published(&published.flow.id.to_string(), args).await;
    let small = run(r#"{"amount": 100}"#).await;
    let mut small = stage.layers(small.header.key).await;
    small.sort();
    assert_eq!(small, ["after[] DONE", "large[] FILTERED", "only[] FILTERED"]);
    assert_eq!(stage.peer.names(), [""; 0]);
    let large = run(r#"{"amount": "100.01"}"#).await;
    let mut large = stage.layers(large.header.key).await;
    large.sort();
    assert_eq!(large, ["after[] DONE", "large[] DONE", "only[] DONE"]);
    assert_eq!(stage.peer.names(), ["large", "only"]);
}

#[tokio::test(start_paused = true)]
async fn filters_join_by_and_within_groups_and_by_or_between_them() {
    let stage = Stage::new().await;
    let flow = r#"
name: Groups
layers:
  - ref: a
    appId: var
    args: {value: ran}
    filters:
      - {leftValue: "{{ $prev.args.kind }}", operator: eq, rightValue: vip}
      - {leftValue: "{{ $prev.args.sum }}", operator: gte, rightValue: 10}
      - {leftValue: "{{ $prev.args.forced }}", operator: eq, rightValue: true, mode: or}
"#;
    let published = stage.publish(flow).await;
    for (args, state) in [
        (r#"{"kind":"vip","sum":10,"forced":false}"#, PlayState::Done),
        (r#"{"kind":"vip","sum":9,"forced":false}"#, PlayState::Filtered),
        (r#"{"kind":"x","sum":10,"forced":false}"#, PlayState::Filtered),
        (r#"{"kind":"x","sum":1,"forced":true}"#, PlayState::Done),
        // Of different types: not equal, and no order.
        (r#"{"kind":1,"sum":10,"forced":"true"}"#, PlayState::Filtered),
        (r#"{"kind":"vip","sum":"10","forced":false}"#, PlayState::Fail),
    ] {
        let report = stage.run_published(&published.flow.id.to_string(), args).await;
        assert_eq!(report.header.state, state, "{args}: {:?}", report.header.error);
    }
}

#[tokio::test(start_paused = true)]
async fn being_passed_over_passes_on_only_where_all_named_dependencies_are() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Passing on
layers:
  - {ref: no, appId: var, args: {value: 1}, filters: [{leftValue: 1, operator: eq, rightValue: 2}]}
  - {ref: yes, appId: var, args: {value: 2}}
  - {ref: both, appId: var, dependsOn: [no, yes], args: {value: "{{ $prev.no.value.deep }}"}}
  - {ref: one, appId: var, dependsOn: [no], args: {value: 4}}
  - {ref: two, appId: var, dependsOn: [one], args: {value: 5}}
  - {ref: later, appId: var, index: 1, args: {value: 6}}
"#,
            "{}",
        )
        .await;
    let mut layers = stage.layers(report.header.key).await;
    layers.sort();
    assert_eq!(
        layers,
        ["both[] DONE", "later[] DONE", "no[] FILTERED", "one[] FILTERED", "two[] FILTERED", "yes[] DONE"]
    );
    let both = stage.row(report.header.key, "both").await.out.expect("an output");
    assert_eq!(both.plain().expect("plain").to_json(), r#"{"value":null}"#);
}

#[tokio::test(start_paused = true)]
async fn a_router_opens_one_branch() {
    let stage = Stage::new().await;
    let flow = r#"
name: Router
layers:
  - ref: route
    appId: router
    args:
      routes:
        - {label: large, condition: "{{ $prev.args.amount > 1000 }}"}
        - {label: medium, condition: "{{ gt $prev.args.amount 100 }}"}
  - {ref: board, appId: call, index: 1, branch: {router: route, label: large}, args: {name: board}}
  - {ref: boss, appId: call, index: 1, branch: {router: route, label: medium}, args: {name: boss}}
  - {ref: merge, appId: var, dependsOn: [board, boss], args: {value: "{{ $prev.board.name ?? $prev.boss.name }}"}}
  - {ref: done, appId: var, index: 3, args: {value: "{{ $prev.merge.value ?? 'nobody' }}"}}
"#;
    let published = stage.publish(flow).await;
    for (amount, who) in [(5000, "board"), (500, "boss"), (5, "nobody")] {
        let report = stage.run_published(&published.flow.id.to_string(), &format!("{{\"amount\":{amount}}}")).await;
        assert_eq!(report.out.expect("an output").to_json(), format!("{{\"value\":\"{who}\"}}"));
    }
    assert_eq!(stage.peer.names(), ["board", "boss"]);
}

#[tokio::test(start_paused = true)]
async fn end_ends_the_play_well_and_breaks_off_its_siblings() {
    let stage = Stage::new().await;
    stage.peer.will("slow", [Act::Do(Duration::from_secs(3600))]);
    let report = stage
        .run(
            r#"
name: End
layers:
  - {ref: slow, appId: call, args: {name: slow}}
  - {ref: read, appId: look, args: {name: slow}}
  - {ref: stop, appId: end, args: {out: {why: enough}}}
  - {ref: never, appId: call, index: 1, args: {name: never}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Done);
    assert_eq!(report.out.expect("an output").to_json(), r#"{"why":"enough"}"#);
    assert_eq!(stage.peer.names(), [""; 0]);
    let mut layers = stage.layers(report.header.key).await;
    layers.sort();
    // A write that was broken off may have happened; a read has not.
    assert_eq!(layers, ["read[] CANCELED", "slow[] IN_DOUBT", "stop[] DONE"]);
}
