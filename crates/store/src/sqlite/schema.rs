//! The tables, their versions, and how connections are opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::space::LOG_KEEPS;
use super::{SqliteOptions, Synchronous, error_at, store_error};
use crate::StoreError;

/// Each entry brings the schema from the version of its position to the next. Never change one
/// that was released: add another.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// Says that the file is flow8's: "flo8".
const APPLICATION_ID: i64 = 0x666c_6f38;

/// Statements that are kept compiled, for each connection.
const STATEMENTS: usize = 64;

/// Opens the one connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open(path, options, flags)?;
    // Before anything is changed: what is not ours, or not yet, stays as it is.
    let found = identify(&connection)?;
    if connection.is_readonly("main").unwrap_or(false) {
        // SQLite opens such a file, and would tell only the first who commits.
        return Err(StoreError::ReadOnly(format!("{} may only be read", path.display())));
    }
    let prepare = |connection: &mut Connection| -> rusqlite::Result<()> {
        // Checkpoints are made by `space`, beside the writer and not in its way.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        let synchronous = match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        if found == 0 {
            // Has an effect only before the first table: pages that become free can then be given back.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_KEEPS)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        migrate(connection, found)
    };
    prepare(&mut connection).map_err(|error| store_error(&connection, &error))?;
    if !options.over_unfinished {
        refuse_unfinished(&connection)?;
    }
    Ok(connection)
}

/// Opens a connection that moves pages from the log into the database.
pub(super) fn open_checkpointer(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, options, flags)?;
    connection.pragma_update(None, "cache_size", -256).map_err(|error| store_error(&connection, &error))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, options, flags)?;
    connection.pragma_update(None, "cache_size", -4_096).map_err(|error| store_error(&connection, &error))?;
    Ok(connection)
}

fn open(path: &Path, options: &SqliteOptions, flags: OpenFlags) -> Result<Connection, StoreError> {
    let opened = match &options.vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
    };
    let connection = opened.map_err(|error| error_at(path, &error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(std::time::Duration::from_secs(30)).map_err(|error| store_error(&connection, &error))?;
    Ok(connection)
}

/// The version of the schema that a store has, and the one that this flow8 would bring it to. Nothing is changed.
pub(super) fn versions(path: &Path, options: &SqliteOptions) -> Result<(u32, u32), StoreError> {
    let known = MIGRATIONS.len() as u32;
    if !path.exists() {
        return Ok((0, known));
    }
    Ok((identify(&open_reader(path, options)?)?, known))
}

/// The version of the schema, where the file is a store that this version can use, or is new.
pub(super) fn identify(connection: &Connection) -> Result<u32, StoreError> {
    let read = || -> rusqlite::Result<(i64, u32, u64)> {
        let id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let found = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let tables = connection.query_row("SELECT COUNT(*) FROM sqlite_schema", (), |row| row.get(0))?;
        Ok((id, found, tables))
    };
    let (id, found, tables) = read().map_err(|error| store_error(connection, &error))?;
    let store = connection.path().unwrap_or_default().to_owned();
    let known = MIGRATIONS.len() as u32;
    if id != APPLICATION_ID && (id != 0 || found != 0 || tables != 0) {
        return Err(StoreError::Damaged(format!("{store} is another program's database")));
    }
    if found > known {
        return Err(StoreError::Newer { store, found, known });
    }
    Ok(found)
}

fn migrate(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    if found as usize == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    for migration in &MIGRATIONS[found as usize..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    transaction.commit()
}

/// The counter that is there for as long as a restore has not finished.
const UNFINISHED: &str = "unfinished";

/// Whether a restore into the store has begun and not finished.
pub(super) fn is_unfinished(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM counters WHERE name = ?)";
    connection.query_row(sql, [UNFINISHED], |row| row.get(0))
}

pub(super) fn mark_unfinished(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("INSERT INTO counters (name, value) VALUES (?, 1)", [UNFINISHED]).map(drop)
}

pub(super) fn unmark_unfinished(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM counters WHERE name = ?", [UNFINISHED]).map(drop)
}

/// Refuses a store that is only a part of what is to be restored into it.
pub(super) fn refuse_unfinished(connection: &Connection) -> Result<(), StoreError> {
    if is_unfinished(connection).map_err(|error| store_error(connection, &error))? {
        return Err(StoreError::Unfinished(connection.path().unwrap_or_default().to_owned()));
    }
    Ok(())
}

/// Refuses a store that this version would have to change before it can read it.
pub(super) fn refuse_outdated(connection: &Connection) -> Result<(), StoreError> {
    let (found, known) = (identify(connection)?, MIGRATIONS.len() as u32);
    if found != known {
        let store = connection.path().unwrap_or_default();
        return Err(StoreError::Failed(format!(
            "the store {store} has schema {found}, this flow8 reads {known}; start flow8 serve on it once"
        )));
    }
    Ok(())
}
