//! [`Plan`]: a flow, compiled: its graph, its loops, its expressions.
//!
//! Compiling is the check that publishing makes; a plan that exists is sound. It is made once
//! for a definition and shared by all plays that run it.

mod approvers;
mod args;
mod bodies;
mod check;
mod edges;
mod problem;
mod reads;
mod schema;

use std::collections::BTreeSet;
use std::sync::Arc;

use expr::Template;
use model::flow::{Cast, FilterMode, FlowDef, InDoubt, Layer, Operator, Retry};
use model::record::StepId;
use model::value::Value;
use sdk::{Module, Registry, Role};

pub use args::ArgsPlan;
pub use problem::{Place, Problem};

/// The position of a flowlet in its flow's `layers`.
pub type LayerIx = u16;

/// The position of a body in [`Plan::bodies`]; 0 is the flow itself.
pub type BodyIx = u16;

/// The module that answers whoever waits for a play.
const RESPOND: &str = "respond";

/// A flow, compiled.
#[derive(Debug)]
pub struct Plan {
    /// The definition it was made of.
    pub def: FlowDef,
    /// The flowlets, in the order of the definition.
    pub layers: Vec<PlanLayer>,
    /// The flow itself, then the body of each loop.
    pub bodies: Vec<Body>,
    /// The key of the concurrency limit.
    pub limit_key: Option<Template>,
}

/// A flowlet, compiled.
#[derive(Debug)]
pub struct PlanLayer {
    /// As it is defined.
    pub def: Layer,
    /// Its index, given or derived.
    pub index: u32,
    /// What it runs.
    pub work: Work,
    /// Its conditions.
    pub filters: Vec<FilterPlan>,
    /// The body it belongs to.
    pub body: BodyIx,
    /// Its place in that body.
    pub slot: u16,
    /// The flowlets of the same body that it waits for.
    pub deps: Vec<LayerIx>,
    /// The flowlets of the same body that wait for it.
    pub dependents: Vec<LayerIx>,
    /// Those of `deps` that it names itself: where all of them were passed over, it is, too.
    pub named_deps: Vec<LayerIx>,
    /// Everything whose output it can read.
    pub upstream: BTreeSet<LayerIx>,
    /// The body that it opens, for an iterator.
    pub opens: Option<BodyIx>,
    /// What it collects, for an aggregator.
    pub collects: Option<Collect>,
    /// What undoes it.
    pub undo: Option<Work>,
}

/// A module, and how a flowlet or its compensation runs it.
#[derive(Debug)]
pub struct Work {
    /// The module.
    pub module: Arc<Module>,
    /// Its arguments.
    pub args: ArgsPlan,
    /// How often a failed attempt is tried again.
    pub retry: Option<Retry>,
    /// What happens in doubt, where the flowlet says.
    pub in_doubt: Option<InDoubt>,
    /// Whether the peer honours the idempotency key.
    pub idempotent: bool,
    /// Seconds for one attempt.
    pub timeout: Option<u64>,
    /// JSON pointers into the arguments that are sealed and masked.
    pub sensitive_args: Arc<[String]>,
    /// JSON pointers into the output that are sealed and masked.
    pub sensitive_out: Arc<[String]>,
}

/// A condition, compiled.
#[derive(Debug)]
pub struct FilterPlan {
    /// The left side.
    pub left: Template,
    /// How the sides are compared.
    pub operator: Operator,
    /// The right side.
    pub right: Template,
    /// What they are turned into first.
    pub cast: Option<Cast>,
    /// How it joins the one before.
    pub mode: FilterMode,
}

/// A set of flowlets that run together: the flow itself, or the inside of a loop.
#[derive(Debug)]
pub struct Body {
    /// Its flowlets, in the order of the definition.
    pub layers: Vec<LayerIx>,
    /// The iterator that opens it; none for the flow itself.
    pub iterator: Option<LayerIx>,
    /// The aggregator that closes it.
    pub aggregator: Option<LayerIx>,
    /// How many loops are around it.
    pub depth: usize,
}

/// What an aggregator collects.
#[derive(Debug, Clone)]
pub struct Collect {
    /// The iterator of the loop that it closes.
    pub iterator: LayerIx,
    /// The flowlet whose output is collected; the iterator itself for the items.
    pub source: LayerIx,
    /// The names down to the part that is collected; all of the output where empty.
    pub field: Vec<String>,
}

/// What compiling needs to know beyond the flow.
#[derive(Debug, Clone)]
pub struct Surroundings<'a> {
    /// The modules there are.
    pub modules: &'a Registry,
    /// The environment variables that expressions may read.
    pub env: &'a BTreeSet<String>,
}

impl Plan {
    /// Compiles a flow.
    ///
    /// # Errors
    /// Every problem that was found, each with its place in the definition.
    pub fn compile(def: &FlowDef, around: &Surroundings<'_>) -> Result<Self, Vec<Problem>> {
        let of_roles = approvers::check(def);
        match check::compile(def, around) {
            Ok(plan) if of_roles.is_empty() => Ok(plan),
            Ok(_) => Err(of_roles),
            Err(problems) => Err([problems, of_roles].concat()),
        }
    }

    /// Compiles a flow that was published. It may be from before there was a check of the roles it lists: its plays
    /// go on, and nobody is let through by a role that nobody has.
    ///
    /// # Errors
    /// Every problem that keeps it from running.
    pub(crate) fn of_published(def: &FlowDef, around: &Surroundings<'_>) -> Result<Self, Vec<Problem>> {
        check::compile(def, around)
    }

    /// A flowlet.
    pub fn layer(&self, step: &StepId) -> &PlanLayer {
        &self.layers[usize::from(step.layer)]
    }

    /// The work of a step: the flowlet's own, or its compensation's.
    ///
    /// A compensation is only ever started where the flowlet has one.
    pub fn work(&self, step: &StepId) -> &Work {
        let layer = self.layer(step);
        match &layer.undo {
            Some(undo) if step.undo => undo,
            _ => &layer.work,
        }
    }

    /// The flowlet of that ref.
    pub fn find(&self, name: &str) -> Option<LayerIx> {
        self.def.position(name).and_then(|at| LayerIx::try_from(at).ok())
    }

    /// The flowlets of the flow itself, outside of loops, that answer whoever waits.
    pub fn responders(&self) -> impl Iterator<Item = &PlanLayer> {
        let own = self.bodies.first().into_iter().flat_map(|body| &body.layers);
        own.map(|at| &self.layers[usize::from(*at)]).filter(|layer| &*layer.def.app_id == RESPOND)
    }

    /// The iterator of the innermost loop around a flowlet.
    pub fn iterator_around(&self, layer: &PlanLayer) -> Option<LayerIx> {
        self.bodies[usize::from(layer.body)].iterator
    }

    /// How deep in loops a flowlet stands.
    pub fn depth(&self, layer: LayerIx) -> usize {
        self.bodies[usize::from(self.layers[usize::from(layer)].body)].depth
    }
}

impl PlanLayer {
    /// The ref.
    pub fn name(&self) -> &str {
        &self.def.name
    }

    /// The part it plays in the graph.
    pub fn role(&self) -> Role {
        self.work.module.role
    }
}

/// The path of names of a field, as people write it: `body.total`.
fn field_path(field: &Value) -> Option<Vec<String>> {
    let text = field.as_str()?;
    let names: Vec<String> = text.split('.').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!names.is_empty()).then_some(names)
}
