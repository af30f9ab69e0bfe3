//! Applies one batch inside a transaction: first every check, then every change. A batch that
//! conflicts has changed nothing, so the rest of its group can go on.

use model::batch::Committed;
use model::batch::{Event, Message, PlayWrite, WaitKind};
use model::codec;
use model::doc::{DocKey, DocWrite, Expect};
use model::ids::{CompanyId, Id, LayerId, PlayId, ReplicaId};
use model::play::{LimitKey, PlayHeader, PlayKey, Slot, SlotPlace};
use model::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::writer::{Work, blob};
use crate::Conflict;
use crate::limit::{self, Move, Standing, limit_key_bytes, place_number, place_of};

/// Numbers that rise with every commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) feed: u64,
    audit: u64,
}

impl Counters {
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let newest: Option<u64> = connection.query_row("SELECT MAX(feed) FROM chunks", (), |row| row.get(0))?;
        let kept = kept(connection, "feed")?;
        Ok(Self { feed: newest.unwrap_or(0).max(kept), audit: newest_audit(connection)? })
    }
}

/// The place of the newest records and the number of the newest audit row.
pub(super) fn counters_of(connection: &Connection) -> rusqlite::Result<(u64, u64)> {
    let Counters { feed, audit } = Counters::read(connection)?;
    Ok((feed, audit))
}

fn kept(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value =
        connection.query_row("SELECT value FROM counters WHERE name = ?", [name], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0))
}

/// The number of the newest audit row, which may be gone.
pub(super) fn newest_audit(connection: &Connection) -> rusqlite::Result<u64> {
    let newest: Option<u64> = connection.query_row("SELECT MAX(number) FROM audit", (), |row| row.get(0))?;
    Ok(newest.unwrap_or(0).max(kept(connection, "audit")?))
}

/// A stored header, as far as the next one is compared with it.
struct Before {
    revision: u64,
    place: Option<SlotPlace>,
}

/// How the slot of one play of the batch moves.
struct SlotMove {
    company: CompanyId,
    key: LimitKey,
    step: Move,
    place: SlotPlace,
    limit: u32,
}

/// Applies a batch, or says why it cannot be.
pub(super) fn apply(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    work: &Work,
) -> rusqlite::Result<Result<Committed, Conflict>> {
    let mut moves = Vec::new();
    for write in &work.batch.plays {
        if let Err(conflict) = check_play(transaction, &write.header, &mut moves)? {
            return Ok(Err(conflict));
        }
    }
    for write in &work.batch.docs {
        if let Err(conflict) = check_doc(transaction, write, &work.batch.docs)? {
            return Ok(Err(conflict));
        }
    }
    for play in &work.batch.forget {
        let state: Option<String> = transaction
            .prepare_cached("SELECT state FROM plays WHERE company = ? AND play = ?")?
            .query_row(params![id(play.company.0), id(play.play.0)], |row| row.get(0))
            .optional()?;
        if state.is_some_and(|state| !super::read::is_ended(&state)) {
            return Ok(Err(Conflict::Play(*play)));
        }
    }
    change(transaction, counters, work, &moves).map(Ok)
}

fn change(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    work: &Work,
    moves: &[SlotMove],
) -> rusqlite::Result<Committed> {
    let batch = &work.batch;
    let mut committed = Committed::default();
    for (write, header) in batch.plays.iter().zip(&work.headers) {
        write_play(transaction, counters, write, header, &mut committed)?;
    }
    // Removals first: a key may pass from one document to another in one batch.
    let (puts, removals): (Vec<_>, Vec<_>) = batch.docs.iter().partition(|write| write.put.is_some());
    for write in removals.into_iter().chain(puts) {
        write_doc(transaction, write)?;
    }
    for (message, body) in batch.messages.iter().zip(&work.bodies) {
        deliver(transaction, message, body, &mut committed)?;
    }
    for event in &batch.events {
        post(transaction, event, &mut committed)?;
    }
    for slot in moves {
        count(transaction, slot)?;
    }
    for slot in moves {
        let is_queued = slot.place == SlotPlace::Queued;
        if slot.step.wakes_next() || is_queued && limit::finds_room(held(transaction, slot)?, slot.limit) {
            wake_first(transaction, slot, &mut committed)?;
        }
    }
    for (row, bytes) in batch.audit.iter().zip(&work.audit) {
        counters.audit += 1;
        transaction
            .prepare_cached(
                "INSERT INTO audit (company, number, action, entity, entity_id, row) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![id(row.company.0), counters.audit, row.action, row.entity, row.entity_id, bytes])?;
    }
    if let Some((company, upto)) = batch.drop_audit {
        drop_audit(transaction, company, upto)?;
    }
    for play in &batch.forget {
        forget(transaction, *play)?;
    }
    if !batch.forget.is_empty() {
        transaction
            .prepare_cached("INSERT INTO counters (name, value) VALUES ('feed', ?) ON CONFLICT DO UPDATE SET value = excluded.value")?
            .execute([counters.feed])?;
    }
    Ok(committed)
}

fn check_play(
    transaction: &Transaction<'_>,
    header: &PlayHeader,
    moves: &mut Vec<SlotMove>,
) -> rusqlite::Result<Result<(), Conflict>> {
    let key = header.key;
    let before = transaction
        .prepare_cached("SELECT revision, place FROM plays WHERE company = ? AND play = ?")?
        .query_row(params![id(key.company.0), id(key.play.0)], |row| {
            Ok(Before { revision: row.get(0)?, place: row.get::<_, Option<i64>>(1)?.and_then(place_of) })
        })
        .optional()?;
    if before.as_ref().map_or(0, |before| before.revision) + 1 != header.revision {
        return Ok(Err(Conflict::Play(key)));
    }
    let Some(slot) = &header.slot else { return Ok(Ok(())) };
    let step = Move::between(before.and_then(|before| before.place), Some(slot.place));
    if step == Move::default() && slot.place != SlotPlace::Queued {
        return Ok(Ok(()));
    }
    let outcome = limit::check(step, slot, standing(transaction, key, slot, moves)?);
    moves.push(SlotMove { company: key.company, key: slot.key, step, place: slot.place, limit: slot.limit });
    Ok(outcome)
}

fn standing(
    transaction: &Transaction<'_>,
    key: PlayKey,
    slot: &Slot,
    moves: &[SlotMove],
) -> rusqlite::Result<Standing> {
    let counted = |limit_key: &[u8]| -> rusqlite::Result<(u64, u64)> {
        let counts = transaction
            .prepare_cached("SELECT held, queued FROM limits WHERE company = ? AND limit_key = ?")?
            .query_row(params![id(key.company.0), limit_key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(counts.unwrap_or_default())
    };
    let limit_key = limit_key_bytes(&slot.key);
    let (held, queued) = counted(&limit_key)?;
    let (_, queued_in_flow) = counted(&limit_key[..12])?;
    let first: Option<Vec<u8>> = transaction
        .prepare_cached(
            "SELECT play FROM plays WHERE company = ? AND limit_key = ? AND place = 1 ORDER BY play LIMIT 1",
        )?
        .query_row(params![id(key.company.0), limit_key], |row| row.get(0))
        .optional()?;
    // Plays earlier in the same batch have not been counted yet.
    let sum = |wanted: &dyn Fn(&SlotMove) -> bool, part: fn(Move) -> i64| -> i64 {
        moves.iter().filter(|slot| slot.company == key.company && wanted(slot)).map(|slot| part(slot.step)).sum()
    };
    let same_key = |other: &SlotMove| other.key == slot.key;
    let same_flow = |other: &SlotMove| other.key.flow == slot.key.flow;
    Ok(Standing {
        held: held.saturating_add_signed(sum(&same_key, |step| step.held)),
        queued: queued.saturating_add_signed(sum(&same_key, |step| step.queued)),
        queued_in_flow: queued_in_flow.saturating_add_signed(sum(&same_flow, |step| step.queued)),
        is_first: first.is_none_or(|first| first.as_slice() >= key.play.0.as_bytes().as_slice()),
    })
}

fn check_doc(
    transaction: &Transaction<'_>,
    write: &DocWrite,
    all: &[DocWrite],
) -> rusqlite::Result<Result<(), Conflict>> {
    if write.expect != Expect::Anything {
        let revision: Option<u64> = transaction
            .prepare_cached("SELECT revision FROM docs WHERE company = ? AND kind = ? AND id = ?")?
            .query_row(doc_params(&write.key), |row| row.get(0))
            .optional()?;
        let expected = match write.expect {
            Expect::Revision(expected) => Some(expected),
            _ => None,
        };
        if revision != expected {
            return Ok(Err(Conflict::Doc(write.key.clone())));
        }
    }
    for unique in write.put.iter().flat_map(|put| &put.unique) {
        let taken = transaction
            .prepare_cached("SELECT company, id FROM doc_keys WHERE scope = ? AND kind = ? AND text = ?")?
            .query_row(params![id(unique.scope.0), unique.kind.as_str(), unique.text], |row| {
                Ok(DocKey { company: CompanyId(read_id(row.get_ref(0)?)?), kind: unique.kind, id: row.get(1)? })
            })
            .optional()?;
        let is_freed = |taken: &DocKey| all.iter().any(|other| other.put.is_none() && other.key == *taken);
        if taken.is_some_and(|taken| taken != write.key && !is_freed(&taken)) {
            return Ok(Err(Conflict::Key(unique.clone())));
        }
    }
    Ok(Ok(()))
}

fn write_play(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    write: &PlayWrite,
    encoded: &[u8],
    committed: &mut Committed,
) -> rusqlite::Result<()> {
    let header = &write.header;
    let (company, play) = (id(header.key.company.0), id(header.key.play.0));
    let ended = header.state.is_ended();
    let is_new = header.revision == 1;
    for message in &write.read {
        transaction
            .prepare_cached("DELETE FROM messages WHERE company = ? AND play = ? AND id = ?")?
            .execute(params![company, play, id(message.0)])?;
    }
    let mut due = header.due;
    if ended && !is_new {
        for sql in [
            "DELETE FROM messages WHERE company = ? AND play = ?",
            "DELETE FROM waits WHERE company = ? AND play = ?",
            "DELETE FROM snapshots WHERE company = ? AND play = ?",
        ] {
            transaction.prepare_cached(sql)?.execute(params![company, play])?;
        }
    } else if header.owner.is_none() && !is_new {
        let unread: Option<i64> = transaction
            .prepare_cached("SELECT MIN(at) FROM messages WHERE company = ? AND play = ?")?
            .query_row(params![company, play], |row| row.get(0))?;
        due = due.into_iter().chain(unread.map(Timestamp)).min();
    }
    let (limit_key, place) = match &header.slot {
        Some(slot) => (Some(limit_key_bytes(&slot.key)), Some(place_number(slot.place))),
        None => (None, None),
    };
    let owner = header.owner.map(|owner: ReplicaId| id(owner.0));
    if is_new {
        transaction
            .prepare_cached(
                "INSERT INTO plays (company, play, revision, flow, state, due, owner, limit_key, place, header)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                company,
                play,
                header.revision,
                id(header.flow.id.0),
                header.state.as_str(),
                due.map(|due| due.0),
                owner,
                limit_key,
                place,
                encoded
            ])?;
    } else {
        transaction
            .prepare_cached(
                "UPDATE plays SET revision = ?, state = ?, due = ?, owner = ?, limit_key = ?, place = ?, header = ?
                 WHERE company = ? AND play = ?",
            )?
            .execute(params![
                header.revision,
                header.state.as_str(),
                due.map(|due| due.0),
                owner,
                limit_key,
                place,
                encoded,
                company,
                play
            ])?;
    }
    if let Some(chunk) = &write.chunk {
        counters.feed += 1;
        committed.feed = counters.feed;
        transaction
            .prepare_cached("INSERT INTO chunks (feed, company, play, first, count, bytes) VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(params![counters.feed, company, play, chunk.from, chunk.count, blob(&chunk.bytes)])?;
    }
    for (digest, bytes) in &write.values {
        transaction
            .prepare_cached(
                "INSERT INTO play_values (company, play, digest, bytes) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            )?
            .execute(params![company, play, digest.0.as_slice(), blob(bytes)])?;
    }
    if ended {
        return Ok(());
    }
    if let Some(bytes) = &write.snapshot {
        transaction
            .prepare_cached(
                "INSERT INTO snapshots (company, play, records, bytes) VALUES (?, ?, ?, ?)
                 ON CONFLICT DO UPDATE SET records = excluded.records, bytes = excluded.bytes",
            )?
            .execute(params![company, play, header.records, blob(bytes)])?;
    }
    for (kind, key, layer) in &write.waited {
        remove_wait(transaction, header.key, *kind, key, *layer)?;
    }
    for wait in &write.waits {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO waits (company, kind, key, play, layer, since) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![company, wait.kind.as_str(), wait.key, play, id(wait.layer.0), wait.since.0])?;
    }
    Ok(())
}

fn remove_wait(
    transaction: &Transaction<'_>,
    play: PlayKey,
    kind: WaitKind,
    key: &str,
    layer: LayerId,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM waits WHERE company = ? AND kind = ? AND key = ? AND play = ? AND layer = ?")?
        .execute(params![id(play.company.0), kind.as_str(), key, id(play.play.0), id(layer.0)])?;
    Ok(())
}

fn write_doc(transaction: &Transaction<'_>, write: &DocWrite) -> rusqlite::Result<()> {
    let key = doc_params(&write.key);
    transaction.prepare_cached("DELETE FROM doc_keys WHERE company = ? AND kind = ? AND id = ?")?.execute(key)?;
    let Some(put) = &write.put else {
        transaction.prepare_cached("DELETE FROM docs WHERE company = ? AND kind = ? AND id = ?")?.execute(key)?;
        return Ok(());
    };
    let (company, kind) = (id(write.key.company.0), write.key.kind.as_str());
    transaction
        .prepare_cached(
            "INSERT INTO docs (company, kind, id, revision, body, expires) VALUES (?, ?, ?, 1, ?, ?)
             ON CONFLICT DO UPDATE SET revision = revision + 1, body = excluded.body, expires = excluded.expires",
        )?
        .execute(params![company, kind, write.key.id, blob(&put.body), put.expires_at.map(|at| at.0)])?;
    for unique in &put.unique {
        transaction
            .prepare_cached("INSERT INTO doc_keys (scope, kind, text, company, id) VALUES (?, ?, ?, ?, ?)")?
            .execute(params![id(unique.scope.0), unique.kind.as_str(), unique.text, company, write.key.id])?;
    }
    Ok(())
}

fn deliver(
    transaction: &Transaction<'_>,
    message: &Message,
    body: &[u8],
    committed: &mut Committed,
) -> rusqlite::Result<()> {
    let to = message.to;
    let Some((state, owner)) = state_and_owner(transaction, to)? else { return Ok(()) };
    if super::read::is_ended(&state) {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "INSERT INTO messages (company, play, id, at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id(to.company.0), id(to.play.0), id(message.id.0), message.at.0, body])?;
    wake(transaction, to, owner, message.at, committed)
}

fn state_and_owner(
    transaction: &Transaction<'_>,
    play: PlayKey,
) -> rusqlite::Result<Option<(String, Option<ReplicaId>)>> {
    transaction
        .prepare_cached("SELECT state, owner FROM plays WHERE company = ? AND play = ?")?
        .query_row(params![id(play.company.0), id(play.play.0)], |row| {
            let owner = row.get_ref(1)?.as_blob_or_null()?.map(|_| read_id(row.get_ref(1)?)).transpose()?;
            Ok((row.get(0)?, owner.map(ReplicaId)))
        })
        .optional()
}

fn wake(
    transaction: &Transaction<'_>,
    play: PlayKey,
    owner: Option<ReplicaId>,
    at: Timestamp,
    committed: &mut Committed,
) -> rusqlite::Result<()> {
    if owner.is_none() {
        transaction
            .prepare_cached("UPDATE plays SET due = MIN(COALESCE(due, ?1), ?1) WHERE company = ?2 AND play = ?3")?
            .execute(params![at.0, id(play.company.0), id(play.play.0)])?;
    }
    committed.woken.push((play, owner));
    Ok(())
}

fn post(transaction: &Transaction<'_>, event: &Event, committed: &mut Committed) -> rusqlite::Result<()> {
    let waiting: Vec<(PlayId, LayerId)> = transaction
        .prepare_cached("SELECT play, layer FROM waits WHERE company = ? AND kind = ? AND key = ?")?
        .query_map(params![id(event.company.0), WaitKind::Event.as_str(), event.key], |row| {
            Ok((PlayId(read_id(row.get_ref(0)?)?), LayerId(read_id(row.get_ref(1)?)?)))
        })?
        .collect::<Result<_, _>>()?;
    if waiting.is_empty() {
        return write_doc(transaction, &event.as_doc());
    }
    for (play, layer) in waiting {
        let to = PlayKey { company: event.company, play };
        remove_wait(transaction, to, WaitKind::Event, &event.key, layer)?;
        let message = event.as_message(to);
        let body =
            codec::encode(&message.body).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        deliver(transaction, &message, &body, committed)?;
    }
    Ok(())
}

/// Keeps the counts under a key, and those of its flow.
fn count(transaction: &Transaction<'_>, slot: &SlotMove) -> rusqlite::Result<()> {
    let key = limit_key_bytes(&slot.key);
    for limit_key in [&key[..], &key[..12]] {
        transaction
            .prepare_cached(
                "INSERT INTO limits (company, limit_key, held, queued) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET held = held + ?3, queued = queued + ?4",
            )?
            .execute(params![id(slot.company.0), limit_key, slot.step.held, slot.step.queued])?;
        transaction
            .prepare_cached("DELETE FROM limits WHERE company = ? AND limit_key = ? AND held = 0 AND queued = 0")?
            .execute(params![id(slot.company.0), limit_key])?;
    }
    Ok(())
}

/// Slots that are held under a key.
fn held(transaction: &Transaction<'_>, slot: &SlotMove) -> rusqlite::Result<u64> {
    let held = transaction
        .prepare_cached("SELECT held FROM limits WHERE company = ? AND limit_key = ?")?
        .query_row(params![id(slot.company.0), &limit_key_bytes(&slot.key)[..]], |row| row.get(0))
        .optional()?;
    Ok(held.unwrap_or_default())
}

fn wake_first(transaction: &Transaction<'_>, slot: &SlotMove, committed: &mut Committed) -> rusqlite::Result<()> {
    let first = transaction
        .prepare_cached(
            "SELECT play FROM plays WHERE company = ? AND limit_key = ? AND place = 1 ORDER BY play LIMIT 1",
        )?
        .query_row(params![id(slot.company.0), limit_key_bytes(&slot.key)], |row| read_id(row.get_ref(0)?))
        .optional()?;
    let Some(first) = first else { return Ok(()) };
    let play = PlayKey { company: slot.company, play: PlayId(first) };
    let owner = state_and_owner(transaction, play)?.and_then(|(_, owner)| owner);
    wake(transaction, play, owner, Timestamp::MIN, committed)
}

fn forget(transaction: &Transaction<'_>, play: PlayKey) -> rusqlite::Result<()> {
    for table in ["plays", "chunks", "play_values"] {
        transaction
            .prepare_cached(&format!("DELETE FROM {table} WHERE company = ? AND play = ?"))?
            .execute(params![id(play.company.0), id(play.play.0)])?;
    }
    Ok(())
}

/// The bytes of an id, as a statement takes them.
pub(super) fn id(id: Id) -> [u8; 12] {
    *id.as_bytes()
}

/// An id from a column.
pub(super) fn read_id(value: rusqlite::types::ValueRef<'_>) -> rusqlite::Result<Id> {
    let bytes = value.as_blob()?;
    bytes.try_into().map(Id::from_bytes).map_err(|_| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, "an id has 12 bytes".into())
    })
}

fn doc_params(key: &DocKey) -> ([u8; 12], &str, &str) {
    (id(key.company.0), key.kind.as_str(), &key.id)
}

fn drop_audit(transaction: &Transaction<'_>, company: CompanyId, upto: u64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM audit WHERE company = ? AND number <= ?")?
        .execute(params![id(company.0), upto])?;
    // The newest number may be among those that are gone; none is given again.
    transaction
        .prepare_cached(
            "INSERT INTO counters (name, value) VALUES ('audit', ?)
             ON CONFLICT DO UPDATE SET value = MAX(value, excluded.value)",
        )?
        .execute([upto])?;
    Ok(())
}
