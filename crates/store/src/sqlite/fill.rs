//! The store filled with rows: each page is one transaction of the writer.
//!
//! A mark among the counters says that it has begun. It goes with the last step, and whoever opens
//! the store before that is refused.

use std::path::PathBuf;

use async_trait::async_trait;
use model::codec::{self, CodecError};
use model::play::{PlayHeader, SlotPlace};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::apply::{Counters, id};
use super::writer::{Job, Writer, blob};
use super::{schema, store_error};
use crate::StoreError;
use crate::dump::Fill;
use crate::limit::{limit_key_bytes, place_number};
use crate::row::Row;

/// Every table but those of the schema's own making.
const TABLES: [&str; 10] =
    ["plays", "limits", "chunks", "snapshots", "play_values", "messages", "waits", "docs", "doc_keys", "audit"];

/// The store while it is being filled.
pub(super) struct Filling<'s> {
    writer: &'s Writer,
    path: PathBuf,
}

impl<'s> Filling<'s> {
    /// Marks the store; one that an earlier filling has marked is emptied first.
    pub(super) async fn begin(writer: &'s Writer, path: PathBuf) -> Result<Self, StoreError> {
        let filling = Self { writer, path };
        let name = filling.path.display().to_string();
        let is_vacant = filling
            .run(|transaction, counters| {
                if schema::is_unfinished(transaction)? {
                    for table in TABLES.iter().chain(&["counters"]) {
                        transaction.execute(&format!("DELETE FROM {table}"), ())?;
                    }
                } else if !is_vacant(transaction)? {
                    return Ok(false);
                }
                schema::mark_unfinished(transaction)?;
                *counters = Counters::read(transaction)?;
                Ok(true)
            })
            .await?;
        if is_vacant { Ok(filling) } else { Err(StoreError::NotEmpty(name)) }
    }

    /// Does something in one transaction of the writer.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut Counters) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let job = |answer: tokio::sync::oneshot::Sender<Result<T, StoreError>>| {
            Job::Other(Box::new(move |connection, counters| {
                let outcome = within(connection, counters, work).map_err(|error| store_error(connection, &error));
                // Whoever asked may have gone away.
                let _ = answer.send(outcome);
            }))
        };
        self.writer.ask(job).await?
    }
}

fn within<T>(
    connection: &mut Connection,
    counters: &mut Counters,
    work: impl FnOnce(&Transaction<'_>, &mut Counters) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let mut after = *counters;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let done = work(&transaction, &mut after)?;
    transaction.commit()?;
    *counters = after;
    Ok(done)
}

/// Whether the store holds nothing.
pub(super) fn is_vacant(connection: &Connection) -> rusqlite::Result<bool> {
    for table in TABLES {
        let some: bool =
            connection.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {table})"), (), |row| row.get(0))?;
        if some {
            return Ok(false);
        }
    }
    Ok(true)
}

#[async_trait]
impl Fill for Filling<'_> {
    async fn put(&mut self, rows: Vec<Row>) -> Result<(), StoreError> {
        // Encoding happens here: the writer thread has only rows to insert.
        let encoded: Vec<Vec<u8>> = rows
            .iter()
            .filter_map(encoded)
            .collect::<Result<_, _>>()
            .map_err(|error: CodecError| StoreError::Failed(error.to_string()))?;
        self.run(move |transaction, _| {
            let mut encoded = encoded.into_iter();
            for row in &rows {
                put(transaction, row, &mut encoded)?;
            }
            Ok(())
        })
        .await
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.run(|transaction, counters| {
            schema::unmark_unfinished(transaction)?;
            *counters = Counters::read(transaction)?;
            Ok(())
        })
        .await
    }
}

/// The part of a row that is kept encoded, if any.
fn encoded(row: &Row) -> Option<Result<Vec<u8>, CodecError>> {
    match row {
        Row::Play(header) => Some(codec::encode(header)),
        Row::Message { body, .. } => Some(codec::encode(body)),
        Row::Audit { row, .. } => Some(row.to_text()),
        _ => None,
    }
}

fn put(transaction: &Transaction<'_>, row: &Row, encoded: &mut impl Iterator<Item = Vec<u8>>) -> rusqlite::Result<()> {
    let insert = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<()> {
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    };
    match row {
        Row::Counters { feed, audit } => {
            for (name, value) in [("feed", feed), ("audit", audit)] {
                insert("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", params![name, value])?;
            }
            Ok(())
        }
        Row::Doc { company, kind, id: doc, revision, body, expires_at, unique } => {
            let (company, kind) = (id(company.0), kind.as_str());
            insert(
                "INSERT INTO docs (company, kind, id, revision, body, expires) VALUES (?, ?, ?, ?, ?, ?)",
                params![company, kind, doc, revision, blob(body), expires_at.map(|at| at.0)],
            )?;
            for (scope, text) in unique {
                insert(
                    "INSERT INTO doc_keys (scope, kind, text, company, id) VALUES (?, ?, ?, ?, ?)",
                    params![id(scope.0), kind, text, company, doc],
                )?;
            }
            Ok(())
        }
        Row::Play(header) => put_play(transaction, header, &encoded.next().unwrap_or_default()),
        Row::Chunk { feed, play, from, count, bytes } => insert(
            "INSERT INTO chunks (feed, company, play, first, count, bytes) VALUES (?, ?, ?, ?, ?, ?)",
            params![feed, id(play.company.0), id(play.play.0), from, count, blob(bytes)],
        ),
        Row::Snapshot { play, records, bytes } => insert(
            "INSERT INTO snapshots (company, play, records, bytes) VALUES (?, ?, ?, ?)",
            params![id(play.company.0), id(play.play.0), records, blob(bytes)],
        ),
        Row::Value { play, digest, bytes } => insert(
            "INSERT INTO play_values (company, play, digest, bytes) VALUES (?, ?, ?, ?)",
            params![id(play.company.0), id(play.play.0), digest.0.as_slice(), blob(bytes)],
        ),
        Row::Message { to, id: message, at, .. } => insert(
            "INSERT INTO messages (company, play, id, at, body) VALUES (?, ?, ?, ?, ?)",
            params![id(to.company.0), id(to.play.0), id(message.0), at.0, encoded.next().unwrap_or_default()],
        ),
        Row::Wait { play, kind, key, layer, since } => insert(
            "INSERT INTO waits (company, kind, key, play, layer, since) VALUES (?, ?, ?, ?, ?, ?)",
            params![id(play.company.0), kind.as_str(), key, id(play.play.0), id(layer.0), since.0],
        ),
        Row::Audit { number, row } => insert(
            "INSERT INTO audit (company, number, action, entity, entity_id, row) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                id(row.company.0),
                number,
                row.action,
                row.entity,
                row.entity_id,
                encoded.next().unwrap_or_default()
            ],
        ),
    }
}

fn put_play(transaction: &Transaction<'_>, header: &PlayHeader, encoded: &[u8]) -> rusqlite::Result<()> {
    let (company, play) = (id(header.key.company.0), id(header.key.play.0));
    let slot = header.slot.as_ref().map(|slot| (limit_key_bytes(&slot.key), slot.place));
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
            header.due.map(|due| due.0),
            header.owner.map(|owner| id(owner.0)),
            slot.map(|(key, _)| key),
            slot.map(|(_, place)| place_number(place)),
            encoded
        ])?;
    let Some((key, place @ (SlotPlace::Held | SlotPlace::Queued))) = slot else { return Ok(()) };
    for limit_key in [&key[..], &key[..12]] {
        transaction
            .prepare_cached(
                "INSERT INTO limits (company, limit_key, held, queued) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET held = held + ?3, queued = queued + ?4",
            )?
            .execute(params![company, limit_key, place == SlotPlace::Held, place == SlotPlace::Queued])?;
    }
    Ok(())
}
