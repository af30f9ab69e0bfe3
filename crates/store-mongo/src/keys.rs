//! How keys are written: fixed lengths, so that they sort as their parts do.
//!
//! A play is its company's id and its own, 24 bytes; what belongs to a play begins with them.

use model::batch::Wait;
use model::doc::{DocKey, DocKind, UniqueKey};
use model::ids::{CompanyId, Id, LayerId, MessageId, PlayId};
use model::payload::Digest;
use model::play::{LimitKey, PlayKey};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use store::limit::limit_key_bytes;

use crate::fault::Fault;

const ID: usize = 12;

/// Bytes as BSON holds them.
pub(crate) fn binary(bytes: impl Into<Vec<u8>>) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: bytes.into() })
}

pub(crate) fn id(id: Id) -> Bson {
    binary(*id.as_bytes())
}

pub(crate) fn company(company: CompanyId) -> Bson {
    id(company.0)
}

pub(crate) fn play(play: PlayKey) -> Bson {
    binary(play_bytes(play))
}

fn play_bytes(play: PlayKey) -> Vec<u8> {
    [play.company.0.as_bytes().as_slice(), play.play.0.as_bytes()].concat()
}

/// The first key that a company's plays may have.
pub(crate) fn first_play(company: CompanyId) -> Bson {
    play(PlayKey { company, play: PlayId(Id::from_bytes([0; ID])) })
}

/// The last one.
pub(crate) fn last_play(company: CompanyId) -> Bson {
    play(PlayKey { company, play: PlayId(Id::from_bytes([0xff; ID])) })
}

pub(crate) fn message(to: PlayKey, message: MessageId) -> Bson {
    binary([play_bytes(to).as_slice(), message.0.as_bytes()].concat())
}

pub(crate) fn value(play: PlayKey, digest: Digest) -> Bson {
    binary([play_bytes(play).as_slice(), &digest.0].concat())
}

/// Bounds of what belongs to a play and is keyed by so many bytes more.
pub(crate) fn of_play(play: PlayKey, more: usize) -> Document {
    let from = [play_bytes(play), vec![0; more]].concat();
    let to = [play_bytes(play), vec![0xff; more]].concat();
    doc! { "$gte": binary(from), "$lte": binary(to) }
}

/// Bytes of a digest.
pub(crate) const DIGEST: usize = 32;

pub(crate) fn limit(company: CompanyId, key: &[u8]) -> Bson {
    binary([company.0.as_bytes().as_slice(), key].concat())
}

pub(crate) fn limit_key(key: &LimitKey) -> Bson {
    binary(limit_key_bytes(key))
}

pub(crate) fn wait(wait: &Wait) -> Bson {
    wait_of(wait.play, wait.kind.as_str(), &wait.key, wait.layer)
}

pub(crate) fn wait_of(play: PlayKey, kind: &str, key: &str, layer: LayerId) -> Bson {
    Bson::Document(doc! { "k": self::play(play), "w": kind, "e": key, "l": id(layer.0) })
}

/// Everybody who begins to wait for an event and everybody who posts one writes this: the two
/// then cannot miss each other.
pub(crate) fn gate(company: CompanyId, key: &str) -> Bson {
    Bson::String(format!("{}/{}", company.0, Digest::of(key.as_bytes())))
}

/// Documents sort by company, kind and id.
pub(crate) fn document(key: &DocKey) -> String {
    format!("{}/{}/{}", key.company.0, key.kind, key.id)
}

/// The key that a document's id stands for.
pub(crate) fn read_document(text: &str) -> Result<DocKey, Fault> {
    let mut parts = text.splitn(3, '/');
    let company = parts.next().and_then(|company| company.parse().ok());
    let kind = parts.next().and_then(DocKind::from_name);
    match (company, kind, parts.next()) {
        (Some(company), Some(kind), Some(id)) => Ok(DocKey::new(CompanyId(company), kind, id)),
        _ => Err(Fault::damaged(format!("{text:?} is no document's key"))),
    }
}

/// How the keys of documents of a company and kind begin.
pub(crate) fn documents(company: CompanyId, kind: DocKind) -> String {
    format!("{}/{kind}/", company.0)
}

pub(crate) fn unique(key: &UniqueKey) -> String {
    format!("{}/{}/{}", key.scope.0, key.kind, key.text)
}

/// The ids that bytes hold, one after the other.
fn ids<const N: usize>(bytes: &[u8]) -> Result<[Id; N], Fault> {
    let mut ids = [Id::from_bytes([0; ID]); N];
    let (chunks, rest) = bytes.as_chunks::<ID>();
    if chunks.len() != N || !rest.is_empty() {
        return Err(Fault::damaged("a key has another length"));
    }
    for (id, chunk) in ids.iter_mut().zip(chunks) {
        *id = Id::from_bytes(*chunk);
    }
    Ok(ids)
}

pub(crate) fn read_id(bytes: &[u8]) -> Result<Id, Fault> {
    let [id] = ids(bytes)?;
    Ok(id)
}

pub(crate) fn read_play(bytes: &[u8]) -> Result<PlayKey, Fault> {
    let [company, play] = ids(bytes)?;
    Ok(PlayKey { company: CompanyId(company), play: PlayId(play) })
}

/// The message's own id, behind its play's key.
pub(crate) fn read_message(bytes: &[u8]) -> Result<MessageId, Fault> {
    let [_, _, message] = ids(bytes)?;
    Ok(MessageId(message))
}

/// The play's key and the digest of one of its values.
pub(crate) fn read_value(bytes: &[u8]) -> Result<(PlayKey, [u8; DIGEST]), Fault> {
    let wrong = || Fault::damaged("a value's key has another length");
    let (play, digest) = bytes.split_at_checked(2 * ID).ok_or_else(wrong)?;
    Ok((read_play(play)?, digest.try_into().map_err(|_| wrong())?))
}
