//! [`Spot`]: where in a state a payload lies, so that one that is kept elsewhere can be brought
//! to hand.

use expr::Need;
use model::payload::Payload;
use model::record::{StepId, Undo};

use super::{FrameId, PlayState};
use crate::plan::{LayerIx, Plan};

/// Where in a state a payload lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// The play's arguments.
    Args,
    /// The output of the flowlet at a place of a frame.
    Output(FrameId, u16),
    /// The arguments of a loop, its items among them.
    Loop(StepId),
    /// A page of what a loop collected.
    Page(StepId, usize),
    /// The frozen arguments of a step.
    Step(StepId),
    /// The frozen arguments of what is undone next.
    Undo,
}

impl PlayState {
    /// The payloads that a need is about and that are not at hand.
    pub fn missing(&self, plan: &Plan, step: &StepId, need: &Need) -> Vec<(Spot, Payload)> {
        match need {
            Need::Args => kept_elsewhere(Spot::Args, Some(&self.args)),
            Need::Output(name) => {
                plan.find(name).map(|layer| self.missing_output(plan, step, layer)).unwrap_or_default()
            }
            Need::Item => self.missing_items(plan, step),
            Need::Kv(_) | Need::Secret(_) | Need::Now | Need::Seed => Vec::new(),
        }
    }

    /// The frozen arguments of a step, or of what is undone next, where they are not at hand.
    pub fn missing_args(&self, step: &StepId) -> Vec<(Spot, Payload)> {
        match self.active.get(step) {
            Some(active) => kept_elsewhere(Spot::Step(step.clone()), Some(&active.args)),
            None => match self.undo.last() {
                Some((_, Undo::Args(args))) if step.undo => kept_elsewhere(Spot::Undo, Some(args)),
                _ => Vec::new(),
            },
        }
    }

    fn missing_output(&self, plan: &Plan, step: &StepId, layer: LayerIx) -> Vec<(Spot, Payload)> {
        let place = &plan.layers[usize::from(layer)];
        let depth = plan.depth(layer).min(step.items.len());
        let around: StepId = StepId { layer, undo: false, items: step.items[..depth].into() };
        if let Some(open) = self.loops.get(&around) {
            return kept_elsewhere(Spot::Loop(around), Some(&open.args));
        }
        let id = FrameId { body: place.body, items: around.items };
        let out =
            self.frames.get(&id).and_then(|frame| frame.result(place.slot)).and_then(|result| result.out.as_ref());
        kept_elsewhere(Spot::Output(id, place.slot), out)
    }

    /// The items of the loop around a step; for an aggregator, all that its loop gave.
    fn missing_items(&self, plan: &Plan, step: &StepId) -> Vec<(Spot, Payload)> {
        let layer = plan.layer(step);
        if let Some(collect) = &layer.collects {
            let iterator = StepId { layer: collect.iterator, ..step.clone() };
            let Some(open) = self.loops.get(&iterator) else { return Vec::new() };
            let mut missing = kept_elsewhere(Spot::Loop(iterator.clone()), Some(&open.args));
            for (at, page) in open.pages().iter().enumerate() {
                missing.extend(kept_elsewhere(Spot::Page(iterator.clone(), at), Some(&page.values)));
            }
            return missing;
        }
        let around = step.items.split_last().map(|(_, around)| around);
        let (Some(around), Some(iterator)) = (around, plan.iterator_around(layer)) else { return Vec::new() };
        let iterator = StepId { layer: iterator, undo: false, items: around.into() };
        let args = self.loops.get(&iterator).map(|open| &open.args);
        kept_elsewhere(Spot::Loop(iterator.clone()), args)
    }

    /// Puts a value to hand. It changes nothing that is recorded.
    pub fn fill(&mut self, spot: &Spot, recalled: Payload) {
        let payload = match spot {
            Spot::Args => Some(&mut self.args),
            Spot::Output(id, slot) => self.frames.get_mut(id).and_then(|frame| frame.output_mut(*slot)),
            Spot::Loop(iterator) => self.loops.get_mut(iterator).map(|open| &mut open.args),
            Spot::Page(iterator, at) => self.loops.get_mut(iterator).and_then(|open| open.page_mut(*at)),
            Spot::Step(step) => self.active.get_mut(step).map(|active| &mut active.args),
            Spot::Undo => match self.undo.last_mut() {
                Some((_, Undo::Args(args))) => Some(args),
                _ => None,
            },
        };
        if let Some(payload) = payload.filter(|payload| payload.plain().is_none()) {
            *payload = recalled;
        }
    }
}

fn kept_elsewhere(spot: Spot, payload: Option<&Payload>) -> Vec<(Spot, Payload)> {
    payload.filter(|payload| payload.plain().is_none()).map(|payload| (spot, payload.clone())).into_iter().collect()
}
