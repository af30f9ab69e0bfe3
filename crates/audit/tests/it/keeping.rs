//! What is not kept any longer.

use audit::{Broken, Keep, Signed};
use model::doc::DocKind;
use model::time::Timestamp;
use store::AuditSpan;
use store::row::Row;

use crate::stage::{COMPANY, OTHER, Stage, body, row};

/// Four segments of ten rows, sealed at 10, 20, 30 and 40; one of another company between.
async fn stage() -> Stage {
    let stage = Stage::new();
    stage.tell(OTHER, 0..3).await;
    for (at, first) in [(10, 0), (20, 10), (30, 20), (40, 30)] {
        stage.tell(COMPANY, first..first + 10).await;
        stage.seal(at).await;
    }
    stage
}

async fn drop_old(stage: &Stage, since: i64, at_least: u64) -> u64 {
    let keep = Keep { since: Timestamp(since), at_least };
    stage.log.drop_old(Timestamp(50), COMPANY, keep).await.expect("drops")
}

#[tokio::test]
async fn whole_segments_go_and_a_checkpoint_stays() {
    let stage = stage().await;
    assert_eq!(drop_old(&stage, 10, 0).await, 0);
    assert_eq!(drop_old(&stage, 30, 0).await, 20);
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.segments, report.rows, &report.broken), (2, 20, &None));
    let dropped = report.dropped.expect("a checkpoint");
    assert_eq!((dropped.segments, dropped.rows, dropped.at), (2, 20, Timestamp(50)));
    let all = AuditSpan { company: None, after: 0, upto: u64::MAX, limit: 100 };
    let left = stage.store.audit_log(&all).await.expect("reads");
    assert_eq!(left.iter().filter(|row| row.company == COMPANY).count(), 20);
    assert_eq!(left.iter().filter(|row| row.company == OTHER).count(), 3, "another company's stay");
    // The chain goes on, and more of it goes.
    stage.tell(COMPANY, 40..45).await;
    stage.seal(60).await;
    assert_eq!(drop_old(&stage, 40, 0).await, 10);
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.rows, report.dropped.map(|dropped| dropped.rows), report.broken), (15, Some(30), None));
}

#[tokio::test]
async fn some_rows_stay_however_old() {
    let stage = stage().await;
    assert_eq!(drop_old(&stage, 1_000, 15).await, 20, "ten or twenty may stay, and fifteen must");
    assert_eq!(drop_old(&stage, 1_000, 20).await, 0);
    assert_eq!(drop_old(&stage, 1_000, 0).await, 20);
    assert_eq!(drop_old(&stage, 1_000, 0).await, 0);
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.segments, report.rows, report.broken), (0, 0, None));
}

#[tokio::test]
async fn what_was_added_before_the_checkpoint_is_named() {
    let stage = stage().await;
    drop_old(&stage, 30, 0).await;
    let add = |rows: &mut Vec<Row>| {
        let at = rows.iter().position(|row| matches!(row, Row::Audit { .. })).expect("rows");
        // The first three are the other company's.
        rows[at + 2] = Row::Audit { number: 3, row: Box::new(row(COMPANY, "forged")) };
    };
    let found = stage.tampered(add).await.log.verify(COMPANY).await.expect("verifies").broken;
    assert_eq!(found, Some(Broken::RowAdded { row: 3, segment: 2 }));
}

#[tokio::test]
async fn a_checkpoint_that_was_altered_is_told_and_nothing_more_is_dropped() {
    let stage = stage().await;
    drop_old(&stage, 20, 0).await;
    let tampered = stage.tampered(|rows| {
        let stored = body(rows, COMPANY, DocKind::AuditChain, "chain");
        let mut chain: serde_json::Value = serde_json::from_slice(stored).expect("JSON");
        let mut dropped: Signed = serde_json::from_value(chain["dropped"].take()).expect("a checkpoint");
        // As if the second segment had been dropped, too.
        dropped.text = dropped.text.replace("\"segments\":1", "\"segments\":2");
        chain["dropped"] = serde_json::to_value(dropped).expect("JSON");
        *stored = serde_json::to_vec(&chain).expect("JSON").into();
        rows.retain(|row| !matches!(row, Row::Doc { id, company, .. } if id == "000000000002" && *company == COMPANY));
    });
    let tampered = tampered.await;
    let report = tampered.log.verify(COMPANY).await.expect("verifies");
    assert_eq!(report.broken, Some(Broken::CheckpointAltered));
    assert_eq!(drop_old(&tampered, 1_000, 0).await, 0);
}
