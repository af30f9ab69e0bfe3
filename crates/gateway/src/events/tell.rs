//! [`Teller`]: from records to the events that clients see.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::Engine;
use engine::plan::Plan;
use model::failure::Failure;
use model::ids::FlowId;
use model::limits::{EVENTS_PER_PLAY, INLINE_BYTES};
use model::payload::Payload;
use model::play::{LayerState, PlayHeader, PlayKey, PlayState};
use model::record::{Admission, AfterAttempt, Entry, Record, StepEnd, StepId};
use model::value::Value;
use store::FeedChunk;

/// Plays that are remembered at once.
const PLAYS: usize = 1_024;

/// Tells one client what happens.
pub(crate) struct Teller {
    engine: Arc<Engine>,
    known: HashMap<PlayKey, Known>,
}

/// What is known of a play.
struct Known {
    header: PlayHeader,
    plan: Arc<Plan>,
    /// Events of flowlets that were told.
    told: u64,
}

impl Teller {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, known: HashMap::new() }
    }

    /// The events of one commit of a play; none where it is of no flow that may be told of.
    pub(crate) async fn tell(&mut self, chunk: &FeedChunk, flows: Option<&BTreeSet<FlowId>>) -> Vec<Value> {
        let key = chunk.play;
        if !self.known.contains_key(&key) {
            if self.known.len() >= PLAYS {
                self.known.clear();
            }
            let Some(known) = self.look_up(key).await else { return Vec::new() };
            self.known.insert(key, known);
        }
        let Some(known) = self.known.get_mut(&key) else { return Vec::new() };
        if flows.is_some_and(|flows| !flows.contains(&known.header.flow.id)) {
            return Vec::new();
        }
        let entries = match engine::history::entries(&chunk.chunk) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::error!(%error, play = %key.play, "records do not read");
                return Vec::new();
            }
        };
        let has_failed = |entry: &Entry| matches!(entry.record, Record::Ended { state: PlayState::Fail, .. });
        // Why a play failed stands in its header, which was read when the play was met first.
        if entries.iter().any(has_failed)
            && let Ok(Some(header)) = self.engine.store().header(key).await
        {
            known.header = header;
        }
        let mut events = Vec::new();
        let mut summary = Summary::default();
        let mut has_ended = false;
        for entry in &entries {
            has_ended |= matches!(entry.record, Record::Ended { .. });
            known.event(chunk.feed, entry, &mut summary, &mut events);
        }
        if summary.count > 0 {
            events.insert(0, known.summary(chunk.feed, &summary));
        }
        if has_ended {
            self.known.remove(&key);
        }
        events
    }

    async fn look_up(&self, key: PlayKey) -> Option<Known> {
        let header = self.engine.store().header(key).await.ok()??;
        let plan = self.engine.plan_for(&header).await.ok()?;
        Some(Known { header, plan, told: 0 })
    }
}

/// Events of flowlets that are told together, since the play has too many.
#[derive(Default)]
struct Summary {
    count: u64,
    done: u64,
    failed: u64,
}

impl Known {
    fn base(&self, kind: &str, seq: u64, entry_at: Option<&Entry>) -> Vec<(&'static str, Value)> {
        let mut event = vec![
            ("type", Value::from(kind)),
            ("seq", seq.into()),
            ("playId", self.header.key.play.to_string().into()),
            ("flowId", self.header.flow.id.to_string().into()),
        ];
        event.extend(entry_at.map(|entry| ("timestamp", entry.at.to_string().into())));
        event
    }

    fn of_step(
        &self,
        kind: &str,
        seq: u64,
        entry: &Entry,
        step: &StepId,
        state: LayerState,
    ) -> Vec<(&'static str, Value)> {
        let mut event = self.base(kind, seq, Some(entry));
        event.push(("layerId", step.layer_id(self.header.key.play).to_string().into()));
        event.push(("ref", self.plan.layer(step).name().into()));
        event.push(("state", state.as_str().into()));
        event
    }

    fn summary(&self, seq: u64, summary: &Summary) -> Value {
        let mut event = self.base("play:layers", seq, None);
        event.push(("completed", summary.done.into()));
        event.push(("failed", summary.failed.into()));
        Value::map(event)
    }

    fn event(&mut self, seq: u64, entry: &Entry, summary: &mut Summary, events: &mut Vec<Value>) {
        let event = match &entry.record {
            // A play that does not wait for anything begins with its admission.
            Record::Admitted(Admission { deferred: false, .. }) | Record::Started => {
                self.header.started_at = Some(entry.at);
                self.of_play("play:started", seq, entry, PlayState::Run)
            }
            Record::Ended { state, out, .. } => {
                let kind = if *state == PlayState::Fail { "play:failed" } else { "play:completed" };
                let mut event = self.of_play(kind, seq, entry, *state);
                event.extend(small(out).map(|out| ("out", out)));
                let since = self.header.started_at.unwrap_or(self.header.created_at);
                event.push(("duration", (entry.at.since(since).as_millis() as u64).into()));
                if let Some(failure) = self.header.error.as_ref().filter(|_| *state == PlayState::Fail) {
                    event.push(("error", told(failure)));
                }
                event
            }
            Record::Attempting { step, .. } => {
                if self.is_too_much() {
                    return;
                }
                self.of_step("play:layer:started", seq, entry, step, LayerState::Run)
            }
            Record::StepEnded(end) => {
                if self.is_too_much() {
                    summary.count += 1;
                    match end.state {
                        LayerState::Fail => summary.failed += 1,
                        _ => summary.done += 1,
                    }
                    return;
                }
                self.step_ended(seq, entry, end)
            }
            Record::ApprovalAsked { step, .. } | Record::Waiting { step, .. } => {
                self.of_step("play:waiting", seq, entry, step, LayerState::Wait)
            }
            Record::AttemptEnded { step, next: AfterAttempt::Ask(_), failure, .. } => {
                let mut event = self.of_step("play:waiting", seq, entry, step, LayerState::InDoubt);
                event.push(("error", told(failure)));
                event
            }
            Record::Held { .. } => self.of_play("play:waiting", seq, entry, PlayState::OnHold),
            _ => return,
        };
        events.push(Value::map(event));
    }

    fn of_play(&self, kind: &str, seq: u64, entry: &Entry, state: PlayState) -> Vec<(&'static str, Value)> {
        let mut event = self.base(kind, seq, Some(entry));
        event.push(("state", state.as_str().into()));
        event
    }

    fn step_ended(&self, seq: u64, entry: &Entry, end: &StepEnd) -> Vec<(&'static str, Value)> {
        let kind = if end.state == LayerState::Fail { "play:layer:failed" } else { "play:layer:completed" };
        let mut event = self.of_step(kind, seq, entry, &end.step, end.state);
        event.extend(end.out.as_ref().and_then(small).map(|out| ("out", out)));
        event.push(("duration", (entry.at.since(end.started_at).as_millis() as u64).into()));
        if let Some(error) = &end.error {
            event.push(("error", told(error)));
        }
        event
    }

    /// Counts an event of a flowlet; says whether there were too many already.
    fn is_too_much(&mut self) -> bool {
        self.told += 1;
        self.told > EVENTS_PER_PLAY
    }
}

fn told(failure: &Failure) -> Value {
    Value::map([("code", &*failure.code), ("message", &failure.message)])
}

/// A value as it may be told along: only where it is at hand, small and not sealed in any part.
fn small(payload: &Payload) -> Option<Value> {
    let value = payload.plain().filter(|_| payload.sealed_pointers().is_empty())?;
    (value.measure(INLINE_BYTES, usize::MAX).bytes <= INLINE_BYTES).then(|| value.clone())
}
