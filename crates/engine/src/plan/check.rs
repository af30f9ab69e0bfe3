//! Compiles a flow, finding every problem on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use expr::{Read, ReadRoot, Template};
use model::flow::{Compensate, Filter, FlowDef, InDoubt, Layer, Retry};
use model::limits::{LAYERS_PER_FLOW, LOOP_NESTING, RETRIES};
use model::suggest::nearest;
use model::value::Value;
use sdk::{Module, Role};

use super::args::ArgsPlan;
use super::bodies::Graph;
use super::edges::{Wiring, wire};
use super::reads::{Reader, check_limit_key};
use super::{Collect, FilterPlan, LayerIx, Place, Plan, PlanLayer, Problem, Surroundings, Work, field_path, schema};

/// Compiles a flow.
pub(super) fn compile(def: &FlowDef, around: &Surroundings<'_>) -> Result<Plan, Vec<Problem>> {
    let modules = modules(def, around)?;
    let roles: Vec<Role> = modules.iter().map(|module| module.role).collect();
    let mut problems = Vec::new();
    let sources = sources(def, &roles, &mut problems);
    problems.extend(unknown_deps(def));
    if !problems.is_empty() {
        return Err(problems);
    }
    let wiring = wire(def, &roles, Graph::new(def, &roles, sources.clone()))?;
    if let Some(deep) = wiring.bodies.iter().find(|body| body.depth > LOOP_NESTING) {
        let place = Place::layer(def, usize::from(deep.iterator.unwrap_or(0)));
        return Err(vec![place.problem(format!("loops nest deeper than {LOOP_NESTING}"))]);
    }
    let compiler = Compiler { def, around, wiring: &wiring, roles: &roles };
    let mut layers = Vec::new();
    for (at, module) in modules.iter().enumerate() {
        match compiler.layer(at, module, sources.get(&(at as LayerIx)).copied()) {
            Ok(layer) => layers.push(layer),
            Err(found) => problems.extend(found),
        }
    }
    let limit_key = limit_key(def, &mut problems);
    problems.extend(listening(def));
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Plan { def: def.clone(), layers, bodies: wiring.bodies, limit_key })
}

/// The module of each flowlet; and the problems that would hide all others.
fn modules(def: &FlowDef, around: &Surroundings<'_>) -> Result<Vec<Arc<Module>>, Vec<Problem>> {
    let count = def.layers.len();
    if count == 0 {
        return Err(vec![Place::flow("layers").problem("is empty: a flow needs at least one flowlet")]);
    }
    if count > LAYERS_PER_FLOW {
        return Err(vec![
            Place::flow("layers").problem(format!("has {count} flowlets; a flow has at most {LAYERS_PER_FLOW}")),
        ]);
    }
    let mut problems = Vec::new();
    let mut modules = Vec::new();
    let mut seen = BTreeMap::new();
    for (at, layer) in def.layers.iter().enumerate() {
        let place = Place::layer(def, at);
        if let Some(first) = seen.insert(&layer.name, at) {
            problems.push(
                place.at("ref").problem(format!("is the ref of layers[{first}], too; every ref is unique in its flow")),
            );
        }
        match module(&layer.app_id, around) {
            Ok(module) => modules.push(module),
            Err(message) => problems.push(place.at("appId").problem(message)),
        }
    }
    if problems.is_empty() { Ok(modules) } else { Err(problems) }
}

fn module(id: &str, around: &Surroundings<'_>) -> Result<Arc<Module>, String> {
    around.modules.get(id).cloned().ok_or_else(|| {
        let near = around.modules.suggest(id);
        let hint = if near.is_empty() {
            "list them with `flow8 modules`".into()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        format!("there is no module {id:?}; {hint}")
    })
}

/// What each aggregator collects from.
fn sources(def: &FlowDef, roles: &[Role], problems: &mut Vec<Problem>) -> BTreeMap<LayerIx, LayerIx> {
    let mut sources = BTreeMap::new();
    for (at, layer) in def.layers.iter().enumerate().filter(|(at, _)| roles[*at] == Role::Aggregator) {
        let place = Place::layer(def, at).at("args.sourceRef");
        match layer.args.get("sourceRef").and_then(Value::as_str) {
            None => {
                problems.push(place.problem("names the iterator to close, or a flowlet of its body; no expression"));
            }
            Some(name) => match def.position(name) {
                Some(source) if source != at && roles[source] != Role::Aggregator => {
                    sources.insert(at as LayerIx, source as LayerIx);
                }
                Some(_) => {
                    problems.push(place.problem("names an aggregator; name an iterator or a flowlet of its body"));
                }
                None => problems.push(place.problem(unknown_ref(def, name))),
            },
        }
    }
    sources
}

fn unknown_deps(def: &FlowDef) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, layer) in def.layers.iter().enumerate() {
        for (number, name) in layer.depends_on.iter().enumerate() {
            let place = Place::layer(def, at).at(&format!("dependsOn[{number}]"));
            if *name == layer.name {
                problems.push(place.problem("is the flowlet itself"));
            } else if def.position(name).is_none() {
                problems.push(place.problem(unknown_ref(def, name)));
            }
        }
    }
    problems
}

/// Says that a ref does not exist, and which one may have been meant.
pub(super) fn unknown_ref(def: &FlowDef, name: &str) -> String {
    match nearest(name, def.layers.iter().map(|layer| &*layer.name)) {
        Some(near) => format!("no flowlet has the ref {name:?}; did you mean {near:?}?"),
        None => format!("no flowlet has the ref {name:?}"),
    }
}

/// What is wrong with what starts the flow by itself.
fn listening(def: &FlowDef) -> impl Iterator<Item = Problem> {
    def.listening_problems().into_iter().map(|(path, problem)| Place::flow(&path).problem(problem))
}

fn limit_key(def: &FlowDef, problems: &mut Vec<Problem>) -> Option<Template> {
    let concurrency = def.concurrency.as_ref()?;
    let place = Place::flow("concurrency");
    if concurrency.limit == 0 {
        problems.push(place.at("limit").problem("is at least 1; to stop a flow, disable it"));
    }
    let key = concurrency.key.as_ref()?;
    match Template::compile_text(key) {
        Ok(template) => {
            problems.extend(check_limit_key(&place.at("key"), &template));
            Some(template)
        }
        Err(fault) => {
            problems.push(place.at("key").problem_at(fault.column, fault.message));
            None
        }
    }
}

struct Compiler<'a> {
    def: &'a FlowDef,
    around: &'a Surroundings<'a>,
    wiring: &'a Wiring,
    roles: &'a [Role],
}

/// How a flowlet or its compensation is run, as it is defined.
struct Terms<'a> {
    args: &'a Value,
    retry: Option<Retry>,
    in_doubt: Option<InDoubt>,
    idempotent: bool,
    timeout: Option<u64>,
}

impl Compiler<'_> {
    fn layer(&self, at: usize, module: &Arc<Module>, source: Option<LayerIx>) -> Result<PlanLayer, Vec<Problem>> {
        let layer = &self.def.layers[at];
        let place = Place::layer(self.def, at);
        let mut problems = Vec::new();
        let reader = Reader {
            def: self.def,
            around: self.around,
            wiring: self.wiring,
            layer: at as LayerIx,
            reads_itself: false,
        };
        let filters = filters(layer, &place, &reader, &mut problems);
        self.branch(layer, at, &place, &mut problems);
        let terms = Terms {
            args: &layer.args,
            retry: layer.retry.clone(),
            in_doubt: layer.in_doubt,
            idempotent: layer.idempotent,
            timeout: layer.timeout,
        };
        let work = self.work(module, &terms, &place, &reader, &mut problems);
        let undo =
            layer.compensate.as_ref().and_then(|undo| self.undo(undo, &place.at("compensate"), &reader, &mut problems));
        if let Some(approval) = &layer.needs_approval
            && approval.quorum == 0
        {
            problems.push(place.at("needsApproval.quorum").problem("is at least 1"));
        }
        check_sensitive(layer, &place.at("sensitive"), &mut problems);
        let (Some(mut work), true) = (work, problems.is_empty()) else { return Err(problems) };
        work.sensitive_args =
            [layer.sensitive.args.clone(), secret_places(&layer.args, work.args.eager_reads())].concat().into();
        work.sensitive_out = layer.sensitive.out.clone().into();
        let (body, slot) = self.wiring.places[at];
        let waits_for_it = |other: &usize| self.wiring.deps[*other].contains(&(at as LayerIx));
        Ok(PlanLayer {
            def: layer.clone(),
            index: self.wiring.indexes[at],
            work,
            filters,
            body,
            slot,
            deps: self.wiring.deps[at].iter().copied().collect(),
            dependents: (0..self.def.layers.len()).filter(waits_for_it).map(|other| other as LayerIx).collect(),
            named_deps: self.wiring.named[at].clone(),
            upstream: self.wiring.upstream[at].clone(),
            opens: (self.roles[at] == Role::Iterator)
                .then(|| self.wiring.bodies.iter().position(|body| body.iterator == Some(at as LayerIx)))
                .flatten()
                .map(|body| body as u16),
            collects: source.and_then(|source| self.collect(at, source, layer)),
            undo,
        })
    }

    fn collect(&self, at: usize, source: LayerIx, layer: &Layer) -> Option<Collect> {
        let body = self.wiring.bodies.iter().find(|body| body.aggregator == Some(at as LayerIx))?;
        let field = layer.args.get("field").and_then(field_path).unwrap_or_default();
        Some(Collect { iterator: body.iterator?, source, field })
    }

    fn branch(&self, layer: &Layer, at: usize, place: &Place, problems: &mut Vec<Problem>) {
        let Some(branch) = &layer.branch else { return };
        let place = place.at("branch");
        let Some(router) = self.def.position(&branch.router) else {
            problems.push(place.at("router").problem(unknown_ref(self.def, &branch.router)));
            return;
        };
        if self.roles[router] != Role::Router {
            problems.push(place.at("router").problem(format!("{} is no router", branch.router)));
            return;
        }
        if !self.wiring.upstream[at].contains(&(router as LayerIx)) {
            problems.push(place.at("router").problem(format!(
                "{} is not upstream; give this flowlet a higher index, or add the router to dependsOn",
                branch.router
            )));
        }
        let routes = self.def.layers[router].args.get("routes").and_then(Value::as_list).unwrap_or_default();
        let labels: Vec<&str> = routes.iter().filter_map(|route| route.get("label")?.as_str()).collect();
        if !labels.iter().any(|label| *label == branch.label || label.contains("{{")) {
            let message = format!("{} has no route {:?}; it has {}", branch.router, branch.label, labels.join(", "));
            problems.push(place.at("label").problem(message));
        }
    }

    fn undo(&self, undo: &Compensate, place: &Place, reader: &Reader<'_>, problems: &mut Vec<Problem>) -> Option<Work> {
        let module = match module(&undo.app_id, self.around) {
            Ok(module) if module.role == Role::Step => module,
            Ok(_) => {
                problems.push(place.at("appId").problem("steers the flow; a compensation is an ordinary module"));
                return None;
            }
            Err(message) => {
                problems.push(place.at("appId").problem(message));
                return None;
            }
        };
        let terms = Terms {
            args: &undo.args,
            retry: undo.retry.clone().or_else(|| Some(Retry::times(UNDO_RETRIES))),
            in_doubt: undo.in_doubt,
            idempotent: undo.idempotent,
            timeout: undo.timeout,
        };
        let reader = Reader { reads_itself: true, ..*reader };
        let work = self.work(&module, &terms, place, &reader, problems)?;
        for read in work.args.eager_reads() {
            if read.root == ReadRoot::Kv(None) {
                let place = place.at("args").at(&read.path);
                problems.push(place.problem_at(read.column, "reads a computed key; a compensation names its keys"));
            }
        }
        let sensitive = secret_places(&undo.args, work.args.eager_reads()).into();
        Some(Work { sensitive_args: sensitive, ..work })
    }

    fn work(
        &self,
        module: &Arc<Module>,
        terms: &Terms<'_>,
        place: &Place,
        reader: &Reader<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Work> {
        if let Some(retry) = &terms.retry {
            check_retry(retry, &place.at("retry"), problems);
        }
        if terms.timeout == Some(0) {
            problems.push(place.at("timeout").problem("is at least 1 second"));
        }
        let place = place.at("args");
        problems.extend(schema::check(module, terms.args, &place));
        match ArgsPlan::compile(module, terms.args) {
            Ok(args) => {
                for read in args.eager_reads() {
                    problems.extend(reader.check(&place.at(&read.path), read, false));
                }
                for (name, read) in args.lazy_reads() {
                    problems.extend(reader.check(&place.at(name).at(&read.path), read, true));
                }
                Some(Work {
                    module: module.clone(),
                    args,
                    retry: terms.retry.clone(),
                    in_doubt: terms.in_doubt,
                    idempotent: terms.idempotent,
                    timeout: terms.timeout,
                    sensitive_args: Arc::from([]),
                    sensitive_out: Arc::from([]),
                })
            }
            Err(faults) => {
                problems.extend(
                    faults.into_iter().map(|fault| place.at(&fault.path).problem_at(fault.column, fault.message)),
                );
                None
            }
        }
    }
}

/// How often a failed attempt of a compensation is tried again where the flow does not say.
const UNDO_RETRIES: u32 = 5;

fn check_retry(retry: &Retry, place: &Place, problems: &mut Vec<Problem>) {
    if retry.count > RETRIES {
        problems.push(place.at("count").problem(format!("is at most {RETRIES}")));
    }
    if !(retry.backoff_multiplier >= 1.0 && retry.backoff_multiplier <= 100.0) {
        problems.push(place.at("backoffMultiplier").problem("is between 1 and 100"));
    }
}

fn filters(layer: &Layer, place: &Place, reader: &Reader<'_>, problems: &mut Vec<Problem>) -> Vec<FilterPlan> {
    let mut compiled = Vec::new();
    for (at, filter) in layer.filters.iter().enumerate() {
        let Filter { left_value, operator, right_value, cast, mode } = filter;
        let place = place.at(&format!("filters[{at}]"));
        let left = side(left_value, &place.at("leftValue"), reader, problems);
        let right = side(right_value, &place.at("rightValue"), reader, problems);
        if let (Some(left), Some(right)) = (left, right) {
            compiled.push(FilterPlan { left, operator: *operator, right, cast: *cast, mode: *mode });
        }
    }
    compiled
}

fn side(value: &Value, place: &Place, reader: &Reader<'_>, problems: &mut Vec<Problem>) -> Option<Template> {
    match Template::compile(value) {
        Ok(template) => {
            problems.extend(template.reads().filter_map(|read| reader.check(&place.at(&read.path), read, false)));
            Some(template)
        }
        Err(faults) => {
            problems
                .extend(faults.into_iter().map(|fault| place.at(&fault.path).problem_at(fault.column, fault.message)));
            None
        }
    }
}

/// Whatever is marked must be something: a pointer that is none would leave open what somebody meant to hide.
fn check_sensitive(layer: &Layer, place: &Place, problems: &mut Vec<Problem>) {
    for (name, pointers) in [("args", &layer.sensitive.args), ("out", &layer.sensitive.out)] {
        for (at, pointer) in pointers.iter().enumerate() {
            let place = place.at(&format!("{name}[{at}]"));
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let message = format!("is a JSON pointer, such as \"/{pointer}\", not {pointer:?}; \"\" is all of it");
                problems.push(place.problem(message));
            } else if name == "args" && leads_nowhere(&layer.args, pointer) {
                problems.push(place.problem(format!("{pointer} leads nowhere in args")));
            }
        }
    }
}

/// Whether a pointer asks an object, as it is written in the flow, for a key that it does not have. What an expression
/// gives is not known yet.
fn leads_nowhere(args: &Value, pointer: &str) -> bool {
    let above = |pointer: &str| args.pointer(pointer).is_some_and(|value| value.as_map().is_some());
    let mut whole = pointer;
    while let Some((parent, _)) = whole.rsplit_once('/') {
        if args.pointer(whole).is_none() && above(parent) {
            return true;
        }
        whole = parent;
    }
    false
}

/// JSON pointers to the strings of the arguments that read a secret.
fn secret_places<'a>(args: &Value, reads: impl Iterator<Item = &'a Read>) -> Vec<String> {
    let places: BTreeSet<String> = reads
        .filter(|read| matches!(read.root, ReadRoot::Secret(_)))
        .map(|read| {
            let pointer = as_pointer(&read.path);
            // A key with a dot in it reads like two keys; then all of the argument is sealed.
            let is_there = args.pointer(&pointer).is_some_and(|found| found.as_str().is_some());
            if is_there { pointer } else { as_pointer(read.path.split(['.', '[']).next().unwrap_or_default()) }
        })
        .collect();
    places.into_iter().collect()
}

/// `body.items[0]` as a JSON pointer: `/body/items/0`.
fn as_pointer(path: &str) -> String {
    let names = path.split(['.', '[']).map(|name| name.trim_end_matches(']'));
    names.filter(|name| !name.is_empty()).fold(String::new(), |pointer, name| pointer + "/" + name)
}
