//! The tables, their versions, and how connections are opened.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{SqliteOptions, Synchronous, store_error};
use crate::StoreError;

/// Each entry brings the schema from the version of its position to the next. Never change one
/// that was released: add another.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// Says that the file is flow8's: "flo8".
const APPLICATION_ID: i64 = 0x666c_6f38;

/// Statements that are kept compiled, for each connection.
const STATEMENTS: usize = 64;

/// Opens the one connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = open(path, options, flags)?;
    let prepare = |connection: &mut Connection| -> rusqlite::Result<()> {
        // Has an effect only before the first table: pages that become free can then be given back.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        let synchronous = match options.synchronous {
            Synchronous::Full => "FULL",
            Synchronous::Off => "OFF",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
        // Checkpoints are made by `space`, beside the writer and not in its way.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "cache_size", -16_384)?;
        connection.pragma_update(None, "temp_store", "MEMORY")
    };
    prepare(&mut connection).map_err(|error| store_error(&error))?;
    migrate(&mut connection)?;
    Ok(connection)
}

/// Opens a connection that moves pages from the log into the database.
pub(super) fn open_checkpointer(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, options, flags)?;
    connection.pragma_update(None, "cache_size", -256).map_err(|error| store_error(&error))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path, options: &SqliteOptions) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, options, flags)?;
    connection.pragma_update(None, "cache_size", -4_096).map_err(|error| store_error(&error))?;
    Ok(connection)
}

fn open(path: &Path, options: &SqliteOptions, flags: OpenFlags) -> Result<Connection, StoreError> {
    let opened = match &options.vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
    };
    let connection = opened.map_err(|error| store_error(&error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.busy_timeout(std::time::Duration::from_secs(30)).map_err(|error| store_error(&error))?;
    Ok(connection)
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let mut run = || -> rusqlite::Result<Result<(), StoreError>> {
        let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = MIGRATIONS.len() as u32;
        if found > known {
            return Ok(Err(StoreError::Newer { found, known }));
        }
        if id != APPLICATION_ID && (id != 0 || found != 0) {
            return Ok(Err(StoreError::Damaged("the file is another program's database".into())));
        }
        if found < known {
            let transaction = connection.transaction()?;
            for migration in &MIGRATIONS[found as usize..] {
                transaction.execute_batch(migration)?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", known)?;
            transaction.commit()?;
        }
        Ok(Ok(()))
    };
    run().map_err(|error| store_error(&error))?
}
