//! The store: where plays and documents are kept.
//!
//! [`Store`] is the seam. Behind it stand the in-memory model ([`memory`]) and SQLite
//! ([`sqlite`]); each passes the same suite (`store-suite`). Nothing here knows what a play
//! means: it keeps headers, records and documents, and keeps the promises of [`Store::commit`].

pub mod dump;
pub mod fault;
pub mod keys;
pub mod limit;
pub mod memory;
pub mod row;
pub mod sqlite;
pub mod turns;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, Committed, Message, Wait, WaitKind};
use model::doc::{Doc, DocKey, DocKind, UniqueKey};
use model::ids::{CompanyId, FlowId, PlayId, ReplicaId};
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey, PlayState};
use model::time::Timestamp;
use tokio::sync::mpsc;

use self::dump::{Fill, Rows};

/// Keeps plays and documents, durably.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits a batch as a whole or not at all, and answers when it is durable.
    ///
    /// - Every play's header must follow the stored one by exactly one revision.
    /// - Every document must be as its write expects, and every unique key free.
    /// - A slot is taken only where one is free and nobody stands ahead in the queue.
    /// - A message wakes its play: without an owner, the play becomes due at once.
    /// - A play that ends has its snapshot, messages and waits removed.
    /// - The number of an audit row is never given again, even where the row is removed.
    ///
    /// # Errors
    /// [`CommitError::Conflict`]: nothing was changed. [`CommitError::Store`]: nothing was
    /// changed as far as is known; committing the same batch again is safe, since it then
    /// either happens or conflicts.
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError>;

    /// Makes a replica known, once, where several may share the store. None where there can be no
    /// other: then nothing that it has is ever lost.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn join(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        let _ = replica;
        Ok(None)
    }

    /// Says that a replica which has joined is alive. None where it was silent for too long: others
    /// have taken over what it had, and it must join under another id.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn beat(&self, replica: ReplicaId) -> Result<Option<Lease>, StoreError> {
        let _ = replica;
        Ok(None)
    }

    /// Says that a replica goes, for good, so that nobody waits until it is missed.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn leave(&self, replica: ReplicaId) -> Result<(), StoreError> {
        let _ = replica;
        Ok(())
    }

    /// Lets go of every play that a replica which is gone had in memory, so that they are due
    /// at once. Each rises by a revision: should that replica come back, it can commit nothing for
    /// them. Returns how many.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError>;

    /// Those of some due plays that whoever asks may look at: where several replicas share the
    /// store, the others are not given them for a while.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn claim(&self, plays: Vec<PlayKey>, now: Timestamp) -> Result<Vec<PlayKey>, StoreError> {
        let _ = now;
        Ok(plays)
    }

    /// Whether whoever asks is the one to do something that one replica does for all; for so long, nobody
    /// else is.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn take_turn(&self, chore: &str, lasts: Duration) -> Result<bool, StoreError> {
        let _ = (chore, lasts);
        Ok(true)
    }

    /// What happens at other replicas from now on, where several may share the store.
    async fn watch(&self) -> Option<mpsc::Receiver<Signal>> {
        None
    }

    /// The header of a play.
    ///
    /// # Errors
    /// Where the store cannot be read; as with all reads below.
    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError>;

    /// All that is needed to go on with a play, read at one instant.
    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError>;

    /// The messages that a play has not read, oldest first.
    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError>;

    /// Headers, newest first.
    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError>;

    /// The records of a play from the one numbered `from` on, in order: at most `limit` chunks,
    /// the first of which may begin before `from`.
    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError>;

    /// A large value of a play, compressed.
    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Plays that somebody must look at by `now`, earliest first, in fair shares over companies.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError>;

    /// When the next play becomes due.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The first play in the queue of each key of a flow's concurrency limit.
    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError>;

    /// How many plays hold a slot under a key, and how many queue for one.
    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError>;

    /// What is waited for, in the order of `since`; at most `limit`, after the given one.
    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError>;

    /// Records of all plays in the order of their commits, after the given place.
    ///
    /// With a company, only its own.
    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError>;

    /// The place of the newest records.
    async fn feed_end(&self) -> Result<u64, StoreError>;

    /// A document.
    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError>;

    /// The document that has this unique key.
    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError>;

    /// Documents of one company and kind, by id.
    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError>;

    /// Documents that may be forgotten by `now`.
    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError>;

    /// The audit log of a company, newest first.
    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError>;

    /// Rows of the audit log as they are stored, oldest first.
    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError>;

    /// Up to where the audit log is settled: whatever is added to it from now on has a higher number.
    async fn audit_end(&self) -> Result<u64, StoreError>;

    /// Gives a little unused space back to the system, if there is any; says whether there is more.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn shrink(&self) -> Result<bool, StoreError>;

    /// How much the store holds, for metrics.
    async fn size(&self) -> Result<StoreSize, StoreError>;

    /// All that the store holds, as it is at one instant before this returns. Meanwhile the store goes on.
    async fn dump(&self) -> Result<Rows, StoreError>;

    /// Begins to fill the store, which must be empty or be left from a filling that did not finish.
    ///
    /// # Errors
    /// [`StoreError::NotEmpty`]: nothing was changed.
    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError>;
}

/// That a replica is known to be alive, and has what it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// How long, from when it was asked for.
    pub lasts: Duration,
    /// How soon to ask again, so that it does not run out.
    pub renew: Duration,
    /// What time it is for the store.
    pub now: Timestamp,
}

/// Something that happened, perhaps at another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// There is a message for a play.
    Mail(PlayKey),
    /// Some play is due then.
    Due(Timestamp),
    /// There are records up to this place.
    Feed(u64),
    /// A flow has changed.
    Flow(CompanyId, FlowId),
    /// What somebody may do has changed: a user, a session, an API key.
    Access,
    /// A way in has changed: a channel, a schedule, a calendar.
    WayIn,
    /// Some may have been missed.
    Unknown,
}

/// All that is needed to go on with a play.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The header.
    pub header: PlayHeader,
    /// The state as it was last written down.
    pub snapshot: Option<Snapshot>,
    /// The records after it.
    pub tail: Vec<Chunk>,
    /// Messages not read yet, oldest first.
    pub messages: Vec<Message>,
}

/// A state that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of records that it includes.
    pub records: u64,
    /// The state, encoded.
    pub bytes: Arc<[u8]>,
}

/// Which plays to list.
#[derive(Debug, Clone)]
pub struct PlayQuery {
    /// Whose.
    pub company: CompanyId,
    /// Of which flow.
    pub flow: Option<FlowId>,
    /// Of which flows; any where none.
    pub among: Option<Vec<FlowId>>,
    /// In which states; any where empty.
    pub states: Vec<PlayState>,
    /// Admitted then or later.
    pub from: Option<Timestamp>,
    /// Admitted before.
    pub to: Option<Timestamp>,
    /// Only those before this one in the list.
    pub after: Option<PlayId>,
    /// How many to pass over.
    pub skip: u64,
    /// How many to give.
    pub limit: u32,
}

impl PlayQuery {
    /// Of which flows, by `flow` and `among` together; any where none.
    pub fn flows(&self) -> Option<Vec<FlowId>> {
        match (self.flow, &self.among) {
            (None, among) => among.clone(),
            (Some(flow), Some(among)) if !among.contains(&flow) => Some(Vec::new()),
            (Some(flow), _) => Some(vec![flow]),
        }
    }

    /// The newest plays of a company.
    pub fn of(company: CompanyId, limit: u32) -> Self {
        Self { company, flow: None, among: None, states: Vec::new(), from: None, to: None, after: None, skip: 0, limit }
    }
}

/// Some plays of a list.
#[derive(Debug, Clone)]
pub struct PlayPage {
    /// The plays.
    pub plays: Vec<PlayHeader>,
    /// How many there are in all; counted up to [`model::limits::EXACT_TOTAL`], plus one for "more".
    pub total: u64,
}

/// How many plays stand under a concurrency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitCount {
    /// Plays that hold a slot.
    pub held: u64,
    /// Plays in the queue.
    pub queued: u64,
}

/// Which waits to list.
#[derive(Debug, Clone)]
pub struct WaitQuery {
    /// Whose.
    pub company: CompanyId,
    /// For what kind of thing.
    pub kind: WaitKind,
    /// Of which play; any where none.
    pub play: Option<PlayId>,
    /// How many to pass over.
    pub skip: u64,
    /// How many to give.
    pub limit: u32,
}

/// Records, and their place in the order of all commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedChunk {
    /// The place.
    pub feed: u64,
    /// Whose records they are.
    pub play: PlayKey,
    /// The records.
    pub chunk: Chunk,
}

/// Which documents to list.
#[derive(Debug, Clone)]
pub struct DocQuery {
    /// Whose.
    pub company: CompanyId,
    /// Of which kind.
    pub kind: DocKind,
    /// With ids that begin so.
    pub prefix: String,
    /// With ids after this one.
    pub after: Option<String>,
    /// How many to give.
    pub limit: usize,
}

impl DocQuery {
    /// Everything of one kind, up to a limit.
    pub fn all(company: CompanyId, kind: DocKind, limit: usize) -> Self {
        Self { company, kind, prefix: String::new(), after: None, limit }
    }
}

/// Which part of the audit log to list.
#[derive(Debug, Clone)]
pub struct AuditQuery {
    /// Whose.
    pub company: CompanyId,
    /// About which kind of thing.
    pub entity: Option<String>,
    /// About which one.
    pub entity_id: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// How many to pass over.
    pub skip: u64,
    /// How many to give.
    pub limit: u32,
}

/// A part of the audit log.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The rows, each with its number.
    pub rows: Vec<(u64, AuditRow)>,
    /// How many there are in all; counted up to [`model::limits::EXACT_TOTAL`], plus one for "more".
    pub total: u64,
}

/// Which rows of the audit log.
#[derive(Debug, Clone, Copy)]
pub struct AuditSpan {
    /// Whose; of all companies where none.
    pub company: Option<CompanyId>,
    /// With numbers above this one.
    pub after: u64,
    /// And not above this one.
    pub upto: u64,
    /// How many to give.
    pub limit: usize,
}

/// A row of the audit log as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number: rising in the order in which rows came in, over all companies.
    pub number: u64,
    /// Whose it is.
    pub company: CompanyId,
    /// The row, see [`AuditRow::to_text`].
    pub text: Arc<[u8]>,
    /// By what it is found, which is kept beside it.
    pub key: AuditKey,
}

impl AuditEntry {
    /// Whether it is found by what it says. The row is sealed, and what is kept beside it is not.
    pub fn is_found_as_it_says(&self) -> bool {
        AuditRow::from_text(&self.text).is_ok_and(|row| self.key == AuditKey::of(&row))
    }
}

/// By what a row of the audit log is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditKey {
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub entity: String,
    /// To which one.
    pub entity_id: String,
}

impl AuditKey {
    /// That of a row.
    pub fn of(row: &AuditRow) -> Self {
        Self { action: row.action.clone(), entity: row.entity.clone(), entity_id: row.entity_id.clone() }
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreSize {
    /// Bytes on disk.
    pub bytes: u64,
    /// Of these, bytes that nothing uses.
    pub unused: u64,
}

/// Why a commit did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// Something is not as the batch expects. Nothing was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is not as a batch expects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The play has moved on.
    #[error("play {} has moved on", .0.play)]
    Play(PlayKey),
    /// The document has changed.
    #[error("the {} {} has changed", .0.kind, .0.id)]
    Doc(DocKey),
    /// Another document has this key.
    #[error("another {} has {}", .0.kind, .0.text)]
    Key(UniqueKey),
    /// No slot is free, or others stand ahead in the queue.
    #[error("no slot is free under the concurrency limit")]
    SlotBusy,
    /// Too many plays queue already.
    #[error("too many plays queue under the concurrency limit")]
    QueueFull,
}

/// What is wrong with the store itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error("the disk is full: {0}; free some space, nothing is lost")]
    Full(String),
    /// It cannot be written.
    #[error("the store cannot be written: {0}; check the owner and the mode of the data folder")]
    ReadOnly(String),
    /// Another process has it.
    #[error("the data folder {folder} is in use by process {pid}; stop it, or choose another folder with --data-dir")]
    InUse {
        /// Which folder.
        folder: String,
        /// Its id, or `?` where it is not known.
        pid: String,
    },
    /// A newer version wrote it.
    #[error("the store {store} has schema {found}, this flow8 knows up to {known}; run a newer flow8")]
    Newer {
        /// Which store.
        store: String,
        /// What it has.
        found: u32,
        /// What this version knows.
        known: u32,
    },
    /// It was to be restored, and that did not finish.
    #[error("a restore into {0} has not finished, or is under way; run flow8 restore again with --over-unfinished")]
    Unfinished(String),
    /// It is to be filled, and holds something already.
    #[error("{0} is not empty, and a backup is restored into an empty store only; choose another folder or database")]
    NotEmpty(String),
    /// It is damaged.
    #[error("the store is damaged: {0}; restore a backup")]
    Damaged(String),
    /// It cannot be reached now.
    #[error("the store failed: {0}")]
    Failed(String),
}
