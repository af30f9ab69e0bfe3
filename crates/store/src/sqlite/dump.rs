//! All of the store as rows, read in one transaction on a connection of its own.
//!
//! It needs no lock of the folder: SQLite lets whoever reads see one instant while another process
//! writes. The log grows meanwhile, since what is being read stays in it.

use model::audit::AuditRow;
use model::batch::WaitKind;
use model::codec;
use model::doc::{Doc, DocKey, DocKind};
use model::ids::{CompanyId, LayerId, MessageId, PlayId};
use model::payload::Digest;
use model::play::PlayKey;
use model::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, params};

use super::apply::{counters_of, id, read_id};
use super::read::{HEADER, bytes_of, header_of, undecodable};
use super::{FILE_NAME, SqliteOptions, error_at, schema, store_error};
use crate::StoreError;
use crate::dump::{Abandoned, Giver, Rows};
use crate::row::Row;

/// All that the store in a folder holds, whether or not another process has it open.
///
/// # Errors
/// Where there is none, it cannot be read, another version made it, or a restore into it has not finished.
pub async fn dump(options: &SqliteOptions) -> Result<Rows, StoreError> {
    begin(options.clone()).await
}

pub(super) async fn begin(options: SqliteOptions) -> Result<Rows, StoreError> {
    let work = tokio::task::spawn_blocking(move || open(&options));
    let connection = work.await.map_err(|panic| StoreError::Failed(panic.to_string()))??;
    let (mut giver, rows) = Giver::new();
    tokio::task::spawn_blocking(move || match give_all(&connection, &mut giver) {
        Ok(()) => giver.end_blocking(Ok(())),
        Err(Stopped::Failed(error)) => giver.end_blocking(Err(store_error(&connection, &error))),
        Err(Stopped::Abandoned) => {}
    });
    Ok(rows)
}

/// A connection with a transaction that has begun to read, and so sees nothing of what comes later.
fn open(options: &SqliteOptions) -> Result<Connection, StoreError> {
    let path = options.folder.join(FILE_NAME);
    if !path.is_file() {
        return Err(StoreError::Failed(format!(
            "there is no store at {}; name its folder with --data-dir",
            path.display()
        )));
    }
    let connection = schema::open_reader(&path, options)?;
    connection.execute_batch("BEGIN").map_err(|error| error_at(&path, &error))?;
    schema::refuse_outdated(&connection)?;
    if !options.over_unfinished {
        schema::refuse_unfinished(&connection)?;
    }
    Ok(connection)
}

/// Why it went no further.
enum Stopped {
    Failed(rusqlite::Error),
    Abandoned,
}

impl From<rusqlite::Error> for Stopped {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Abandoned> for Stopped {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

type SqlRow<'r> = rusqlite::Row<'r>;

fn give_all(connection: &Connection, giver: &mut Giver) -> Result<(), Stopped> {
    let (feed, audit) = counters_of(connection)?;
    giver.give_blocking(Row::Counters { feed, audit })?;
    docs(connection, giver)?;
    let mut each = |sql: &str, read: &dyn Fn(&SqlRow<'_>) -> rusqlite::Result<Row>| -> Result<(), Stopped> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            giver.give_blocking(read(row)?)?;
        }
        Ok(())
    };
    each(&format!("SELECT {HEADER} FROM plays ORDER BY company, play"), &|row| {
        Ok(Row::Play(Box::new(header_of(row)?)))
    })?;
    each("SELECT company, play, feed, first, count, bytes FROM chunks ORDER BY feed", &|row| {
        let (feed, from, count) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Row::Chunk { feed, play: play_of(row)?, from, count, bytes: bytes_of(row, 5)? })
    })?;
    each("SELECT company, play, records, bytes FROM snapshots ORDER BY company, play", &|row| {
        Ok(Row::Snapshot { play: play_of(row)?, records: row.get(2)?, bytes: bytes_of(row, 3)? })
    })?;
    each("SELECT company, play, digest, bytes FROM play_values ORDER BY company, play, digest", &|row| {
        Ok(Row::Value { play: play_of(row)?, digest: Digest(row.get(2)?), bytes: bytes_of(row, 3)? })
    })?;
    each("SELECT company, play, id, at, body FROM messages ORDER BY company, play, id", &|row| {
        Ok(Row::Message {
            to: play_of(row)?,
            id: MessageId(read_id(row.get_ref(2)?)?),
            at: Timestamp(row.get(3)?),
            body: codec::decode(row.get_ref(4)?.as_blob()?).map_err(undecodable)?,
        })
    })?;
    each(
        "SELECT company, play, kind, key, layer, since FROM waits ORDER BY company, play, kind, key, layer",
        &|row| {
            Ok(Row::Wait {
                play: play_of(row)?,
                kind: word(row, 2, WaitKind::from_name)?,
                key: row.get(3)?,
                layer: LayerId(read_id(row.get_ref(4)?)?),
                since: Timestamp(row.get(5)?),
            })
        },
    )?;
    each("SELECT number, row FROM audit ORDER BY number", &|row| {
        let audit: AuditRow = AuditRow::from_text(row.get_ref(1)?.as_blob()?).map_err(undecodable)?;
        Ok(Row::Audit { number: row.get(0)?, row: Box::new(audit) })
    })
}

fn docs(connection: &Connection, giver: &mut Giver) -> Result<(), Stopped> {
    let mut docs =
        connection.prepare("SELECT company, kind, id, revision, body, expires FROM docs ORDER BY company, kind, id")?;
    let mut keys = connection.prepare("SELECT scope, text FROM doc_keys WHERE company = ? AND kind = ? AND id = ?")?;
    let mut rows = docs.query(())?;
    while let Some(row) = rows.next()? {
        let key = DocKey {
            company: CompanyId(read_id(row.get_ref(0)?)?),
            kind: word(row, 1, DocKind::from_name)?,
            id: row.get(2)?,
        };
        let unique = keys
            .query_map(params![id(key.company.0), key.kind.as_str(), key.id], |row| {
                Ok((CompanyId(read_id(row.get_ref(0)?)?), row.get(1)?))
            })?
            .collect::<rusqlite::Result<Vec<(CompanyId, String)>>>()?;
        let expires_at = row.get::<_, Option<i64>>(5)?.map(Timestamp);
        let doc = Doc { key, revision: row.get(3)?, body: bytes_of(row, 4)?, expires_at };
        giver.give_blocking(Row::of_doc(doc, unique))?;
    }
    Ok(())
}

/// The play that the first two columns name.
fn play_of(row: &SqlRow<'_>) -> rusqlite::Result<PlayKey> {
    Ok(PlayKey { company: CompanyId(read_id(row.get_ref(0)?)?), play: PlayId(read_id(row.get_ref(1)?)?) })
}

/// What a word in a column stands for.
fn word<T>(row: &SqlRow<'_>, column: usize, read: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let word = row.get_ref(column)?.as_str()?;
    read(word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("unknown kind {word}").into())
    })
}
