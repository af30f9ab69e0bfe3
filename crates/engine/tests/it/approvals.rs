//! People must agree.

use std::time::Duration;

use engine::decide::Refusal;
use engine::driver::EngineError;
use model::batch::{Batch, WaitKind};
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::flow::FlowDef;
use model::play::{LayerState, PlayState};
use store::WaitQuery;

use crate::stage::{COMPANY, Stage};

fn flow(terms: &str) -> String {
    format!(
        "{{name: Pay, layers: [{{ref: pay, appId: call, needsApproval: {terms}, args: {{name: pay, data: '{{{{ $prev.args.sum }}}}'}}}}]}}"
    )
}

async fn waiting(stage: &Stage) -> usize {
    let query = WaitQuery { company: COMPANY, kind: WaitKind::Approval, play: None, skip: 0, limit: 100 };
    stage.store.waits(&query).await.expect("reads").len()
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_before_somebody_agrees() {
    let stage = Stage::new().await;
    let play = stage.run(&flow("true"), r#"{"sum":5}"#).await.header.key;
    assert_eq!(stage.state(play).await, PlayState::Wait);
    assert_eq!((stage.peer.calls().len(), waiting(&stage).await, stage.engine.active_plays()), (0, 1, 0));
    let row = stage.row(play, "pay").await;
    assert_eq!(row.args.expect("args").plain().expect("plain").to_json(), r#"{"name":"pay","data":5}"#);
    stage.approve(play, "pay", 1, true).await.expect("approves");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    assert_eq!((stage.peer.calls().len(), waiting(&stage).await), (1, 0));
    let again = stage.approve(play, "pay", 1, true).await;
    assert!(matches!(again, Err(EngineError::Refused(Refusal::Ended))));
}

#[tokio::test(start_paused = true)]
async fn a_no_fails_the_flowlet() {
    let stage = Stage::new().await;
    let play = stage.run(&flow("true"), r#"{"sum":5}"#).await.header.key;
    stage.approve(play, "pay", 2, false).await.expect("declines");
    let header = stage.ended(play).await;
    assert_eq!((header.state, &*header.error.expect("an error").code), (PlayState::Fail, "APPROVAL_DECLINED"));
    assert_eq!((stage.peer.calls().len(), waiting(&stage).await), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn four_eyes_are_two_people() {
    let stage = Stage::new().await;
    let play = stage.run(&flow("{fourEyes: true}"), r#"{"sum":5}"#).await.header.key;
    let own = stage.approve(play, "pay", 1, true).await.expect_err("refused").to_string();
    assert!(own.contains("you started this play"), "{own}");
    assert_eq!(stage.state(play).await, PlayState::Wait);
    stage.approve(play, "pay", 2, true).await.expect("approves");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_started_it_the_publisher_may_not_decide() {
    let stage = Stage::new().await;
    let published = stage.publish(&flow("{fourEyes: true}")).await;
    let mut wish = Stage::wish(&published.flow.id.to_string(), r#"{"sum":5}"#);
    wish.actor = model::Actor { kind: model::ActorKind::Schedule, id: None, name: "nightly".into(), user: None };
    wish.trigger = model::play::Trigger::Schedule;
    let play = stage.admit(wish).await.expect("is admitted").header.key;
    stage.until(play, PlayState::Wait).await;
    let own = stage.approve(play, "pay", 1, true).await.expect_err("refused").to_string();
    assert!(own.contains("you published this flow"), "{own}");
    stage.approve(play, "pay", 3, true).await.expect("approves");
}

#[tokio::test(start_paused = true)]
async fn only_a_listed_role_may_decide_and_a_quorum_is_different_people() {
    let stage = Stage::new().await;
    let play = stage.run(&flow("{roles: [approver], quorum: 2}"), r#"{"sum":5}"#).await.header.key;
    let layer = stage.layer_id(play, "pay").await;
    let wrong = stage.approve_layer(play, layer, 2, true, &["builder"]).await.expect_err("refused").to_string();
    assert_eq!(wrong, "only approver may decide this");
    stage.approve(play, "pay", 2, true).await.expect("approves");
    let twice = stage.approve(play, "pay", 2, true).await.expect_err("refused").to_string();
    assert!(twice.contains("somebody else must"), "{twice}");
    assert_eq!((stage.state(play).await, waiting(&stage).await), (PlayState::Wait, 1));
    stage.approve(play, "pay", 3, true).await.expect("approves");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
}

#[tokio::test(start_paused = true)]
async fn a_version_from_before_roles_were_checked_goes_on_and_nobody_is_let_through_by_it() {
    let mut stage = Stage::new().await;
    let header = stage.run(&flow("{roles: [approver]}"), r#"{"sum":5}"#).await.header;
    let (play, key) = (header.key, DocKey::new(COMPANY, DocKind::Definition, header.flow.definition));
    let mut def: FlowDef = stage.store.doc(&key).await.expect("reads").expect("is there").read().expect("a flow");
    def.layers[0].needs_approval.as_mut().expect("terms").roles = vec!["finance".into()];
    let doc = DocWrite::put(key, Expect::Anything, &def);
    stage.store.commit(Batch { docs: vec![doc], ..Batch::default() }).await.expect("commits");
    stage.restart().await;
    let layer = stage.layer_id(play, "pay").await;
    let refused = stage.approve_layer(play, layer, 2, true, &["owner"]).await.expect_err("refused").to_string();
    assert_eq!(refused, "only finance may decide this");
    stage.cancel(play, false).await;
    assert_eq!(stage.ended(play).await.state, PlayState::Canceled);
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_nobody_decides_expires() {
    for (terms, state) in
        [("{expiresIn: 3600}", PlayState::Fail), ("{expiresIn: 3600, onExpire: approved, quorum: 3}", PlayState::Done)]
    {
        let stage = Stage::new().await;
        let play = stage.run(&flow(terms), r#"{"sum":5}"#).await.header.key;
        tokio::time::sleep(Duration::from_secs(3590)).await;
        assert_eq!(stage.state(play).await, PlayState::Wait);
        assert_eq!(stage.ended(play).await.state, state);
    }
}

#[tokio::test(start_paused = true)]
async fn every_item_of_a_loop_is_approved_on_its_own() {
    let stage = Stage::new().await;
    let play = stage
        .run(
            r#"
name: Items
layers:
  - {ref: each, appId: iterator, args: {items: [1, 2], parallel: 2}}
  - {ref: pay, appId: call, index: 1, needsApproval: true, onError: continue, args: {name: "pay {{ $item }}"}}
  - {ref: all, appId: aggregator, index: 2, args: {sourceRef: pay, field: name}}
"#,
            "{}",
        )
        .await
        .header
        .key;
    let rows = stage.rows(play).await;
    let waits: Vec<_> = rows.iter().filter(|(_, row)| row.state == LayerState::Wait).map(|(_, row)| row.id).collect();
    assert_eq!(waits.len(), 2);
    stage.approve_layer(play, waits[1], 2, true, &[]).await.expect("approves");
    stage.approve_layer(play, waits[0], 2, false, &[]).await.expect("declines");
    assert_eq!(stage.ended(play).await.state, PlayState::Done);
    assert_eq!(stage.output(play).await, r#"{"items":["pay 2"],"count":1,"failed":1,"filtered":0}"#);
}
