//! Plays: headers, records, values, lists, what is due, messages.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use model::batch::{Batch, WaitKind};
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{FlowId, Id};
use model::payload::Digest;
use model::play::{PlayHeader, PlayState};
use model::time::Timestamp;
use model::value::Value;
use store::{Conflict, DocQuery, PlayQuery, Store};
use tokio::time::timeout;

use crate::things::{
    COMPANY, OTHER, audit_row, batch, flow, header, message, next, play, record, replica, write,
};
use super::waits::{wait, waits};
use super::{admit, conflict, end, go_on, ok};

/// Reads that are begun at once: more than any store does at a time.
const READS: usize = 300;

/// After that long something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn a_play_comes_back_as_it_was_written(store: Arc<dyn Store>) {
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

pub(super) async fn a_revision_that_does_not_follow_is_refused(store: Arc<dyn Store>) {
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

pub(super) async fn a_batch_happens_as_a_whole_or_not_at_all(store: Arc<dyn Store>) {
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

pub(super) async fn records_are_read_from_anywhere(store: Arc<dyn Store>) {
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

pub(super) async fn an_ended_play_keeps_its_records_and_nothing_else(store: Arc<dyn Store>) {
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

pub(super) async fn values_are_kept_once(store: Arc<dyn Store>) {
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

pub(super) async fn lists_are_filtered_newest_first(store: Arc<dyn Store>) {
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
    let among = |flows: Vec<FlowId>| PlayQuery { among: Some(flows), ..all.clone() };
    assert_eq!(list(&among(vec![flow(2), flow(9)])).await, (vec![15, 13, 11], 3));
    assert_eq!(list(&among(vec![flow(1), flow(2)])).await, (vec![15, 14, 13, 12, 11, 10], 6));
    assert_eq!(list(&PlayQuery { limit: 2, skip: 1, ..among(vec![flow(1), flow(2)]) }).await, (vec![14, 13], 6));
    assert_eq!(list(&among(Vec::new())).await, (vec![], 0));
    assert_eq!(list(&PlayQuery { flow: Some(flow(1)), ..among(vec![flow(2)]) }).await, (vec![], 0));
    // More of them than anybody asks for one by one.
    let many = among((0..200).filter(|n| *n != 1).map(flow).collect());
    assert_eq!(list(&many).await, (vec![15, 13, 11], 3));
    let failed = PlayQuery { states: vec![PlayState::Fail, PlayState::Done], ..many };
    assert_eq!(list(&failed).await, (vec![13, 11], 2));
    let after = PlayQuery { after: Some(play(COMPANY, 12).play), ..all.clone() };
    assert_eq!(list(&after).await.0, [11, 10]);
    assert_eq!(list(&PlayQuery { states: vec![PlayState::Canceled], ..all }).await, (vec![], 0));
}

pub(super) async fn companies_are_kept_apart(store: Arc<dyn Store>) {
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

pub(super) async fn due_plays_come_in_order_and_in_fair_shares(store: Arc<dyn Store>) {
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

pub(super) async fn adopted_plays_are_due_at_once(store: Arc<dyn Store>) {
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

pub(super) async fn a_message_wakes_a_play_that_nobody_has(store: Arc<dyn Store>) {
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

pub(super) async fn a_play_that_is_let_go_with_unread_messages_is_due(store: Arc<dyn Store>) {
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

/// Whoever has begun to read may be at something else for a while.
pub(super) async fn reads_that_nobody_goes_on_with_keep_nobody_out(store: Arc<dyn Store>) {
    let play = play(COMPANY, 1);
    let mut begun: Vec<_> = (0..READS).map(|_| store.header(play)).collect();
    for read in &mut begun {
        poll_fn(|context| {
            let _ = read.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    let others = async {
        for _ in 0..READS {
            assert_eq!(store.header(play).await, Ok(None));
        }
    };
    timeout(PATIENCE, others).await.expect("others read meanwhile");
}
