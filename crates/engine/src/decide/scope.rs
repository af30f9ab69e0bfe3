//! What the expressions of a step can read: [`StepScope`] over the state of a play, and
//! [`FactScope`], the recorded facts alone, for modules that run on another thread.

use expr::{Found, Root, Scope};
use model::record::{Facts, StepId};
use model::value::Value;

use super::Ctx;
use crate::plan::LayerIx;
use crate::state::{FrameId, StepResult};

/// What the expressions of a step can read.
pub(crate) struct StepScope<'a> {
    pub(crate) ctx: Ctx<'a>,
    pub(crate) step: &'a StepId,
    /// The step's own output, for what undoes it.
    pub(crate) own: Option<&'a Value>,
}

impl StepScope<'_> {
    fn output(&self, name: &str) -> Found {
        let Ctx { plan, state, .. } = self.ctx;
        let Some(layer) = plan.find(name) else { return Found::Missing(format!("no flowlet has the ref {name:?}")) };
        if layer == self.step.layer
            && let Some(own) = self.own
        {
            return Found::Value(own.clone());
        }
        if let Some(view) = self.view_of(layer) {
            return view;
        }
        let place = &plan.layers[usize::from(layer)];
        let depth = plan.depth(layer).min(self.step.items.len());
        let id = FrameId { body: place.body, items: self.step.items[..depth].into() };
        match state.frame(&id).and_then(|frame| frame.result(place.slot)) {
            Some(StepResult { out: Some(out), .. }) => {
                out.plain().map_or(Found::Need, |value| Found::Value(value.clone()))
            }
            _ => Found::NotRun,
        }
    }

    /// What an iterator gives inside its own loop.
    fn view_of(&self, iterator: LayerIx) -> Option<Found> {
        let Ctx { plan, state, .. } = self.ctx;
        plan.layers[usize::from(iterator)].opens?;
        let depth = plan.depth(iterator);
        let round = *self.step.items.get(depth)?;
        let around = StepId { layer: iterator, undo: false, items: self.step.items[..depth].into() };
        let open = state.loop_of(&around)?;
        Some(open.view(round).map_or(Found::Need, Found::Value))
    }

    /// The iterator of the innermost loop around the step, and the round it is in.
    fn innermost(&self) -> Option<(StepId, u32)> {
        let (round, around) = self.step.items.split_last()?;
        let iterator = self.ctx.plan.iterator_around(self.ctx.plan.layer(self.step))?;
        Some((StepId { layer: iterator, undo: false, items: around.into() }, *round))
    }

    fn item(&self) -> Found {
        let Some((iterator, round)) = self.innermost() else { return no_loop() };
        match self.ctx.state.loop_of(&iterator) {
            Some(open) => open.item(round).map_or(Found::Need, Found::Value),
            None => no_loop(),
        }
    }

    fn flow(&self) -> Value {
        let flow = &self.ctx.header.flow;
        Value::map([
            ("id", Value::from(flow.id.to_string())),
            ("permanentId", (&*flow.permanent_id).into()),
            ("version", flow.version.into()),
            ("name", flow.name.as_str().into()),
        ])
    }

    fn play(&self) -> Value {
        let started = self.ctx.state.started_at.map(|at| at.to_string());
        Value::map([
            ("id", Value::from(self.ctx.header.key.play.to_string())),
            ("startedAt", started.into()),
            ("attempt", 1.into()),
        ])
    }

    fn this_step(&self) -> Value {
        let Ctx { plan, state, header, .. } = self.ctx;
        let attempts = state.active(self.step).map_or(0, |active| active.attempts);
        Value::map([
            ("ref", Value::from(plan.layer(self.step).name())),
            ("index", plan.layer(self.step).index.into()),
            ("attempt", (attempts + 1).into()),
            ("idempotencyKey", state.idempotency_key(header.key.play, self.step).into()),
        ])
    }
}

fn no_loop() -> Found {
    Found::Missing("there is no loop here".into())
}

impl Scope for StepScope<'_> {
    fn find(&self, root: &Root<'_>) -> Found {
        let facts = self.ctx.state.facts(self.step);
        match root {
            Root::Prev(name) => self.output(name),
            Root::Args => self.ctx.state.args.plain().map_or(Found::Need, |args| Found::Value(args.clone())),
            Root::Secret(name) => match self.ctx.secrets.get(*name) {
                Some(Some(secret)) => Found::Value(secret.clone()),
                Some(None) => Found::Missing(format!("there is no secret {name:?}")),
                None => Found::Need,
            },
            Root::Env(name) => match self.ctx.env.get(*name) {
                Some(text) => Found::Value(text.as_str().into()),
                None => Found::Missing(format!("the environment variable {name} is not set, or flows may not read it")),
            },
            Root::Flow => Found::Value(self.flow()),
            Root::Play => Found::Value(self.play()),
            Root::Step => Found::Value(self.this_step()),
            Root::Item => self.item(),
            Root::Index => self.innermost().map_or_else(no_loop, |(_, round)| Found::Value(round.into())),
            Root::Dot => Found::Missing("a leading dot is for the inside of a list".into()),
            Root::Kv(_) | Root::Now | Root::Seed => find_fact(facts, root),
        }
    }
}

/// Facts of a step and nothing else, owned: for a module that runs on a thread of its own.
#[derive(Debug, Clone, Default)]
pub struct FactScope(pub Option<Facts>);

impl Scope for FactScope {
    fn find(&self, root: &Root<'_>) -> Found {
        match root {
            Root::Kv(_) | Root::Now | Root::Seed => find_fact(self.0.as_ref(), root),
            _ => Found::Missing("only facts can be read here".into()),
        }
    }
}

fn find_fact(facts: Option<&Facts>, root: &Root<'_>) -> Found {
    let Some(facts) = facts else { return Found::Need };
    match root {
        Root::Kv(key) => match facts.kv.get(*key).map(model::Payload::plain) {
            Some(Some(Value::Null)) => Found::Missing(format!("there is no key {key:?}")),
            Some(Some(value)) => Found::Value(value.clone()),
            Some(None) | None => Found::Need,
        },
        Root::Now => facts.now.map_or(Found::Need, |now| Found::Value(now.to_string().into())),
        Root::Seed => facts.seed.as_ref().map_or(Found::Need, |seed| Found::Value(seed.as_str().into())),
        _ => Found::Need,
    }
}
