//! Exports, checked where there is neither database nor key.

use audit::{Broken, ExportError, Format, Keep, Report, verify_export};
use model::time::Timestamp;
use vault::SigningKey;

use crate::stage::{COMPANY, OTHER, Stage};

async fn export(stage: &Stage, format: Format) -> Vec<u8> {
    let mut pieces = stage.log.export(Timestamp(99), COMPANY, format);
    let mut all = Vec::new();
    while let Some(piece) = pieces.recv().await {
        all.extend_from_slice(&piece.expect("exports"));
    }
    all
}

fn check(export: &[u8]) -> Result<Report, ExportError> {
    verify_export(export, None)
}

/// Two segments of two rows.
async fn stage() -> Stage {
    let stage = Stage::new();
    for first in [0, 2] {
        stage.tell(COMPANY, first..first + 2).await;
        stage.tell(OTHER, 0..1).await;
        stage.seal(10).await;
    }
    stage
}

#[tokio::test]
async fn an_export_proves_what_the_store_holds() {
    let stage = stage().await;
    let there = stage.log.verify(COMPANY).await.expect("verifies");
    let here = check(&export(&stage, Format::Json).await).expect("an export");
    assert_eq!(here, there);
    assert_eq!((here.segments, here.rows, here.unsealed), (2, 4, 0));
    // What is not sealed yet is sealed first.
    stage.tell(COMPANY, 4..5).await;
    let later = check(&export(&stage, Format::Json).await).expect("an export");
    assert_eq!((later.segments, later.rows, later.unsealed), (3, 5, 0));
}

#[tokio::test]
async fn an_export_of_nothing_and_one_behind_a_checkpoint_hold() {
    let nothing = check(&export(&Stage::new(), Format::Json).await).expect("an export");
    assert_eq!(nothing, Report::default());
    let stage = stage().await;
    stage.seal(20).await;
    let keep = Keep { since: Timestamp(11), at_least: 1 };
    assert_eq!(stage.log.drop_old(Timestamp(50), COMPANY, keep).await.expect("drops"), 2);
    let behind = check(&export(&stage, Format::Json).await).expect("an export");
    assert_eq!((behind.rows, behind.dropped.map(|dropped| dropped.rows)), (2, Some(2)));
}

#[tokio::test]
async fn every_flipped_byte_of_an_export_is_found() {
    let export = export(&stage().await, Format::Json).await;
    for at in 0..export.len() {
        let mut flipped = export.clone();
        flipped[at] ^= 1;
        if let Ok(Report { broken: None, .. }) = check(&flipped) {
            let around =
                String::from_utf8_lossy(&export[at.saturating_sub(40)..export.len().min(at + 40)]).into_owned();
            panic!("byte {at} may be any: {around}");
        }
    }
}

#[tokio::test]
async fn an_end_that_is_spelled_in_another_way_is_found() {
    for stage in [stage().await, Stage::new()] {
        let export = String::from_utf8(export(&stage, Format::Json).await).expect("UTF-8");
        let (before, end) = export.trim_end().rsplit_once('\n').expect("lines");
        // Hex says the same in capitals.
        let (text, last) = end.rsplit_once("\":").expect("fields");
        let capital = format!("{text}\":{}", last.to_uppercase());
        let others = [end.replacen(':', ": ", 1), end.replacen('{', "{\"more\":1,", 1), capital];
        for other in others.iter().filter(|other| *other != end) {
            let refused = check(format!("{before}\n{other}\n").as_bytes());
            assert!(
                matches!(refused, Err(ExportError::Altered | ExportError::Unexpected { .. })),
                "{other}: {refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_row_of_an_export_that_was_altered_is_named() {
    let export = String::from_utf8(export(&stage().await, Format::Json).await).expect("UTF-8");
    let altered = export.replacen("\"entityId\":\"2\"", "\"entityId\":\"7\"", 1);
    assert_ne!(altered, export);
    let report = check(altered.as_bytes()).expect("an export");
    // Numbers rise over companies: the other company's row stands between.
    assert_eq!(report.broken, Some(Broken::RowAltered { row: 4, segment: 2 }));
    assert_eq!(report.segments, 1, "the first one holds");
}

#[tokio::test]
async fn an_export_that_was_cut_off_is_told() {
    let export = export(&stage().await, Format::Json).await;
    for at in 0..export.len() {
        let refused = check(&export[..at]);
        assert!(matches!(refused, Err(ExportError::CutOff(_) | ExportError::NotAnExport)), "at {at}: {refused:?}");
    }
    let behind = [&export, b"{}\n".as_slice()].concat();
    assert!(matches!(check(&behind), Err(ExportError::Unexpected { .. })));
}

#[tokio::test]
async fn whoever_knows_the_key_is_not_shown_another() {
    let stage = stage().await;
    let export = export(&stage, Format::Json).await;
    let key = stage.log.verify(COMPANY).await.expect("verifies").public_key.expect("a key");
    assert_eq!(verify_export(&*export, Some(key)).expect("an export").broken, None);
    let other = SigningKey::fresh().expect("random").public();
    assert!(matches!(verify_export(&*export, Some(other)), Err(ExportError::OtherKey { .. })));
}

#[tokio::test]
async fn what_is_no_export_is_refused() {
    for text in ["", "\n", "{}\n", "hello", "{\"flow8Audit\":1}\n"] {
        assert!(matches!(check(text.as_bytes()), Err(ExportError::NotAnExport)), "{text:?}");
    }
    let export = String::from_utf8(export(&stage().await, Format::Json).await).expect("UTF-8");
    let newer = export.replacen("\"flow8Audit\":1", "\"flow8Audit\":9", 1);
    assert!(matches!(check(newer.as_bytes()), Err(ExportError::Newer { found: 9 })));
}

#[tokio::test]
async fn a_table_has_a_line_for_each_row() {
    let stage = stage().await;
    stage.tell(COMPANY, 4..5).await;
    let table = String::from_utf8(export(&stage, Format::Csv).await).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(lines[0].starts_with("number,at,actorKind,"), "{table}");
    assert!(lines[5].starts_with("7,1970-01-01T00:00:00.005Z,system,"), "{table}");
    assert!(lines[5].contains("\"{\"\"amount\"\":12.50}\""), "{table}");
}
