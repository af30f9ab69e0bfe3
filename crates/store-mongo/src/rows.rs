//! Documents of MongoDB, to and from what the store keeps.

use std::sync::Arc;

use model::audit::AuditRow;
use model::batch::{Chunk, Message, PlayWrite, Wait, WaitKind};
use model::codec;
use model::doc::{Doc, DocKey, DocWrite, UniqueKey};
use model::ids::{Id, LayerId, ReplicaId};
use model::play::{PlayHeader, PlayKey, PlayState, SlotPlace};
use model::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use store::limit::{place_number, place_of};

use crate::fault::Fault;
use crate::keys;

/// Reads fields, and says which one does not read.
pub(crate) struct Row<'r>(pub(crate) &'r Document);

impl<'r> Row<'r> {
    pub(crate) fn bytes(&self, field: &str) -> Result<&'r [u8], Fault> {
        self.maybe_bytes(field).ok_or_else(|| Fault::damaged(format!("{field} is missing")))
    }

    pub(crate) fn maybe_bytes(&self, field: &str) -> Option<&'r [u8]> {
        self.0.get_binary_generic(field).ok().map(Vec::as_slice)
    }

    pub(crate) fn shared(&self, field: &str) -> Result<Arc<[u8]>, Fault> {
        self.bytes(field).map(Into::into)
    }

    pub(crate) fn text(&self, field: &str) -> Result<&'r str, Fault> {
        Ok(self.0.get_str(field)?)
    }

    pub(crate) fn maybe_number(&self, field: &str) -> Option<i64> {
        match self.0.get(field)? {
            Bson::Int32(number) => Some(i64::from(*number)),
            Bson::Int64(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn number(&self, field: &str) -> Result<i64, Fault> {
        self.maybe_number(field).ok_or_else(|| Fault::damaged(format!("{field} is no number")))
    }

    pub(crate) fn count(&self, field: &str) -> Result<u64, Fault> {
        u64::try_from(self.number(field)?).map_err(|_| Fault::damaged(format!("{field} is negative")))
    }

    pub(crate) fn play(&self, field: &str) -> Result<PlayKey, Fault> {
        keys::read_play(self.bytes(field)?)
    }

    pub(crate) fn id(&self, field: &str) -> Result<Id, Fault> {
        keys::read_id(self.bytes(field)?)
    }

    pub(crate) fn owner(&self) -> Result<Option<ReplicaId>, Fault> {
        self.maybe_bytes("o").map(keys::read_id).transpose().map(|id| id.map(ReplicaId))
    }

    pub(crate) fn place(&self) -> Option<SlotPlace> {
        self.maybe_number("q").and_then(place_of)
    }

    pub(crate) fn is_ended(&self) -> bool {
        let is_state = |state: &PlayState| self.0.get_str("s").is_ok_and(|is| is == state.as_str());
        [PlayState::Done, PlayState::Fail, PlayState::Skip, PlayState::Filtered, PlayState::Canceled]
            .iter()
            .any(is_state)
    }

    /// A play's header; for its revision, when it is due and who has it, the fields are the truth.
    pub(crate) fn header(&self) -> Result<PlayHeader, Fault> {
        let header: PlayHeader = codec::decode(self.bytes("h")?)?;
        let due = self.maybe_number("d").map(Timestamp);
        Ok(PlayHeader { revision: self.count("r")?, due, owner: self.owner()?, ..header })
    }

    pub(crate) fn chunk(&self) -> Result<Chunk, Fault> {
        let count = u32::try_from(self.count("n")?).map_err(|_| Fault::damaged("too many records in a chunk"))?;
        Ok(Chunk { from: self.count("a")?, count, bytes: self.shared("b")? })
    }

    pub(crate) fn message(&self) -> Result<Message, Fault> {
        Ok(Message {
            id: keys::read_message(self.bytes("_id")?)?,
            to: self.play("k")?,
            at: Timestamp(self.number("at")?),
            body: codec::decode(self.bytes("b")?)?,
        })
    }

    pub(crate) fn wait(&self, kind: WaitKind) -> Result<Wait, Fault> {
        Ok(Wait {
            play: self.play("k")?,
            kind,
            key: self.text("e")?.to_owned(),
            layer: LayerId(self.id("l")?),
            since: Timestamp(self.number("at")?),
        })
    }

    pub(crate) fn doc(&self, key: DocKey) -> Result<Doc, Fault> {
        Ok(Doc {
            key,
            revision: self.count("r")?,
            body: self.shared("b")?,
            expires_at: self.maybe_number("x").map(Timestamp),
        })
    }
}

/// A number as MongoDB has them: no count of ours reaches its end.
pub(crate) fn number(number: u64) -> Bson {
    Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX))
}

pub(crate) fn play(header: &PlayHeader, encoded: Vec<u8>, due: Option<Timestamp>) -> Document {
    let mut row = doc! {
        "_id": keys::play(header.key),
        "c": keys::company(header.key.company),
        "r": number(header.revision),
        "f": keys::id(header.flow.id.0),
        "s": header.state.as_str(),
        "h": keys::binary(encoded),
    };
    if header.state != PlayState::Done {
        row.insert("n", header.state.as_str());
    }
    if let Some(due) = due {
        row.insert("d", due.0);
    }
    if let Some(owner) = header.owner {
        row.insert("o", keys::id(owner.0));
    }
    if let Some(slot) = &header.slot {
        row.insert("k", keys::limit_key(&slot.key));
        row.insert("q", place_number(slot.place));
    }
    row
}

pub(crate) fn chunk(feed: u64, play: PlayKey, chunk: &Chunk) -> Document {
    doc! {
        "_id": number(feed),
        "k": keys::play(play),
        "c": keys::company(play.company),
        "a": number(chunk.from),
        "n": i64::from(chunk.count),
        "b": keys::binary(chunk.bytes.to_vec()),
    }
}

pub(crate) fn message(message: &Message) -> Result<Document, Fault> {
    Ok(doc! {
        "_id": keys::message(message.to, message.id),
        "k": keys::play(message.to),
        "at": message.at.0,
        "b": keys::binary(codec::encode(&message.body)?),
    })
}

pub(crate) fn wait(wait: &Wait) -> Document {
    doc! {
        "_id": keys::wait(wait),
        "c": keys::company(wait.play.company),
        "w": wait.kind.as_str(),
        "e": &wait.key,
        "k": keys::play(wait.play),
        "l": keys::id(wait.layer.0),
        "at": wait.since.0,
    }
}

/// What a document becomes; none where it is removed.
pub(crate) fn document(write: &DocWrite, revision: u64) -> Option<Document> {
    let put = write.put.as_ref()?;
    Some(kept(&write.key, revision, &put.body, put.expires_at, &put.unique))
}

/// A document as it is kept.
pub(crate) fn kept(
    key: &DocKey,
    revision: u64,
    body: &[u8],
    expires_at: Option<Timestamp>,
    unique: &[UniqueKey],
) -> Document {
    let mut row = doc! { "_id": keys::document(key), "r": number(revision), "b": keys::binary(body) };
    if let Some(at) = expires_at {
        row.insert("x", at.0);
    }
    if !unique.is_empty() {
        row.insert("u", unique.iter().map(keys::unique).collect::<Vec<_>>());
    }
    row
}

pub(crate) fn audit(number: u64, row: &AuditRow) -> Result<Document, Fault> {
    Ok(doc! {
        "_id": self::number(number),
        "c": keys::company(row.company),
        "a": &row.action,
        "e": &row.entity,
        "i": &row.entity_id,
        "b": keys::binary(row.to_text()?),
    })
}

/// The header of a write, encoded.
pub(crate) fn encoded(write: &PlayWrite) -> Result<Vec<u8>, Fault> {
    Ok(codec::encode(&write.header)?)
}
