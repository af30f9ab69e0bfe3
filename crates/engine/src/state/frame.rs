//! [`Frame`]: one run of a body: the flow itself, or one round of a loop.

use model::payload::Payload;
use model::play::LayerState;
use model::record::StepId;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::plan::{Body, BodyIx, Plan};

/// Which body, in which round of each loop around it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameId {
    /// The body.
    pub body: BodyIx,
    /// The rounds, outermost first.
    pub items: SmallVec<[u32; 4]>,
}

impl FrameId {
    /// The flow itself.
    pub fn root() -> Self {
        Self { body: 0, items: SmallVec::new() }
    }

    /// The frame that a step stands in.
    pub fn of(plan: &Plan, step: &StepId) -> Self {
        Self { body: plan.layer(step).body, items: step.items.clone() }
    }
}

/// One run of a body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// By place in the body: how many flowlets it still waits for.
    waits: Vec<u16>,
    /// By place in the body: how it ended.
    ends: Vec<Option<StepResult>>,
    /// How many have not ended.
    pub left: u16,
}

/// How a step ended, as far as others read it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// How.
    pub state: LayerState,
    /// Its output; none where it did not run.
    pub out: Option<Payload>,
}

impl Frame {
    /// A frame in which nothing has happened.
    pub(super) fn new(plan: &Plan, body: &Body) -> Self {
        let waits: Vec<u16> =
            body.layers.iter().map(|layer| plan.layers[usize::from(*layer)].deps.len() as u16).collect();
        Self { ends: vec![None; waits.len()], left: waits.len() as u16, waits }
    }

    /// Whether the flowlet at a place waits for nothing and has not ended.
    pub(super) fn is_free(&self, slot: usize) -> bool {
        self.waits[slot] == 0 && self.ends[slot].is_none()
    }

    /// Notes an end; says whether it is the first of that flowlet here.
    pub(super) fn end(&mut self, slot: u16, result: StepResult) -> bool {
        let end = &mut self.ends[usize::from(slot)];
        let is_first = end.is_none();
        *end = Some(result);
        self.left -= u16::from(is_first);
        is_first
    }

    /// Notes that one of those that a flowlet waits for has ended; says whether it was the last.
    pub(super) fn release(&mut self, slot: u16) -> bool {
        let waits = &mut self.waits[usize::from(slot)];
        *waits = waits.saturating_sub(1);
        *waits == 0
    }

    /// How the flowlet at a place ended.
    pub fn result(&self, slot: u16) -> Option<&StepResult> {
        self.ends.get(usize::from(slot))?.as_ref()
    }

    pub(super) fn output_mut(&mut self, slot: u16) -> Option<&mut Payload> {
        self.ends.get_mut(usize::from(slot))?.as_mut()?.out.as_mut()
    }

    /// How those that ended did.
    pub fn results(&self) -> impl Iterator<Item = &StepResult> {
        self.ends.iter().flatten()
    }

    pub(super) fn each_payload(&mut self, visit: &mut dyn FnMut(&mut Payload)) {
        self.ends.iter_mut().flatten().filter_map(|result| result.out.as_mut()).for_each(visit);
    }
}
