//! Applies one batch inside a transaction: first every check, then every change.
//!
//! Two transactions that read what the other writes could both pass; where that matters, both
//! write one document ([`LIMITS`], [`GATES`], the play itself), and the server lets one of them through.

use std::collections::BTreeMap;

use model::batch::{Batch, Committed, Event, Message, PlayWrite, WaitKind};
use model::doc::{DocKey, DocWrite, Expect};
use model::ids::{CompanyId, ReplicaId};
use model::play::{LimitKey, PlayHeader, PlayKey, Slot, SlotPlace};
use model::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use store::Conflict;
use store::limit::{self, Move, Standing, limit_key_bytes};

use crate::fault::Fault;
use crate::feed::Numbers;
use crate::keys;
use crate::rows::{self, Row, number};
use crate::schema::{AUDIT, CHUNKS, DOCS, GATES, LAST, LIMITS, MESSAGES, PLAYS, QUEUED, SNAPSHOTS, VALUES, WAITS};
use crate::tx::{Ops, Tx};

/// How the slot of one play of the batch moves.
struct SlotMove {
    company: CompanyId,
    key: LimitKey,
    step: Move,
    place: SlotPlace,
    limit: u32,
}

/// What is read of a play before it goes on.
struct Before {
    revision: u64,
    place: Option<SlotPlace>,
}

/// Numbers that a batch needs: places in the feed, and in the audit log.
pub(crate) fn wanted(batch: &Batch) -> (u64, u64) {
    let chunks = batch.plays.iter().filter(|write| write.chunk.is_some()).count();
    (chunks as u64, batch.audit.len() as u64)
}

/// Whether a batch can be written without reading anything first: if its updates find what they
/// expect, and what is new is new, then all is as it should be.
pub(crate) fn is_plain(batch: &Batch) -> bool {
    let is_plain = |write: &PlayWrite| {
        let header = &write.header;
        let may_have_mail = header.revision > 1 && header.owner.is_none() && !header.state.is_ended();
        header.slot.is_none() && !may_have_mail
    };
    batch.plays.iter().all(is_plain)
        && batch.docs.iter().all(is_plain_doc)
        && batch.messages.is_empty()
        && batch.events.is_empty()
        && batch.forget.is_empty()
        && batch.drop_audit.is_none()
}

/// Whether a document can be written so: it is to be new, or is to be there, whatever was before.
fn is_plain_doc(write: &DocWrite) -> bool {
    let is_put = write.put.as_ref().is_some_and(|put| put.unique.is_empty());
    is_put && matches!(write.expect, Expect::Absent | Expect::Anything)
}

/// Gathers what a plain batch writes.
pub(crate) fn gather(batch: &Batch, numbers: &mut Numbers, ops: &mut Ops) -> Result<Committed, Fault> {
    let mut committed = Committed::default();
    for write in &batch.plays {
        write_play(write, write.header.due, numbers, &mut committed, ops)?;
    }
    write_audit(batch, numbers, ops)?;
    for write in &batch.docs {
        write_unread(write, ops);
    }
    Ok(committed)
}

/// Checks a batch, and then writes it. `numbers` is asked for as many as [`wanted`] says once
/// nothing stands against it any more.
///
/// # Errors
/// [`Fault::Conflict`] where it does not fit what is stored.
pub(crate) async fn apply(
    tx: &mut Tx<'_>,
    batch: &Batch,
    numbers: impl AsyncFnOnce() -> Result<Numbers, Fault>,
) -> Result<Committed, Fault> {
    let moves = check_plays(tx, &batch.plays).await?;
    let mut revisions = BTreeMap::new();
    for write in &batch.docs {
        revisions.insert(&write.key, check_doc(tx, write, &batch.docs).await?);
    }
    for play in &batch.forget {
        let found = tx.one(PLAYS, doc! { "_id": keys::play(*play) }, doc! { "s": 1 }).await?;
        if found.is_some_and(|found| !Row(&found).is_ended()) {
            return Err(Fault::Conflict(Conflict::Play(*play)));
        }
    }
    let mut numbers = numbers().await?;
    let mut committed = Committed::default();
    let mut ops = Ops::default();
    for write in &batch.plays {
        let due = due_with_mail(tx, write).await?;
        write_play(write, due, &mut numbers, &mut committed, &mut ops)?;
    }
    write_audit(batch, &mut numbers, &mut ops)?;
    fill_places(&mut numbers, &mut ops);
    if let Some((company, upto)) = batch.drop_audit {
        ops.delete(AUDIT, doc! { "c": keys::company(company), "_id": { "$lte": number(upto) } });
    }
    for write in &batch.docs {
        let revision = revisions.get(&write.key).copied().flatten();
        write_doc(write, revision, &mut ops);
    }
    count(&moves, &mut ops);
    for play in &batch.forget {
        forget(*play, &mut ops);
    }
    tx.apply(&mut ops).await?;
    drop_empty(&moves, &mut ops);
    tx.apply(&mut ops).await?;
    for message in &batch.messages {
        deliver(tx, message, &mut committed).await?;
    }
    for event in &batch.events {
        post(tx, event, &mut committed).await?;
    }
    wake_queues(tx, &moves, &mut committed).await?;
    Ok(committed)
}

/// Each play must follow the one that is stored, and find its slot free.
async fn check_plays(tx: &mut Tx<'_>, writes: &[PlayWrite]) -> Result<Vec<SlotMove>, Fault> {
    let wanted: Vec<_> = writes.iter().map(|write| keys::play(write.header.key)).collect();
    let filter = doc! { "_id": { "$in": wanted } };
    let mut before = BTreeMap::new();
    for row in tx.all(PLAYS, filter, doc! { "r": 1, "q": 1 }, doc! {}, 0).await? {
        let row = Row(&row);
        before.insert(row.play("_id")?, Before { revision: row.count("r")?, place: row.place() });
    }
    let (mut moves, mut counts) = (Vec::new(), BTreeMap::new());
    for write in writes {
        let header = &write.header;
        check_play(tx, header, before.remove(&header.key), &mut moves, &mut counts).await?;
    }
    Ok(moves)
}

/// What is stored under a concurrency key.
#[derive(Clone, Copy)]
struct Counted {
    held: u64,
    queued: u64,
    queued_in_flow: u64,
    first: Option<PlayKey>,
}

async fn check_play(
    tx: &mut Tx<'_>,
    header: &PlayHeader,
    before: Option<Before>,
    moves: &mut Vec<SlotMove>,
    counts: &mut BTreeMap<(CompanyId, LimitKey), Counted>,
) -> Result<(), Fault> {
    let key = header.key;
    if before.as_ref().map_or(0, |before| before.revision) + 1 != header.revision {
        return Err(Fault::Conflict(Conflict::Play(key)));
    }
    let Some(slot) = &header.slot else { return Ok(()) };
    let step = Move::between(before.and_then(|before| before.place), Some(slot.place));
    if step == Move::default() && slot.place != SlotPlace::Queued {
        return Ok(());
    }
    let counted = match counts.get(&(key.company, slot.key)) {
        Some(counted) => *counted,
        None => {
            let counted = count_of(tx, key.company, &slot.key).await?;
            counts.insert((key.company, slot.key), counted);
            counted
        }
    };
    let standing = standing(key, slot, counted, moves);
    moves.push(SlotMove { company: key.company, key: slot.key, step, place: slot.place, limit: slot.limit });
    limit::check(step, slot, standing).map_err(Fault::Conflict)
}

async fn counted(tx: &mut Tx<'_>, company: CompanyId, key: &[u8]) -> Result<(u64, u64), Fault> {
    let found = tx.one(LIMITS, doc! { "_id": keys::limit(company, key) }, doc! {}).await?;
    found.map_or(Ok((0, 0)), |found| Ok((Row(&found).count("held")?, Row(&found).count("queued")?)))
}

async fn first_in_queue(tx: &mut Tx<'_>, company: CompanyId, key: &LimitKey) -> Result<Option<PlayKey>, Fault> {
    let filter = doc! {
        "k": keys::limit_key(key),
        "q": QUEUED,
        "_id": { "$gte": keys::first_play(company), "$lte": keys::last_play(company) },
    };
    let first = tx.all(PLAYS, filter, doc! { "_id": 1 }, doc! { "_id": 1 }, 1).await?;
    first.first().map(|first| Row(first).play("_id")).transpose()
}

async fn count_of(tx: &mut Tx<'_>, company: CompanyId, key: &LimitKey) -> Result<Counted, Fault> {
    let limit_key = limit_key_bytes(key);
    let (held, queued) = counted(tx, company, &limit_key).await?;
    let (_, queued_in_flow) = counted(tx, company, &limit_key[..12]).await?;
    Ok(Counted { held, queued, queued_in_flow, first: first_in_queue(tx, company, key).await? })
}

fn standing(key: PlayKey, slot: &Slot, counted: Counted, moves: &[SlotMove]) -> Standing {
    // Plays earlier in the same batch have not been counted yet.
    let sum = |wanted: &dyn Fn(&SlotMove) -> bool, part: fn(Move) -> i64| -> i64 {
        moves.iter().filter(|slot| slot.company == key.company && wanted(slot)).map(|slot| part(slot.step)).sum()
    };
    let same_key = |other: &SlotMove| other.key == slot.key;
    let same_flow = |other: &SlotMove| other.key.flow == slot.key.flow;
    Standing {
        held: counted.held.saturating_add_signed(sum(&same_key, |step| step.held)),
        queued: counted.queued.saturating_add_signed(sum(&same_key, |step| step.queued)),
        queued_in_flow: counted.queued_in_flow.saturating_add_signed(sum(&same_flow, |step| step.queued)),
        is_first: counted.first.is_none_or(|first| first.play >= key.play),
    }
}

/// Gives the revision that the document has; none where there is none.
async fn check_doc(tx: &mut Tx<'_>, write: &DocWrite, all: &[DocWrite]) -> Result<Option<u64>, Fault> {
    let found = tx.one(DOCS, doc! { "_id": keys::document(&write.key) }, doc! { "r": 1 }).await?;
    let revision = found.map(|found| Row(&found).count("r")).transpose()?;
    let is_as_expected = match write.expect {
        Expect::Anything => true,
        Expect::Absent => revision.is_none(),
        Expect::Revision(expected) => revision == Some(expected),
    };
    if !is_as_expected {
        return Err(Fault::Conflict(Conflict::Doc(write.key.clone())));
    }
    for unique in write.put.iter().flat_map(|put| &put.unique) {
        let taken = tx.one(DOCS, doc! { "u": keys::unique(unique) }, doc! { "_id": 1 }).await?;
        let Some(taken) = taken else { continue };
        let taken = Row(&taken).text("_id")?;
        let is = |key: &DocKey| keys::document(key) == taken;
        let is_freed = all.iter().any(|other| other.put.is_none() && is(&other.key));
        if !is(&write.key) && !is_freed {
            return Err(Fault::Conflict(Conflict::Key(unique.clone())));
        }
    }
    Ok(revision)
}

/// When the play is due: a play that nobody has and that has not read its mail is due since that came.
async fn due_with_mail(tx: &mut Tx<'_>, write: &PlayWrite) -> Result<Option<Timestamp>, Fault> {
    let header = &write.header;
    if header.revision == 1 || header.owner.is_some() || header.state.is_ended() {
        return Ok(header.due);
    }
    let read: Vec<_> = write.read.iter().map(|id| keys::message(header.key, *id)).collect();
    let filter = doc! { "k": keys::play(header.key), "_id": { "$nin": read } };
    let unread = tx.all(MESSAGES, filter, doc! { "at": 1 }, doc! { "at": 1 }, 1).await?;
    let since = unread.first().map(|message| Row(message).number("at")).transpose()?;
    Ok(header.due.into_iter().chain(since.map(Timestamp)).min())
}

fn write_play(
    write: &PlayWrite,
    due: Option<Timestamp>,
    numbers: &mut Numbers,
    committed: &mut Committed,
    ops: &mut Ops,
) -> Result<(), Fault> {
    let header = &write.header;
    let (key, ended, is_new) = (header.key, header.state.is_ended(), header.revision == 1);
    let row = rows::play(header, rows::encoded(write)?, due);
    if is_new {
        ops.insert(PLAYS, row);
    } else {
        let before = doc! { "_id": keys::play(key), "r": number(header.revision - 1) };
        ops.update(PLAYS, before, row);
    }
    if let Some(chunk) = &write.chunk {
        committed.feed = numbers.feed();
        let mut row = rows::chunk(committed.feed, key, chunk);
        if numbers.is_last() {
            // Of all that become visible together, one is enough to tell of.
            row.insert(LAST, true);
        }
        ops.insert(CHUNKS, row);
    }
    for (digest, bytes) in &write.values {
        let value = doc! { "$setOnInsert": { "b": keys::binary(bytes.to_vec()) } };
        ops.upsert(VALUES, doc! { "_id": keys::value(key, *digest) }, value);
    }
    if ended {
        if !is_new {
            ops.delete(MESSAGES, doc! { "k": keys::play(key) });
            ops.delete(WAITS, doc! { "k": keys::play(key) });
            ops.delete(SNAPSHOTS, doc! { "_id": keys::play(key) });
        }
        return Ok(());
    }
    for message in &write.read {
        ops.delete(MESSAGES, doc! { "_id": keys::message(key, *message) });
    }
    if let Some(bytes) = &write.snapshot {
        let state = doc! { "r": number(header.records), "b": keys::binary(bytes.to_vec()) };
        ops.upsert(SNAPSHOTS, doc! { "_id": keys::play(key) }, state);
    }
    for (kind, name, layer) in &write.waited {
        ops.delete(WAITS, doc! { "_id": keys::wait_of(key, kind.as_str(), name, *layer) });
    }
    for wait in &write.waits {
        ops.upsert(WAITS, doc! { "_id": keys::wait(wait) }, rows::wait(wait));
        if wait.kind == WaitKind::Event {
            pass_gate(key.company, &wait.key, ops);
        }
    }
    Ok(())
}

fn pass_gate(company: CompanyId, key: &str, ops: &mut Ops) {
    ops.upsert(GATES, doc! { "_id": keys::gate(company, key) }, doc! { "$inc": { "passed": 1_i64 } });
}

fn write_audit(batch: &Batch, numbers: &mut Numbers, ops: &mut Ops) -> Result<(), Fault> {
    for row in &batch.audit {
        ops.insert(AUDIT, rows::audit(numbers.audit(), row)?);
    }
    Ok(())
}

/// Fills the places in the feed for which there are no records.
pub(crate) fn fill_places(numbers: &mut Numbers, ops: &mut Ops) {
    while !numbers.is_last() {
        ops.insert(CHUNKS, doc! { "_id": number(numbers.feed()), "v": true });
    }
}

/// Removals are sent first: a key may pass from one document to another in one batch.
fn write_doc(write: &DocWrite, revision: Option<u64>, ops: &mut Ops) {
    let filter = doc! { "_id": keys::document(&write.key) };
    match (rows::document(write, revision.unwrap_or(0) + 1), revision) {
        (None, _) => ops.delete(DOCS, filter),
        (Some(row), None) => ops.insert(DOCS, row),
        (Some(row), Some(_)) => ops.update(DOCS, filter, row),
    }
}

/// Writes a document of which nothing was read. One that is to be new and is there breaks the transaction off.
fn write_unread(write: &DocWrite, ops: &mut Ops) {
    let Some(row) = rows::document(write, 1) else { return };
    if write.expect == Expect::Absent {
        return ops.insert(DOCS, row);
    }
    let revision = doc! { "$add": [{ "$ifNull": ["$r", 0_i64] }, 1_i64] };
    let whole = doc! { "$mergeObjects": [{ "$literal": row }, { "r": revision }] };
    let change = vec![Bson::Document(doc! { "$replaceWith": whole })];
    ops.upsert(DOCS, doc! { "_id": keys::document(&write.key) }, change);
}

/// How the counts change, under each key and of each flow.
fn changes(moves: &[SlotMove]) -> BTreeMap<(CompanyId, Vec<u8>), Move> {
    let mut changes: BTreeMap<_, Move> = BTreeMap::new();
    for slot in moves {
        let key = limit_key_bytes(&slot.key);
        for limit_key in [&key[..], &key[..12]] {
            let change = changes.entry((slot.company, limit_key.to_vec())).or_default();
            change.held += slot.step.held;
            change.queued += slot.step.queued;
        }
    }
    changes
}

fn count(moves: &[SlotMove], ops: &mut Ops) {
    for ((company, key), change) in changes(moves) {
        let change = doc! { "$inc": { "held": change.held, "queued": change.queued } };
        ops.upsert(LIMITS, doc! { "_id": keys::limit(company, &key) }, change);
    }
}

fn drop_empty(moves: &[SlotMove], ops: &mut Ops) {
    for (company, key) in changes(moves).into_keys() {
        ops.delete(LIMITS, doc! { "_id": keys::limit(company, &key), "held": 0, "queued": 0 });
    }
}

async fn held(tx: &mut Tx<'_>, slot: &SlotMove) -> Result<u64, Fault> {
    counted(tx, slot.company, &limit_key_bytes(&slot.key)).await.map(|(held, _)| held)
}

fn forget(play: PlayKey, ops: &mut Ops) {
    ops.delete(PLAYS, doc! { "_id": keys::play(play) });
    ops.delete(CHUNKS, doc! { "k": keys::play(play) });
    ops.delete(VALUES, doc! { "_id": keys::of_play(play, keys::DIGEST) });
}

async fn deliver(tx: &mut Tx<'_>, message: &Message, committed: &mut Committed) -> Result<(), Fault> {
    let fields = doc! { "s": 1, "o": 1, "d": 1 };
    let Some(play) = tx.one(PLAYS, doc! { "_id": keys::play(message.to) }, fields).await? else { return Ok(()) };
    if Row(&play).is_ended() {
        return Ok(());
    }
    let mut ops = Ops::default();
    let mut row = rows::message(message)?;
    let id = doc! { "_id": row.remove("_id") };
    ops.upsert(MESSAGES, id, doc! { "$setOnInsert": row });
    wake(message.to, &play, message.at, committed, &mut ops)?;
    tx.apply(&mut ops).await
}

/// Makes a play due that nobody has. A play that somebody has is written, too: were it let go
/// meanwhile, nobody would read what came for it.
fn wake(key: PlayKey, play: &Document, at: Timestamp, committed: &mut Committed, ops: &mut Ops) -> Result<(), Fault> {
    let owner: Option<ReplicaId> = Row(play).owner()?;
    let change = match owner {
        None => doc! { "$min": { "d": at.0 }, "$inc": { "m": 1_i64 } },
        Some(_) => doc! { "$inc": { "m": 1_i64 } },
    };
    ops.update(PLAYS, doc! { "_id": keys::play(key) }, change);
    committed.woken.push((key, owner));
    Ok(())
}

async fn post(tx: &mut Tx<'_>, event: &Event, committed: &mut Committed) -> Result<(), Fault> {
    let mut ops = Ops::default();
    pass_gate(event.company, &event.key, &mut ops);
    let waiting = doc! { "c": keys::company(event.company), "w": WaitKind::Event.as_str(), "e": &event.key };
    let waiting = tx.all(WAITS, waiting, doc! { "k": 1 }, doc! {}, 0).await?;
    if waiting.is_empty() {
        let write = event.as_doc();
        let revision = check_doc(tx, &write, &[]).await?;
        write_doc(&write, revision, &mut ops);
    }
    for wait in &waiting {
        ops.delete(WAITS, doc! { "_id": wait.get("_id") });
    }
    tx.apply(&mut ops).await?;
    for wait in &waiting {
        deliver(tx, &event.as_message(Row(wait).play("k")?), committed).await?;
    }
    Ok(())
}

/// Wakes the first in each queue whose turn may have come.
async fn wake_queues(tx: &mut Tx<'_>, moves: &[SlotMove], committed: &mut Committed) -> Result<(), Fault> {
    let (mut counts, mut woken) = (BTreeMap::new(), BTreeMap::new());
    for slot in moves {
        let queue = (slot.company, slot.key);
        let is_turn = slot.step.wakes_next() || {
            if slot.place == SlotPlace::Queued && !counts.contains_key(&queue) {
                counts.insert(queue, held(tx, slot).await?);
            }
            counts.get(&queue).is_some_and(|held| limit::finds_room(*held, slot.limit))
                && slot.place == SlotPlace::Queued
        };
        if !is_turn {
            continue;
        }
        match woken.get(&queue) {
            Some(found) => committed.woken.extend(*found),
            None => {
                woken.insert(queue, wake_first(tx, slot, committed).await?);
            }
        }
    }
    Ok(())
}

async fn wake_first(
    tx: &mut Tx<'_>,
    slot: &SlotMove,
    committed: &mut Committed,
) -> Result<Option<(PlayKey, Option<ReplicaId>)>, Fault> {
    let Some(first) = first_in_queue(tx, slot.company, &slot.key).await? else { return Ok(None) };
    let play = tx.one(PLAYS, doc! { "_id": keys::play(first) }, doc! { "o": 1, "d": 1 }).await?;
    let Some(play) = play else { return Ok(None) };
    let mut ops = Ops::default();
    wake(first, &play, Timestamp::MIN, committed, &mut ops)?;
    tx.apply(&mut ops).await?;
    Ok(committed.woken.last().copied())
}
