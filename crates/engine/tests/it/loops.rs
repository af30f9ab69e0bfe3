//! Loops: every item once, in order, so many at a time.

use std::time::Duration;

use model::play::PlayState;

use crate::stage::{Act, Stage, json};

const DOUBLE: &str = r#"
name: Double
layers:
  - {ref: each, appId: iterator, args: {items: "{{ $prev.args.items }}"}}
  - {ref: twice, appId: var, index: 1, args: {value: "{{ $item * 2 }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: twice, field: value}}
  - {ref: sum, appId: var, index: 3, args: {value: "{{ sum $prev.all.items }}"}}
"#;

#[tokio::test(start_paused = true)]
async fn results_come_in_the_order_of_the_items() {
    let stage = Stage::new().await;
    let report = stage.run(DOUBLE, r#"{"items":[1,2,3]}"#).await;
    assert_eq!(report.out.expect("an output").to_json(), r#"{"value":12}"#);
    let all = stage.row(report.header.key, "all").await.out.expect("an output");
    assert_eq!(all.plain().expect("plain").to_json(), r#"{"items":[2,4,6],"count":3,"failed":0,"filtered":0}"#);
    assert_eq!(report.header.revision, 1, "a loop of pure flowlets is one commit");
    assert_eq!(
        stage.layers(report.header.key).await,
        ["each[] DONE", "twice[0] DONE", "twice[1] DONE", "twice[2] DONE", "all[] DONE", "sum[] DONE"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_loop_over_nothing_is_over_at_once() {
    let stage = Stage::new().await;
    let report = stage.run(DOUBLE, r#"{"items":[]}"#).await;
    assert_eq!(report.header.state, PlayState::Done);
    let each = stage.row(report.header.key, "each").await.out.expect("an output");
    assert_eq!(each.plain().expect("plain").to_json(), r#"{"total":0,"failed":0,"filtered":0}"#);
}

#[tokio::test(start_paused = true)]
async fn so_many_items_are_in_flight_as_the_loop_says() {
    let stage = Stage::new().await;
    stage.peer.will("work", (0..10).map(|number| Act::Do(Duration::from_secs(10 - number))));
    let begun = stage.engine.now();
    let report = stage
        .run(
            r#"
name: Parallel
layers:
  - {ref: each, appId: iterator, args: {items: [0,1,2,3,4,5,6,7,8,9], parallel: 5}}
  - {ref: work, appId: call, index: 1, args: {name: work, data: "{{ $index }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: work, field: data}}
"#,
            "{}",
        )
        .await;
    let took = stage.engine.now().since(begun);
    assert!(took >= Duration::from_secs(11) && took < Duration::from_secs(16), "{took:?}");
    assert_eq!(json(&report.out.expect("an output").to_json()).get("items"), Some(&json("[0,1,2,3,4,5,6,7,8,9]")));
}

#[tokio::test(start_paused = true)]
async fn a_batch_hands_over_lists() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Batches
layers:
  - {ref: each, appId: iterator, args: {items: [1,2,3,4,5], batchSize: 2}}
  - {ref: one, appId: var, index: 1, args: {value: "{{ $prev.each.index }}/{{ $prev.each.total }} {{ $item }} {{ $prev.each.isLast }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: one, field: value}}
"#,
            "{}",
        )
        .await;
    assert_eq!(json(&out).get("items"), Some(&json(r#"["0/3 [1,2] false","1/3 [3,4] false","2/3 [5] true"]"#)));
}

#[tokio::test(start_paused = true)]
async fn loops_nest() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Nested
layers:
  - {ref: rows, appId: iterator, args: {items: "{{ $prev.args.rows }}"}}
  - {ref: cells, appId: iterator, index: 1, args: {items: "{{ $item }}", parallel: 2}}
  - {ref: cell, appId: var, index: 2, args: {value: "{{ $prev.rows.index }}.{{ $index }}={{ $item }}"}}
  - {ref: row, appId: aggregator, index: 3, args: {sourceRef: cell, field: value}}
  - {ref: line, appId: var, index: 4, args: {value: "{{ join ' ' $prev.row.items }}"}}
  - {ref: table, appId: aggregator, index: 5, args: {sourceRef: line, field: value}}
"#,
            r#"{"rows":[[1,2],[],[3]]}"#,
        )
        .await;
    assert_eq!(json(&out).get("items"), Some(&json(r#"["0.0=1 0.1=2","","2.0=3"]"#)));
}

#[tokio::test(start_paused = true)]
async fn items_that_fail_or_are_filtered_collect_nothing_and_are_counted() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Counted
layers:
  - {ref: each, appId: iterator, args: {items: [1, 0, -2, 4]}}
  - ref: share
    appId: var
    index: 1
    onError: continue
    filters: [{leftValue: "{{ $item }}", operator: gte, rightValue: 0}]
    args: {value: "{{ 100 / $item }}"}
  - {ref: note, appId: var, index: 2, args: {value: "{{ $prev.share.error.code ?? 'fine' }}"}}
  - {ref: all, appId: aggregator, index: 3, args: {sourceRef: share, field: value}}
"#,
            "{}",
        )
        .await;
    assert_eq!(json(&out), json(r#"{"items":[100,25],"count":2,"failed":1,"filtered":1}"#));
}

#[tokio::test(start_paused = true)]
async fn the_items_themselves_can_be_collected() {
    let stage = Stage::new().await;
    let out = stage
        .out(
            r#"
name: Items
layers:
  - {ref: each, appId: iterator, args: {items: [a, b]}}
  - {ref: all, appId: aggregator, index: 1, args: {sourceRef: each, field: item}}
"#,
            "{}",
        )
        .await;
    assert_eq!(json(&out).get("items"), Some(&json(r#"["a","b"]"#)));
}

#[tokio::test(start_paused = true)]
async fn what_leads_to_the_aggregator_is_the_body_and_the_rest_waits_for_the_loop() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Body
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2]}}
  - {ref: inside, appId: call, dependsOn: [each], args: {name: inside}}
  - {ref: all, appId: aggregator, dependsOn: [inside], args: {sourceRef: inside, field: name}}
  - {ref: outside, appId: call, dependsOn: [each], args: {name: "outside {{ $prev.each.total }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["inside", "inside", "outside 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_without_an_aggregator_goes_to_the_end_of_the_flow() {
    let stage = Stage::new().await;
    let report = stage
        .run(
            r#"
name: Open
layers:
  - {ref: each, appId: iterator, args: {items: [x, y]}}
  - {ref: one, appId: call, index: 1, args: {name: "one {{ $item }}"}}
  - {ref: two, appId: call, index: 2, args: {name: "two {{ $item }}"}}
"#,
            "{}",
        )
        .await;
    assert_eq!(report.header.state, PlayState::Done);
    assert_eq!(stage.peer.names(), ["one x", "two x", "one y", "two y"]);
    assert_eq!(report.out.expect("an output").to_json(), r#"{"total":2,"failed":0,"filtered":0}"#);
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_a_loop_ends_it() {
    let stage = Stage::new().await;
    stage.peer.will("pay 2", [Act::Refuse]);
    let report = stage
        .run(
            r#"
name: Fails
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2, 3]}}
  - {ref: pay, appId: call, index: 1, args: {name: "pay {{ $item }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: pay}}
"#,
            "{}",
        )
        .await;
    assert_eq!((report.header.state, report.header.failed_ref.as_deref()), (PlayState::Fail, Some("pay")));
    assert_eq!(stage.peer.names(), ["pay 1", "pay 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_loop_survives_being_written_down_and_read_back() {
    let mut stage = Stage::new().await;
    stage.peer.will("stop", [Act::Hang]);
    let published = stage
        .publish(
            r#"
name: Long
layers:
  - {ref: numbers, appId: enumeration, args: {from: 1, to: 3000}}
  - {ref: each, appId: iterator, index: 1, args: {items: "{{ $prev.numbers.items }}", parallel: 7}}
  - {ref: one, appId: var, index: 2, args: {value: "{{ $item }} {{ repeat 20 'x' }}"}}
  - ref: stop
    appId: look
    index: 3
    args: {name: stop}
    filters: [{leftValue: "{{ $item }}", operator: eq, rightValue: 2900}]
  - {ref: all, appId: aggregator, index: 4, args: {sourceRef: one, field: value}}
  - {ref: count, appId: var, index: 5, args: {value: "{{ length $prev.all.items }} {{ $prev.all.items[2899] }}"}}
"#,
        )
        .await;
    let play = stage.start(&published.flow.id.to_string(), "{}").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.store.load(play).await.expect("reads").expect("is there").snapshot.is_some());
    stage.restart().await;
    stage.ended(play).await;
    assert_eq!(stage.output(play).await, format!("{{\"value\":\"3000 2900 {}\"}}", "x".repeat(20)));
    let all = stage.row(play, "all").await.out.expect("an output");
    let all = stage.engine.shown(play, &all).await.expect("reads");
    let items = all.get("items").and_then(|items| items.as_list()).expect("items");
    let firsts = items.iter().map(|item| item.as_str().and_then(|text| text.split(' ').next()).map(str::to_owned));
    assert!(firsts.enumerate().all(|(at, first)| first == Some((at + 1).to_string())));
}
