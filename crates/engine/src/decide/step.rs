//! A step is ready: is it passed over, what are its arguments, who must agree, what is run?

use std::sync::Arc;

use expr::{Budget, Need, ReadRoot, Scope, Stop, test_filter};
use model::failure::{Failure, code};
use model::flow::FilterMode;
use model::payload::Payload;
use model::play::LayerState;
use model::record::{Facts, Record, StepEnd, StepId, Verdict};
use model::time::Timestamp;
use model::value::{Map, Value};
use sdk::{Role, Run};

use super::scope::StepScope;
use super::seen::shown_digest;
use super::{AttemptEnd, Ctx, Decision, Effect, Ran, attempt};
use crate::plan::{FilterPlan, PlanLayer, Work};
use crate::state::{At, FrameId};

/// Decides on a step that is ready.
pub(super) fn step(ctx: Ctx<'_>, step: &StepId) -> Decision {
    match ctx.state.active(step).map(|active| &active.at) {
        Some(At::Loop) => return close_loop(ctx, step),
        Some(At::Approved) => return begin_recorded(ctx, step, 1),
        Some(At::Retry(at)) if *at <= ctx.now => return retry(ctx, step),
        Some(_) => return Decision::nothing(),
        None if ctx.state.has_ended(ctx.plan, step) => return Decision::nothing(),
        None => {}
    }
    let layer = ctx.plan.layer(step);
    if let Some(state) = passed_over(ctx, step, layer) {
        return Decision::record(ended_unrun(ctx, step, state));
    }
    if layer.role() == Role::Aggregator {
        return collect(ctx, step, layer);
    }
    match prepare(ctx, step, layer) {
        Ok(None) => Decision::record(ended_unrun(ctx, step, LayerState::Filtered)),
        Ok(Some(args)) if layer.def.needs_approval.is_some() => ask_approval(ctx, step, layer, args),
        Ok(Some(args)) => begin(ctx, step, args),
        Err(Halt::Need(needs)) => Decision::effect(Effect::Fetch(step.clone(), needs)),
        Err(Halt::Failed(failure)) => fail(ctx, step, failure),
    }
}

/// Records the facts that a step asked for. The step is then decided on anew.
pub(super) fn facts(step: StepId, facts: Facts) -> Decision {
    if facts.is_empty() { Decision::nothing() } else { Decision::record(Record::Observed { step, facts }) }
}

/// Why a step cannot be prepared now.
enum Halt {
    Need(Vec<Need>),
    Failed(Failure),
}

impl Halt {
    fn of(stop: Stop, code: &'static str, place: &str) -> Self {
        match stop {
            Stop::Need(needs) => Self::Need(needs),
            Stop::Failed(error) => Self::Failed(Failure::new(code, format!("{place}: {error}"))),
        }
    }
}

/// Whether a step does nothing because of how those it waits for ended, and how it ends then.
fn passed_over(ctx: Ctx<'_>, step: &StepId, layer: &PlanLayer) -> Option<LayerState> {
    let frame = ctx.state.frame(&FrameId::of(ctx.plan, step))?;
    let state_of = |at: &u16| frame.result(ctx.plan.layers[usize::from(*at)].slot).map(|result| result.state);
    if !layer.named_deps.is_empty() {
        let states: Vec<LayerState> = layer.named_deps.iter().filter_map(state_of).collect();
        if states.iter().all(|state| state.is_passed_over()) {
            let all_filtered = states.iter().all(|state| *state == LayerState::Filtered);
            return Some(if all_filtered { LayerState::Filtered } else { LayerState::Skip });
        }
    }
    let branch = layer.def.branch.as_ref()?;
    let router = ctx.plan.find(&branch.router)?;
    let place = &ctx.plan.layers[usize::from(router)];
    let depth = ctx.plan.depth(router).min(step.items.len());
    let id = FrameId { body: place.body, items: step.items[..depth].into() };
    let out = ctx.state.frame(&id).and_then(|frame| frame.result(place.slot)).and_then(|result| result.out.as_ref());
    let route = out.and_then(|out| out.plain()).and_then(|out| out.get("route")).and_then(Value::as_str);
    (route != Some(&branch.label)).then_some(LayerState::Filtered)
}

/// The step's arguments; none where its filters do not pass.
fn prepare(ctx: Ctx<'_>, step: &StepId, layer: &PlanLayer) -> Result<Option<Value>, Halt> {
    let scope = StepScope { ctx, step, own: None };
    if !passes(&layer.filters, &scope)? {
        return Ok(None);
    }
    let args = layer.work.args.eval(&scope).map_err(|stop| Halt::of(stop, code::EXPRESSION_ERROR, "args"))?;
    if let Some(undo) = &layer.undo {
        foresee(ctx, step, undo)?;
    }
    Ok(Some(args))
}

/// What will undo the step is evaluated when the step has ended, and then nothing may be
/// missing: so what it reads from outside is read now.
fn foresee(ctx: Ctx<'_>, step: &StepId, undo: &Work) -> Result<(), Halt> {
    let scope = StepScope { ctx, step, own: None };
    let mut needs = Vec::new();
    for read in undo.args.eager_reads() {
        let (root, need) = match &read.root {
            ReadRoot::Kv(Some(key)) => (expr::Root::Kv(key), Need::Kv(key.to_string())),
            ReadRoot::Secret(name) => (expr::Root::Secret(name), Need::Secret(name.to_string())),
            ReadRoot::Now => (expr::Root::Now, Need::Now),
            ReadRoot::Uuid => (expr::Root::Seed, Need::Seed),
            ReadRoot::Prev(name) if **name != *ctx.plan.layer(step).name() => {
                (expr::Root::Prev(name), Need::Output(name.to_string()))
            }
            ReadRoot::Args => (expr::Root::Args, Need::Args),
            ReadRoot::Item => (expr::Root::Item, Need::Item),
            _ => continue,
        };
        if scope.find(&root) == expr::Found::Need && !needs.contains(&need) {
            needs.push(need);
        }
    }
    if needs.is_empty() { Ok(()) } else { Err(Halt::Need(needs)) }
}

/// Whether the filters let the step run: all of one group must hold.
fn passes(filters: &[FilterPlan], scope: &StepScope<'_>) -> Result<bool, Halt> {
    let mut group_holds = true;
    for (at, filter) in filters.iter().enumerate() {
        if filter.mode == FilterMode::Or && at > 0 {
            if group_holds {
                return Ok(true);
            }
            group_holds = true;
        }
        group_holds = group_holds && holds(at, filter, scope)?;
    }
    Ok(group_holds)
}

fn holds(at: usize, filter: &FilterPlan, scope: &StepScope<'_>) -> Result<bool, Halt> {
    let mut budget = Budget::default();
    let halt = |stop| Halt::of(stop, code::FILTER_ERROR, &format!("filters[{at}]"));
    let left = filter.left.eval(scope, &mut budget).map_err(halt)?;
    let right = filter.right.eval(scope, &mut budget).map_err(halt)?;
    test_filter(filter.operator, filter.cast, &left, &right, &mut budget).map_err(|error| halt(Stop::Failed(error)))
}

/// The arguments of a step as records carry them.
pub(crate) fn frozen(args: Value, work: &Work) -> Payload {
    payload(args, &work.sensitive_args)
}

/// A value as records carry it, with what is sensitive in it marked.
pub(super) fn payload(value: Value, sensitive: &Arc<[String]>) -> Payload {
    if sensitive.is_empty() { Payload::Plain(value) } else { Payload::Sensitive(value, sensitive.clone()) }
}

fn ask_approval(ctx: Ctx<'_>, step: &StepId, layer: &PlanLayer, args: Value) -> Decision {
    let terms = layer.def.needs_approval.clone().unwrap_or_default();
    let mut args = frozen(args, &layer.work);
    // Before the digest: it is of what people are shown.
    ctx.hush.seal(&mut args);
    Decision::record(Record::ApprovalAsked {
        step: step.clone(),
        digest: shown_digest(&args).unwrap_or_default(),
        args,
        expires_at: terms.expires_in.map(|seconds| ctx.now.plus(std::time::Duration::from_secs(seconds))),
    })
}

/// Makes the next attempt of a step whose last one failed.
pub(super) fn retry(ctx: Ctx<'_>, step: &StepId) -> Decision {
    let attempts = ctx.state.active(step).map_or(0, |active| active.attempts);
    begin_recorded(ctx, step, attempts + 1)
}

/// Runs a step whose arguments are frozen in its records.
pub(super) fn begin_recorded(ctx: Ctx<'_>, step: &StepId, attempt: u32) -> Decision {
    let Some(active) = ctx.state.active(step) else { return Decision::nothing() };
    match (&ctx.plan.work(step).module.run, active.args.plain()) {
        (Run::Effect(_), _) => attempt::intend(ctx, step, attempt, active.args.clone(), None),
        (_, Some(args)) => Decision::effect(Effect::Pure { step: step.clone(), args: args.clone(), recorded: true }),
        (_, None) => Decision::effect(Effect::Recall(step.clone())),
    }
}

/// Runs a step for the first time.
fn begin(ctx: Ctx<'_>, step: &StepId, args: Value) -> Decision {
    let work = ctx.plan.work(step);
    match &work.module.run {
        Run::Pure(_) | Run::Blocking(_) => Decision::effect(Effect::Pure { step: step.clone(), args, recorded: false }),
        Run::Effect(_) => {
            let args = frozen(args, work);
            attempt::intend(ctx, step, 1, args.clone(), Some(args))
        }
        // Only the aggregator is run by the engine, and it never comes here.
        Run::Engine => fail(ctx, step, Failure::new(code::INTERNAL_ERROR, "this module is not for running")),
    }
}

/// Ends a step that never came to run.
fn ended_unrun(ctx: Ctx<'_>, step: &StepId, state: LayerState) -> Record {
    Record::StepEnded(Box::new(StepEnd {
        step: step.clone(),
        state,
        args: None,
        out: None,
        error: None,
        attempts: 0,
        started_at: ctx.now,
        log: Vec::new(),
        undo: None,
        verdict: Verdict::GoOn,
        reused_from: None,
    }))
}

/// A step that failed before it ran. What failed would fail again, so it is not tried again.
fn fail(ctx: Ctx<'_>, step: &StepId, failure: Failure) -> Decision {
    let ran = Ran { args: None, since: ctx.now, log: Vec::new(), end: AttemptEnd::Failed(failure) };
    attempt::give_up(ctx, step, ran)
}

/// Every round of a loop has ended: so has the iterator.
fn close_loop(ctx: Ctx<'_>, step: &StepId) -> Decision {
    let Some(open) = ctx.state.loop_of(step) else { return Decision::nothing() };
    let out = Value::map([("total", open.rounds), ("failed", open.failed), ("filtered", open.filtered)]);
    let since = ctx.state.active(step).map_or(ctx.now, |active| active.since);
    let ran = Ran { args: None, since, log: Vec::new(), end: AttemptEnd::Ok(sdk::Outcome::Done(out)) };
    attempt::ran(ctx, step, ran)
}

/// An aggregator gathers what its loop gave, in the order of the items.
fn collect(ctx: Ctx<'_>, step: &StepId, layer: &PlanLayer) -> Decision {
    let Some(collect) = &layer.collects else { return Decision::nothing() };
    let scope = StepScope { ctx, step, own: None };
    match passes(&layer.filters, &scope) {
        Ok(true) => {}
        Ok(false) => return Decision::record(ended_unrun(ctx, step, LayerState::Filtered)),
        Err(Halt::Need(needs)) => return Decision::effect(Effect::Fetch(step.clone(), needs)),
        Err(Halt::Failed(failure)) => return fail(ctx, step, failure),
    }
    let iterator = StepId { layer: collect.iterator, ..step.clone() };
    let Some(open) = ctx.state.loop_of(&iterator) else {
        return fail(ctx, step, Failure::new(code::INTERNAL_ERROR, "the loop to collect from is not open"));
    };
    let gathered = if collect.source == collect.iterator {
        (0..open.rounds)
            .map(|round| open.view(round).map(|view| walk(view, &collect.field)))
            .collect::<Option<Vec<_>>>()
    } else {
        gather(&open.pages(), &collect.field)
    };
    let Some(items) = gathered else {
        return Decision::effect(Effect::Fetch(step.clone(), vec![Need::Item]));
    };
    let count = items.len();
    let out: Map = [
        ("items".into(), Value::from(items)),
        ("count".into(), count.into()),
        ("failed".into(), open.failed.into()),
        ("filtered".into(), open.filtered.into()),
    ]
    .into_iter()
    .collect();
    let args = Some(frozen(layer.def.args.clone(), &layer.work));
    let since: Timestamp = ctx.now;
    let ran = Ran { args, since, log: Vec::new(), end: AttemptEnd::Ok(sdk::Outcome::Done(out.into())) };
    attempt::ran(ctx, step, ran)
}

/// The collected values in the order of their rounds; none where some are not at hand.
fn gather(pages: &[crate::state::Page], field: &[String]) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    for page in pages {
        let values = page.values.plain()?.as_list()?;
        for ((round, left), value) in page.places.iter().zip(values) {
            all.push((*round, walk(value.clone(), &field[field.len() - left..])));
        }
    }
    all.sort_by_key(|(round, _)| *round);
    Some(all.into_iter().map(|(_, value)| value).collect())
}

fn walk(value: Value, field: &[String]) -> Value {
    field
        .iter()
        .fold(Payload::Plain(value), |at, name| at.part(name).unwrap_or_default())
        .plain()
        .cloned()
        .unwrap_or_default()
}
