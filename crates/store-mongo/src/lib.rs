//! The store of many replicas: MongoDB 6 or later, as a replica set.
//!
//! What [`store::Store`] promises holds over all replicas. A commit is a transaction that most
//! members have on disk before it is answered; batches that wait at the same time share one
//! ([`writer`]). A play's revision rises with every commit, so a replica that lost a play can
//! commit nothing for it any more.

mod apply;
mod dump;
mod fault;
mod feed;
mod files;
mod fill;
mod keys;
mod lease;
mod lock;
mod migrate;
mod read;
mod rows;
mod schema;
mod sweep;
mod tx;
mod watch;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::batch::{Batch, Chunk, Committed, Message, Wait};
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::{CompanyId, FlowId, ReplicaId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey};
use model::time::Timestamp;
use mongodb::options::{ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, Tls, TlsOptions};
use mongodb::{Client, Database};
use store::dump::{Fill, Rows};
use store::{
    AuditEntry, AuditPage, AuditQuery, AuditSpan, CommitError, DocQuery, FeedChunk, Lease, LimitCount, Loaded,
    PlayPage, PlayQuery, Signal, Store, StoreError, StoreSize, WaitQuery,
};

use tokio::sync::mpsc;

use self::fault::{Fault, meaning};
use self::feed::Settled;
use self::files::{FILES, VALUES};
use self::fill::Filling;
use self::writer::Writer;

pub use self::files::MongoFiles;
pub use self::migrate::Step;

/// The database's name where the URI names none.
pub const DATABASE: &str = "flow8";

/// How long it is looked for a server that takes writes.
const SELECTION: Duration = Duration::from_secs(10);

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// How to reach the store.
#[derive(Clone, Default)]
pub struct MongoOptions {
    /// `mongodb://` or `mongodb+srv://`, with whatever options the server needs. It holds a password.
    pub uri: String,
    /// The database; the URI's, else [`DATABASE`].
    pub database: Option<String>,
    /// Connections at once; the driver's own number where none is given.
    pub max_pool_size: Option<u32>,
    /// Whom to trust beyond the usual authorities, as PEM.
    pub tls_ca_file: Option<PathBuf>,
    /// flow8's own certificate and key, as PEM.
    pub tls_cert_key_file: Option<PathBuf>,
    /// Whether whoever opens the store makes what it lacks.
    pub migrates: bool,
    /// Whether to open it also where a restore into it has not finished. For the next restore alone.
    pub over_unfinished: bool,
}

/// MongoDB.
pub struct MongoStore {
    client: Client,
    db: Database,
    writer: Writer,
    settled: Arc<Settled>,
}

impl MongoStore {
    /// Connects; makes what is missing, where that is wanted.
    ///
    /// # Errors
    /// Where the URI is wrong, no server can be reached, it refuses to sign flow8 in, it stands
    /// alone, a newer version made the store, or something is missing.
    pub async fn open(options: &MongoOptions) -> Result<Self, StoreError> {
        let (client, db) = connect(options).await?;
        check(options, &db).await?;
        let steps = migrate::steps(&db).await?;
        if options.migrates && steps.iter().any(Step::is_pending) {
            migrate::migrate(&db).await?;
        } else {
            migrate::refuse_pending(&steps)?;
        }
        let writer = read(Writer::start(&client, &db).await)?;
        Ok(Self { client, db, writer, settled: Arc::default() })
    }

    /// The files that flows read and write, as chunks in the same database.
    pub fn files(&self) -> MongoFiles {
        MongoFiles::new(&self.client, &self.db, &FILES)
    }

    /// Values of plays that are too large for a record, likewise.
    pub fn values(&self) -> MongoFiles {
        MongoFiles::new(&self.client, &self.db, &VALUES)
    }

    /// Whether there is no store, or one that holds nothing. Changes nothing.
    ///
    /// # Errors
    /// As [`MongoStore::open`].
    pub async fn is_vacant(options: &MongoOptions) -> Result<bool, StoreError> {
        let (_client, db) = connect(options).await?;
        check(options, &db).await?;
        Ok(read(fill::is_unfinished(&db).await)? || read(fill::is_vacant(&db).await)?)
    }
}

/// All that a store holds. None is made where there is none.
///
/// # Errors
/// As [`MongoStore::open`], and where there is no store.
pub async fn dump(options: &MongoOptions) -> Result<Rows, StoreError> {
    let (client, db) = connect(options).await?;
    check(options, &db).await?;
    if !migrate::is_made(&db).await? {
        return Err(StoreError::Failed(format!(
            "there is no store in {}; name its database with MONGODB_DB",
            name_of(&db)
        )));
    }
    read(dump::begin(&client, &db).await)
}

/// The files, and the large values of plays, of a store that is not opened otherwise.
///
/// # Errors
/// As [`MongoStore::open`].
pub async fn objects(options: &MongoOptions) -> Result<(MongoFiles, MongoFiles), StoreError> {
    let (client, db) = connect(options).await?;
    check(options, &db).await?;
    Ok((MongoFiles::new(&client, &db, &FILES), MongoFiles::new(&client, &db, &VALUES)))
}

/// Refuses what this version cannot or must not use.
async fn check(options: &MongoOptions, db: &Database) -> Result<(), StoreError> {
    schema::refuse_standalone(db).await?;
    migrate::refuse_newer(db).await?;
    if !options.over_unfinished && read(fill::is_unfinished(db).await)? {
        return Err(StoreError::Unfinished(name_of(db)));
    }
    Ok(())
}

/// What it is called in errors.
fn name_of(db: &Database) -> String {
    format!("MongoDB, database {}", db.name())
}

/// What there is of each version of the schema, and what is missing. Nothing is changed.
///
/// # Errors
/// As with [`MongoStore::open`].
pub async fn steps(options: &MongoOptions) -> Result<Vec<Step>, StoreError> {
    let (_client, db) = connect(options).await?;
    check(options, &db).await?;
    migrate::steps(&db).await
}

/// Brings the schema up to date, and returns what there was before. Safe to run twice, and twice at once.
///
/// # Errors
/// As with [`MongoStore::open`].
pub async fn migrate(options: &MongoOptions) -> Result<Vec<Step>, StoreError> {
    let (_client, db) = connect(options).await?;
    check(options, &db).await?;
    migrate::migrate(&db).await
}

async fn connect(options: &MongoOptions) -> Result<(Client, Database), StoreError> {
    let wrong = |error: &mongodb::error::Error| StoreError::Failed(format!("the URI of MongoDB is not right: {error}"));
    let mut client = ClientOptions::parse(&options.uri).await.map_err(|error| wrong(&error))?;
    client.app_name.get_or_insert_with(|| "flow8".into());
    client.server_selection_timeout.get_or_insert(SELECTION);
    client.connect_timeout.get_or_insert(CONNECT);
    client.max_pool_size = options.max_pool_size.or(client.max_pool_size);
    if options.tls_ca_file.is_some() || options.tls_cert_key_file.is_some() {
        let mut tls = TlsOptions::default();
        tls.ca_file_path = options.tls_ca_file.clone();
        tls.cert_key_file_path = options.tls_cert_key_file.clone();
        client.tls = Some(Tls::Enabled(tls));
    }
    client.write_concern = Some(tx::durable());
    client.read_concern = Some(ReadConcern::majority());
    client.selection_criteria = Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
    let named = options.database.clone().or_else(|| client.default_database.clone());
    let client = Client::with_options(client).map_err(|error| meaning(&error))?;
    let db = client.database(named.as_deref().unwrap_or(DATABASE));
    Ok((client, db))
}

/// What a read gives, or what its fault means.
/// Does something on a task of its own: whoever asked may be at something else for a while, and would keep the connection
/// that it was given from all others.
async fn apart<T: Send + 'static>(
    reading: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, StoreError> {
    let outcome = tokio::spawn(reading).await.map_err(|panic| StoreError::Failed(panic.to_string()))?;
    outcome.map_err(Fault::into_store)
}

fn read<T>(outcome: Result<T, Fault>) -> Result<T, StoreError> {
    outcome.map_err(Fault::into_store)
}

#[async_trait]
impl Store for MongoStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        self.writer.commit(batch).await
    }

    async fn join(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        read(lease::join(&self.db, replica, self.writer.sessions()).await)
    }

    async fn beat(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        let (db, sessions) = (self.db.clone(), self.writer.sessions());
        apart(async move { lease::beat(&db, replica, sessions).await }).await
    }

    async fn leave(&self, replica: ReplicaId) -> Result<(), StoreError> {
        read(lease::leave(&self.db, replica).await)
    }

    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError> {
        read(lease::adopt(&self.client, &self.db, me).await)
    }

    async fn claim(&self, plays: Vec<PlayKey>, now: Timestamp) -> Result<Vec<PlayKey>, StoreError> {
        read(lease::claim(&self.db, plays, now).await)
    }

    async fn take_turn(&self, chore: &str, lasts: Duration) -> Result<bool, StoreError> {
        lock::take_turn(&self.db, chore, lasts).await
    }

    async fn watch(&self) -> Option<mpsc::Receiver<Signal>> {
        Some(watch::follow(&self.db))
    }

    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::header(&db, play).await }).await
    }

    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::load(&db, play).await }).await
    }

    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::messages(&db, play).await }).await
    }

    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError> {
        let db = self.db.clone();
        let query = query.clone();
        apart(async move { read::headers(&db, &query).await }).await
    }

    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::chunks(&db, play, from, limit).await }).await
    }

    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::value(&db, play, digest).await }).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::due(&db, now, limit).await }).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::next_due(&db).await }).await
    }

    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::queue_heads(&db, company, flow).await }).await
    }

    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError> {
        let db = self.db.clone();
        apart(async move { read::limit(&db, company, key).await }).await
    }

    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError> {
        let db = self.db.clone();
        let query = query.clone();
        apart(async move { read::waits(&db, &query).await }).await
    }

    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError> {
        let (db, settled) = (self.db.clone(), self.settled.clone());
        let reading = async move {
            let upto = settled.advance(&db).await?;
            read::feed(&db, company, after, upto, limit).await
        };
        apart(reading).await
    }

    async fn feed_end(&self) -> Result<u64, StoreError> {
        let (db, settled) = (self.db.clone(), self.settled.clone());
        apart(async move { settled.advance(&db).await }).await
    }

    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError> {
        let db = self.db.clone();
        let key = key.clone();
        apart(async move { read::doc(&db, &key).await }).await
    }

    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError> {
        let db = self.db.clone();
        let unique = unique.clone();
        apart(async move { read::doc_by(&db, &unique).await }).await
    }

    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError> {
        let db = self.db.clone();
        let query = query.clone();
        apart(async move { read::docs(&db, &query).await }).await
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError> {
        let db = self.db.clone();
        apart(async move { read::expired(&db, now, limit).await }).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        let db = self.db.clone();
        let query = query.clone();
        apart(async move { read::audit(&db, &query).await }).await
    }

    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        let db = self.db.clone();
        let span = *span;
        apart(async move { read::audit_log(&db, &span).await }).await
    }

    async fn audit_end(&self) -> Result<u64, StoreError> {
        let (db, settled) = (self.db.clone(), self.settled.clone());
        apart(async move { settled.audit_end(&db).await }).await
    }

    async fn shrink(&self) -> Result<bool, StoreError> {
        // The server uses what is free again by itself.
        Ok(false)
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        let db = self.db.clone();
        apart(async move { read::size(&db).await }).await
    }

    async fn dump(&self) -> Result<Rows, StoreError> {
        read(dump::begin(&self.client, &self.db).await)
    }

    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError> {
        Ok(Box::new(Filling::begin(&self.db).await?))
    }
}
