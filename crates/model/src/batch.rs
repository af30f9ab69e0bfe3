//! [`Batch`]: all that one decision changes in the store, committed as a whole or not at all.

use std::sync::Arc;

use crate::audit::AuditRow;
use crate::doc::{DocKey, DocKind, DocWrite, Expect};
use crate::ids::{CompanyId, EventId, LayerId, MessageId, ReplicaId};
use crate::payload::Digest;
use crate::play::{PlayHeader, PlayKey};
use crate::record::MessageBody;
use crate::time::Timestamp;
use crate::value::Value;

/// Changes that happen together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Plays that go on.
    pub plays: Vec<PlayWrite>,
    /// Documents that change.
    pub docs: Vec<DocWrite>,
    /// Messages to other plays.
    pub messages: Vec<Message>,
    /// Events from outside.
    pub events: Vec<Event>,
    /// What was done, and by whom.
    pub audit: Vec<AuditRow>,
    /// Ended plays whose record is removed.
    pub forget: Vec<PlayKey>,
    /// Audit rows that are removed: all of a company up to this number.
    pub drop_audit: Option<(CompanyId, u64)>,
}

impl Batch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.plays.is_empty()
            && self.docs.is_empty()
            && self.messages.is_empty()
            && self.events.is_empty()
            && self.audit.is_empty()
            && self.forget.is_empty()
            && self.drop_audit.is_none()
    }

    /// Whose it is; of the installation, where it is of several or changes nothing.
    pub fn company(&self) -> CompanyId {
        let plays = self.plays.iter().map(|write| write.header.key.company);
        let docs = self.docs.iter().map(|write| write.key.company);
        let mut companies = plays.chain(docs).chain(self.audit.iter().map(|row| row.company));
        let first = companies.next().unwrap_or(CompanyId::INSTALLATION);
        if companies.all(|company| company == first) { first } else { CompanyId::INSTALLATION }
    }

    /// A batch of these documents and the audit row that tells of them.
    pub fn of_docs(docs: Vec<DocWrite>, audit: AuditRow) -> Self {
        Self { docs, audit: vec![audit], ..Self::default() }
    }
}

/// One play goes on.
#[derive(Debug, Clone)]
pub struct PlayWrite {
    /// The new header. Its `revision` is one more than the one it follows; 1 admits the play.
    ///
    /// Where the header has no owner and a message to the play is unread, it becomes due at once.
    /// Its slot, compared with the one before, moves the limit: see [`crate::play::Slot`].
    pub header: PlayHeader,
    /// The records, encoded; none where only the header changes.
    pub chunk: Option<Chunk>,
    /// The state after them, encoded, where it is time to write it down.
    pub snapshot: Option<Arc<[u8]>>,
    /// Large values that the records refer to, compressed, by digest.
    pub values: Vec<(Digest, Arc<[u8]>)>,
    /// What the play now waits for.
    pub waits: Vec<Wait>,
    /// What it waits for no more.
    pub waited: Vec<(WaitKind, String, LayerId)>,
    /// Messages that it has read.
    pub read: Vec<MessageId>,
}

/// Some records of one play, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// How many records came before.
    pub from: u64,
    /// How many these are.
    pub count: u32,
    /// [`crate::record::Entry`] by [`crate::record::Entry`], encoded and compressed.
    pub bytes: Arc<[u8]>,
}

/// Something that a play waits for and that must be found by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// Who waits.
    pub play: PlayKey,
    /// What kind of thing for.
    pub kind: WaitKind,
    /// Which one: the event's key; empty for the other kinds.
    pub key: String,
    /// The step's record.
    pub layer: LayerId,
    /// Since when.
    pub since: Timestamp,
}

/// The kinds of things that are waited for by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKind {
    /// A person's approval.
    Approval,
    /// An outside event.
    Event,
    /// A person's word on an attempt in doubt.
    InDoubt,
}

impl WaitKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Approval, Self::Event, Self::InDoubt];

    /// The kind of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The word under which a store keeps it. Never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Event => "event",
            Self::InDoubt => "inDoubt",
        }
    }
}

/// A message to a play. It waits in the store until the play has read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Unique for the play: a second one of the same id changes nothing.
    pub id: MessageId,
    /// To whom.
    pub to: PlayKey,
    /// Since when.
    pub at: Timestamp,
    /// What it says.
    pub body: MessageBody,
}

/// An event from outside: a message to every play that waits for its key, or kept for the first that will.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub company: CompanyId,
    /// What waits name.
    pub key: String,
    /// What came with it.
    pub data: Value,
    /// When it came.
    pub at: Timestamp,
    /// Until when it is kept, where nobody waits.
    pub expires_at: Timestamp,
}

/// What a commit did beyond what it was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// The place of its records in the order of all commits; 0 where it had none.
    pub feed: u64,
    /// Plays that somebody must look at now, and who has them in memory.
    pub woken: Vec<(PlayKey, Option<ReplicaId>)>,
}

impl Event {
    /// How the ids of kept events of this key begin, among documents of kind `Event`.
    pub fn doc_prefix(key: &str) -> String {
        format!("{}/", Digest::of(key.as_bytes()))
    }

    /// The document by which the event is kept while nobody waits for it.
    pub fn as_doc(&self) -> DocWrite {
        let id = format!("{}{}", Self::doc_prefix(&self.key), self.id);
        DocWrite::put(DocKey::new(self.company, DocKind::Event, id), Expect::Anything, &self.data)
            .expiring(self.expires_at)
    }

    /// The message by which a play that waits for the event learns of it.
    pub fn as_message(&self, to: PlayKey) -> Message {
        let body = MessageBody::Event { key: self.key.clone(), data: self.data.clone() };
        Message { id: MessageId(self.id.0), to, at: self.at, body }
    }
}
