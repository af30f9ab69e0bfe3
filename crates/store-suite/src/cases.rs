//! What a store must do, a promise a case.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use model::batch::{Batch, Event, Wait, WaitKind};
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::ids::{CompanyId, EventId, Id, LayerId};
use model::limits::QUEUED_PER_KEY;
use model::payload::Digest;
use model::play::{PlayHeader, PlayKey, PlayState, SlotPlace};
use model::record::MessageBody;
use model::time::Timestamp;
use model::value::Value;
use store::row::{Row, RowKind};
use store::{AuditQuery, CommitError, Conflict, DocQuery, LimitCount, PlayQuery, Store, StoreError, WaitQuery};

use crate::things::{
    COMPANY, OTHER, audit_row, batch, flow, header, limit_key, message, next, play, record, replica, slot, write,
};

/// A case at work.
pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A promise.
pub struct Case {
    /// What is promised.
    pub name: &'static str,
    /// Panics where an empty store does not keep it.
    pub run: fn(Arc<dyn Store>) -> Running,
}

macro_rules! cases {
    ($($name:ident)*) => {
        /// All promises.
        pub const CASES: &[Case] = &[$(Case { name: stringify!($name), run: |store| Box::pin($name(store)) }),*];
    };
}

cases! {
    a_batch_happens_as_a_whole_or_not_at_all
    a_document_changes_only_as_expected
    a_key_may_pass_from_one_document_to_another
    a_message_wakes_a_play_that_nobody_has
    a_newcomer_does_not_pass_the_queue
    a_play_comes_back_as_it_was_written
    a_play_that_is_let_go_with_unread_messages_is_due
    a_queue_has_an_end
    a_revision_that_does_not_follow_is_refused
    a_slot_that_came_free_meanwhile_wakes_the_queue
    a_store_is_given_out_as_it_was_at_one_instant
    a_store_that_holds_something_is_not_filled
    a_unique_key_finds_its_document_and_is_kept_unique
    adopted_plays_are_due_at_once
    an_ended_play_keeps_its_records_and_nothing_else
    an_event_is_kept_where_nobody_waits
    an_event_reaches_all_who_wait
    audit_rows_are_found_and_stay_apart
    canceled_in_the_queue_lets_the_next_look
    companies_are_kept_apart
    documents_are_listed_by_prefix_and_cursor
    documents_expire
    due_plays_come_in_order_and_in_fair_shares
    forgetting_removes_ended_plays_alone
    lists_are_filtered_newest_first
    records_are_read_from_anywhere
    slots_are_given_out_up_to_the_limit
    the_feed_has_all_records_in_the_order_of_commits
    values_are_kept_once
    what_is_awaited_is_found
    whoever_loses_a_race_reads_who_won
}

async fn ok(store: &Arc<dyn Store>, batch: Batch) -> model::batch::Committed {
    store.commit(batch).await.expect("commits")
}

async fn conflict(store: &Arc<dyn Store>, batch: Batch) -> Conflict {
    match store.commit(batch).await {
        Err(CommitError::Conflict(conflict)) => conflict,
        other => panic!("expected a conflict, not {other:?}"),
    }
}

async fn admit(store: &Arc<dyn Store>, key: PlayKey, change: impl FnOnce(&mut PlayHeader)) -> PlayHeader {
    let mut admitted = header(key);
    change(&mut admitted);
    ok(store, batch([write(&admitted)])).await;
    admitted
}

async fn go_on(store: &Arc<dyn Store>, before: &PlayHeader, change: impl FnOnce(&mut PlayHeader)) -> PlayHeader {
    let after = next(before, change);
    ok(store, batch([write(&after)])).await;
    after
}

fn end(header: &mut PlayHeader) {
    header.state = PlayState::Done;
    header.owner = None;
    header.due = None;
    if let Some(slot) = &mut header.slot {
        slot.place = SlotPlace::Left;
    }
}

async fn a_store_is_given_out_as_it_was_at_one_instant(store: Arc<dyn Store>) {
    // More than is on its way at once, so that the store is not read to its end before the next commit.
    for number in 1..=12 {
        let mut admitted = write(&header(play(COMPANY, number)));
        let value: Arc<[u8]> = vec![number as u8; 1 << 20].into();
        admitted.values = vec![(Digest::of(&value), value)];
        ok(&store, Batch { audit: vec![audit_row(COMPANY, "play.run", "before")], ..batch([admitted]) }).await;
    }
    let mut rows = store.dump().await.expect("begins");
    for number in 13..=20 {
        let admitted = write(&header(play(COMPANY, number)));
        ok(&store, Batch { audit: vec![audit_row(COMPANY, "play.run", "after")], ..batch([admitted]) }).await;
    }
    go_on(&store, &header(play(COMPANY, 1)), end).await;
    let mut seen = Vec::new();
    while let Some(page) = rows.next().await.expect("reads") {
        seen.extend(page);
    }
    assert_eq!(seen[0], Row::Counters { feed: 12, audit: 12 });
    let count = |kind: RowKind| seen.iter().filter(|row| row.kind() == kind).count();
    let counts = [RowKind::Plays, RowKind::Chunks, RowKind::Values, RowKind::Audit].map(count);
    assert_eq!(counts, [12, 12, 12, 12], "what came later is not in it");
    assert!(seen.contains(&Row::Play(Box::new(header(play(COMPANY, 1))))), "nor is what became of a play");
    assert!(seen.windows(2).all(|pair| pair[0].kind() <= pair[1].kind()), "kinds come in their order");
}

async fn a_store_that_holds_something_is_not_filled(store: Arc<dyn Store>) {
    admit(&store, play(COMPANY, 1), |_| {}).await;
    assert!(matches!(store.fill().await.map(drop), Err(StoreError::NotEmpty(_))));
    // It goes on as if nobody had asked.
    admit(&store, play(COMPANY, 2), |_| {}).await;
}

async fn a_play_comes_back_as_it_was_written(store: Arc<dyn Store>) {
    let key = play(COMPANY, 1);
    let first = admit(&store, key, |header| header.due = Some(Timestamp(77))).await;
    assert_eq!(store.header(key).await.expect("reads"), Some(first.clone()));

    let mut going = write(&next(&first, |header| header.state = PlayState::Wait));
    going.snapshot = Some(b"state".as_slice().into());
    ok(&store, batch([going.clone()])).await;
    let third = go_on(&store, &going.header, |_| {}).await;

    let loaded = store.load(key).await.expect("reads").expect("is there");
    assert_eq!(loaded.header, third);
    let snapshot = loaded.snapshot.expect("was written");
    assert_eq!((snapshot.records, &*snapshot.bytes), (2, b"state".as_slice()));
    assert_eq!(loaded.tail.len(), 1, "only what came after the snapshot");
    assert_eq!((loaded.tail[0].from, &loaded.tail[0].bytes), (2, &record(&third)));
    assert!(store.load(play(COMPANY, 2)).await.expect("reads").is_none());
}

async fn a_revision_that_does_not_follow_is_refused(store: Arc<dyn Store>) {
    let key = play(COMPANY, 1);
    let first = admit(&store, key, |_| {}).await;
    assert_eq!(conflict(&store, batch([write(&first)])).await, Conflict::Play(key));
    let second = next(&first, |_| {});
    let third = next(&second, |_| {});
    assert_eq!(conflict(&store, batch([write(&third)])).await, Conflict::Play(key));
    ok(&store, batch([write(&second)])).await;
    assert_eq!(conflict(&store, batch([write(&second)])).await, Conflict::Play(key));
    let unborn = next(&header(play(COMPANY, 2)), |_| {});
    assert_eq!(conflict(&store, batch([write(&unborn)])).await, Conflict::Play(unborn.key));
}

async fn a_batch_happens_as_a_whole_or_not_at_all(store: Arc<dyn Store>) {
    let doc = DocKey::new(COMPANY, DocKind::Kv, "a");
    let (one, two) = (play(COMPANY, 1), play(COMPANY, 2));
    let both = Batch {
        plays: vec![write(&header(one)), write(&next(&header(two), |_| {}))],
        docs: vec![DocWrite::put(doc.clone(), Expect::Absent, &Value::from(1))],
        audit: vec![audit_row(COMPANY, "play.run", "x")],
        ..Batch::default()
    };
    assert_eq!(conflict(&store, both.clone()).await, Conflict::Play(two));
    assert_eq!(store.header(one).await.expect("reads"), None);
    assert_eq!(store.doc(&doc).await.expect("reads"), None);
    assert_eq!(store.feed_end().await.expect("reads"), 0);

    let mut good = both;
    good.plays[1] = write(&header(two));
    ok(&store, good.clone()).await;
    assert!(store.header(two).await.expect("reads").is_some());
    assert_eq!(store.doc(&doc).await.expect("reads").expect("is there").revision, 1);

    // A conflict in a document keeps the plays from happening, too.
    let mut late = batch([write(&header(play(COMPANY, 3)))]);
    late.docs = good.docs;
    assert_eq!(conflict(&store, late).await, Conflict::Doc(doc));
    assert_eq!(store.header(play(COMPANY, 3)).await.expect("reads"), None);
}

async fn records_are_read_from_anywhere(store: Arc<dyn Store>) {
    let key = play(COMPANY, 1);
    let mut at = admit(&store, key, |_| {}).await;
    for _ in 0..4 {
        let before = at.records;
        let after = next(&at, |header| header.records = before + 3);
        let mut going = write(&after);
        going.chunk = Some(model::batch::Chunk { from: before, count: 3, bytes: record(&after) });
        ok(&store, batch([going])).await;
        at = after;
    }
    let from = async |from, limit| -> Vec<u64> {
        store.chunks(key, from, limit).await.expect("reads").iter().map(|chunk| chunk.from).collect()
    };
    assert_eq!(from(0, 10).await, [0, 1, 4, 7, 10]);
    assert_eq!(from(5, 10).await, [4, 7, 10]);
    assert_eq!(from(7, 1).await, [7]);
    assert_eq!(from(13, 10).await, [0; 0]);
}

async fn an_ended_play_keeps_its_records_and_nothing_else(store: Arc<dyn Store>) {
    let key = play(COMPANY, 1);
    let first = admit(&store, key, |_| {}).await;
    let mut waiting = write(&next(&first, |header| header.state = PlayState::Wait));
    waiting.snapshot = Some(b"state".as_slice().into());
    waiting.waits = vec![wait(key, WaitKind::Approval, "", 1)];
    ok(&store, Batch { messages: vec![message(key, 1, 9)], ..batch([waiting.clone()]) }).await;
    assert_eq!(store.load(key).await.expect("reads").expect("is there").messages.len(), 1);

    go_on(&store, &waiting.header, end).await;
    let loaded = store.load(key).await.expect("reads").expect("is there");
    assert!(loaded.snapshot.is_none() && loaded.messages.is_empty());
    assert_eq!(loaded.tail.len(), 3);
    assert!(waits(&store, WaitKind::Approval).await.is_empty());
    // A message to a play that has ended goes nowhere.
    let sent = ok(&store, Batch { messages: vec![message(key, 2, 9)], ..Batch::default() }).await;
    assert!(sent.woken.is_empty());
    assert!(store.load(key).await.expect("reads").expect("is there").messages.is_empty());
}

async fn values_are_kept_once(store: Arc<dyn Store>) {
    let key = play(COMPANY, 1);
    let digest = Digest::of(b"value");
    let mut first = write(&header(key));
    first.values = vec![(digest, b"value".as_slice().into())];
    ok(&store, batch([first.clone()])).await;
    let mut again = write(&next(&first.header, |_| {}));
    again.values = vec![(digest, b"value".as_slice().into())];
    ok(&store, batch([again])).await;
    assert_eq!(store.value(key, digest).await.expect("reads").as_deref(), Some(b"value".as_slice()));
    assert_eq!(store.value(play(OTHER, 1), digest).await.expect("reads"), None);
    assert_eq!(store.value(key, Digest::of(b"else")).await.expect("reads"), None);
}

async fn lists_are_filtered_newest_first(store: Arc<dyn Store>) {
    let states = [PlayState::Done, PlayState::Fail, PlayState::Wait, PlayState::Done, PlayState::Fail, PlayState::Run];
    for (at, state) in states.into_iter().enumerate() {
        admit(&store, play(COMPANY, 10 + at as u64), |header| {
            header.state = state;
            header.flow.id = flow(1 + at as u8 % 2);
        })
        .await;
    }
    admit(&store, play(OTHER, 12), |_| {}).await;
    let all = PlayQuery::of(COMPANY, 100);
    let list = async |query: &PlayQuery| -> (Vec<u64>, u64) {
        let page = store.headers(query).await.expect("reads");
        let ms = |header: &PlayHeader| {
            let bytes = header.key.play.0;
            (0..100).find(|ms| Id::from_parts(*ms, 0) == bytes).expect("a known play")
        };
        (page.plays.iter().map(ms).collect(), page.total)
    };
    assert_eq!(list(&all).await, (vec![15, 14, 13, 12, 11, 10], 6));
    assert_eq!(list(&PlayQuery { limit: 2, skip: 1, ..all.clone() }).await, (vec![14, 13], 6));
    assert_eq!(list(&PlayQuery { flow: Some(flow(2)), ..all.clone() }).await, (vec![15, 13, 11], 3));
    assert_eq!(list(&PlayQuery { states: vec![PlayState::Fail], ..all.clone() }).await, (vec![14, 11], 2));
    assert_eq!(list(&PlayQuery { states: vec![PlayState::Done], ..all.clone() }).await, (vec![13, 10], 2));
    let some = PlayQuery { states: vec![PlayState::Wait, PlayState::Done], limit: 2, ..all.clone() };
    assert_eq!(list(&some).await, (vec![13, 12], 3));
    let of_flow = PlayQuery { states: vec![PlayState::Fail], flow: Some(flow(1)), ..all.clone() };
    assert_eq!(list(&of_flow).await, (vec![14], 1));
    let between = PlayQuery { from: Some(Timestamp(11)), to: Some(Timestamp(14)), ..all.clone() };
    assert_eq!(list(&between).await, (vec![13, 12, 11], 3));
    let after = PlayQuery { after: Some(play(COMPANY, 12).play), ..all.clone() };
    assert_eq!(list(&after).await.0, [11, 10]);
    assert_eq!(list(&PlayQuery { states: vec![PlayState::Canceled], ..all }).await, (vec![], 0));
}

async fn companies_are_kept_apart(store: Arc<dyn Store>) {
    admit(&store, play(COMPANY, 1), |header| header.owner = None).await;
    let doc = DocWrite::put(DocKey::new(COMPANY, DocKind::Kv, "a"), Expect::Absent, &Value::from(1));
    ok(&store, Batch::of_docs(vec![doc], audit_row(COMPANY, "kv.set", "a"))).await;
    assert_eq!(store.header(play(OTHER, 1)).await.expect("reads"), None);
    assert!(store.load(play(OTHER, 1)).await.expect("reads").is_none());
    assert_eq!(store.headers(&PlayQuery::of(OTHER, 10)).await.expect("reads").total, 0);
    assert!(store.chunks(play(OTHER, 1), 0, 10).await.expect("reads").is_empty());
    assert_eq!(store.doc(&DocKey::new(OTHER, DocKind::Kv, "a")).await.expect("reads"), None);
    assert!(store.docs(&DocQuery::all(OTHER, DocKind::Kv, 10)).await.expect("reads").is_empty());
    assert!(store.feed(Some(OTHER), 0, 10).await.expect("reads").is_empty());
}

async fn due_plays_come_in_order_and_in_fair_shares(store: Arc<dyn Store>) {
    for (company, ms, due) in [(COMPANY, 1, 30), (COMPANY, 2, 10), (COMPANY, 3, 20), (COMPANY, 4, 99), (OTHER, 5, 25)] {
        admit(&store, play(company, ms), |header| {
            header.owner = None;
            header.due = Some(Timestamp(due));
        })
        .await;
    }
    admit(&store, play(COMPANY, 6), |_| {}).await;
    let due = async |now, limit| store.due(Timestamp(now), limit).await.expect("reads");
    assert_eq!(due(9, 10).await, []);
    let mut all = due(30, 10).await;
    assert_eq!(all.len(), 4);
    all.retain(|key| key.company == COMPANY);
    assert_eq!(all, [play(COMPANY, 2), play(COMPANY, 3), play(COMPANY, 1)]);
    let mut two = due(30, 2).await;
    two.sort();
    assert_eq!(two, [play(COMPANY, 2), play(OTHER, 5)], "each company has its share");
    assert_eq!(store.next_due().await.expect("reads"), Some(Timestamp(10)));
}

async fn adopted_plays_are_due_at_once(store: Arc<dyn Store>) {
    let running = admit(&store, play(COMPANY, 1), |_| {}).await;
    admit(&store, play(COMPANY, 2), |header| {
        header.owner = None;
        header.due = Some(Timestamp(500));
    })
    .await;
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 1);
    assert_eq!(store.due(Timestamp(1), 10).await.expect("reads"), [running.key]);
    let adopted = store.header(running.key).await.expect("reads").expect("is there");
    assert_eq!((adopted.owner, adopted.due), (None, Some(Timestamp(0))));
    assert_eq!(conflict(&store, batch([write(&next(&running, |_| {}))])).await, Conflict::Play(running.key), "fenced");
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 0);
    go_on(&store, &adopted, |header| {
        header.owner = Some(replica(2));
        header.due = None;
    })
    .await;
    assert!(store.due(Timestamp(1), 10).await.expect("reads").is_empty());
    assert_eq!(store.adopt(replica(2)).await.expect("adopts"), 0, "nobody adopts what is their own");
}

async fn a_message_wakes_a_play_that_nobody_has(store: Arc<dyn Store>) {
    let parked = admit(&store, play(COMPANY, 1), |header| {
        header.owner = None;
        header.due = Some(Timestamp(900));
    })
    .await;
    let held = admit(&store, play(COMPANY, 2), |_| {}).await;
    let messages = vec![message(parked.key, 1, 40), message(parked.key, 1, 50), message(held.key, 2, 40)];
    let sent = ok(&store, Batch { messages, ..Batch::default() }).await;
    assert!(sent.woken.contains(&(parked.key, None)) && sent.woken.contains(&(held.key, Some(replica(1)))));
    assert_eq!(store.due(Timestamp(40), 10).await.expect("reads"), [parked.key]);
    let loaded = store.load(parked.key).await.expect("reads").expect("is there");
    assert_eq!(loaded.header.due, Some(Timestamp(40)));
    assert_eq!(loaded.header.revision, 1, "a message is no commit of the play");
    assert_eq!(loaded.messages, [message(parked.key, 1, 40)], "the same message twice is one");
    let loaded = store.load(held.key).await.expect("reads").expect("is there");
    assert_eq!((loaded.header.due, loaded.messages.len()), (None, 1));
}

async fn a_play_that_is_let_go_with_unread_messages_is_due(store: Arc<dyn Store>) {
    let first = admit(&store, play(COMPANY, 1), |_| {}).await;
    let sent = vec![message(first.key, 1, 40), message(first.key, 2, 30)];
    ok(&store, Batch { messages: sent.clone(), ..Batch::default() }).await;
    let mut parking = write(&next(&first, |header| {
        header.owner = None;
        header.due = Some(Timestamp(900));
    }));
    parking.read = vec![sent[1].id];
    ok(&store, batch([parking.clone()])).await;
    let parked = store.header(first.key).await.expect("reads").expect("is there");
    assert_eq!(parked.due, Some(Timestamp(40)));
    let mut again = write(&next(&parking.header, |header| header.due = None));
    again.read = vec![sent[0].id];
    ok(&store, batch([again])).await;
    assert_eq!(store.header(first.key).await.expect("reads").expect("is there").due, None);
}

fn wait(play: PlayKey, kind: WaitKind, key: &str, number: u64) -> Wait {
    Wait {
        play,
        kind,
        key: key.into(),
        layer: LayerId(Id::from_parts(3, number)),
        since: Timestamp(100 - number as i64),
    }
}

async fn waits(store: &Arc<dyn Store>, kind: WaitKind) -> Vec<Wait> {
    let query = WaitQuery { company: COMPANY, kind, play: None, skip: 0, limit: 100 };
    store.waits(&query).await.expect("reads")
}

async fn waiting(store: &Arc<dyn Store>, key: PlayKey, waits: Vec<Wait>) -> PlayHeader {
    let mut write = write(&header(key));
    write.header.owner = None;
    write.header.state = PlayState::Wait;
    write.waits = waits;
    let header = write.header.clone();
    ok(store, batch([write])).await;
    header
}

async fn what_is_awaited_is_found(store: Arc<dyn Store>) {
    let (one, two) = (play(COMPANY, 1), play(COMPANY, 2));
    let first = wait(one, WaitKind::Approval, "", 5);
    let second = wait(two, WaitKind::Approval, "", 4);
    let parked = waiting(&store, one, vec![first.clone(), wait(one, WaitKind::Event, "paid", 3)]).await;
    waiting(&store, two, vec![second.clone()]).await;
    waiting(&store, play(OTHER, 3), vec![wait(play(OTHER, 3), WaitKind::Approval, "", 2)]).await;
    assert_eq!(waits(&store, WaitKind::Approval).await, [first.clone(), second.clone()], "in the order of since");
    assert_eq!(waits(&store, WaitKind::InDoubt).await, []);
    let of_two = WaitQuery { company: COMPANY, kind: WaitKind::Approval, play: Some(two.play), skip: 0, limit: 9 };
    assert_eq!(store.waits(&of_two).await.expect("reads"), std::slice::from_ref(&second));
    let mut decided = write(&next(&parked, |_| {}));
    decided.waited = vec![(WaitKind::Approval, String::new(), first.layer)];
    ok(&store, batch([decided])).await;
    assert_eq!(waits(&store, WaitKind::Approval).await, [second]);
    assert_eq!(waits(&store, WaitKind::Event).await.len(), 1);
}

fn event(key: &str, number: u64) -> Event {
    Event {
        id: EventId(Id::from_parts(6, number)),
        company: COMPANY,
        key: key.into(),
        data: Value::from(number),
        at: Timestamp(60),
        expires_at: Timestamp(1_000),
    }
}

async fn an_event_reaches_all_who_wait(store: Arc<dyn Store>) {
    let (one, two, three) = (play(COMPANY, 1), play(COMPANY, 2), play(COMPANY, 3));
    waiting(&store, one, vec![wait(one, WaitKind::Event, "paid", 1)]).await;
    waiting(&store, two, vec![wait(two, WaitKind::Event, "paid", 1), wait(two, WaitKind::Event, "paid", 2)]).await;
    waiting(&store, three, vec![wait(three, WaitKind::Event, "sent", 1)]).await;
    let posted = ok(&store, Batch { events: vec![event("paid", 1)], ..Batch::default() }).await;
    assert!(posted.woken.iter().all(|(key, _)| *key == one || *key == two));
    for (key, messages) in [(one, 1), (two, 1), (three, 0)] {
        assert_eq!(store.load(key).await.expect("reads").expect("is there").messages.len(), messages);
    }
    let body = store.load(one).await.expect("reads").expect("is there").messages.remove(0).body;
    assert_eq!(body, MessageBody::Event { key: "paid".into(), data: Value::from(1) });
    let mut due = store.due(Timestamp(60), 10).await.expect("reads");
    due.sort();
    assert_eq!(due, [one, two]);
    assert_eq!(waits(&store, WaitKind::Event).await.len(), 1, "whoever was reached waits no more");
}

async fn an_event_is_kept_where_nobody_waits(store: Arc<dyn Store>) {
    ok(&store, Batch { events: vec![event("paid", 1), event("paid/2", 2)], ..Batch::default() }).await;
    let query = DocQuery { prefix: Event::doc_prefix("paid"), ..DocQuery::all(COMPANY, DocKind::Event, 10) };
    let kept = store.docs(&query).await.expect("reads");
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].read::<Value>().expect("JSON"), Value::from(1));
    assert_eq!(kept[0].expires_at, Some(Timestamp(1_000)));
}

async fn limit(store: &Arc<dyn Store>) -> LimitCount {
    store.limit(COMPANY, limit_key(1)).await.expect("reads")
}

/// Admits a play into the queue.
async fn queue(store: &Arc<dyn Store>, ms: u64, max: u32) -> PlayHeader {
    admit(store, play(COMPANY, ms), |header| {
        header.owner = None;
        header.state = PlayState::Deferred;
        header.slot = Some(slot(SlotPlace::Queued, max));
    })
    .await
}

fn hold(max: u32) -> impl FnOnce(&mut PlayHeader) {
    move |header| {
        header.state = PlayState::Run;
        header.slot = Some(slot(SlotPlace::Held, max));
    }
}

async fn slots_are_given_out_up_to_the_limit(store: Arc<dyn Store>) {
    let one = admit(&store, play(COMPANY, 1), hold(2)).await;
    admit(&store, play(COMPANY, 2), hold(2)).await;
    let mut third = header(play(COMPANY, 3));
    hold(2)(&mut third);
    assert_eq!(conflict(&store, batch([write(&third)])).await, Conflict::SlotBusy);
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 0 });
    let third = queue(&store, 3, 2).await;
    let fourth = queue(&store, 4, 2).await;
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 2 });
    assert_eq!(store.queue_heads(COMPANY, flow(1)).await.expect("reads"), [third.key]);
    assert!(store.due(Timestamp(1), 10).await.expect("reads").is_empty());

    let ended = next(&one, end);
    let woken = ok(&store, batch([write(&ended)])).await.woken;
    assert_eq!(woken, [(third.key, None)], "the first in the queue is woken by the commit that frees the slot");
    assert_eq!(store.due(Timestamp(0), 10).await.expect("reads"), [third.key]);
    let fourth_now = next(&fourth, hold(2));
    assert_eq!(conflict(&store, batch([write(&fourth_now)])).await, Conflict::SlotBusy, "first in, first out");
    go_on(&store, &third, hold(2)).await;
    assert_eq!(limit(&store).await, LimitCount { held: 2, queued: 1 });
    // Another key has slots of its own; two in one batch see each other.
    let other = |ms| {
        let mut header = header(play(COMPANY, ms));
        header.slot = Some(model::play::Slot { key: limit_key(2), ..slot(SlotPlace::Held, 1) });
        write(&header)
    };
    assert_eq!(conflict(&store, batch([other(8), other(9)])).await, Conflict::SlotBusy);
    ok(&store, batch([other(8)])).await;
}

async fn a_newcomer_does_not_pass_the_queue(store: Arc<dyn Store>) {
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let queued = queue(&store, 2, 1).await;
    go_on(&store, &holder, end).await;
    let mut newcomer = header(play(COMPANY, 3));
    hold(1)(&mut newcomer);
    assert_eq!(conflict(&store, batch([write(&newcomer)])).await, Conflict::SlotBusy);
    let granted = go_on(&store, &queued, hold(1)).await;
    go_on(&store, &granted, end).await;
    assert_eq!(limit(&store).await, LimitCount::default());
    ok(&store, batch([write(&newcomer)])).await;
}

async fn a_slot_that_came_free_meanwhile_wakes_the_queue(store: Arc<dyn Store>) {
    let due = async || store.due(Timestamp(0), 10).await.expect("reads");
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let queued = queue(&store, 2, 1).await;
    let stays = next(&queued, |header| header.due = None);
    assert_eq!((ok(&store, batch([write(&stays)])).await.woken, due().await), (vec![], vec![]));
    go_on(&store, &holder, end).await;
    // It found no slot, and says so only now that there is one.
    let stays = next(&stays, |header| header.due = None);
    assert_eq!(ok(&store, batch([write(&stays)])).await.woken, [(queued.key, None)]);
    assert_eq!(due().await, [queued.key]);
    let granted = go_on(&store, &stays, hold(1)).await;
    go_on(&store, &granted, end).await;
    let late = queue(&store, 3, 1).await;
    assert_eq!(due().await, [late.key], "whoever comes to the queue finds the slot that is free");
}

async fn canceled_in_the_queue_lets_the_next_look(store: Arc<dyn Store>) {
    let holder = admit(&store, play(COMPANY, 1), hold(1)).await;
    let first = queue(&store, 2, 1).await;
    let second = queue(&store, 3, 1).await;
    go_on(&store, &holder, end).await;
    let canceled = next(&first, |header| {
        end(header);
        header.state = PlayState::Canceled;
    });
    let woken = ok(&store, batch([write(&canceled)])).await.woken;
    assert_eq!(woken, [(second.key, None)]);
    go_on(&store, &second, hold(1)).await;
    assert_eq!(limit(&store).await, LimitCount { held: 1, queued: 0 });
}

async fn a_queue_has_an_end(store: Arc<dyn Store>) {
    let queued = |ms: u64| {
        let mut header = header(play(COMPANY, ms));
        header.owner = None;
        header.slot = Some(slot(SlotPlace::Queued, 1));
        write(&header)
    };
    ok(&store, batch((1..=QUEUED_PER_KEY).map(queued))).await;
    assert_eq!(limit(&store).await.queued, QUEUED_PER_KEY);
    assert_eq!(conflict(&store, batch([queued(QUEUED_PER_KEY + 1)])).await, Conflict::QueueFull);
}

async fn a_document_changes_only_as_expected(store: Arc<dyn Store>) {
    let key = DocKey::new(COMPANY, DocKind::Kv, "a");
    let put = |expect, number: i64| Batch {
        docs: vec![DocWrite::put(key.clone(), expect, &Value::from(number))],
        ..Batch::default()
    };
    let now =
        async || store.doc(&key).await.expect("reads").map(|doc| (doc.revision, doc.read::<Value>().expect("JSON")));
    assert_eq!(conflict(&store, put(Expect::Revision(1), 0)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Absent, 1)).await;
    assert_eq!(conflict(&store, put(Expect::Absent, 2)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Revision(1), 3)).await;
    assert_eq!(conflict(&store, put(Expect::Revision(1), 4)).await, Conflict::Doc(key.clone()));
    ok(&store, put(Expect::Anything, 5)).await;
    assert_eq!(now().await, Some((3, Value::from(5))));
    let remove = |expect| Batch { docs: vec![DocWrite::remove(key.clone(), expect)], ..Batch::default() };
    assert_eq!(conflict(&store, remove(Expect::Revision(2))).await, Conflict::Doc(key.clone()));
    ok(&store, remove(Expect::Revision(3))).await;
    assert_eq!(now().await, None);
    ok(&store, remove(Expect::Anything)).await;
    ok(&store, put(Expect::Absent, 6)).await;
    assert_eq!(now().await, Some((1, Value::from(6))));
}

fn user(id: &str, email: &str, expect: Expect) -> DocWrite {
    DocWrite::put(DocKey::new(COMPANY, DocKind::User, id), expect, &Value::from(email))
        .unique(CompanyId::INSTALLATION, email)
}

fn email(text: &str) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::User, text: text.into() }
}

fn docs(docs: impl IntoIterator<Item = DocWrite>) -> Batch {
    Batch { docs: docs.into_iter().collect(), ..Batch::default() }
}

async fn a_unique_key_finds_its_document_and_is_kept_unique(store: Arc<dyn Store>) {
    ok(&store, docs([user("1", "ada@x", Expect::Absent)])).await;
    let found = async |text: &str| store.doc_by(&email(text)).await.expect("reads").map(|doc| doc.key.id);
    assert_eq!(found("ada@x").await.as_deref(), Some("1"));
    assert_eq!(conflict(&store, docs([user("2", "ada@x", Expect::Absent)])).await, Conflict::Key(email("ada@x")));
    ok(&store, docs([user("1", "ada@y", Expect::Revision(1))])).await;
    assert_eq!((found("ada@x").await, found("ada@y").await.as_deref()), (None, Some("1")));
    ok(&store, docs([user("2", "ada@x", Expect::Absent)])).await;
    // The same text in another scope, or of another kind, is another key.
    let scoped =
        DocWrite::put(DocKey::new(OTHER, DocKind::User, "3"), Expect::Absent, &Value::Null).unique(OTHER, "ada@x");
    let group = DocWrite::put(DocKey::new(COMPANY, DocKind::Group, "3"), Expect::Absent, &Value::Null)
        .unique(CompanyId::INSTALLATION, "ada@x");
    ok(&store, docs([scoped, group])).await;
    assert_eq!(found("ada@x").await.as_deref(), Some("2"));
}

async fn a_key_may_pass_from_one_document_to_another(store: Arc<dyn Store>) {
    ok(&store, docs([user("1", "ada@x", Expect::Absent)])).await;
    let gone = DocWrite::remove(DocKey::new(COMPANY, DocKind::User, "1"), Expect::Revision(1));
    ok(&store, docs([user("2", "ada@x", Expect::Absent), gone])).await;
    assert_eq!(store.doc_by(&email("ada@x")).await.expect("reads").map(|doc| doc.key.id).as_deref(), Some("2"));
}

async fn documents_are_listed_by_prefix_and_cursor(store: Arc<dyn Store>) {
    let put = |id: &str| DocWrite::put(DocKey::new(COMPANY, DocKind::Kv, id), Expect::Absent, &Value::from(id));
    let ids = ["a/1", "a/2", "a/3", "a%", "ab", "ä/1", "b/1"];
    ok(&store, docs(ids.map(put))).await;
    let list = async |prefix: &str, after: Option<&str>, limit| -> Vec<String> {
        let query = DocQuery {
            prefix: prefix.into(),
            after: after.map(Into::into),
            ..DocQuery::all(COMPANY, DocKind::Kv, limit)
        };
        store.docs(&query).await.expect("reads").into_iter().map(|doc: Doc| doc.key.id).collect()
    };
    assert_eq!(list("a/", None, 10).await, ["a/1", "a/2", "a/3"]);
    assert_eq!(list("a/", Some("a/1"), 1).await, ["a/2"]);
    assert_eq!(list("ä", None, 10).await, ["ä/1"]);
    assert_eq!(list("", Some("ab"), 10).await, ["b/1", "ä/1"]);
    assert_eq!(list("", None, 2).await, ["a%", "a/1"]);
}

async fn documents_expire(store: Arc<dyn Store>) {
    let put = |id: &str, at: i64| {
        DocWrite::put(DocKey::new(COMPANY, DocKind::Session, id), Expect::Absent, &Value::Null).expiring(Timestamp(at))
    };
    let lasting = DocWrite::put(DocKey::new(COMPANY, DocKind::Kv, "x"), Expect::Absent, &Value::Null);
    ok(&store, docs([put("a", 10), put("b", 20), lasting])).await;
    let expired = async |now| -> Vec<String> {
        let docs = store.expired(Timestamp(now), 10).await.expect("reads");
        docs.into_iter().map(|doc| doc.key.id).collect()
    };
    assert_eq!(expired(9).await, [""; 0]);
    assert_eq!(expired(10).await, ["a"]);
    assert_eq!(expired(99).await, ["a", "b"]);
}

async fn audit_rows_are_found_and_stay_apart(store: Arc<dyn Store>) {
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

async fn the_feed_has_all_records_in_the_order_of_commits(store: Arc<dyn Store>) {
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

async fn forgetting_removes_ended_plays_alone(store: Arc<dyn Store>) {
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

async fn whoever_loses_a_race_reads_who_won(store: Arc<dyn Store>) {
    for round in 0..20 {
        let key = DocKey::new(COMPANY, DocKind::Kv, format!("race/{round}"));
        let put =
            |who: &str| Batch { docs: vec![DocWrite::put(key.clone(), Expect::Absent, &who)], ..Batch::default() };
        let try_it = async |who: &'static str| {
            let outcome = store.commit(put(who)).await;
            // Right after the answer, whoever won and whoever lost read the same.
            let read = store.doc(&key).await.expect("reads").expect("is there").read::<String>().expect("a text");
            (who, outcome.is_ok(), read)
        };
        let (one, other) = tokio::join!(try_it("one"), try_it("other"));
        let winner = if one.1 { one.0 } else { other.0 };
        assert!(one.1 != other.1, "one of them wins");
        assert_eq!((one.2.as_str(), other.2.as_str()), (winner, winner));
    }
}
