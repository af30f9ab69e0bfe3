//! The commit of a play: everything that was decided since the last one, at once.

use std::sync::Arc;
use std::time::Duration;

use model::batch::{Batch, Chunk, Committed, Message, PlayWrite, Wait};
use model::codec;
use model::ids::MessageId;
use model::limits::STORED_BYTES;
use model::payload::{Payload, ValueRef};
use model::play::{PlayHeader, PlayKey, PlayState as Standing, SlotPlace};
use model::record::{Entry, MessageBody};
use model::time::Timestamp;
use sdk::storage::StorageError;
use store::{CommitError, Conflict, StoreError};

use super::Engine;
use super::belongings::Belonging;
use super::pending::Pending;
use super::play::{Running, wait_of, waits_of};
use super::tail::Tail;
use crate::decide::{Input, Refusal};
use crate::failpoint::FailPoint;
use crate::pack::{PackError, Packed};
use crate::state::PlayState;

/// How long to wait before a commit or a read that failed is tried again; doubled each time.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest of these waits.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Records that take more bytes than this are compressed.
const COMPRESS_FROM: usize = 1_024;

/// The play cannot go on in this memory; it must be loaded again, here or elsewhere.
#[derive(Debug)]
pub(super) struct Abandoned(pub(super) String);

/// Why a commit did not happen.
#[derive(Debug)]
pub(super) enum NotCommitted {
    /// Something was not as expected.
    Conflict(Conflict),
    /// The store failed.
    Store(StoreError),
    /// Something cannot be written down.
    Pack(PackError),
}

/// Where a large value of a play lies among the objects.
pub(super) fn object_path(play: PlayKey, at: ValueRef) -> String {
    format!("{}{}", Belonging::Value.prefix(play.play), at.digest)
}

impl Running {
    /// Commits, trying until the store takes it. Where something was not as expected, the play
    /// is read anew and goes on from there: whatever was not committed left no trace.
    pub(super) async fn commit_or_reload(&mut self) -> Result<(), Abandoned> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.commit().await {
                Ok(()) => return Ok(()),
                Err(NotCommitted::Pack(error)) => return Err(Abandoned(error.to_string())),
                Err(NotCommitted::Conflict(Conflict::Play(play))) if play == self.key() => {
                    return Err(Abandoned("somebody else has it".into()));
                }
                Err(NotCommitted::Conflict(conflict)) => {
                    tracing::debug!(play = %self.key().play, flow = %self.header.flow.id, %conflict, "reading a play anew");
                    return self.reload().await;
                }
                Err(NotCommitted::Store(error)) => {
                    tracing::error!(play = %self.key().play, flow = %self.header.flow.id, %error, "cannot commit; trying again");
                    self.engine.parts.world.sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Commits once.
    pub(super) async fn commit(&mut self) -> Result<(), NotCommitted> {
        if let Some(error) = self.broken.take() {
            return Err(NotCommitted::Pack(error));
        }
        let engine = self.engine.clone();
        let is_admission = self.header.revision == 0;
        self.rouse().await?;
        let batch = self.batch().map_err(NotCommitted::Pack)?;
        engine.put_objects(self.key(), &self.pending.values).await.map_err(NotCommitted::Store)?;
        for child in &self.pending.children {
            let play = child.write.header.key;
            engine.put_objects(play, &child.large).await.map_err(NotCommitted::Store)?;
        }
        engine.at(if is_admission { FailPoint::BeforeAdmission } else { FailPoint::BeforeCommit });
        if !self.pending.children.is_empty() {
            engine.at(FailPoint::Subflow);
        }
        let mut header = batch.plays[0].header.clone();
        let snapshot = batch.plays[0].snapshot.as_ref().map(|snapshot| snapshot.len());
        let records = batch.plays[0].chunk.as_ref().map_or(0, |chunk| chunk.bytes.len());
        let began = engine.parts.world.steady();
        let outcome = engine.parts.store.commit(batch).await;
        engine.figures.committed(engine.parts.world.steady().saturating_sub(began), outcome.is_ok());
        let committed = match outcome {
            Ok(committed) => committed,
            Err(CommitError::Conflict(conflict)) => match self.committed_before(&header).await {
                Some(stored) => {
                    header = stored;
                    self.follow_blindly()
                }
                None => return Err(NotCommitted::Conflict(conflict)),
            },
            Err(CommitError::Store(error)) => {
                self.in_doubt = true;
                return Err(NotCommitted::Store(error));
            }
        };
        self.in_doubt = false;
        engine.at(if is_admission { FailPoint::AfterAdmission } else { FailPoint::AfterCommit });
        self.tail.bytes += records;
        if let Some(snapshot) = snapshot {
            self.tail = Tail { from: header.records, bytes: 0, snapshot };
            engine.at(FailPoint::Compaction);
        }
        let Pending { children, touched, .. } = std::mem::take(&mut self.pending);
        for due in children.iter().map(|child| &child.write.header).chain([&header]).filter_map(|header| header.due) {
            engine.alarm.set(due);
        }
        if is_admission {
            engine.figures.admitted();
        }
        self.header = header;
        if self.header.state.is_ended() {
            tracing::debug!(play = %self.key().play, flow = %self.header.flow.id, state = self.header.state.as_str(), "a play has ended");
            self.engine.figures.ended(&self.header);
            self.tell_of_end();
        }
        self.kv_guard = None;
        self.landed.clear();
        for step in touched {
            match self.state.active(&step).and_then(|active| wait_of(&active.at)) {
                Some(wait) => self.waits.insert(step, wait),
                None => self.waits.remove(&step),
            };
        }
        for reply in self.replies.drain(..) {
            // Whoever asked may have gone away.
            let _ = reply.send(Ok(()));
        }
        engine.follow(&committed);
        Ok(())
    }

    /// Commits once. Where the store fails, it is asked whether the commit happened all the same.
    pub(super) async fn commit_once(&mut self) -> Result<(), NotCommitted> {
        match self.commit().await {
            Err(NotCommitted::Store(error)) => match self.engine.parts.store.header(self.key()).await {
                Ok(Some(stored)) if stored.revision == self.header.revision + 1 => self.commit().await,
                _ => Err(NotCommitted::Store(error)),
            },
            outcome => outcome,
        }
    }

    /// After a commit that failed, and may have happened all the same: the stored header, where
    /// it is the one that this play was about to write.
    async fn committed_before(&mut self, wanted: &PlayHeader) -> Option<PlayHeader> {
        if !self.in_doubt {
            return None;
        }
        let engine = self.engine.clone();
        let stored = engine.persist(|| engine.parts.store.header(wanted.key)).await.ok()??;
        let of = |header: &PlayHeader| (header.revision, header.records, header.state, header.owner);
        (of(&stored) == of(wanted)).then_some(stored)
    }

    /// A commit happened, but nobody said what followed from it: whoever may have been woken is told.
    fn follow_blindly(&self) -> Committed {
        self.engine.alarm.set(Timestamp::MIN);
        let woken = self.pending.messages.iter().map(|message| (message.to, Some(self.engine.replica())));
        Committed { feed: 0, woken: woken.collect() }
    }

    fn batch(&mut self) -> Result<Batch, PackError> {
        let snapshot = self.snapshot()?;
        let header = self.next_header();
        self.tell_parent(&header)?;
        let (waits, waited) = self.changed_waits();
        let pending = &self.pending;
        let chunk = (pending.count > 0).then(|| Chunk {
            from: self.header.records,
            count: pending.count,
            bytes: encode_records(&pending.records),
        });
        let values = pending.values.iter().filter(|packed| !is_object(packed));
        let own = PlayWrite {
            header,
            chunk,
            snapshot,
            values: values.map(|packed| (packed.at.digest, packed.bytes.clone())).collect(),
            waits,
            waited,
            read: pending.read.clone(),
        };
        let children = pending.children.iter().map(|child| child.write.clone());
        Ok(Batch {
            plays: std::iter::once(own).chain(children).collect(),
            docs: pending.docs.clone(),
            messages: pending.messages.clone(),
            audit: pending.audit.clone(),
            ..Batch::default()
        })
    }

    /// The header as it will be.
    fn next_header(&self) -> PlayHeader {
        let state = &self.state;
        let mut header = PlayHeader {
            revision: self.header.revision + 1,
            records: state.records,
            started_at: state.started_at,
            slot: self.slot.clone(),
            state: match state.standing(self.is_busy()) {
                Standing::Deferred if self.slot.is_none() && self.header.start_at.is_none() => Standing::New,
                standing => standing,
            },
            owner: None,
            due: None,
            compensation: state.compensation,
            ..self.header.clone()
        };
        if state.is_ended() {
            header.ended_at = Some(self.engine.now());
            if let Some(slot) = &mut header.slot {
                slot.place = SlotPlace::Left;
            }
            if let Some((step, failure)) = state.stopping.as_ref().and_then(|stopping| stopping.failure.clone()) {
                header.failed_ref = step.map(|step| self.plan.layer(&step).name().to_owned());
                header.error = Some(failure);
            }
        } else if self.can_park() && !self.lingers() {
            header.due = self.next_due();
        } else {
            header.owner = Some(self.engine.replica());
        }
        header
    }

    /// The state, encoded, where enough has happened since it was last written down.
    fn snapshot(&mut self) -> Result<Option<Arc<[u8]>>, PackError> {
        if self.state.is_ended() || !self.tail.is_long(self.state.records) {
            return Ok(None);
        }
        let mut failure = None;
        let packer = &mut self.packer;
        let mut pack = |payload: &Payload| packer.pack(payload).map_err(|error| failure = Some(error)).ok();
        self.state.settle_pages(&mut pack);
        let mut state = self.state.clone();
        state.each_payload(&mut |payload| {
            if let Some(packed) = pack(payload) {
                *payload = packed;
            }
        });
        if let Some(error) = failure {
            return Err(error);
        }
        self.keep_new_values();
        Ok(Some(codec::compress(&codec::encode(&state)?).into()))
    }

    /// The end of a play is told to the play that waits for it, in the same commit.
    fn tell_parent(&mut self, header: &PlayHeader) -> Result<(), PackError> {
        let Some(parent) = self.header.parent.clone().filter(|parent| parent.waits && self.state.is_ended()) else {
            return Ok(());
        };
        // One play ends once, but its commit may be tried more than once.
        let id = MessageId(self.key().play.0);
        if self.pending.messages.iter().any(|message| message.id == id) {
            return Ok(());
        }
        let out = self.packer.pack(&self.out.clone().unwrap_or_default())?;
        self.keep_new_values();
        self.pending.messages.push(Message {
            id,
            to: PlayKey { play: parent.play, ..self.key() },
            at: self.engine.now(),
            body: MessageBody::ChildEnded {
                step: parent.step,
                child: self.key().play,
                company: self.key().company,
                state: header.state,
                out,
                error: header.error.clone(),
            },
        });
        Ok(())
    }

    #[allow(clippy::type_complexity, reason = "the two lists go straight into the batch")]
    fn changed_waits(&self) -> (Vec<Wait>, Vec<(model::batch::WaitKind, String, model::ids::LayerId)>) {
        let (mut begun, mut over) = (Vec::new(), Vec::new());
        let mut steps = self.pending.touched.clone();
        steps.sort();
        steps.dedup();
        for step in steps {
            let now = self.state.active(&step).and_then(|active| wait_of(&active.at));
            let before = self.waits.get(&step);
            if before == now.as_ref() {
                continue;
            }
            let layer = step.layer_id(self.key().play);
            if let Some((kind, key)) = before {
                over.push((*kind, key.clone(), layer));
            }
            if let Some((kind, key)) = now {
                begun.push(Wait { play: self.key(), kind, key, layer, since: self.engine.now() });
            }
        }
        (begun, over)
    }

    /// Reads the play anew. Attempts under way stay under way; what has landed is taken up again;
    /// all else is worked out anew.
    async fn reload(&mut self) -> Result<(), Abandoned> {
        let key = self.key();
        let engine = self.engine.clone();
        let gone = || Abandoned("it is gone".into());
        let loaded =
            engine.persist(|| engine.parts.store.load(key)).await.map_err(|error| Abandoned(error.to_string()))?;
        let loaded = loaded.ok_or_else(gone)?;
        let state = PlayState::read(&self.plan, &loaded).map_err(|error| Abandoned(error.to_string()))?;
        self.tail = Tail::of(&loaded);
        self.header = loaded.header;
        self.state = state;
        self.slot = self.header.slot.clone();
        self.forget_thoughts();
        self.in_doubt = false;
        self.waits = waits_of(&self.state);
        for reply in self.replies.drain(..) {
            let _ = reply.send(Err(Refusal::NotNow("the play moved on meanwhile; try again".into()).into()));
        }
        self.inputs = std::mem::take(&mut self.landed).into_iter().map(|(step, ran)| Input::Ran(step, ran)).collect();
        self.inputs.push_back(Input::Due);
        self.seek_events();
        self.receive(loaded.messages).await;
        Ok(())
    }
}

impl Engine {
    /// Puts those values of a play that are too large for the store where objects are, before the
    /// commit that refers to them.
    pub(super) async fn put_objects(&self, play: PlayKey, values: &[Packed]) -> Result<(), StoreError> {
        for packed in values.iter().filter(|packed| is_object(packed)) {
            let bytes = packed.bytes.to_vec().into();
            let written = self.parts.objects.write(play.company, &object_path(play, packed.at), bytes).await;
            written.map_err(|error| match error {
                StorageError::Full(message) => StoreError::Full(message),
                other => StoreError::Failed(format!("cannot keep a large value: {other:?}")),
            })?;
        }
        Ok(())
    }
}

/// Whether a value is kept as an object, not in the store.
pub(super) fn is_object(packed: &Packed) -> bool {
    packed.at.bytes as usize > STORED_BYTES
}

/// Records as a chunk holds them: a byte that says whether they are compressed, then they.
pub(super) fn encode_records(records: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(records.len() + 1);
    if records.len() > COMPRESS_FROM {
        bytes.push(COMPRESSED);
        bytes.extend(codec::compress(records));
    } else {
        bytes.push(PLAIN);
        bytes.extend_from_slice(records);
    }
    bytes.into()
}

const PLAIN: u8 = 0;
const COMPRESSED: u8 = 1;

/// Bytes that the records of one chunk may take.
const CHUNK_BYTES: usize = 1 << 30;

/// The records of a chunk.
///
/// # Errors
/// Where the bytes were altered, or written by a newer version.
pub(crate) fn decode_records(bytes: &[u8], count: u32) -> Result<Vec<Entry>, codec::CodecError> {
    let plain;
    let mut rest: &[u8] = match bytes.split_first() {
        Some((&COMPRESSED, rest)) => {
            plain = codec::decompress(rest, CHUNK_BYTES)?;
            &plain
        }
        Some((_, rest)) => rest,
        None => &[],
    };
    (0..count).map(|_| codec::decode_next(&mut rest)).collect()
}

/// When a play whose queue is full looks again.
pub(super) fn look_again(now: Timestamp) -> Timestamp {
    now.plus(Duration::from_secs(60))
}
