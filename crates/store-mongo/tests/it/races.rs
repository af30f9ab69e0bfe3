//! Replicas that write at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::{Batch, Event, Message, Wait, WaitKind};
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{EventId, Id, LayerId, MessageId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayState, Slot, SlotPlace};
use model::record::{MessageBody, Stop};
use model::time::Timestamp;
use model::value::Value;
use store::{AuditSpan, CommitError, Conflict, Store as _};
use store_mongo::{DATABASE, MongoOptions, MongoStore};
use store_suite::set::ReplicaSet;

use crate::stage::{COMPANY, FLOW, Stage, batch, commit, header, next, play, replica};

/// Slots under the limit that is tried.
const LIMIT: u32 = 3;

/// Plays that want one.
const PLAYS: u64 = 24;

fn slotted(header: PlayHeader, place: SlotPlace) -> PlayHeader {
    let key = LimitKey { flow: FLOW, key: Digest::of(&[1]) };
    PlayHeader { slot: Some(Slot { key, limit: LIMIT, place }), ..header }
}

/// Takes a slot, holds it for a moment, and leaves it.
async fn pass_through(store: &MongoStore, number: u64, held: &AtomicU64) {
    let mut wish = slotted(header(play(number), Some(replica(1))), SlotPlace::Held);
    loop {
        match commit(store, &wish).await {
            Ok(()) => break,
            Err(CommitError::Conflict(Conflict::SlotBusy)) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(other) => panic!("{other}"),
        }
    }
    let now = held.fetch_add(1, Ordering::SeqCst) + 1;
    assert!(now <= u64::from(LIMIT), "{now} plays hold a slot");
    tokio::task::yield_now().await;
    held.fetch_sub(1, Ordering::SeqCst);
    wish = next(&wish);
    wish.state = PlayState::Done;
    wish.owner = None;
    commit(store, &slotted(wish, SlotPlace::Left)).await.expect("leaves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_over_replicas() {
    let stage = Stage::new().await;
    let (stores, held) = ([stage.store().await, stage.store().await], Arc::new(AtomicU64::new(0)));
    let passing: Vec<_> = (1..=PLAYS)
        .map(|number| {
            let (store, held) = (stores[number as usize % 2].clone(), held.clone());
            tokio::spawn(async move { pass_through(&store, number, &held).await })
        })
        .collect();
    for passes in passing {
        passes.await.expect("passes");
    }
    let key = LimitKey { flow: FLOW, key: Digest::of(&[1]) };
    let left = stores[0].limit(COMPANY, key).await.expect("reads");
    assert_eq!((left.held, left.queued), (0, 0), "no slot leaks");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_many_write_at_once_are_written_as_one_by_one() {
    let stage = Stage::new().await;
    let stores = [stage.store().await, stage.store().await];
    let doc = |id: &str| DocKey::new(COMPANY, DocKind::Idempotency, id.to_owned());
    // Each has one of its own, two of them the same; and all write one that may be there.
    let writing: Vec<_> = (0..2 * PLAYS)
        .map(|number| {
            let docs = vec![
                DocWrite::put(doc(&format!("own-{}", number % PLAYS)), Expect::Absent, &number),
                DocWrite::put(doc("shared"), Expect::Anything, &Value::from("$r")),
            ];
            let batch = Batch { docs, ..batch(&header(play(number + 1), None)) };
            let store = stores[number as usize % 2].clone();
            tokio::spawn(async move { store.commit(batch).await })
        })
        .collect();
    let mut refused = 0;
    for writes in writing {
        match writes.await.expect("ends") {
            Ok(_) => {}
            Err(CommitError::Conflict(Conflict::Doc(key))) if key.id.starts_with("own-") => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, PLAYS, "of two with the same key one");
    let shared = stores[0].doc(&doc("shared")).await.expect("reads").expect("is there");
    assert_eq!((shared.revision, shared.read::<Value>().expect("JSON")), (PLAYS, Value::from("$r")));
    for number in 0..PLAYS {
        let own = stores[1].doc(&doc(&format!("own-{number}"))).await.expect("reads").expect("is there");
        assert_eq!((own.revision, own.read::<u64>().expect("JSON") % PLAYS), (1, number));
    }
}

/// A row of the audit log that tells of a number.
fn told(number: u64) -> AuditRow {
    AuditRow {
        company: COMPANY,
        at: Timestamp(1),
        actor: Actor::system(),
        action: "op.done".into(),
        entity: "op".into(),
        entity_id: number.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: None,
        ip: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_the_audit_log_up_to_its_end_misses_nothing() {
    const ROWS: u64 = 400;
    let stage = Stage::new().await;
    let (writers, reader) = ([stage.store().await, stage.store().await], stage.store().await);
    let over = Arc::new(AtomicBool::new(false));
    let following = tokio::spawn({
        let over = over.clone();
        async move {
            let (mut at, mut seen) = (0, Vec::new());
            loop {
                let was_over = over.load(Ordering::SeqCst);
                let upto = reader.audit_end().await.expect("reads");
                let span = AuditSpan { company: None, after: at, upto, limit: 1_000 };
                let log = reader.audit_log(&span).await.expect("reads");
                seen.extend(log.iter().map(|entry| AuditRow::from_text(&entry.text).expect("a row").entity_id));
                at = upto;
                if was_over {
                    return seen;
                }
            }
        }
    });
    let writing: Vec<_> = (0..ROWS)
        .map(|number| {
            let store = writers[number as usize % 2].clone();
            tokio::spawn(async move {
                let mut batch = Batch { audit: vec![told(number)], ..Batch::default() };
                // Some come alone, some with a play, some with a document that is checked before.
                match number % 4 {
                    0 => batch.plays = self::batch(&header(play(number + 1), None)).plays,
                    1 => {
                        let key = DocKey::new(COMPANY, DocKind::Kv, number % 8);
                        batch.docs = vec![DocWrite::put(key, Expect::Anything, &number)];
                    }
                    _ => {}
                }
                store.commit(batch).await.expect("commits");
            })
        })
        .collect();
    for writing in writing {
        writing.await.expect("writes");
    }
    over.store(true, Ordering::SeqCst);
    let seen: BTreeSet<u64> = following.await.expect("reads").iter().map(|id| id.parse().expect("a number")).collect();
    let missed: Vec<u64> = (0..ROWS).filter(|number| !seen.contains(number)).collect();
    assert_eq!(missed, [0; 0], "missed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_the_feed_misses_nothing() {
    let stage = Stage::new().await;
    let (writers, reader) = ([stage.store().await, stage.store().await], stage.store().await);
    let over = Arc::new(AtomicBool::new(false));
    let following = tokio::spawn({
        let over = over.clone();
        async move {
            let (mut at, mut seen) = (0, BTreeMap::new());
            loop {
                let was_over = over.load(Ordering::SeqCst);
                let rows = reader.feed(None, at, 100).await.expect("reads");
                for row in &rows {
                    assert!(row.feed > at, "in order");
                    at = row.feed;
                    *seen.entry(row.play).or_insert(0) += 1;
                }
                if was_over && rows.is_empty() {
                    return seen;
                }
            }
        }
    });
    let writing: Vec<_> = (1..=40)
        .map(|number| {
            let store = writers[number as usize % 2].clone();
            tokio::spawn(async move {
                let mut going = header(play(number), Some(replica(1)));
                for _ in 0..5 {
                    commit(&store, &going).await.expect("commits");
                    // One that cannot be: its place in the feed stays empty.
                    assert!(commit(&store, &going).await.is_err());
                    going = next(&going);
                }
            })
        })
        .collect();
    for writes in writing {
        writes.await.expect("writes");
    }
    over.store(true, Ordering::SeqCst);
    let seen = tokio::time::timeout(Duration::from_secs(60), following).await.expect("in time").expect("reads");
    assert_eq!(seen.len(), 40);
    assert!(seen.values().all(|count| *count == 5), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_play_that_is_let_go_while_a_message_comes_is_due() {
    let stage = Stage::new().await;
    let (first, second) = (stage.store().await, stage.store().await);
    for number in 1..=40 {
        let running = header(play(number), Some(replica(1)));
        commit(&first, &running).await.expect("commits");
        let mut parked = next(&running);
        parked.owner = None;
        parked.state = PlayState::Wait;
        let message = Message {
            id: MessageId(Id::from_parts(number, 1)),
            to: running.key,
            at: Timestamp(40),
            body: MessageBody::ParentStopped { stop: Stop::Cancel },
        };
        let sent = Batch { messages: vec![message], ..Batch::default() };
        let (parking, sending) = tokio::join!(first.commit(batch(&parked)), second.commit(sent));
        parking.expect("is let go");
        sending.expect("is sent");
        let now = first.header(running.key).await.expect("reads").expect("is there");
        assert_eq!(now.due, Some(Timestamp(40)), "play {number} would wait for ever");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_and_who_waits_for_it_do_not_miss_each_other() {
    let stage = Stage::new().await;
    let (first, second) = (stage.store().await, stage.store().await);
    for number in 1..=40 {
        let running = header(play(number), Some(replica(1)));
        commit(&first, &running).await.expect("commits");
        let mut waiting = batch(&next(&running));
        let layer = LayerId(Id::from_parts(number, 2));
        let key = format!("paid {number}");
        let wait = Wait { play: running.key, kind: WaitKind::Event, key: key.clone(), layer, since: Timestamp(1) };
        waiting.plays[0].waits = vec![wait];
        let event = Event {
            id: EventId(Id::from_parts(number, 3)),
            company: COMPANY,
            key,
            data: Value::Null,
            at: Timestamp(2),
            expires_at: Timestamp(900),
        };
        let kept = event.as_doc().key;
        let posted = Batch { events: vec![event], ..Batch::default() };
        // Whoever waits looks for an event that was kept once its wait is committed.
        let waits = async {
            first.commit(waiting).await.expect("waits");
            first.doc(&kept).await.expect("reads").is_some()
        };
        let (is_kept, posted) = tokio::join!(waits, second.commit(posted));
        posted.expect("is posted");
        let is_delivered = !first.messages(running.key).await.expect("reads").is_empty();
        assert!(is_kept || is_delivered, "event {number} is known to nobody");
    }
}

#[tokio::test]
async fn whoever_hears_of_a_conflict_reads_what_it_is_about_though_members_lag() {
    let set = ReplicaSet::start().await;
    let options = MongoOptions { uri: set.uri(), migrates: true, ..MongoOptions::default() };
    let open = async || Arc::new(MongoStore::open(&options).await.expect("opens"));
    let (winner, loser) = (open().await, open().await);
    let key = DocKey::new(COMPANY, DocKind::Kv, "raced");
    let put = |who: &str| Batch { docs: vec![DocWrite::put(key.clone(), Expect::Absent, &who)], ..Batch::default() };
    let primary = set.primary().await;
    let others = || set.members().iter().enumerate().filter(|(at, _)| *at != primary).map(|(_, member)| &member.server);
    // The primary has what the winner commits, and nobody else yet: it is not durable.
    others().for_each(|server| server.signal("STOP"));
    let winning = tokio::spawn({
        let (winner, batch) = (winner.clone(), put("winner"));
        async move { winner.commit(batch).await }
    });
    let docs = is_written(&set, primary).await;
    assert!(docs, "the primary has it");
    let losing = tokio::spawn({
        let (loser, batch, key) = (loser.clone(), put("loser"), key.clone());
        async move { (loser.commit(batch).await.map(drop), loser.doc(&key).await) }
    });
    // It must not be told of a conflict before it can read about it. Where it is, it is told within this time.
    tokio::time::sleep(Duration::from_millis(500)).await;
    others().for_each(|server| server.signal("CONT"));
    winning.await.expect("no panic").expect("wins");
    let (outcome, read) = losing.await.expect("no panic");
    assert!(matches!(outcome, Err(CommitError::Conflict(Conflict::Doc(_)))), "{outcome:?}");
    let read = read.expect("reads").expect("what stood in the way is there");
    assert_eq!(read.read::<String>().expect("a text"), "winner");
}

/// Whether the primary comes to have a document, durable or not.
async fn is_written(set: &ReplicaSet, primary: usize) -> bool {
    let admin = set.members()[primary].server.direct().await;
    let docs = admin.client().database(DATABASE).collection::<mongodb::bson::Document>("docs");
    let seen = async { while docs.find_one(mongodb::bson::doc! {}).await.expect("reads").is_none() {} };
    tokio::time::timeout(Duration::from_secs(30), seen).await.is_ok()
}
