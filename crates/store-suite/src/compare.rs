//! Runs the same batches against a store and the in-memory model, and compares all that can
//! be seen.

use std::sync::Arc;

use model::batch::{Batch, Event, Wait, WaitKind};
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{EventId, Id, LayerId};
use model::play::{PlayHeader, PlayKey, PlayState, SlotPlace};
use model::time::Timestamp;
use model::value::Value;
use proptest::collection::vec;
use proptest::prelude::*;
use store::memory::MemoryStore;
use store::{AuditQuery, AuditSpan, CommitError, DocQuery, PlayQuery, Store, WaitQuery};

use crate::things::{
    COMPANY, OTHER, audit_row, batch, company, header, limit_key, message, play, replica, slot, write,
};

/// One batch to try, on a few plays and documents, so that they meet.
#[derive(Debug, Clone)]
pub enum Op {
    /// Plays go on, or are admitted.
    Plays(Vec<Going>),
    /// A document is written: which, what is expected, what is put, under which unique key.
    Doc(u8, Expect, Option<u8>, Option<u8>),
    /// A message is sent.
    Send(u8, u8),
    /// An event is posted.
    Post(u8),
    /// Plays are forgotten.
    Forget(Vec<u8>),
    /// So many rows come into the audit log.
    Tell(u8),
    /// Audit rows up to a number are dropped.
    Drop(u8),
    /// The process starts anew.
    Adopt,
}

/// How one play goes on.
#[derive(Debug, Clone)]
pub struct Going {
    play: u8,
    /// Whether it follows the revision that is stored, or one that is not.
    follows: bool,
    state: PlayState,
    place: Option<SlotPlace>,
    due: Option<u8>,
    owned: bool,
    waits: Option<u8>,
    reads: bool,
}

/// Any sequence of batches.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 1..60)
}

fn op() -> impl Strategy<Value = Op> {
    let expect = prop_oneof![Just(Expect::Anything), Just(Expect::Absent), (1..4_u64).prop_map(Expect::Revision)];
    prop_oneof![
        8 => vec(going(), 1..3).prop_map(Op::Plays),
        2 => (0..4_u8, expect, proptest::option::of(any::<u8>()), proptest::option::of(0..3_u8))
            .prop_map(|(doc, expect, put, unique)| Op::Doc(doc, expect, put, unique)),
        2 => (0..PLAYS, 0..4_u8).prop_map(|(to, number)| Op::Send(to, number)),
        2 => (0..2_u8).prop_map(Op::Post),
        1 => vec(0..PLAYS, 1..3).prop_map(Op::Forget),
        1 => (1..3_u8).prop_map(Op::Tell),
        1 => (0..9_u8).prop_map(Op::Drop),
        1 => Just(Op::Adopt),
    ]
}

const PLAYS: u8 = 8;

fn going() -> impl Strategy<Value = Going> {
    let state = prop_oneof![Just(PlayState::Run), Just(PlayState::Wait), Just(PlayState::Done), Just(PlayState::Fail)];
    let place = prop_oneof![
        Just(None),
        Just(Some(SlotPlace::Queued)),
        Just(Some(SlotPlace::Held)),
        Just(Some(SlotPlace::Later))
    ];
    let flags = (prop::bool::weighted(0.9), any::<bool>(), any::<bool>());
    (0..PLAYS, state, place, proptest::option::of(0..9_u8), proptest::option::of(0..2_u8), flags).prop_map(
        |(play, state, place, due, waits, (follows, owned, reads))| Going {
            play,
            follows,
            state,
            place,
            due,
            owned,
            waits,
            reads,
        },
    )
}

fn key_of(number: u8) -> PlayKey {
    play(if number.is_multiple_of(4) { OTHER } else { COMPANY }, 1 + u64::from(number))
}

async fn as_batch(op: &Op, model: &dyn Store) -> Batch {
    match op {
        Op::Plays(plays) => {
            let mut writes = Vec::new();
            for going in plays {
                if writes.iter().all(|write: &model::batch::PlayWrite| write.header.key != key_of(going.play)) {
                    writes.push(going_on(going, model).await);
                }
            }
            batch(writes)
        }
        Op::Doc(doc, expect, put, unique) => {
            let key = DocKey::new(company(1 + doc % 2), DocKind::Kv, doc);
            let write = match put {
                Some(number) => DocWrite::put(key, *expect, &Value::from(u32::from(*number))),
                None => DocWrite::remove(key, *expect),
            };
            let write = match unique {
                Some(text) => write.unique(COMPANY, text.to_string()),
                None => write,
            };
            Batch { docs: vec![write], ..Batch::default() }
        }
        Op::Send(to, number) => Batch {
            messages: vec![message(key_of(*to), u64::from(*number), i64::from(*number) + 3)],
            ..Batch::default()
        },
        Op::Post(key) => {
            let event = Event {
                id: EventId(Id::from_parts(9, u64::from(*key))),
                company: COMPANY,
                key: key.to_string(),
                data: Value::Null,
                at: Timestamp(4),
                expires_at: Timestamp(400),
            };
            Batch { events: vec![event], ..Batch::default() }
        }
        Op::Forget(plays) => {
            let mut forget: Vec<PlayKey> = plays.iter().map(|play| key_of(*play)).collect();
            forget.dedup();
            Batch { forget, ..Batch::default() }
        }
        Op::Tell(rows) => {
            let of = |row: u8| if row == 0 { OTHER } else { COMPANY };
            Batch { audit: (0..*rows).map(|row| audit_row(of(row), "op.told", "x")).collect(), ..Batch::default() }
        }
        Op::Drop(upto) => Batch { drop_audit: Some((COMPANY, u64::from(*upto))), ..Batch::default() },
        Op::Adopt => Batch::default(),
    }
}

async fn going_on(going: &Going, model: &dyn Store) -> model::batch::PlayWrite {
    let key = key_of(going.play);
    let stored: Option<PlayHeader> = model.header(key).await.expect("reads");
    let messages = model.load(key).await.expect("reads").map(|loaded| loaded.messages).unwrap_or_default();
    let mut after = header(key);
    if let Some(stored) = &stored {
        after.revision = stored.revision + 1;
        after.records = stored.records + 1;
    }
    if !going.follows {
        after.revision += 1;
    }
    after.state = going.state;
    after.due = going.due.map(|due| Timestamp(due.into()));
    after.owner = after.owner.filter(|_| going.owned);
    let place = if going.state.is_ended() { Some(SlotPlace::Left) } else { going.place };
    // A play keeps the limit that it was admitted under.
    let was_limited = stored.as_ref().is_none_or(|stored| stored.slot.is_some());
    after.slot = place.filter(|_| was_limited).map(|place| model::play::Slot { key: limit_key(1), ..slot(place, 2) });
    if stored.as_ref().is_some_and(|stored| stored.slot.is_some()) && after.slot.is_none() {
        after.slot = stored.and_then(|stored| stored.slot);
    }
    if after.state.is_ended() {
        after.owner = None;
        after.due = None;
    }
    let mut write = write(&after);
    write.values = vec![(model::Digest::of(&[going.play % 2]), b"v".as_slice().into())];
    if let Some(number) = going.waits {
        let layer = LayerId(Id::from_parts(1, 1));
        let text = number.to_string();
        if going.reads {
            write.waited = vec![(WaitKind::Event, text, layer)];
        } else {
            write.waits = vec![Wait { play: key, kind: WaitKind::Event, key: text, layer, since: Timestamp(1) }];
        }
    }
    if going.reads {
        write.read = messages.iter().take(1).map(|message| message.id).collect();
        write.snapshot = Some(format!("state {}", after.records).into_bytes().into());
    }
    write
}

/// Panics where the store and the model differ.
pub async fn compare(store: Arc<dyn Store>, ops: &[Op]) {
    go_on_alike(store, Arc::new(MemoryStore::default()), ops).await;
}

/// Does to a store what can be done of all this, and tells of it in the audit log.
pub async fn go_through(store: &dyn Store, ops: &[Op]) {
    for (number, op) in ops.iter().enumerate() {
        if matches!(op, Op::Adopt) {
            store.adopt(replica(9)).await.expect("adopts");
        }
        let mut batch = as_batch(op, store).await;
        batch.audit.push(audit_row(if number % 3 == 0 { OTHER } else { COMPANY }, "op.done", &number.to_string()));
        match store.commit(batch).await {
            Ok(_) | Err(CommitError::Conflict(_)) => {}
            Err(error) => panic!("{op:?}: {error}"),
        }
    }
}

/// Panics where a store and a model that hold the same do not go on alike.
pub async fn go_on_alike(store: Arc<dyn Store>, model: Arc<dyn Store>, ops: &[Op]) {
    assert_eq!(view(&*store).await, view(&*model).await, "at the beginning");
    for op in ops {
        if matches!(op, Op::Adopt) {
            assert_eq!(store.adopt(replica(9)).await.expect("adopts"), model.adopt(replica(9)).await.expect("adopts"));
        }
        let batch = as_batch(op, &*model).await;
        let (ours, theirs) = (store.commit(batch.clone()).await, model.commit(batch).await);
        match (ours, theirs) {
            (Ok(mut ours), Ok(mut theirs)) => {
                for committed in [&mut ours, &mut theirs] {
                    committed.woken.sort();
                    // Places only rise; a store may leave some out.
                    committed.feed = u64::from(committed.feed > 0);
                }
                assert_eq!(ours, theirs, "{op:?}");
            }
            (Err(CommitError::Conflict(ours)), Err(CommitError::Conflict(theirs))) => {
                assert_eq!(ours, theirs, "{op:?}");
            }
            (ours, theirs) => panic!("{op:?}: the store says {ours:?}, the model {theirs:?}"),
        }
        assert_eq!(view(&*store).await, view(&*model).await, "after {op:?}");
    }
}

/// All that can be seen of a store.
async fn view(store: &dyn Store) -> Vec<String> {
    let mut seen = Vec::new();
    let mut see = |thing: String| seen.push(thing);
    for number in 0..PLAYS {
        let key = key_of(number);
        see(format!(
            "{:?}",
            store
                .load(key)
                .await
                .expect("reads")
                .map(|loaded| { (loaded.header, loaded.snapshot, loaded.tail, loaded.messages) })
        ));
        see(format!("{:?}", store.chunks(key, 2, 3).await.expect("reads")));
        see(format!("{:?}", store.value(key, model::Digest::of(&[number % 2])).await.expect("reads")));
    }
    for company in [COMPANY, OTHER] {
        see(format!("{:?}", store.limit(company, limit_key(1)).await.expect("reads")));
        see(format!("{:?}", store.queue_heads(company, limit_key(1).flow).await.expect("reads")));
        for states in [vec![], vec![PlayState::Done, PlayState::Wait]] {
            let page = store.headers(&PlayQuery { states, ..PlayQuery::of(company, 3) }).await.expect("reads");
            see(format!("{:?} of {}", page.plays, page.total));
        }
        let waits = WaitQuery { company, kind: WaitKind::Event, play: None, skip: 0, limit: 100 };
        see(format!("{:?}", store.waits(&waits).await.expect("reads")));
        for kind in [DocKind::Kv, DocKind::Event] {
            see(format!("{:?}", store.docs(&DocQuery::all(company, kind, 100)).await.expect("reads")));
        }
        let feed = store.feed(Some(company), 0, 100).await.expect("reads");
        assert!(feed.is_sorted_by(|one, next| one.feed < next.feed), "{feed:?}");
        if let Some(middle) = feed.get(feed.len() / 2) {
            let rest = store.feed(Some(company), middle.feed, 100).await.expect("reads");
            assert_eq!(rest, feed[feed.len() / 2 + 1..], "behind a place stands what comes after it");
        }
        see(format!("{:?}", feed.into_iter().map(|row| (row.play, row.chunk)).collect::<Vec<_>>()));
    }
    for company in [COMPANY, OTHER] {
        let all = AuditQuery { company, entity: None, entity_id: None, action: None, skip: 0, limit: 100 };
        let page = store.audit(&all).await.expect("reads");
        see(format!("{:?} of {}", page.rows, page.total));
    }
    let all = AuditSpan { company: None, after: 0, upto: u64::MAX, limit: 100 };
    see(format!("{:?}", store.audit_log(&all).await.expect("reads")));
    see(format!("{:?}", store.due(Timestamp(4), 5).await.expect("reads")));
    see(format!("{:?}", store.next_due().await.expect("reads")));
    see(format!("{:?}", store.expired(Timestamp(500), 100).await.expect("reads").len()));
    seen
}
