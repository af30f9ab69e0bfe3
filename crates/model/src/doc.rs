//! [`Doc`]: a small thing that is stored under a key and changes as a whole: a flow, a user,
//! a KV value, an API key.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ids::CompanyId;
use crate::time::Timestamp;

/// The kinds of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocKind {
    /// What became of something that was asked for at another replica.
    Answer,
    /// A key with which programs call the API.
    ApiKey,
    /// Where the sealed audit log of a company ends, and where it begins; how far that of all is sealed.
    AuditChain,
    /// The key that signs the seals of a company's audit log.
    AuditKey,
    /// A sealed part of a company's audit log.
    AuditSegment,
    /// Days on which schedules rest, or run.
    Calendar,
    /// What starts flows from outside: an HTTP, WebSocket or MCP endpoint, a queue, a mailbox.
    Channel,
    /// A request that came through a channel, for a while; and whose turn it is to take in through one.
    ChannelRequest,
    /// A tenant.
    Company,
    /// A back end that modules work on.
    Component,
    /// The data key of a company, wrapped by a master key.
    DataKey,
    /// What plays run, by its digest.
    Definition,
    /// An event that nobody waited for yet.
    Event,
    /// A flow: its draft, and where its versions stand.
    Flow,
    /// A published definition of a flow.
    FlowVersion,
    /// A folder of flows.
    Group,
    /// An idempotency key, and the play that it started.
    Idempotency,
    /// A key/value.
    Kv,
    /// A stored outside credential.
    Link,
    /// What starts a flow by itself.
    Listener,
    /// What is kept how long, and what a hold keeps.
    Retention,
    /// What starts a flow at certain times.
    Schedule,
    /// How far a schedule has come.
    ScheduleProgress,
    /// A secret that expressions may read.
    Secret,
    /// Somebody's sign-in.
    Session,
    /// What is kept of somebody's way in, and not for long.
    Ticket,
    /// A person.
    User,
}

impl DocKind {
    /// All kinds.
    pub const ALL: [Self; 27] = [
        Self::Answer,
        Self::ApiKey,
        Self::AuditChain,
        Self::AuditKey,
        Self::AuditSegment,
        Self::Calendar,
        Self::Channel,
        Self::ChannelRequest,
        Self::Company,
        Self::Component,
        Self::DataKey,
        Self::Definition,
        Self::Event,
        Self::Flow,
        Self::FlowVersion,
        Self::Group,
        Self::Idempotency,
        Self::Kv,
        Self::Link,
        Self::Listener,
        Self::Retention,
        Self::Schedule,
        Self::ScheduleProgress,
        Self::Secret,
        Self::Session,
        Self::Ticket,
        Self::User,
    ];

    /// The word under which a store keeps it. Never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::ApiKey => "apiKey",
            Self::AuditChain => "auditChain",
            Self::AuditKey => "auditKey",
            Self::AuditSegment => "auditSegment",
            Self::Calendar => "calendar",
            Self::Channel => "channel",
            Self::ChannelRequest => "channelRequest",
            Self::Company => "company",
            Self::Component => "component",
            Self::DataKey => "dataKey",
            Self::Definition => "definition",
            Self::Event => "event",
            Self::Flow => "flow",
            Self::FlowVersion => "flowVersion",
            Self::Group => "group",
            Self::Idempotency => "idempotency",
            Self::Kv => "kv",
            Self::Link => "link",
            Self::Listener => "listener",
            Self::Retention => "retention",
            Self::Schedule => "schedule",
            Self::ScheduleProgress => "scheduleProgress",
            Self::Secret => "secret",
            Self::Session => "session",
            Self::Ticket => "ticket",
            Self::User => "user",
        }
    }

    /// The kind of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for DocKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which document, and whose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocKey {
    /// Whose it is.
    pub company: CompanyId,
    /// What kind.
    pub kind: DocKind,
    /// Which one, within company and kind.
    pub id: String,
}

impl DocKey {
    /// The key of a document.
    pub fn new(company: CompanyId, kind: DocKind, id: impl fmt::Display) -> Self {
        Self { company, kind, id: id.to_string() }
    }
}

/// A second key by which exactly one document of a kind is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueKey {
    /// Within which company; [`CompanyId::INSTALLATION`] where it must be unique over all of them.
    pub scope: CompanyId,
    /// Among which kind.
    pub kind: DocKind,
    /// The key, such as `email:ada@example.com`.
    pub text: String,
}

/// A document as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doc {
    /// Which one.
    pub key: DocKey,
    /// Rises by one with every change.
    pub revision: u64,
    /// JSON.
    pub body: Arc<[u8]>,
    /// When it may be forgotten.
    pub expires_at: Option<Timestamp>,
}

impl Doc {
    /// What it holds.
    ///
    /// # Errors
    /// Where it was altered, or written by a newer version.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, DocError> {
        serde_json::from_slice(&self.body).map_err(|error| DocError {
            kind: self.key.kind,
            id: self.key.id.clone(),
            message: error.to_string(),
        })
    }
}

/// A stored document does not read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored {kind} {id} does not read: {message}")]
pub struct DocError {
    kind: DocKind,
    id: String,
    message: String,
}

/// What must be true of a document for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// There is none.
    Absent,
    /// It stands at this revision.
    Revision(u64),
}

/// A change of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocWrite {
    /// Which one.
    pub key: DocKey,
    /// On what condition.
    pub expect: Expect,
    /// What it becomes; none = it is removed.
    pub put: Option<DocPut>,
}

/// What a document becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocPut {
    /// JSON.
    pub body: Arc<[u8]>,
    /// All keys by which it shall be found.
    pub unique: Vec<UniqueKey>,
    /// When it may be forgotten.
    pub expires_at: Option<Timestamp>,
}

impl DocWrite {
    /// Stores a thing under a key.
    pub fn put<T: Serialize + ?Sized>(key: DocKey, expect: Expect, thing: &T) -> Self {
        // The types of documents have no map with odd keys and no NaN: they always have JSON.
        let body = serde_json::to_vec(thing).unwrap_or_default().into();
        Self { key, expect, put: Some(DocPut { body, unique: Vec::new(), expires_at: None }) }
    }

    /// Removes what is under a key.
    pub fn remove(key: DocKey, expect: Expect) -> Self {
        Self { key, expect, put: None }
    }

    /// The same, to be found by this key too.
    #[must_use]
    pub fn unique(mut self, scope: CompanyId, text: impl Into<String>) -> Self {
        let key = UniqueKey { scope, kind: self.key.kind, text: text.into() };
        if let Some(put) = &mut self.put {
            put.unique.push(key);
        }
        self
    }

    /// The same, to be forgotten from then on.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        if let Some(put) = &mut self.put {
            put.expires_at = Some(at);
        }
        self
    }
}
