//! [`Row`]: one thing that a store keeps, in a form that no store calls its own.
//!
//! What one store gives out as rows, any other can be filled with ([`crate::Store::dump`],
//! [`crate::Store::fill`]). Rows come in one order, so that two stores that hold the same give the
//! same rows. What follows from others (counts under a concurrency key, indexes) is no row.

use std::sync::Arc;

use model::audit::AuditRow;
use model::batch::{Message, Wait, WaitKind};
use model::doc::{Doc, DocKey, DocKind};
use model::ids::{CompanyId, LayerId, MessageId};
use model::payload::Digest;
use model::play::{PlayHeader, PlayKey};
use model::record::MessageBody;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// One thing that a store keeps. The names of variants and fields are in every archive: they never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Row {
    /// Numbers that only rise: the place of the newest records, and the newest audit row's.
    Counters {
        /// The place of the newest records, which may be gone.
        feed: u64,
        /// The number of the newest audit row.
        audit: u64,
    },
    /// A document, by company, kind and id.
    Doc {
        /// Whose it is.
        company: CompanyId,
        /// Which kind.
        #[serde(with = "doc_kind")]
        kind: DocKind,
        /// Which one.
        id: String,
        /// How often it was written.
        revision: u64,
        /// JSON.
        #[serde(with = "bytes")]
        body: Arc<[u8]>,
        /// When it may be forgotten.
        expires_at: Option<Timestamp>,
        /// The second keys by which it is found, each with its scope, in their order.
        unique: Vec<(CompanyId, String)>,
    },
    /// A play's header, by key. Whoever had it in memory stands in it still.
    Play(Box<PlayHeader>),
    /// Some records of a play, in the order of their commits.
    Chunk {
        /// Their place in that order.
        feed: u64,
        /// Whose they are.
        play: PlayKey,
        /// How many records came before.
        from: u64,
        /// How many these are.
        count: u32,
        /// The records, encoded.
        #[serde(with = "bytes")]
        bytes: Arc<[u8]>,
    },
    /// A play's state as it was last written down, by the play's key.
    Snapshot {
        /// Whose it is.
        play: PlayKey,
        /// Records in it.
        records: u64,
        /// The state, encoded.
        #[serde(with = "bytes")]
        bytes: Arc<[u8]>,
    },
    /// A large value of a play, by the play's key and its digest.
    Value {
        /// Whose it is.
        play: PlayKey,
        /// Which one.
        digest: Digest,
        /// The value, compressed.
        #[serde(with = "bytes")]
        bytes: Arc<[u8]>,
    },
    /// A message that a play has not read, by the play's key and its id.
    Message {
        /// To whom.
        to: PlayKey,
        /// Which one.
        id: MessageId,
        /// Since when.
        at: Timestamp,
        /// What it says.
        body: Box<MessageBody>,
    },
    /// What a play waits for, by the play's key, kind, key and step.
    Wait {
        /// Who waits.
        play: PlayKey,
        /// For what kind of thing.
        #[serde(with = "wait_kind")]
        kind: WaitKind,
        /// For which one.
        key: String,
        /// The step's record.
        layer: LayerId,
        /// Since when.
        since: Timestamp,
    },
    /// A row of the audit log, by number.
    Audit {
        /// Its number.
        number: u64,
        /// The row.
        row: Box<AuditRow>,
    },
}

/// The kinds of rows, in the order in which a store gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// [`Row::Counters`]: always one.
    Counters,
    /// [`Row::Doc`].
    Docs,
    /// [`Row::Play`].
    Plays,
    /// [`Row::Chunk`].
    Chunks,
    /// [`Row::Snapshot`].
    Snapshots,
    /// [`Row::Value`].
    Values,
    /// [`Row::Message`].
    Messages,
    /// [`Row::Wait`].
    Waits,
    /// [`Row::Audit`].
    Audit,
}

impl RowKind {
    /// All kinds, in their order.
    pub const ALL: [Self; 9] = [
        Self::Counters,
        Self::Docs,
        Self::Plays,
        Self::Chunks,
        Self::Snapshots,
        Self::Values,
        Self::Messages,
        Self::Waits,
        Self::Audit,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counters => "counters",
            Self::Docs => "docs",
            Self::Plays => "plays",
            Self::Chunks => "chunks",
            Self::Snapshots => "snapshots",
            Self::Values => "values",
            Self::Messages => "messages",
            Self::Waits => "waits",
            Self::Audit => "audit",
        }
    }
}

impl Row {
    /// Which kind it is.
    pub fn kind(&self) -> RowKind {
        match self {
            Self::Counters { .. } => RowKind::Counters,
            Self::Doc { .. } => RowKind::Docs,
            Self::Play(_) => RowKind::Plays,
            Self::Chunk { .. } => RowKind::Chunks,
            Self::Snapshot { .. } => RowKind::Snapshots,
            Self::Value { .. } => RowKind::Values,
            Self::Message { .. } => RowKind::Messages,
            Self::Wait { .. } => RowKind::Waits,
            Self::Audit { .. } => RowKind::Audit,
        }
    }

    /// Whose it is; none where it is everybody's.
    pub fn company(&self) -> Option<CompanyId> {
        match self {
            Self::Counters { .. } => None,
            Self::Doc { company, .. } => Some(*company),
            Self::Play(header) => Some(header.key.company),
            Self::Chunk { play, .. }
            | Self::Snapshot { play, .. }
            | Self::Value { play, .. }
            | Self::Message { to: play, .. }
            | Self::Wait { play, .. } => Some(play.company),
            Self::Audit { row, .. } => Some(row.company),
        }
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        const SMALL: usize = 256;
        SMALL
            + match self {
                Self::Doc { body: bytes, .. }
                | Self::Chunk { bytes, .. }
                | Self::Snapshot { bytes, .. }
                | Self::Value { bytes, .. } => bytes.len(),
                Self::Play(_) | Self::Message { .. } | Self::Audit { .. } => 4 * SMALL,
                Self::Counters { .. } | Self::Wait { .. } => 0,
            }
    }

    /// A document with its second keys, in any order.
    pub fn of_doc(doc: Doc, mut unique: Vec<(CompanyId, String)>) -> Self {
        unique.sort();
        unique.dedup();
        let DocKey { company, kind, id } = doc.key;
        Self::Doc { company, kind, id, revision: doc.revision, body: doc.body, expires_at: doc.expires_at, unique }
    }

    /// An unread message.
    pub fn of_message(message: Message) -> Self {
        let Message { id, to, at, body } = message;
        Self::Message { to, id, at, body: Box::new(body) }
    }

    /// What a play waits for.
    pub fn of_wait(wait: Wait) -> Self {
        let Wait { play, kind, key, layer, since } = wait;
        Self::Wait { play, kind, key, layer, since }
    }
}

/// Bytes as bytes: serde would write a list of numbers.
mod bytes {
    use std::fmt;
    use std::sync::Arc;

    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Arc<[u8]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Arc<[u8]>, E> {
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

/// A kind of documents, by its word.
mod doc_kind {
    use model::doc::DocKind;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(kind: &DocKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DocKind, D::Error> {
        let word = String::deserialize(deserializer)?;
        DocKind::from_name(&word).ok_or_else(|| de::Error::custom(format!("no kind of documents is called {word:?}")))
    }
}

/// A kind of waits, by its word.
mod wait_kind {
    use model::batch::WaitKind;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(kind: &WaitKind, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<WaitKind, D::Error> {
        let word = String::deserialize(deserializer)?;
        WaitKind::from_name(&word).ok_or_else(|| de::Error::custom(format!("no kind of waits is called {word:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stores sort documents by the word of their kind, the in-memory model by the kind itself.
    #[test]
    fn kinds_of_documents_sort_as_their_words_do() {
        assert!(DocKind::ALL.is_sorted());
        assert!(DocKind::ALL.map(DocKind::as_str).is_sorted());
        assert!(WaitKind::ALL.is_sorted());
        assert!(WaitKind::ALL.map(WaitKind::as_str).is_sorted());
        assert!(RowKind::ALL.is_sorted());
    }

    #[test]
    fn a_row_comes_back_from_its_bytes() {
        let row = Row::Doc {
            company: CompanyId::default(),
            kind: DocKind::Flow,
            id: "one".into(),
            revision: 3,
            body: b"{\xff}".as_slice().into(),
            expires_at: Some(Timestamp(-4)),
            unique: vec![(CompanyId::default(), "name:one".into())],
        };
        let bytes = model::codec::encode(&row).expect("encodes");
        assert_eq!(model::codec::decode::<Row>(&bytes).expect("decodes"), row);
    }
}
