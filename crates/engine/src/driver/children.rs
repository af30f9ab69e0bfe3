//! Plays that plays start: admitted in the commit of the step that asks for them.

use std::collections::BTreeMap;

use model::batch::PlayWrite;
use model::failure::{Failure, code};
use model::limits::SUBFLOW_DEPTH;
use model::payload::Payload;
use model::play::{ParentStep, PlayHeader};
use model::record::{Admission, Record, StepId};
use model::trace::SpanId;
use model::value::Value;

use super::admit::{admitted, check_args, slot_of};
use super::play::{Landed, Running};
use crate::decide::{Call, Input};
use crate::flows::FlowError;
use crate::pack::Packed;

/// A play that will be admitted with the next commit.
pub(super) struct NewPlay {
    pub(super) write: PlayWrite,
    /// Values of it that are too large for the store.
    pub(super) large: Vec<Packed>,
}

/// A play that a step asked for, ready to be admitted; or why it cannot be.
pub(super) struct Ready {
    step: StepId,
    call: Call,
    outcome: Result<NewPlay, Failure>,
}

impl Running {
    /// Makes the play that a step asks for ready.
    pub(super) fn start_play(&mut self, step: StepId, flow: String, args: Value, call: Call) {
        let engine = self.engine.clone();
        let parent = self.header.clone();
        let this = self.parent_step(&step, call.wait);
        let mut shown = Payload::Plain(args.clone());
        self.hush.seal(&mut shown);
        self.errands.push(Box::pin(async move {
            let outcome = engine.new_child(&parent, this, &flow, (args, shown)).await;
            Landed::Child(Box::new(Ready { step, call, outcome }))
        }));
    }

    fn parent_step(&self, step: &StepId, waits: bool) -> ParentStep {
        let above = self.header.parent.as_ref();
        // What waits for the child, or for the play that waits for it, shares its slots with it.
        let shared = above.filter(|above| above.waits).map(|above| above.slots.clone()).unwrap_or_default();
        let own = self.header.slot.as_ref().map(|slot| slot.key);
        ParentStep {
            play: self.key().play,
            step: step.clone(),
            depth: self.header.depth() + 1,
            waits,
            slots: if waits { shared.into_iter().chain(own).collect() } else { Vec::new() },
        }
    }

    /// The play becomes part of the next commit; where the one that asked for it has moved on, it
    /// is not born.
    pub(super) fn child_ready(&mut self, ready: Ready) {
        let step = ready.step.clone();
        let is_of_step = |record: &Record| record.step() == Some(&step);
        let outcome = ready.outcome.as_ref().map(|child| child.write.header.key.play).map_err(Clone::clone);
        if self.takes(Input::Started(ready.step, ready.call, outcome), is_of_step) {
            self.pending.children.extend(ready.outcome);
        }
    }
}

impl super::Engine {
    /// A play with those arguments, and with those as they are written down.
    async fn new_child(
        &self,
        parent: &PlayHeader,
        this: ParentStep,
        flow: &str,
        (args, shown): (Value, Payload),
    ) -> Result<NewPlay, Failure> {
        if this.depth > SUBFLOW_DEPTH {
            let message = format!("plays start each other {SUBFLOW_DEPTH} deep; does a flow call itself?");
            return Err(Failure::new(code::LIMIT_EXCEEDED, message));
        }
        check_args(&args).map_err(|message| Failure::new(code::LIMIT_EXCEEDED, message))?;
        let published = self.published(parent.key.company, flow).await.map_err(|error| match error {
            FlowError::Store(error) => Failure::new(code::INTERNAL_ERROR, error.to_string()),
            other => Failure::new(code::FLOW_NOT_PUBLISHED, other.to_string()),
        })?;
        let now = self.now();
        let slot = slot_of(&published, &args).map_err(|message| Failure::new(code::EXPRESSION_ERROR, message))?;
        let shares = |key: &model::play::LimitKey| this.slots.contains(key);
        let header = PlayHeader {
            due: Some(now),
            slot: slot.filter(|slot| !shares(&slot.key)),
            parent: Some(this),
            trace: parent.trace.map(|trace| trace.at(SpanId::of_play(parent.key.play))),
            ..self.new_header(
                parent.key.company,
                &published.at,
                model::play::Trigger::Subflow,
                parent.actor.clone(),
                now,
            )
        };
        let admission =
            |args| vec![Record::Admitted(Admission { args, deferred: true, keys: BTreeMap::new(), retry: None })];
        let (write, large) = admitted(self, header, shown, admission)
            .map_err(|error| Failure::new(code::INTERNAL_ERROR, error.to_string()))?;
        Ok(NewPlay { write, large })
    }
}
