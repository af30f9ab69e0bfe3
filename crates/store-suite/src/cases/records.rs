//! What is kept of what happened: the audit log, the feed, and forgetting.

use std::sync::Arc;

use model::batch::Batch;
use model::payload::Digest;
use model::play::PlayKey;
use store::{AuditQuery, AuditSpan, Conflict, PlayQuery, Store};

use crate::things::{
    COMPANY, OTHER, audit_row, batch, header, next, play, record, write,
};
use super::{admit, conflict, end, ok};

pub(super) async fn audit_rows_are_found_and_stay_apart(store: Arc<dyn Store>) {
    let rows = [("flow.create", "f1"), ("flow.update", "f1"), ("kv.set", "k"), ("flow.create", "f2")];
    for (action, id) in rows {
        ok(&store, Batch { audit: vec![audit_row(COMPANY, action, id)], ..Batch::default() }).await;
    }
    ok(&store, Batch { audit: vec![audit_row(OTHER, "flow.create", "f9")], ..Batch::default() }).await;
    let all = AuditQuery { company: COMPANY, entity: None, entity_id: None, action: None, skip: 0, limit: 10 };
    let list = async |query: &AuditQuery| -> Vec<(String, String)> {
        let page = store.audit(query).await.expect("reads");
        let numbers: Vec<u64> = page.rows.iter().map(|(number, _)| *number).collect();
        assert!(numbers.is_sorted_by(|a, b| a > b), "newest first");
        page.rows.into_iter().map(|(_, row)| (row.action, row.entity_id)).collect()
    };
    assert_eq!(store.audit(&all).await.expect("reads").total, 4);
    assert_eq!(list(&all).await[0], ("flow.create".into(), "f2".into()));
    assert_eq!(list(&AuditQuery { entity: Some("flow".into()), ..all.clone() }).await.len(), 3);
    assert_eq!(list(&AuditQuery { action: Some("flow.create".into()), skip: 1, ..all.clone() }).await[0].1, "f1");
    assert_eq!(list(&AuditQuery { entity_id: Some("k".into()), ..all }).await, [("kv.set".into(), "k".into())]);
}

pub(super) async fn the_audit_log_is_read_as_it_is_stored(store: Arc<dyn Store>) {
    let rows = [(COMPANY, "a"), (OTHER, "b"), (COMPANY, "c"), (COMPANY, "d")];
    for (company, id) in rows {
        ok(&store, Batch { audit: vec![audit_row(company, "op.done", id)], ..Batch::default() }).await;
    }
    let end = store.audit_end().await.expect("reads");
    let all = AuditSpan { company: None, after: 0, upto: end, limit: 10 };
    let log = store.audit_log(&all).await.expect("reads");
    assert!(log.is_sorted_by(|a, b| a.number < b.number), "oldest first");
    let texts: Vec<Vec<u8>> =
        rows.iter().map(|(company, id)| audit_row(*company, "op.done", id).to_text().expect("JSON")).collect();
    assert_eq!(log.iter().map(|entry| entry.text.to_vec()).collect::<Vec<_>>(), texts);
    assert_eq!(log.iter().map(|entry| entry.company).collect::<Vec<_>>(), rows.map(|(company, _)| company));
    assert_eq!(log.last().map(|entry| entry.number), Some(end));
    let own = AuditSpan { company: Some(COMPANY), after: log[0].number, ..all };
    assert_eq!(store.audit_log(&own).await.expect("reads"), [log[2].clone(), log[3].clone()]);
    let upto = AuditSpan { upto: log[2].number, limit: 2, ..all };
    assert_eq!(store.audit_log(&upto).await.expect("reads"), log[..2]);
    assert_eq!(store.audit_log(&AuditSpan { limit: 0, ..all }).await.expect("reads"), []);
}

pub(super) async fn dropped_audit_rows_are_gone_and_their_numbers_with_them(store: Arc<dyn Store>) {
    for (company, id) in [(OTHER, "a"), (COMPANY, "b"), (COMPANY, "c")] {
        ok(&store, Batch { audit: vec![audit_row(company, "op.done", id)], ..Batch::default() }).await;
    }
    let end = store.audit_end().await.expect("reads");
    let drop_audit = Some((COMPANY, end));
    // What tells of it comes in the same batch, and stays.
    let told = vec![audit_row(COMPANY, "audit.drop", "b")];
    ok(&store, Batch { drop_audit, audit: told, ..Batch::default() }).await;
    let all = AuditSpan { company: None, after: 0, upto: u64::MAX, limit: 10 };
    let log = store.audit_log(&all).await.expect("reads");
    let left: Vec<_> = log.iter().map(|entry| (entry.company, entry.number > end)).collect();
    assert_eq!(left, [(OTHER, false), (COMPANY, true)]);
    let newest = store.audit_end().await.expect("reads");
    ok(&store, Batch { drop_audit: Some((COMPANY, newest)), ..Batch::default() }).await;
    ok(&store, Batch { drop_audit: Some((OTHER, newest)), ..Batch::default() }).await;
    ok(&store, Batch { audit: vec![audit_row(COMPANY, "op.done", "d")], ..Batch::default() }).await;
    let log = store.audit_log(&all).await.expect("reads");
    assert!(log.len() == 1 && log[0].number > newest, "no number is given twice: {log:?} after {newest}");
}

pub(super) async fn the_feed_has_all_records_in_the_order_of_commits(store: Arc<dyn Store>) {
    let one = admit(&store, play(COMPANY, 2), |_| {}).await;
    admit(&store, play(OTHER, 1), |_| {}).await;
    let two = next(&one, |_| {});
    let place = ok(&store, batch([write(&two)])).await.feed;
    assert_eq!(store.feed_end().await.expect("reads"), place);
    let all = store.feed(None, 0, 10).await.expect("reads");
    assert_eq!(all.iter().map(|chunk| chunk.play).collect::<Vec<_>>(), [one.key, play(OTHER, 1), one.key]);
    assert!(all.is_sorted_by(|a, b| a.feed < b.feed));
    assert_eq!(all[2].feed, place);
    assert_eq!(all[2].chunk.bytes, record(&two));
    let own = store.feed(Some(COMPANY), all[0].feed, 10).await.expect("reads");
    assert_eq!(own, [all[2].clone()]);
    assert_eq!(store.feed(None, 0, 1).await.expect("reads").len(), 1);
}

pub(super) async fn forgetting_removes_ended_plays_alone(store: Arc<dyn Store>) {
    let running = admit(&store, play(COMPANY, 1), |_| {}).await;
    let mut ending = write(&header(play(COMPANY, 2)));
    end(&mut ending.header);
    ending.values = vec![(Digest::of(b"v"), b"v".as_slice().into())];
    ok(&store, batch([ending.clone()])).await;
    let ended = ending.header.key;
    let forget = |plays: Vec<PlayKey>| Batch { forget: plays, ..Batch::default() };
    assert_eq!(conflict(&store, forget(vec![ended, running.key])).await, Conflict::Play(running.key));
    assert!(store.header(ended).await.expect("reads").is_some());
    let before = store.feed_end().await.expect("reads");
    ok(&store, forget(vec![ended, play(COMPANY, 77)])).await;
    assert_eq!(store.header(ended).await.expect("reads"), None);
    assert!(store.chunks(ended, 0, 10).await.expect("reads").is_empty());
    assert_eq!(store.value(ended, Digest::of(b"v")).await.expect("reads"), None);
    assert_eq!(store.headers(&PlayQuery::of(COMPANY, 10)).await.expect("reads").total, 1);
    // The place of forgotten records is never given to others.
    admit(&store, play(COMPANY, 3), |_| {}).await;
    assert!(store.feed_end().await.expect("reads") > before);
}
