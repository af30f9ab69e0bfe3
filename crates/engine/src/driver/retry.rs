//! Retry: a new play that takes over what an ended one has finished, and goes on from the
//! flowlet that failed, or from an earlier one.
//!
//! What is taken over is never run again: the payments that went out before the 500th failed
//! stay as they are. Steps whose outcome is unknown are run again under their old idempotency
//! keys, so that a peer can tell that it knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::actor::Actor;
use model::ids::LayerId;
use model::limits::LAYERS_PER_FLOW;
use model::payload::{Digest, Payload};
use model::play::{LayerState, PlayHeader, PlayKey, Trigger};
use model::record::{Record, RetryFrom, StepId};
use model::value::Value;

use super::admit::{AdmitError, Birth, RequestInfo, slot_of};
use super::commit::Abandoned;
use super::facts::ReadError;
use super::play::Running;
use super::{Engine, EngineError, Report, audit};
use crate::decide::Refusal;
use crate::flows::Published;
use crate::history::History;
use crate::plan::{LayerIx, Plan};
use crate::state::At;

/// Why a play cannot be retried.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is no such play, or it has not ended badly, or the ref is not one of its flowlets.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The new play was not admitted.
    #[error(transparent)]
    Admit(#[from] AdmitError),
}

impl Engine {
    /// Retries a play that has ended: from the flowlet that failed, or from an earlier one.
    ///
    /// # Errors
    /// Where the play has not ended, the flowlet is not one of its flow, or the new play is not admitted.
    pub async fn retry(
        self: &Arc<Self>,
        play: PlayKey,
        from: Option<String>,
        actor: Actor,
        request: &RequestInfo,
    ) -> Result<Report, RetryError> {
        let store = |error| RetryError::Engine(EngineError::Store(error));
        let internal = |error: String| RetryError::Engine(EngineError::Internal(error));
        let header = self.parts.store.header(play).await.map_err(store)?;
        let old = header.ok_or(EngineError::NoSuchPlay(play.play.0))?;
        if !old.state.is_ended() {
            return Err(EngineError::from(Refusal::NotNow("the play has not ended; cancel it first".into())).into());
        }
        let plan =
            self.plan_of(play.company, old.flow.definition).await.map_err(|error| internal(error.to_string()))?;
        if let Some(name) = &from
            && plan.find(name).is_none()
        {
            let refusal = Refusal::NotNow(format!("the flow has no flowlet {name:?}"));
            return Err(EngineError::from(refusal).into());
        }
        let history = self.history(play).await.map_err(|error| internal(error.to_string()))?;
        let args = self.value_of(play, &history.args).await.map_err(|error| internal(error.to_string()))?;
        let published = Arc::new(Published { at: old.flow.clone(), enabled: true, plan: plan.clone() });
        let slot = slot_of(&published, &args).map_err(AdmitError::BadArguments)?;
        let now = self.now();
        let header = PlayHeader {
            labels: old.labels.clone(),
            retry_of: Some(play.play),
            slot,
            trace: request.trace.or_else(|| self.new_trace()),
            ..self.new_header(play.company, &old.flow, Trigger::Retry, actor, now)
        };
        let keys = carried_keys(&plan, &history, from.as_deref(), &old, &header);
        let after = Value::map([("retryOf", Value::from(play.play.to_string())), ("from", from.clone().into())]);
        let audit = audit::of_play(&header, &header.actor, "play.retry", after, request, now);
        let retry = from.map_or(RetryFrom::Failure, RetryFrom::Layer);
        let (docs, audit, retry) = (Vec::new(), vec![audit], Some(retry));
        let same = Digest::of(&[]);
        let birth = Box::new(Birth { published, header, args, same, keys, docs, audit, retry });
        Ok(self.bear(birth, None).await?)
    }
}

/// The flowlets that are run again because one of them is: all that is downstream of it.
fn downstream(plan: &Plan, from: LayerIx) -> BTreeSet<LayerIx> {
    let depends = |at: &LayerIx| *at == from || plan.layers[usize::from(*at)].upstream.contains(&from);
    (0..plan.layers.len().min(LAYERS_PER_FLOW)).map(|at| at as LayerIx).filter(depends).collect()
}

/// Whether a flowlet stands inside of the loop of an iterator.
fn surrounds(plan: &Plan, iterator: LayerIx, inner: LayerIx) -> bool {
    let mut around = plan.iterator_around(&plan.layers[usize::from(inner)]);
    while let Some(at) = around.filter(|at| *at != iterator) {
        around = plan.iterator_around(&plan.layers[usize::from(at)]);
    }
    around.is_some()
}

/// Which of the old play's finished steps the new one takes over, in their order.
fn taken_over(plan: &Plan, history: &History, from: Option<&str>) -> Vec<Record> {
    let again = from.and_then(|name| plan.find(name)).map(|from| downstream(plan, from)).unwrap_or_default();
    let undone: BTreeSet<StepId> = history.undone().collect();
    let mut redone: BTreeSet<StepId> = BTreeSet::new();
    let mut opened: BTreeSet<StepId> = BTreeSet::new();
    // Loops that had ended, and in which something is run again.
    let mut reopened: BTreeSet<StepId> = BTreeSet::new();
    let mut kept = Vec::new();
    for record in &history.steps {
        // What was undone is done again, and may be undone again.
        let Some(step) = record.step().filter(|step| !step.undo) else { continue };
        let is_finished = match record {
            Record::StepEnded(end) => match end.state {
                LayerState::Done => !undone.contains(step),
                LayerState::Filtered | LayerState::Skip => true,
                // A failure that the flow tolerates is finished, too.
                LayerState::Fail => end.verdict == model::record::Verdict::GoOn,
                _ => false,
            },
            Record::LoopOpened { .. } => true,
            _ => false,
        };
        let layer = plan.layer(step);
        let waits_for_redone = layer.upstream.iter().any(|above| {
            let depth = plan.depth(*above).min(step.items.len());
            let above_step = StepId { layer: *above, undo: false, items: step.items[..depth].into() };
            redone.contains(&above_step) || (reopened.contains(&above_step) && !surrounds(plan, *above, step.layer))
        });
        let is_end_of_loop = layer.opens.is_some() && matches!(record, Record::StepEnded(_));
        let is_inside =
            |inner: &StepId| inner.items.starts_with(&step.items) && surrounds(plan, step.layer, inner.layer);
        if is_end_of_loop && redone.iter().any(is_inside) {
            reopened.insert(step.clone());
        } else if is_finished && !again.contains(&step.layer) && !waits_for_redone {
            if let Record::LoopOpened { step, .. } = record {
                opened.insert(step.clone());
            }
            kept.push(record.clone());
        } else if !opened.contains(step) {
            // A loop that was broken off stays open: what went on inside of it still counts.
            redone.insert(step.clone());
        }
    }
    kept
}

/// The idempotency keys of steps whose outcome in the old play is unknown.
fn carried_keys(
    plan: &Plan,
    history: &History,
    from: Option<&str>,
    old: &PlayHeader,
    new: &PlayHeader,
) -> BTreeMap<LayerId, String> {
    let again = from.and_then(|name| plan.find(name)).map(|from| downstream(plan, from)).unwrap_or_default();
    let unknown = history.unknown.iter().filter(|step| !again.contains(&step.layer));
    unknown
        .map(|step| {
            let before = history.keys.get(&step.layer_id(old.key.play)).cloned();
            let key = before.unwrap_or_else(|| step.idempotency_key(old.key.play));
            (step.layer_id(new.key.play), key)
        })
        .collect()
}

impl Running {
    /// Takes over what the play that this one retries has finished, in as many commits as it takes.
    pub(super) async fn take_over(&mut self) -> Result<(), Abandoned> {
        let Some(old) = self.header.retry_of.map(|play| PlayKey { play, ..self.key() }) else { return Ok(()) };
        let engine = self.engine.clone();
        let history = engine.history(old).await.map_err(|error| Abandoned(error.to_string()))?;
        let from = match &self.state.taking_over {
            Some(RetryFrom::Layer(name)) => Some(name.clone()),
            _ => None,
        };
        for mut record in taken_over(&self.plan, &history, from.as_deref()) {
            // A crash may have come in between: then a part is taken over already.
            if record.step().is_some_and(|step| self.state.knows(&self.plan, step) && !self.closes_loop(&record)) {
                continue;
            }
            engine.make_own(old, &mut record).await.map_err(|error| Abandoned(error.to_string()))?;
            if let Record::StepEnded(end) = &mut record {
                end.reused_from.get_or_insert(old.play);
            }
            self.record(record, engine.now());
            if self.pending.is_full() {
                self.commit_or_reload().await?;
            }
        }
        self.record(Record::TookOver, engine.now());
        Ok(())
    }

    /// Whether this is the end of an iterator whose loop was taken over.
    fn closes_loop(&self, record: &Record) -> bool {
        let Record::StepEnded(end) = record else { return false };
        self.state.active(&end.step).is_some_and(|active| active.at == At::Loop)
    }
}

impl Engine {
    /// Large values are kept with their play: the new one gets its own.
    async fn make_own(&self, old: PlayKey, record: &mut Record) -> Result<(), ReadError> {
        let mut payloads = Vec::new();
        record.each_payload(&mut |payload| payloads.push(payload.clone()));
        let mut own = Vec::with_capacity(payloads.len());
        for payload in payloads {
            own.push(self.own(old, payload).await?);
        }
        let mut own = own.into_iter();
        record.each_payload(&mut |payload| *payload = own.next().unwrap_or_default());
        Ok(())
    }

    /// A payload of another play, as this play may write it.
    async fn own(&self, other: PlayKey, payload: Payload) -> Result<Payload, ReadError> {
        if let Payload::Plain(_) = payload {
            return Ok(payload);
        }
        let value = self.value_of(other, &payload).await?;
        let pointers = payload.sealed_pointers();
        Ok(if pointers.is_empty() { Payload::Plain(value) } else { Payload::Sensitive(value, pointers.into()) })
    }
}
