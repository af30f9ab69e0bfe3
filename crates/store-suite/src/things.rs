//! Small things to store, for the cases to be short.

use std::sync::Arc;

use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, Message, PlayWrite};
use model::flow::Slug;
use model::ids::{CompanyId, FlowId, Id, MessageId, PlayId, ReplicaId};
use model::payload::Digest;
use model::play::{FlowAt, LimitKey, PlayHeader, PlayKey, PlayState, Slot, SlotPlace, Trigger};
use model::record::{MessageBody, Stop};
use model::time::Timestamp;
use model::value::Value;

pub(crate) const COMPANY: CompanyId = company(1);
pub(crate) const OTHER: CompanyId = company(2);

pub(crate) const fn company(number: u8) -> CompanyId {
    CompanyId(number_id(number, 0))
}

const fn number_id(kind: u8, number: u8) -> Id {
    Id::from_bytes([kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number])
}

pub(crate) const fn flow(number: u8) -> FlowId {
    FlowId(number_id(9, number))
}

pub(crate) const fn replica(number: u8) -> ReplicaId {
    ReplicaId(number_id(8, number))
}

/// The play admitted at that millisecond.
pub(crate) fn play(company: CompanyId, ms: u64) -> PlayKey {
    PlayKey { company, play: PlayId(Id::from_parts(ms, 0)) }
}

pub(crate) fn limit_key(number: u8) -> LimitKey {
    LimitKey { flow: flow(1), key: Digest::of(&[number]) }
}

/// The first header of a play: running, in memory somewhere.
pub fn header(key: PlayKey) -> PlayHeader {
    PlayHeader {
        key,
        revision: 1,
        records: 1,
        flow: FlowAt {
            id: flow(1),
            permanent_id: Slug::from_name("one"),
            name: "One".into(),
            version: 1,
            definition: Digest::of(b"one"),
            published_by: None,
        },
        state: PlayState::Run,
        trigger: Trigger::Run,
        actor: Actor::system(),
        labels: [("k".to_owned(), "v".to_owned())].into(),
        created_at: Timestamp(5),
        start_at: None,
        started_at: None,
        ended_at: None,
        due: None,
        owner: Some(replica(1)),
        slot: None,
        parent: None,
        cause: None,
        retry_of: None,
        error: None,
        failed_ref: None,
        compensation: None,
        trace: None,
    }
}

/// The header that follows, with what `change` makes of it.
pub(crate) fn next(header: &PlayHeader, change: impl FnOnce(&mut PlayHeader)) -> PlayHeader {
    let mut next = PlayHeader { revision: header.revision + 1, records: header.records + 1, ..header.clone() };
    change(&mut next);
    next
}

/// Writes a header with one record.
pub(crate) fn write(header: &PlayHeader) -> PlayWrite {
    let from = header.records - 1;
    PlayWrite {
        header: header.clone(),
        chunk: Some(Chunk { from, count: 1, bytes: record(header) }),
        snapshot: None,
        values: Vec::new(),
        waits: Vec::new(),
        waited: Vec::new(),
        read: Vec::new(),
    }
}

/// Bytes that differ from record to record.
pub(crate) fn record(header: &PlayHeader) -> Arc<[u8]> {
    format!("{} {}", header.key.play, header.records).into_bytes().into()
}

pub(crate) fn batch(plays: impl IntoIterator<Item = PlayWrite>) -> Batch {
    Batch { plays: plays.into_iter().collect(), ..Batch::default() }
}

pub(crate) fn slot(place: SlotPlace, limit: u32) -> Slot {
    Slot { key: limit_key(1), limit, place }
}

pub(crate) fn message(to: PlayKey, number: u64, at: i64) -> Message {
    Message {
        id: MessageId(Id::from_parts(0, number)),
        to,
        at: Timestamp(at),
        body: MessageBody::ParentStopped { stop: Stop::Cancel },
    }
}

pub(crate) fn audit_row(company: CompanyId, action: &str, entity_id: &str) -> AuditRow {
    AuditRow {
        company,
        at: Timestamp(7),
        actor: Actor::system(),
        action: action.into(),
        entity: action.split('.').next().unwrap_or_default().into(),
        entity_id: entity_id.into(),
        before: Value::Null,
        after: Value::from(1),
        request_id: None,
        ip: None,
    }
}
