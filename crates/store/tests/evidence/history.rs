//! What the tests store: batches from a seed, the list of those that happened, and all that is
//! seen of a store that holds them.

use std::sync::Arc;

use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, Message, PlayWrite, Wait, WaitKind};
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::flow::Slug;
use model::ids::{CompanyId, FlowId, Id, LayerId, MessageId, PlayId, ReplicaId};
use model::payload::Digest;
use model::play::{FlowAt, PlayHeader, PlayKey, PlayState, Trigger};
use model::record::{MessageBody, Stop};
use model::time::Timestamp;
use model::value::Value;
use store::memory::MemoryStore;
use store::{AuditQuery, DocQuery, FeedChunk, PlayQuery, Store, StoreError, WaitQuery};

use crate::random::Random;

/// Whoever opens the store after a power cut.
pub(crate) const NEWCOMER: ReplicaId = ReplicaId(Id::from_bytes([7; 12]));

pub(crate) const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));

/// How many plays live at once; few, so that batches meet.
const PLAYS: u64 = 6;

/// What happened, in order, and the model that it leads to.
#[derive(Clone, Default)]
pub(crate) struct History {
    happened: Vec<Happened>,
    /// Batches made so far; each is known by its number.
    pub(crate) batches: u64,
}

#[derive(Clone)]
enum Happened {
    Batch(Batch),
    Adopted,
}

impl History {
    pub(crate) fn committed(&mut self, batch: &Batch) {
        self.happened.push(Happened::Batch(batch.clone()));
    }

    pub(crate) fn adopted(&mut self) {
        self.happened.push(Happened::Adopted);
    }

    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = &Batch> {
        self.happened.iter().filter_map(|happened| match happened {
            Happened::Batch(batch) => Some(batch),
            Happened::Adopted => None,
        })
    }

    /// A store in which it all happened.
    pub(crate) async fn model(&self) -> MemoryStore {
        let model = MemoryStore::default();
        for happened in &self.happened {
            match happened {
                Happened::Batch(batch) => drop(model.commit(batch.clone()).await.expect("is consistent")),
                Happened::Adopted => drop(model.adopt(NEWCOMER).await.expect("adopts")),
            }
        }
        model
    }

    /// Batches that may be committed at once: each goes on with another play.
    pub(crate) async fn next(&mut self, count: u64, random: &mut Random) -> Vec<Batch> {
        let model = self.model().await;
        let first = random.below(PLAYS);
        let mut batches = Vec::new();
        for play in 0..count.min(PLAYS) {
            let key = play_key((first + play) % PLAYS);
            let before = model.header(key).await.expect("reads");
            let unread = model.messages(key).await.expect("reads");
            batches.push(self.batch(key, before, &unread, random));
        }
        batches
    }

    fn batch(&mut self, key: PlayKey, before: Option<PlayHeader>, unread: &[Message], random: &mut Random) -> Batch {
        self.batches += 1;
        let mut batch = marked(self.batches);
        if before.as_ref().is_some_and(|before| before.state.is_ended()) {
            batch.forget.push(key);
            return batch;
        }
        let size = *random.pick(&[10, 100, 3_000, 20_000]);
        let mut write = going_on(key, before, random.bytes(size));
        let layer = LayerId(Id::from_parts(1, self.batches));
        match random.below(6) {
            0 if write.header.revision > 1 => end(&mut write.header),
            1 => write.snapshot = Some(random.bytes(500).into()),
            2 => write.values = vec![value(random.bytes(9_000))],
            3 => {
                let since = Timestamp(self.batches as i64);
                write.waits = vec![Wait { play: key, kind: WaitKind::Approval, key: String::new(), layer, since }];
            }
            4 => write.header.owner = None,
            _ => write.read = unread.iter().map(|message| message.id).collect(),
        }
        batch.plays.push(write);
        batch.messages.push(Message {
            id: MessageId(Id::from_parts(0, self.batches)),
            to: play_key(random.below(PLAYS)),
            at: Timestamp(self.batches as i64),
            body: MessageBody::ParentStopped { stop: Stop::Cancel },
        });
        batch
    }
}

/// The document by which a batch is found again, in a batch of its own.
pub(crate) fn marked(number: u64) -> Batch {
    let row = AuditRow {
        company: COMPANY,
        at: Timestamp(7),
        actor: Actor::system(),
        action: "batch.commit".into(),
        entity: "batch".into(),
        entity_id: number.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: None,
        ip: None,
    };
    Batch::of_docs(vec![DocWrite::put(mark(number), Expect::Absent, &number)], row)
}

fn mark(number: u64) -> DocKey {
    DocKey::new(COMPANY, DocKind::Kv, format!("{number:09}"))
}

/// The mark of a batch that [`marked`] made.
pub(crate) fn mark_of(batch: &Batch) -> &DocKey {
    &batch.docs[0].key
}

pub(crate) fn play_key(number: u64) -> PlayKey {
    PlayKey { company: COMPANY, play: PlayId(Id::from_parts(1 + number, 0)) }
}

/// Writes the next record of a play, or the first.
pub(crate) fn going_on(key: PlayKey, before: Option<PlayHeader>, record: Vec<u8>) -> PlayWrite {
    let mut header = before.unwrap_or_else(|| unborn(key));
    let chunk = Chunk { from: header.records, count: 1, bytes: record.into() };
    header.revision += 1;
    header.records += 1;
    header.owner = Some(ReplicaId(Id::from_bytes([8; 12])));
    PlayWrite {
        header,
        chunk: Some(chunk),
        snapshot: None,
        values: Vec::new(),
        waits: Vec::new(),
        waited: Vec::new(),
        read: Vec::new(),
    }
}

pub(crate) fn end(header: &mut PlayHeader) {
    header.state = PlayState::Done;
    header.owner = None;
}

pub(crate) fn value(bytes: Vec<u8>) -> (Digest, Arc<[u8]>) {
    (Digest::of(&bytes), bytes.into())
}

fn unborn(key: PlayKey) -> PlayHeader {
    PlayHeader {
        key,
        revision: 0,
        records: 0,
        flow: FlowAt {
            id: FlowId(Id::from_bytes([9; 12])),
            permanent_id: Slug::from_name("one"),
            name: "One".into(),
            version: 1,
            definition: Digest::of(b"one"),
            published_by: None,
        },
        state: PlayState::Run,
        trigger: Trigger::Run,
        actor: Actor::system(),
        labels: Default::default(),
        created_at: Timestamp(5),
        start_at: None,
        started_at: None,
        ended_at: None,
        due: None,
        owner: None,
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

/// All that can be seen of a store.
#[derive(Debug, PartialEq)]
pub(crate) struct View {
    plays: Vec<PlayHeader>,
    records: Vec<FeedChunk>,
    feed_end: u64,
    messages: Vec<Vec<Message>>,
    snapshots: Vec<Option<(u64, Arc<[u8]>)>>,
    waits: Vec<Wait>,
    docs: Vec<Doc>,
    audit: Vec<(u64, AuditRow)>,
}

impl View {
    pub(crate) async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let plays = store.headers(&PlayQuery::of(COMPANY, 1_000)).await?.plays;
        let (mut messages, mut snapshots) = (Vec::new(), Vec::new());
        for play in &plays {
            let loaded = store.load(play.key).await?;
            messages.extend(loaded.as_ref().map(|loaded| loaded.messages.clone()));
            snapshots
                .push(loaded.and_then(|loaded| loaded.snapshot).map(|snapshot| (snapshot.records, snapshot.bytes)));
        }
        let waits = WaitQuery { company: COMPANY, kind: WaitKind::Approval, play: None, skip: 0, limit: 1_000 };
        let audit =
            AuditQuery { company: COMPANY, entity: None, entity_id: None, action: None, skip: 0, limit: 10_000 };
        Ok(Self {
            plays,
            records: store.feed(None, 0, 100_000).await?,
            feed_end: store.feed_end().await?,
            messages,
            snapshots,
            waits: store.waits(&waits).await?,
            docs: store.docs(&DocQuery::all(COMPANY, DocKind::Kv, 100_000)).await?,
            audit: store.audit(&audit).await?.rows,
        })
    }

    /// Which of these batches happened.
    pub(crate) fn has(&self, batch: &Batch) -> bool {
        self.docs.binary_search_by(|doc| doc.key.cmp(mark_of(batch))).is_ok()
    }

    /// Which parts differ; the whole would be too long to read.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("plays", self.plays == other.plays),
            ("records", self.records == other.records),
            ("the end of the feed", self.feed_end == other.feed_end),
            ("messages", self.messages == other.messages),
            ("snapshots", self.snapshots == other.snapshots),
            ("waits", self.waits == other.waits),
            ("documents", self.docs == other.docs),
            ("the audit log", self.audit == other.audit),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
    }
}
