//! [`Tale`]: all that is recorded of one play, and what a reader may expect of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::Engine;
use engine::plan::Plan;
use engine::state::PlayState;
use model::flow::InDoubtPolicy;
use model::play::{LayerState, PlayHeader, PlayState as Standing, SlotPlace};
use model::record::{AfterAttempt, Entry, Record, Resolution, StepEnd, StepId, Stop, Verdict};
use model::time::Timestamp;
use model::value::Value;
use store::Store;

/// All that is recorded of one play.
pub(crate) struct Tale {
    pub(crate) header: PlayHeader,
    pub(crate) plan: Arc<Plan>,
    pub(crate) entries: Vec<Entry>,
    /// Idempotency keys that were carried over from the play that it retries.
    pub(crate) keys: BTreeMap<model::ids::LayerId, String>,
}

/// What became of one step so far.
#[derive(Default)]
struct Life {
    intents: u32,
    ended: Option<LayerState>,
    /// What was recorded since the last intent: whether there may be another one.
    may_attempt: bool,
}

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

impl Tale {
    pub(crate) async fn read(auditor: &Engine, header: PlayHeader) -> Result<Self, String> {
        let plan = auditor.plan_for(&header).await.map_err(|error| error.to_string())?;
        let mut entries = Vec::new();
        let read = auditor.each_record(header.key, |entry| {
            entries.push(entry);
            true
        });
        read.await.map_err(|error| error.to_string())?;
        let keys = match entries.first().map(|entry| &entry.record) {
            Some(Record::Admitted(admission)) => admission.keys.clone(),
            other => return Err(format!("the first record is {other:?}")),
        };
        Ok(Self { header, plan, entries, keys })
    }

    pub(crate) fn key_of(&self, step: &StepId) -> String {
        let play = self.header.key.play;
        self.keys.get(&step.layer_id(play)).cloned().unwrap_or_else(|| step.idempotency_key(play))
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = &StepEnd> {
        self.entries.iter().filter_map(|entry| match &entry.record {
            Record::StepEnded(end) => Some(&**end),
            _ => None,
        })
    }

    /// The intents that were recorded.
    pub(crate) fn intents(&self) -> impl Iterator<Item = (&StepId, u32)> {
        self.entries.iter().filter_map(|entry| match &entry.record {
            Record::Attempting { step, attempt, .. } => Some((step, *attempt)),
            _ => None,
        })
    }

    /// Whether what is in doubt at a step may be repeated without asking.
    pub(crate) fn repeats(&self, step: &StepId) -> bool {
        let work = self.plan.work(step);
        match work.in_doubt {
            Some(doubt) => doubt.policy == InDoubtPolicy::Repeat,
            None => work.idempotent || (work.module.nature)(&Value::Null).repeatable,
        }
    }

    pub(crate) fn writes(&self, step: &StepId) -> bool {
        (self.plan.work(step).module.nature)(&Value::Null).class == sdk::Class::Write
    }

    /// The state that all records together make, from the first one on.
    pub(crate) fn fold(&self) -> PlayState {
        let mut state = PlayState::default();
        for entry in &self.entries {
            state.apply(&self.plan, entry);
        }
        state
    }

    /// What holds at any time.
    pub(crate) async fn check_so_far(&self, store: &dyn Store) -> Result<(), String> {
        let records = self.entries.len() as u64;
        ensure!(self.header.records == records, "the header says {} records, there are {records}", self.header.records);
        let state = self.fold();
        ensure!(state.records == records, "the fold of {records} records counts {}", state.records);
        let loaded = store.load(self.header.key).await.map_err(|error| error.to_string())?;
        let loaded = loaded.ok_or("the play is gone")?;
        let live = PlayState::read(&self.plan, &loaded).map_err(|error| error.to_string())?;
        let encode = |state: &PlayState| model::codec::encode(state).map_err(|error| error.to_string());
        if !state.is_ended() {
            ensure!(
                encode(&state)? == encode(&live)?,
                "the snapshot and its tail give another state than all records:\n{live:?}\n{state:?}"
            );
        }
        ensure!(state.is_ended() == self.header.state.is_ended(), "the header says {}", self.header.state);
        // One that a process left behind is due at once, and stands as it stood then.
        if self.header.owner.is_none() && self.header.due != Some(Timestamp::MIN) {
            let standing = state.standing(false);
            let is_new = standing == Standing::Deferred && self.header.state == Standing::New;
            ensure!(
                standing == self.header.state || is_new || state.has_steps() || state.stopping.is_some(),
                "the header says {}, the records {standing}",
                self.header.state
            );
        }
        self.check_steps()
    }

    /// The steps, one record after another.
    fn check_steps(&self) -> Result<(), String> {
        let mut lives: BTreeMap<StepId, Life> = BTreeMap::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let record = &entry.record;
            if at + 1 < self.entries.len() && matches!(record, Record::Ended { .. }) {
                return Err("something is recorded after the end".into());
            }
            let Some(step) = record.step() else { continue };
            let is_begun = !matches!(record, Record::Observed { .. });
            if !is_begun && !lives.contains_key(step) {
                continue;
            }
            let life = lives.entry(step.clone()).or_default();
            ensure!(life.ended.is_none(), "record {at} is of {step:?}, which has ended: {record:?}");
            match record {
                Record::Attempting { attempt, .. } => {
                    ensure!(*attempt > life.intents, "attempt {attempt} of {step:?} was intended before");
                    ensure!(life.intents == 0 || life.may_attempt, "{step:?} is attempted again, unasked");
                    life.intents = *attempt;
                    life.may_attempt = false;
                }
                Record::AttemptEnded { unknown, next, .. } => {
                    let asks = matches!(next, AfterAttempt::Ask(_));
                    let is_silent = *unknown && !asks && self.writes(step) && !self.repeats(step);
                    ensure!(!is_silent, "{step:?} is in doubt and silently repeated");
                    life.may_attempt = !asks;
                }
                Record::Resolved { decision, .. } => life.may_attempt = *decision == Resolution::Repeat,
                Record::StepEnded(end) => life.ended = Some(end.state),
                _ => {}
            }
        }
        if self.header.state.is_ended() {
            for (step, life) in &lives {
                ensure!(life.ended.is_some(), "{step:?} is left over at the end of the play");
            }
        }
        Ok(())
    }

    /// What holds when the play has ended.
    pub(crate) fn check_end(&self) -> Result<(), String> {
        let header = &self.header;
        let Some(Record::Ended { state, compensation, .. }) = self.entries.last().map(|entry| &entry.record) else {
            return Err("its last record is no end".into());
        };
        ensure!(header.state == *state && header.compensation == *compensation, "header and end differ");
        ensure!(
            matches!(state, Standing::Done | Standing::Fail | Standing::Filtered | Standing::Canceled),
            "{state} is no end"
        );
        ensure!(header.owner.is_none() && header.due.is_none(), "it has an owner or is due");
        ensure!(header.slot.as_ref().is_none_or(|slot| slot.place == SlotPlace::Left), "it keeps its slot");
        self.check_undoing()?;
        self.check_order()
    }

    /// What was done is undone in reverse order, all of it or nothing.
    fn check_undoing(&self) -> Result<(), String> {
        let mut to_undo: Vec<StepId> = Vec::new();
        let mut compensates = None;
        for entry in &self.entries {
            match &entry.record {
                Record::Stopping { compensate, stop, .. } => {
                    ensure!(compensates.is_none(), "it is stopped twice");
                    compensates = Some(*compensate);
                    ensure!(*stop == Stop::Cancel || *compensate, "a timeout does not compensate");
                }
                Record::StepEnded(end) if end.step.undo => {
                    ensure!(compensates == Some(true), "{:?} is undone, unasked", end.step.forward());
                    let last = to_undo.pop();
                    ensure!(last == Some(end.step.forward()), "{:?} is undone before {last:?}", end.step);
                }
                Record::StepEnded(end) => {
                    if end.undo.is_some() {
                        ensure!(end.state == LayerState::Done, "{:?} is not done and can be undone", end.step);
                        to_undo.push(end.step.clone());
                    }
                    let means = match end.verdict {
                        Verdict::Fail | Verdict::Abort => Some(true),
                        Verdict::End => Some(false),
                        _ => None,
                    };
                    compensates = compensates.or(means);
                }
                _ => {}
            }
        }
        ensure!(compensates != Some(true) || to_undo.is_empty(), "{to_undo:?} are not undone");
        Ok(())
    }

    /// What aggregators collect is in the order of the items, and every round is counted.
    fn check_order(&self) -> Result<(), String> {
        for end in self.ends().filter(|end| end.state == LayerState::Done && !end.step.undo) {
            let layer = self.plan.layer(&end.step);
            let Some(collect) = &layer.collects else { continue };
            let Some(out) = end.out.as_ref().and_then(|out| out.plain()) else { continue };
            let items = out.get("items").and_then(Value::as_list).unwrap_or_default();
            // The drawn flows collect the number of the round.
            let rounds: Vec<u64> = items.iter().filter_map(|item| item.to_json().parse().ok()).collect();
            ensure!(rounds.len() == items.len(), "{:?} collects what is no number: {}", end.step, out.to_json());
            ensure!(rounds.is_sorted_by(|one, two| one < two), "{:?} collects out of order: {rounds:?}", end.step);
            let iterator = StepId { layer: collect.iterator, ..end.step.clone() };
            let opened = self.entries.iter().find_map(|entry| match &entry.record {
                Record::LoopOpened { step, rounds, .. } if *step == iterator => Some(u64::from(*rounds)),
                _ => None,
            });
            let number = |name: &str| out.get(name).map_or(0, |number| number.to_json().parse().unwrap_or(0));
            let counted = items.len() as u64 + number("failed") + number("filtered");
            ensure!(
                opened.is_none_or(|opened| opened == counted),
                "{:?} counts {counted} of {opened:?} rounds",
                end.step
            );
        }
        Ok(())
    }
}
