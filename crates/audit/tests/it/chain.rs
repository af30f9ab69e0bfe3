//! Sealing, and what verification finds in the store.

use std::sync::Arc;

use audit::{Broken, SEGMENT_ROWS, Segment, Signed};
use model::doc::DocKind;
use model::ids::{CompanyId, Id};
use store::row::Row;
use vault::SigningKey;

use crate::stage::{COMPANY, OTHER, Stage, audit_row, body, row};

/// Rows 1 to 3 in the first segment, 4 is another company's, 5 and 6 in the second, 7 in none.
async fn small() -> Stage {
    let stage = Stage::new();
    stage.tell(COMPANY, 0..3).await;
    assert_eq!(stage.seal(10).await, 3);
    stage.tell(OTHER, 0..1).await;
    stage.tell(COMPANY, 3..5).await;
    assert_eq!(stage.seal(20).await, 3);
    stage.tell(COMPANY, 5..6).await;
    stage
}

const FIRST: &str = "000000000001";
const SECOND: &str = "000000000002";

#[tokio::test]
async fn what_was_sealed_holds() {
    let stage = small().await;
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.segments, report.rows, report.unsealed, &report.broken), (2, 5, 1, &None));
    let other = stage.log.verify(OTHER).await.expect("verifies");
    assert_eq!((other.segments, other.rows, other.unsealed, &other.broken), (1, 1, 0, &None));
    assert_ne!(report.public_key, other.public_key, "each company has a key of its own");
    assert_eq!((stage.seal(30).await, stage.seal(31).await), (1, 0));
    let later = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((later.segments, later.unsealed, later.public_key), (3, 0, report.public_key));
    assert_ne!(later.head, report.head);
}

#[tokio::test]
async fn a_log_that_nobody_wrote_holds() {
    let stage = Stage::new();
    assert_eq!(stage.seal(1).await, 0);
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.segments, report.public_key, report.broken), (0, None, None));
}

#[tokio::test]
async fn many_rows_are_several_segments() {
    let stage = Stage::new();
    let rows = 2 * SEGMENT_ROWS as u64 + 7;
    stage.tell(COMPANY, 0..rows).await;
    assert_eq!(stage.seal(1).await, rows);
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.segments, report.rows, report.unsealed, report.broken), (3, rows, 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_who_seal_at_once_one_is_heard() {
    let stage = Arc::new(Stage::new());
    let sealing: Vec<_> = (0..4)
        .map(|_| {
            let stage = stage.clone();
            tokio::spawn(async move {
                let mut sealed = 0;
                for at in 0..50 {
                    sealed += stage.seal(at).await;
                    tokio::task::yield_now().await;
                }
                sealed
            })
        })
        .collect();
    stage.tell(COMPANY, 0..500).await;
    let mut sealed = 0;
    for one in sealing {
        sealed += one.await.expect("seals");
    }
    sealed += stage.seal(100).await;
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((sealed, report.rows, report.unsealed, report.broken), (500, 500, 0, None), "each row once");
}

/// What is found after somebody changed the rows of the small log.
async fn found(change: impl FnOnce(&mut Vec<Row>)) -> Option<Broken> {
    small().await.tampered(change).await.log.verify(COMPANY).await.expect("verifies").broken
}

#[tokio::test]
async fn a_row_that_was_altered_is_named() {
    let altered = |row| Some(Broken::RowAltered { row, segment: if row < 4 { 1 } else { 2 } });
    for number in [1, 2, 3, 5, 6] {
        assert_eq!(found(|rows| audit_row(rows, number).entity_id.push('x')).await, altered(number));
    }
    // The first that is broken is named.
    let both = found(|rows| [6, 2].into_iter().for_each(|number| audit_row(rows, number).at.0 += 1)).await;
    assert_eq!(both, altered(2));
    let message = altered(2).expect("broken").to_string();
    assert_eq!(message, "row 2 is not what segment 1 sealed: it was altered");
}

#[tokio::test]
async fn a_row_that_is_missing_is_named() {
    let without = |wanted: u64| move |row: &Row| !matches!(row, Row::Audit { number, .. } if *number == wanted);
    assert_eq!(found(|rows| rows.retain(without(1))).await, Some(Broken::RowMissing { row: 1, segment: 1 }));
    assert_eq!(found(|rows| rows.retain(without(6))).await, Some(Broken::RowMissing { row: 6, segment: 2 }));
    assert_eq!(found(|rows| rows.retain(without(7))).await, None, "nothing is known of what was not sealed");
}

#[tokio::test]
async fn a_row_that_was_added_is_named() {
    let add = |rows: &mut Vec<Row>| {
        let Some(Row::Audit { row: other, .. }) =
            rows.iter_mut().find(|row| matches!(row, Row::Audit { number: 4, .. }))
        else {
            panic!("the other company's row");
        };
        **other = row(COMPANY, "forged");
    };
    assert_eq!(found(add).await, Some(Broken::RowAdded { row: 4, segment: 2 }));
}

#[tokio::test]
async fn a_segment_that_is_missing_is_named() {
    let without = |which: &'static str| move |row: &Row| !matches!(row, Row::Doc { id, company, .. } if id == which && *company == COMPANY);
    assert_eq!(found(|rows| rows.retain(without(FIRST))).await, Some(Broken::SegmentMissing { segment: 1 }));
    // With its rows, even.
    let cut = found(|rows| {
        rows.retain(without(SECOND));
        rows.retain(|row| !matches!(row, Row::Audit { number: 5.., .. }));
    });
    assert_eq!(cut.await, Some(Broken::CutOff { found: 1, segments: 2 }));
}

#[tokio::test]
async fn a_segment_that_was_altered_is_named() {
    let altered = Some(Broken::SegmentAltered { segment: 2 });
    // Somebody makes it fit a row that they changed, and signs it with a key of their own.
    let forge = |rows: &mut Vec<Row>| {
        audit_row(rows, 5).entity_id = "forged".into();
        let text = audit_row(rows, 5).to_text().expect("JSON");
        let stored = body(rows, COMPANY, DocKind::AuditSegment, SECOND);
        let signed: Signed = serde_json::from_slice(stored).expect("a segment");
        let mut segment: Segment = serde_json::from_str(&signed.text).expect("a segment");
        segment.digests[0] = model::payload::Digest::of(&text);
        let text = serde_json::to_string(&segment).expect("JSON");
        let signature = SigningKey::fresh().expect("random").sign(text.as_bytes());
        *stored = serde_json::to_vec(&Signed { text, signature }).expect("JSON").into();
    };
    assert_eq!(found(forge).await, altered);
    let no_json = |rows: &mut Vec<Row>| *body(rows, COMPANY, DocKind::AuditSegment, SECOND) = b"{".as_slice().into();
    assert_eq!(found(no_json).await, altered);
    // The first in place of the second.
    let again = |rows: &mut Vec<Row>| {
        let first = body(rows, COMPANY, DocKind::AuditSegment, FIRST).clone();
        *body(rows, COMPANY, DocKind::AuditSegment, SECOND) = first;
    };
    assert_eq!(found(again).await, altered);
    // The other company's in place of the first.
    let others = |rows: &mut Vec<Row>| {
        let others = body(rows, OTHER, DocKind::AuditSegment, FIRST).clone();
        *body(rows, COMPANY, DocKind::AuditSegment, FIRST) = others;
    };
    assert_eq!(found(others).await, Some(Broken::SegmentAltered { segment: 1 }));
}

#[tokio::test]
async fn a_key_that_was_exchanged_is_refused() {
    let stage = small().await;
    let tampered = stage.tampered(|rows| {
        let others = body(rows, OTHER, DocKind::AuditKey, "1").clone();
        *body(rows, COMPANY, DocKind::AuditKey, "1") = others;
    });
    let error = tampered.await.log.verify(COMPANY).await.expect_err("the key does not open");
    assert!(error.to_string().starts_with("the key that signs the audit log"), "{error}");
}

#[tokio::test]
async fn rows_of_a_company_that_was_erased_hold_nobody_up() {
    let stage = Stage::new();
    let erased = CompanyId(Id::from_bytes([3; 12]));
    stage.tell(COMPANY, 0..2).await;
    stage.tell(erased, 0..1).await;
    stage.tell(COMPANY, 2..3).await;
    stage.seal(10).await;
    let report = stage.log.verify(COMPANY).await.expect("verifies");
    assert_eq!((report.rows, report.unsealed, &report.broken), (3, 0, &None));
}
