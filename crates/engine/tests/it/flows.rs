//! Drafts, versions, and what publishing refuses.

use engine::flows::EditError;
use engine::plan::Problem;
use model::play::PlayState;

use crate::stage::{Stage, flow};

async fn problems(text: &str) -> Vec<String> {
    let stage = Stage::new().await;
    match stage.engine.compile(&flow(text)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(Problem::to_string).collect(),
    }
}

async fn problem(text: &str) -> String {
    let found = problems(text).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_problem_names_the_layer_and_the_field() {
    for (text, expected) in [
        ("{name: x}", "layers: is empty: a flow needs at least one flowlet"),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}, needsApproval: {roles: [owner, aprover]}}]}",
            "a: layers[0].needsApproval.roles[1]: \"aprover\" is no role; did you mean approver?; known are owner, admin, ",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}, needsApproval: {roles: [nobody]}}]}",
            "a: layers[0].needsApproval.roles[0]: \"nobody\" is no role; known are owner, admin, builder, operator, approver, auditor",
        ),
        (
            "{name: x, layers: [{ref: a, appId: crul}]}",
            "a: layers[0].appId: there is no module \"crul\"; did you mean curl",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}}, {ref: a, appId: var, args: {value: 1}}]}",
            "a: layers[1].ref: is the ref of layers[0], too; every ref is unique in its flow",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: '{{ $prev.b.c }}'}}]}",
            "a: layers[0].args.value: no flowlet has the ref \"b\" (column 4)",
        ),
        (
            "{name: x, layers: [{ref: first, appId: var, args: {value: '{{ $prev.secnd.c }}'}}, {ref: second, appId: var, args: {value: 1}}]}",
            "first: layers[0].args.value: no flowlet has the ref \"secnd\"; did you mean \"second\"? (column 4)",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}}, {ref: b, appId: var, args: {value: '{{ $prev.a }}'}}]}",
            "b: layers[1].args.value: a is not upstream of b; give b a higher index, or add a to its dependsOn (column 4)",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, dependsOn: [b], args: {value: 1}}]}",
            "a: layers[0].dependsOn[0]: no flowlet has the ref \"b\"",
        ),
        ("{name: x, layers: [{ref: a, appId: var, args: {value: '{{ 1 + }}'}}]}", "a: layers[0].args.value: "),
        ("{name: x, layers: [{ref: a, appId: delay, args: {secs: 1}}]}", "a: layers[0].args: does not take secs"),
        ("{name: x, layers: [{ref: a, appId: curl, args: {method: GET}}]}", "a: layers[0].args: lacks url"),
        (
            "{name: x, layers: [{ref: a, appId: enumeration, args: {from: [1], to: 2}}]}",
            "a: layers[0].args.from: [1] is not of type",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: '{{ $item }}'}}]}",
            "a: layers[0].args.value: there is no loop here",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: '{{ $env.HOME }}'}}]}",
            "a: layers[0].args.value: $env.HOME is not on the list",
        ),
        (
            "{name: x, concurrency: {limit: 0}, layers: [{ref: a, appId: var, args: {value: 1}}]}",
            "concurrency.limit: is at least 1",
        ),
        (
            "{name: x, concurrency: {limit: 1, key: '{{ $kv.x }}'}, layers: [{ref: a, appId: var, args: {value: 1}}]}",
            "concurrency.key: a concurrency key reads $prev.args and $flow alone",
        ),
        (
            "{name: x, layers: [{ref: a, appId: aggregator, args: {sourceRef: b}}, {ref: b, appId: var, args: {value: 1}}]}",
            "a: layers[0].args.sourceRef: names a flowlet that is in no loop",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}, branch: {router: b, label: y}}, {ref: b, appId: var, args: {value: 1}}]}",
            "a: layers[0].branch.router: b is no router",
        ),
        (
            "{name: x, layers: [{ref: b, appId: router, args: {routes: [{label: y, condition: true}]}}, {ref: a, appId: var, index: 1, args: {value: 1}, branch: {router: b, label: z}}]}",
            "a: layers[1].branch.label: b has no route \"z\"; it has y",
        ),
        (
            "{name: x, layers: [{ref: a, appId: var, args: {value: 1}, retry: {count: 5000}}]}",
            "a: layers[0].retry.count: is at most 1000",
        ),
    ] {
        let found = problem(text).await;
        assert!(found.starts_with(expected), "{text}\n gives {found}\n  not {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn circles_are_found_and_all_problems_are_told() {
    let circle = "{name: x, layers: [{ref: a, appId: var, dependsOn: [b], args: {value: 1}}, {ref: b, appId: var, dependsOn: [a], args: {value: 1}}]}";
    let found = problems(circle).await;
    assert!(!found.is_empty() && found.iter().all(|problem| problem.contains("waits for itself")), "{found:?}");
    let many = "{name: x, layers: [{ref: a, appId: delay, args: {}}, {ref: b, appId: var, args: {value: '{{ $prev.zzz }}', extra: 1}}]}";
    assert!(problems(many).await.len() >= 2);
}

#[tokio::test(start_paused = true)]
async fn the_inside_of_a_loop_is_not_upstream_of_the_outside() {
    let text = r#"
name: x
layers:
  - {ref: each, appId: iterator, args: {items: [1]}}
  - {ref: inside, appId: var, index: 1, args: {value: "{{ $item }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: inside}}
  - {ref: after, appId: var, index: 3, args: {value: "{{ $prev.inside.value }}"}}
"#;
    assert!(
        problem(text).await.contains("inside is inside the loop of each; outside, read what its aggregator collects")
    );
    let side = r#"
name: x
layers:
  - {ref: each, appId: iterator, args: {items: [1]}}
  - {ref: inside, appId: var, dependsOn: [each], args: {value: "{{ $item }}"}}
  - {ref: all, appId: aggregator, dependsOn: [inside], args: {sourceRef: inside}}
  - {ref: side, appId: var, dependsOn: [inside], args: {value: 1}}
"#;
    assert!(problem(side).await.contains("inside is inside the loop of each; outside of it, wait for its aggregator"));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_flowlets_are_compiled_and_one_more_is_refused() {
    let text = |count: usize| {
        let layers: Vec<String> =
            (0..count).map(|at| format!("{{ref: f{at}, appId: var, index: {at}, args: {{value: 1}}}}")).collect();
        format!("{{name: x, layers: [{}]}}", layers.join(","))
    };
    assert_eq!(problems(&text(1_000)).await, [""; 0]);
    assert!(problem(&text(1_001)).await.contains("at most 1000"));
}

#[tokio::test(start_paused = true)]
async fn versions_rise_and_only_they_run() {
    let stage = Stage::new().await;
    let text = |value: u32| format!("{{name: Versions, layers: [{{ref: a, appId: var, args: {{value: {value}}}}}]}}");
    let one = stage.publish(&text(1)).await;
    assert_eq!((one.version.version, one.flow.revision, one.flow.permanent_id.to_string()), (1, 1, "versions".into()));
    let edited = flow(&text(2));
    let draft =
        stage.engine.edit_flow(&stage.edit(), "versions", Some(1), |_| Ok(edited.clone())).await.expect("edits");
    assert_eq!((draft.revision, draft.version), (2, Some(1)));
    assert_eq!(stage.run_published("versions", "{}").await.out.expect("an output").to_json(), r#"{"value":1}"#);
    let stale = stage.engine.edit_flow(&stage.edit(), "versions", Some(1), |_| Ok(edited.clone())).await;
    assert!(matches!(stale, Err(EditError::Stale { current: 2 })));
    let two = stage.engine.publish_flow(&stage.edit(), "versions").await.expect("publishes");
    assert_eq!(two.version.version, 2);
    let report = stage.run_published("versions", "{}").await;
    assert_eq!((report.header.flow.version, report.out.expect("an output").to_json()), (2, r#"{"value":2}"#.into()));
    let back = stage.engine.roll_back_flow(&stage.edit(), "versions", 1).await.expect("rolls back");
    assert_eq!(back.version.version, 3);
    assert_eq!(stage.run_published("versions", "{}").await.out.expect("an output").to_json(), r#"{"value":1}"#);
    let versions = stage.engine.versions(crate::stage::COMPANY, one.flow.id).await.expect("reads");
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn permanent_ids_are_unique_and_never_change() {
    let stage = Stage::new().await;
    let create = async |text: &str| stage.engine.create_flow(&stage.edit(), flow(text)).await;
    assert_eq!(&*create("{name: Same}").await.expect("creates").permanent_id, "same");
    assert_eq!(&*create("{name: Same}").await.expect("creates").permanent_id, "same-2");
    assert!(matches!(create("{name: Same, permanentId: same}").await, Err(EditError::SlugTaken(_))));
    let other = flow("{name: Same, permanentId: other}");
    let renamed = stage.engine.edit_flow(&stage.edit(), "same", None, |_| Ok(other.clone())).await;
    assert!(matches!(renamed, Err(EditError::SlugFixed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_flow_with_open_plays_is_not_deleted() {
    let stage = Stage::new().await;
    let report = stage.run("{name: Gone, layers: [{ref: a, appId: delay, args: {seconds: 9}}]}", "{}").await;
    assert!(matches!(stage.engine.delete_flow(&stage.edit(), "gone").await, Err(EditError::InUse)));
    stage.ended(report.header.key).await;
    stage.engine.delete_flow(&stage.edit(), "gone").await.expect("deletes");
    assert!(stage.admit(Stage::wish("gone", "{}")).await.is_err());
    assert_eq!(stage.state(report.header.key).await, PlayState::Done, "its plays stay");
}
