//! What a play's records say, for whoever looks at it: its flowlets, their outputs, its log.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::batch::Chunk;
use model::codec::CodecError;
use model::failure::{Failure, code};
use model::ids::{LayerId, PlayId, ReplicaId};
use model::payload::{Digest, MASK, Payload};
use model::play::{LayerState, PlayKey};
use model::record::{AfterAttempt, Entry, LogLine, Record, StepEnd, StepId, WaitOn};
use model::time::Timestamp;
use model::value::Value;

use crate::driver::{Engine, ReadError, decode_records};
use crate::mask::mask;
use crate::plan::Plan;

/// Chunks that are read in one go.
const CHUNKS: usize = 64;

/// What retrying needs to know of a play that has ended.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The play's arguments.
    pub(crate) args: Payload,
    /// Its idempotency keys that were carried over from a play before it.
    pub(crate) keys: BTreeMap<LayerId, String>,
    /// The records that open loops and end steps, in order.
    pub(crate) steps: Vec<Record>,
    /// Steps that may have taken effect and are not known to be done.
    pub(crate) unknown: Vec<StepId>,
}

impl History {
    /// The steps that were undone.
    pub(crate) fn undone(&self) -> impl Iterator<Item = StepId> {
        self.steps.iter().filter_map(|record| match record {
            Record::StepEnded(end) if end.step.undo && end.state == LayerState::Done => Some(end.step.forward()),
            _ => None,
        })
    }

    fn take(&mut self, entry: Entry) {
        match &entry.record {
            Record::Admitted(admission) => {
                self.args = admission.args.clone();
                self.keys = admission.keys.clone();
            }
            Record::AttemptEnded { step, unknown: true, .. } if !step.undo => self.unknown.push(step.clone()),
            Record::StepEnded(end) => {
                match end.state {
                    LayerState::InDoubt => self.unknown.push(end.step.clone()),
                    LayerState::Done => self.unknown.retain(|step| *step != end.step),
                    LayerState::Fail if end.error.as_ref().is_some_and(|error| error.code == code::OUTCOME_UNKNOWN) => {
                        self.unknown.push(end.step.clone());
                    }
                    _ => {}
                }
                self.steps.push(entry.record);
            }
            Record::LoopOpened { .. } => self.steps.push(entry.record),
            _ => {}
        }
    }
}

/// The record of one flowlet inside a play.
#[derive(Debug, Clone)]
pub struct LayerRow {
    /// Its id.
    pub id: LayerId,
    /// Which step it is of.
    pub step: StepId,
    /// Where it stands.
    pub state: LayerState,
    /// What it was run with.
    pub args: Option<Payload>,
    /// Its output.
    pub out: Option<Payload>,
    /// What went wrong.
    pub error: Option<Failure>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who made the last attempt.
    pub replica: Option<ReplicaId>,
    /// What it waits for.
    pub waits_for: Option<WaitOn>,
    /// Until when it waits.
    pub until: Option<Timestamp>,
    /// The digest of the arguments that wait for approval, or did.
    pub asked: Option<Digest>,
    /// The play whose step was taken over.
    pub reused_from: Option<PlayId>,
}

/// A line of a play's log.
#[derive(Debug, Clone)]
pub struct LogRow {
    /// When.
    pub at: Timestamp,
    /// Which flowlet.
    pub step: StepId,
    /// What.
    pub line: LogLine,
}

/// Which flowlets of a play to list.
#[derive(Debug, Clone, Default)]
pub struct LayerQuery {
    /// Of that flowlet alone.
    pub layer: Option<u16>,
    /// In that state alone.
    pub state: Option<LayerState>,
    /// How many to pass over.
    pub skip: usize,
    /// How many to give.
    pub limit: usize,
}

/// The flowlets of a play, folded from its records.
#[derive(Debug, Default)]
pub struct Layers {
    rows: BTreeMap<StepId, LayerRow>,
    order: Vec<StepId>,
}

impl Layers {
    /// Takes one more record.
    pub fn take(&mut self, play: PlayId, entry: Entry) {
        let at = entry.at;
        match entry.record {
            Record::ApprovalAsked { step, args, digest, expires_at } => {
                let row = self.row(play, &step, at);
                row.asked = Some(digest);
                row.state = LayerState::Wait;
                row.args = Some(args);
                row.until = expires_at;
            }
            Record::ApprovalGiven { step, .. } => self.row(play, &step, at).until = None,
            Record::Attempting { step, attempt, args, replica } => {
                let row = self.row(play, &step, at);
                row.state = LayerState::Run;
                row.attempts = attempt;
                row.replica = Some(replica);
                row.args = args.or_else(|| row.args.take());
            }
            Record::AttemptEnded { step, attempt, failure, next, args, .. } => {
                let row = self.row(play, &step, at);
                row.attempts = attempt;
                row.error = Some(failure);
                row.args = args.or_else(|| row.args.take());
                (row.state, row.until) = match next {
                    AfterAttempt::Retry(at) => (LayerState::Run, Some(at)),
                    AfterAttempt::Ask(until) => (LayerState::InDoubt, until),
                };
            }
            Record::Waiting { step, args, on, expires_at } => {
                let row = self.row(play, &step, at);
                row.state = LayerState::Wait;
                row.args = Some(args);
                row.until = expires_at;
                row.waits_for = Some(on);
            }
            Record::LoopOpened { step, args, .. } => {
                let row = self.row(play, &step, at);
                row.state = LayerState::Run;
                row.args = Some(args);
            }
            Record::StepEnded(end) => self.ended(play, at, *end),
            _ => {}
        }
    }

    fn ended(&mut self, play: PlayId, at: Timestamp, end: StepEnd) {
        if end.step.undo {
            let row = self.row(play, &end.step.forward(), at);
            if end.state == LayerState::Done {
                row.state = LayerState::Compensated;
            } else {
                row.error = end.error;
            }
            return;
        }
        let row = self.row(play, &end.step, end.started_at);
        row.state = end.state;
        row.args = end.args.or_else(|| row.args.take());
        row.out = end.out;
        row.error = end.error;
        row.attempts = end.attempts;
        row.ended_at = Some(at);
        row.reused_from = end.reused_from;
        row.until = None;
        row.waits_for = None;
    }

    fn row(&mut self, play: PlayId, step: &StepId, at: Timestamp) -> &mut LayerRow {
        // What undoes a step is part of that step's row.
        let step = step.forward();
        self.rows.entry(step.clone()).or_insert_with(|| {
            self.order.push(step.clone());
            LayerRow {
                id: step.layer_id(play),
                step,
                state: LayerState::New,
                args: None,
                out: None,
                error: None,
                attempts: 0,
                started_at: at,
                ended_at: None,
                replica: None,
                waits_for: None,
                until: None,
                asked: None,
                reused_from: None,
            }
        })
    }

    /// The rows, in the order in which they began.
    pub fn rows(&self) -> impl Iterator<Item = &LayerRow> {
        self.order.iter().filter_map(|step| self.rows.get(step))
    }
}

/// The records of a chunk.
///
/// # Errors
/// Where they do not decode.
pub fn entries(chunk: &Chunk) -> Result<Vec<Entry>, CodecError> {
    decode_records(&chunk.bytes, chunk.count)
}

impl Engine {
    /// Calls `each` with every record of a play, in order, as long as it wants more.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub async fn each_record(&self, play: PlayKey, each: impl FnMut(Entry) -> bool) -> Result<(), ReadError> {
        self.each_record_from(play, &mut 0, each).await
    }

    /// As [`Engine::each_record`], from a place on, which moves on behind what was read.
    pub(crate) async fn each_record_from(
        &self,
        play: PlayKey,
        from: &mut u64,
        mut each: impl FnMut(Entry) -> bool,
    ) -> Result<(), ReadError> {
        loop {
            let chunks = self.parts.store.chunks(play, *from, CHUNKS).await?;
            let Some(last) = chunks.last() else { return Ok(()) };
            let next = last.from + u64::from(last.count);
            for chunk in &chunks {
                for entry in decode_records(&chunk.bytes, chunk.count).map_err(crate::pack::PackError::from)? {
                    if !each(entry) {
                        return Ok(());
                    }
                }
            }
            *from = next;
        }
    }

    /// What retrying needs to know of a play.
    pub(crate) async fn history(&self, play: PlayKey) -> Result<History, ReadError> {
        let mut history = History::default();
        self.each_record(play, |entry| {
            history.take(entry);
            true
        })
        .await?;
        Ok(history)
    }

    /// The arguments of a play.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn args_of(&self, play: PlayKey) -> Result<Value, ReadError> {
        let mut args = Payload::default();
        self.each_record(play, |entry| {
            if let Record::Admitted(admission) = entry.record {
                args = admission.args;
            }
            false
        })
        .await?;
        self.shown(play, &args).await
    }

    /// What a play gave, but for what is sealed; null where it has not ended.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn output_of(&self, play: PlayKey) -> Result<Value, ReadError> {
        let Some(header) = self.parts.store.header(play).await? else { return Ok(Value::Null) };
        let mut out = Payload::default();
        // The end of a play is its last record.
        let chunks = self.parts.store.chunks(play, header.records.saturating_sub(1), 1).await?;
        for chunk in chunks {
            for entry in decode_records(&chunk.bytes, chunk.count).map_err(crate::pack::PackError::from)? {
                if let Record::Ended { out: ended, .. } = entry.record {
                    out = ended;
                }
            }
        }
        self.shown(play, &out).await
    }

    /// The flowlets of a play that a query asks for, and how many there are in all.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub async fn layers(&self, play: PlayKey, query: &LayerQuery) -> Result<(Vec<LayerRow>, usize), ReadError> {
        let mut layers = Layers::default();
        self.each_record(play, |entry| {
            let wanted = entry.record.step().is_none_or(|step| query.layer.is_none_or(|layer| step.layer == layer));
            if wanted {
                layers.take(play.play, entry);
            }
            true
        })
        .await?;
        let found = layers.rows().filter(|row| query.state.is_none_or(|state| row.state == state));
        let rows: Vec<&LayerRow> = found.collect();
        let page = rows.iter().skip(query.skip).take(query.limit).map(|row| (*row).clone()).collect();
        Ok((page, rows.len()))
    }

    /// One flowlet of a play.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub async fn layer(&self, play: PlayKey, id: LayerId) -> Result<Option<LayerRow>, ReadError> {
        let mut layers = Layers::default();
        self.each_record(play, |entry| {
            if entry.record.step().is_some_and(|step| step.forward().layer_id(play.play) == id) {
                layers.take(play.play, entry);
            }
            true
        })
        .await?;
        Ok(layers.rows().next().cloned())
    }

    /// The play's own log: at most `limit` lines after the first `skip`.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub async fn log_of(&self, play: PlayKey, skip: usize, limit: usize) -> Result<(Vec<LogRow>, usize), ReadError> {
        let mut rows = Vec::new();
        let mut total = 0;
        self.each_record(play, |entry| {
            if let Record::StepEnded(end) = entry.record {
                for line in end.log {
                    if total >= skip && rows.len() < limit {
                        rows.push(LogRow { at: entry.at, step: end.step.clone(), line });
                    }
                    total += 1;
                }
            }
            true
        })
        .await?;
        Ok((rows, total))
    }

    /// A payload as people may see it: all of it, but for what is sealed, or will be.
    ///
    /// # Errors
    /// Where parts of it cannot be read.
    pub async fn shown(&self, play: PlayKey, payload: &Payload) -> Result<Value, ReadError> {
        self.value_of(play, &masked(payload)).await
    }

    /// The refs of the steps of a play's flow, by position.
    ///
    /// # Errors
    /// Where the flow does not compile any more.
    pub async fn plan_for(&self, header: &model::play::PlayHeader) -> Result<Arc<Plan>, crate::flows::FlowError> {
        self.plan_of(header.key.company, header.flow.definition).await
    }
}

/// The same payload with a mask for all that is sealed.
fn masked(payload: &Payload) -> Payload {
    match payload {
        Payload::Sealed(_) => Payload::Plain(MASK.into()),
        Payload::Map(fields) => Payload::Map(fields.iter().map(|(key, part)| (key.clone(), masked(part))).collect()),
        Payload::List(items) => Payload::List(items.iter().map(masked).collect()),
        Payload::Sensitive(value, pointers) => Payload::Plain(mask(value, "", pointers, &str::to_owned)),
        Payload::Recalled(value, packed) => Payload::Plain(mask(value, "", &packed.sealed_pointers(), &str::to_owned)),
        Payload::Plain(_) | Payload::Stored(_) => payload.clone(),
    }
}
