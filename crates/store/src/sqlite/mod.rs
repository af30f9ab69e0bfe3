//! The embedded store: SQLite in the data folder.
//!
//! One thread writes. It takes every batch that waits, applies them in one transaction, syncs
//! once, and answers them all ([`writer`]); that is group commit, and where the speed comes
//! from. Readers are a few connections that never block it. One process at a time, by a lock.

mod apply;
mod dump;
mod fill;
mod lock;
mod read;
mod schema;
mod space;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, Committed, Message, Wait};
use model::codec;
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::{CompanyId, FlowId, ReplicaId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey};
use model::time::Timestamp;
use rusqlite::Connection;
use tokio::sync::{Semaphore, oneshot};

pub use self::dump::dump;
pub use self::lock::make_folder;

use self::fill::Filling;
use self::lock::Lock;
use self::writer::{Job, Writer};
use crate::dump::{Fill, Rows};
use crate::{
    AuditEntry, AuditPage, AuditQuery, AuditSpan, CommitError, DocQuery, FeedChunk, LimitCount, Loaded, PlayPage,
    PlayQuery, Store, StoreError, StoreSize, WaitQuery,
};

/// The name of the database in the data folder.
pub const FILE_NAME: &str = "flow8.db";

/// How many reads may run at once.
const READERS: usize = 4;

/// How to open the store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The data folder; made where it is missing.
    pub folder: PathBuf,
    /// Whether a commit waits for the disk. Only tests that must see it fail turn it off.
    pub synchronous: Synchronous,
    /// The SQLite VFS to go through; the system's where none is named.
    pub vfs: Option<String>,
    /// Whether to open it also where a restore into it has not finished. For the next restore alone.
    pub over_unfinished: bool,
}

impl SqliteOptions {
    /// The usual way.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), synchronous: Synchronous::Full, vfs: None, over_unfinished: false }
    }
}

/// Whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// It is on the disk when it is answered.
    Full,
    /// It may be lost by a power cut. For tests alone.
    Off,
}

/// The embedded store.
pub struct SqliteStore {
    // In the order in which they are closed: the last connection, which can write, then moves the
    // log into the database and removes it; and the lock goes when all else has.
    readers: Arc<Readers>,
    writer: Writer,
    path: PathBuf,
    options: SqliteOptions,
    _lock: Lock,
}

/// Connections that only read.
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
    open: Box<dyn Fn() -> Result<Connection, StoreError> + Send + Sync>,
}

impl SqliteStore {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// Where another process has it, it cannot be written, a newer version made it, or it is damaged.
    pub fn open(options: &SqliteOptions) -> Result<Self, StoreError> {
        let lock = Lock::take(&options.folder)?;
        let path = options.folder.join(FILE_NAME);
        // Another VFS keeps its files elsewhere.
        if options.vfs.is_none() {
            lock::make_database(&path)?;
        }
        let connection = schema::open_writer(&path, options)?;
        let checkpointer = schema::open_checkpointer(&path, options)?;
        let readers = {
            let (path, options) = (path.clone(), options.clone());
            Arc::new(Readers {
                idle: Mutex::new(Vec::new()),
                permits: Semaphore::new(READERS),
                open: Box::new(move || schema::open_reader(&path, &options)),
            })
        };
        let writer = Writer::start(connection, checkpointer)?;
        Ok(Self { readers, writer, path, options: options.clone(), _lock: lock })
    }

    /// Whether a folder has no store, or one that holds nothing. Changes nothing.
    ///
    /// # Errors
    /// Where it cannot be read, or a restore into it has not finished and `options` do not pass over that.
    pub fn is_vacant(options: &SqliteOptions) -> Result<bool, StoreError> {
        let path = options.folder.join(FILE_NAME);
        if !path.exists() {
            return Ok(true);
        }
        let connection = schema::open_reader(&path, options)?;
        if schema::identify(&connection)? == 0 {
            return Ok(true);
        }
        if options.over_unfinished && schema::is_unfinished(&connection).map_err(|error| error_at(&path, &error))? {
            return Ok(true);
        }
        schema::refuse_unfinished(&connection)?;
        fill::is_vacant(&connection).map_err(|error| error_at(&path, &error))
    }

    /// The version of the schema in a folder, 0 where there is no store, and the one that opening it would
    /// bring it to. Nothing is changed.
    ///
    /// # Errors
    /// Where it cannot be read, or a newer version made it.
    pub fn versions(options: &SqliteOptions) -> Result<(u32, u32), StoreError> {
        schema::versions(&options.folder.join(FILE_NAME), options)
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.readers.clone();
        let (answer, answered) = oneshot::channel();
        // A task of its own holds the permit: whoever asked may be at something else that reads, too, and would keep
        // all others out until that is done.
        tokio::spawn(async move {
            // The semaphore is never closed.
            let Ok(_permit) = readers.permits.acquire().await else { return };
            if answer.is_closed() {
                return;
            }
            let reading = readers.clone();
            let outcome = tokio::task::spawn_blocking(move || reading.run(query)).await;
            // Whoever asked may have gone away.
            let _ = answer.send(outcome.unwrap_or_else(|panic| Err(StoreError::Failed(panic.to_string()))));
        });
        answered.await.map_err(|_| StoreError::Failed("the store is closing".into()))?
    }
}

impl Readers {
    fn run<T>(&self, query: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => (self.open)()?,
        };
        let outcome = query(&mut connection).map_err(|error| store_error(&connection, &error));
        if outcome.is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        outcome
    }
}

/// What an error of SQLite means for whoever runs flow8.
fn store_error(connection: &Connection, error: &rusqlite::Error) -> StoreError {
    error_at(Path::new(connection.path().unwrap_or(FILE_NAME)), error)
}

fn error_at(file: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let message = format!("{}: {error}", file.display());
    let Some(failure) = error.sqlite_error() else { return StoreError::Failed(message) };
    match failure.code {
        ErrorCode::DiskFull => StoreError::Full(message),
        // The index of the log lies beside it, and is the first that does not fit.
        ErrorCode::SystemIoFailure if failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::Full(message)
        }
        ErrorCode::SystemIoFailure => {
            let code = failure.extended_code;
            StoreError::Failed(format!("{message} (SQLite's code {code}); look at the disk and at the system's log"))
        }
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => StoreError::ReadOnly(message),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Damaged(message),
        _ => StoreError::Failed(message),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        // Encoding happens here, in the caller's task: the writer thread has only rows to insert.
        let headers = encode_all(batch.plays.iter().map(|write| &write.header))?;
        let audit = batch.audit.iter().map(AuditRow::to_text).collect::<Result<_, _>>();
        let audit = audit.map_err(|error| StoreError::Failed(error.to_string()))?;
        let bodies = encode_all(batch.messages.iter().map(|message| &message.body))?;
        self.writer.ask(|answer| Job::Commit(Box::new(writer::Work { batch, headers, audit, bodies, answer }))).await?
    }

    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError> {
        self.writer.ask(|answer| Job::Adopt(me, answer)).await?
    }

    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError> {
        self.read(move |connection| read::header(connection, play)).await
    }

    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError> {
        self.read(move |connection| read::load(connection, play)).await
    }

    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError> {
        self.read(move |connection| read::messages(connection, play)).await
    }

    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError> {
        let query = query.clone();
        self.read(move |connection| read::headers(connection, &query)).await
    }

    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError> {
        self.read(move |connection| read::chunks(connection, play, from, limit)).await
    }

    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read(move |connection| read::value(connection, play, digest)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError> {
        self.read(move |connection| read::due(connection, now, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(read::next_due).await
    }

    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError> {
        self.read(move |connection| read::queue_heads(connection, company, flow)).await
    }

    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError> {
        self.read(move |connection| read::limit(connection, company, key)).await
    }

    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError> {
        let query = query.clone();
        self.read(move |connection| read::waits(connection, &query)).await
    }

    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError> {
        self.read(move |connection| read::feed(connection, company, after, limit)).await
    }

    async fn feed_end(&self) -> Result<u64, StoreError> {
        self.writer.ask(Job::FeedEnd).await
    }

    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError> {
        let key = key.clone();
        self.read(move |connection| read::doc(connection, &key)).await
    }

    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError> {
        let unique = unique.clone();
        self.read(move |connection| read::doc_by(connection, &unique)).await
    }

    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError> {
        let query = query.clone();
        self.read(move |connection| read::docs(connection, &query)).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError> {
        self.read(move |connection| read::expired(connection, now, limit)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        let query = query.clone();
        self.read(move |connection| read::audit(connection, &query)).await
    }

    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        let span = *span;
        self.read(move |connection| read::audit_log(connection, &span)).await
    }

    async fn audit_end(&self) -> Result<u64, StoreError> {
        // The writer gives out numbers in the order of its commits.
        self.read(|connection| apply::newest_audit(connection)).await
    }

    async fn shrink(&self) -> Result<bool, StoreError> {
        self.writer.ask(Job::Shrink).await?
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        self.read(|connection| read::size(connection)).await
    }

    async fn dump(&self) -> Result<Rows, StoreError> {
        // Whoever has it open may read it, finished or not: so a restore looks at what it has written.
        dump::begin(SqliteOptions { over_unfinished: true, ..self.options.clone() }).await
    }

    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError> {
        Ok(Box::new(Filling::begin(&self.writer, self.path.clone()).await?))
    }
}

fn encode_all<'a, T: serde::Serialize + 'a>(
    things: impl IntoIterator<Item = &'a T>,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let encoded = things.into_iter().map(codec::encode).collect::<Result<_, _>>();
    encoded.map_err(|error| StoreError::Failed(error.to_string()))
}
