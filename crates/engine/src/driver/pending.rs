//! [`Pending`]: what a play in memory has decided, on its way into the next commit.

use model::batch::Message;
use model::doc::DocWrite;
use model::ids::{MessageId, PlayId};
use model::limits::{BATCH_BYTES, BATCH_RECORDS};
use model::play::PlayKey;
use model::record::{Entry, MessageBody, Record, StepId};
use model::time::Timestamp;

use super::children::NewPlay;
use super::play::Running;
use super::rouse::News;
use crate::pack::{PackError, Packed};

/// What was decided and is not committed.
#[derive(Default)]
pub(super) struct Pending {
    /// The records, encoded.
    pub(super) records: Vec<u8>,
    /// How many they are.
    pub(super) count: u32,
    /// Large values that they refer to.
    pub(super) values: Vec<Packed>,
    /// Bytes of those.
    pub(super) bytes: usize,
    pub(super) docs: Vec<DocWrite>,
    pub(super) messages: Vec<Message>,
    pub(super) children: Vec<NewPlay>,
    pub(super) read: Vec<MessageId>,
    pub(super) audit: Vec<model::audit::AuditRow>,
    /// Steps whose waits may have changed.
    pub(super) touched: Vec<StepId>,
    /// Whether an approval was decided.
    pub(super) approval: bool,
    /// What others may listen to.
    pub(super) news: Vec<News>,
}

impl Pending {
    pub(super) fn is_full(&self) -> bool {
        self.count as usize >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0 && self.docs.is_empty() && self.messages.is_empty() && self.read.is_empty()
    }
}

impl Running {
    /// Makes a record part of the state and of the next commit.
    pub(super) fn record(&mut self, mut record: Record, at: Timestamp) {
        self.hush.record(&mut record);
        let mut entry = Entry { at, record };
        self.state.apply(&self.plan, &entry);
        match &entry.record {
            Record::Ended { out, .. } => {
                self.out = Some(out.clone());
                self.pending.news.push(News::Ends);
            }
            Record::ApprovalAsked { step, expires_at, .. } => {
                self.pending.news.push(News::Waits(step.clone(), *expires_at));
            }
            Record::ApprovalGiven { .. } => self.pending.approval = true,
            Record::StepEnded(end) => {
                self.rounds.remove(&end.step);
            }
            _ => {}
        }
        if let Some(step) = entry.record.step() {
            self.pending.touched.push(step.clone());
        }
        if let Err(error) = self.write(&mut entry) {
            self.broken.get_or_insert(error);
        }
    }

    /// Encodes a record into the next commit.
    fn write(&mut self, entry: &mut Entry) -> Result<(), PackError> {
        let mut failure = None;
        entry.record.each_payload(&mut |payload| match self.packer.pack(payload) {
            Ok(packed) => *payload = packed,
            Err(error) => failure = Some(error),
        });
        if let Some(error) = failure {
            return Err(error);
        }
        self.keep_new_values();
        model::codec::append(&mut self.pending.records, entry)?;
        self.pending.count += 1;
        Ok(())
    }

    /// Large values that were met go with the next commit.
    pub(super) fn keep_new_values(&mut self) {
        let new = self.packer.take_new();
        self.pending.bytes += new.iter().map(|packed| packed.bytes.len()).sum::<usize>();
        self.pending.values.extend(new);
    }

    pub(super) fn send(&mut self, play: PlayId, body: MessageBody, at: Timestamp) {
        let id = MessageId(self.engine.new_id());
        self.pending.messages.push(Message { id, to: PlayKey { play, ..self.key() }, at, body });
    }
}
