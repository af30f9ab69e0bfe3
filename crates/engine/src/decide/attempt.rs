//! An attempt ended: is the step done, is it tried again, is a person asked, or has it failed?

use std::time::Duration;

use expr::Stop;
use model::failure::{Failure, code};
use model::flow::{InDoubt, InDoubtPolicy, OnError, Retry};
use model::ids::PlayId;
use model::limits::{
    ATTEMPT_TIMEOUT, INTERRUPTED_ATTEMPTS, JSON_DEPTH, LOOP_ITEMS, LOOP_PARALLEL, OUTPUT_BYTES, UNKNOWN_REPEATS,
};
use model::payload::Payload;
use model::play::LayerState;
use model::record::{AfterAttempt, LogLine, Record, StepEnd, StepId, Undo, Verdict, WaitOn};
use model::time::Timestamp;
use model::value::Value;
use sdk::{Class, Outcome, Run, Until};

use super::scope::StepScope;
use super::step::payload;
use super::{AttemptEnd, Call, Ctx, Decision, Effect, Ran};
use crate::plan::Work;
use crate::state::At;

/// Intends an attempt: records it, and makes it after the commit.
pub(super) fn intend(ctx: Ctx<'_>, step: &StepId, attempt: u32, args: Payload, record: Option<Payload>) -> Decision {
    let intent = Record::Attempting { step: step.clone(), attempt, args: record, replica: ctx.replica };
    let timeout = ctx.plan.work(step).timeout.map_or(ATTEMPT_TIMEOUT, Duration::from_secs);
    Decision::record(intent).and(Effect::Attempt { step: step.clone(), attempt, args, timeout })
}

/// An attempt, or a pure run, came to an end.
pub(super) fn ran(ctx: Ctx<'_>, step: &StepId, ran: Ran) -> Decision {
    let active = ctx.state.active(step).map(|active| &active.at);
    let is_stale = match ctx.plan.work(step).module.run {
        Run::Effect(_) => active != Some(&At::Attempt),
        // A pure run that the play's end, or its own, overtook. It left no trace, so nothing is said of it.
        _ => active.is_none() && !step.undo && (ctx.state.stopping.is_some() || ctx.state.has_ended(ctx.plan, step)),
    };
    if is_stale || ctx.state.is_ended() {
        return Decision::nothing();
    }
    match ran.end {
        AttemptEnd::Ok(outcome) => settle(ctx, step, Told { args: ran.args, since: ran.since, log: ran.log }, outcome),
        AttemptEnd::Failed(ref failure) => match retry_at(ctx, step, attempts(ctx, step), RETRY_FAILED) {
            Some(at) => again(ctx, step, failure.clone(), false, at, ran.args),
            None => give_up(ctx, step, ran),
        },
        AttemptEnd::Unknown(ref failure) => in_doubt(ctx, step, failure.clone(), false, ran),
    }
}

/// What a run says of itself, beside its outcome.
pub(super) struct Told {
    pub(super) args: Option<Payload>,
    pub(super) since: Timestamp,
    pub(super) log: Vec<LogLine>,
}

impl Told {
    /// Nothing that a record does not say already.
    pub(super) fn nothing(ctx: Ctx<'_>) -> Self {
        Self { args: None, since: ctx.now, log: Vec::new() }
    }
}

fn settle(ctx: Ctx<'_>, step: &StepId, told: Told, outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Done(out) => done(ctx, step, told, out, Verdict::GoOn),
        Outcome::Respond(out) => done(ctx, step, told, out, Verdict::Respond),
        Outcome::End(out) => done(ctx, step, told, out, Verdict::End),
        Outcome::Fail(failure) => {
            let end =
                StepEnd { error: Some(failure), verdict: Verdict::Abort, ..ended(ctx, step, told, LayerState::Fail) };
            Decision::record(Record::StepEnded(Box::new(end)))
        }
        Outcome::Sleep(until) => {
            let until = match until {
                Until::At(at) => at,
                Until::After(duration) => ctx.now.plus(duration),
            };
            wait(step, told, WaitOn::Until(until), None)
        }
        Outcome::WaitEvent { key, timeout } => {
            let expires_at = timeout.map(|timeout| ctx.now.plus(timeout));
            wait(step, told, WaitOn::Event(key.clone()), expires_at).and(Effect::SeekEvent(key))
        }
        Outcome::Call { flow, args, wait, timeout } => {
            // Recorded when the play has an id: see `started`.
            let call = Call { args: told.args, since: told.since, wait, timeout };
            Decision::effect(Effect::StartPlay { step: step.clone(), flow, args, call })
        }
        Outcome::Loop { items, batch, parallel } => open_loop(ctx, step, told, &items, batch, parallel),
        Outcome::Kv(op) => Decision::effect(Effect::Kv { step: step.clone(), op, args: told.args, since: told.since }),
    }
}

fn wait(step: &StepId, told: Told, on: WaitOn, expires_at: Option<Timestamp>) -> Decision {
    let args = told.args.unwrap_or_default();
    Decision::record(Record::Waiting { step: step.clone(), args, on, expires_at })
}

fn open_loop(ctx: Ctx<'_>, step: &StepId, told: Told, items: &Value, batch: u32, parallel: u32) -> Decision {
    let items = items.as_list().map_or(0, <[Value]>::len);
    if items > LOOP_ITEMS {
        let failure = Failure::new(code::LIMIT_EXCEEDED, format!("a loop of {items} items; at most {LOOP_ITEMS}"));
        return give_up(ctx, step, told.failed(failure));
    }
    let batch = batch.max(1);
    let rounds = items.div_ceil(batch as usize);
    Decision::record(Record::LoopOpened {
        step: step.clone(),
        args: told.args.unwrap_or_default(),
        rounds: u32::try_from(rounds).unwrap_or(u32::MAX),
        parallel: parallel.clamp(1, LOOP_PARALLEL),
        batch: if batch == 1 { 0 } else { batch },
    })
}

impl Told {
    pub(super) fn failed(self, failure: Failure) -> Ran {
        Ran { args: self.args, since: self.since, log: self.log, end: AttemptEnd::Failed(failure) }
    }
}

/// A step is done.
pub(super) fn done(ctx: Ctx<'_>, step: &StepId, told: Told, out: Value, verdict: Verdict) -> Decision {
    let measure = out.measure(OUTPUT_BYTES, JSON_DEPTH);
    if measure.bytes > OUTPUT_BYTES || measure.depth > JSON_DEPTH {
        let message = if measure.depth > JSON_DEPTH {
            format!("the output nests deeper than {JSON_DEPTH} levels")
        } else {
            format!("the output is larger than {} MiB", OUTPUT_BYTES >> 20)
        };
        return give_up(ctx, step, told.failed(Failure::new(code::LIMIT_EXCEEDED, message)));
    }
    let undo =
        if step.undo { None } else { ctx.plan.layer(step).undo.as_ref().map(|undo| undoing(ctx, step, undo, &out)) };
    let sensitive = &ctx.plan.work(step).sensitive_out;
    let end = StepEnd { out: Some(payload(out, sensitive)), undo, verdict, ..ended(ctx, step, told, LayerState::Done) };
    Decision::record(Record::StepEnded(Box::new(end)))
}

/// The arguments of what would undo a step that is done, frozen now.
fn undoing(ctx: Ctx<'_>, step: &StepId, undo: &Work, out: &Value) -> Undo {
    match undo.args.eval(&StepScope { ctx, step, own: Some(out) }) {
        Ok(args) => Undo::Args(payload(args, &undo.sensitive_args)),
        Err(Stop::Failed(error)) => {
            Undo::Impossible(Failure::new(code::EXPRESSION_ERROR, format!("compensate.args: {error}")))
        }
        Err(Stop::Need(needs)) => {
            let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
            let message = format!("compensate.args: {} could not be read in time", needs.join(", "));
            Undo::Impossible(Failure::new(code::EXPRESSION_ERROR, message))
        }
    }
}

/// The end of a step, but for what is particular.
pub(super) fn ended(ctx: Ctx<'_>, step: &StepId, told: Told, state: LayerState) -> StepEnd {
    let active = ctx.state.active(step);
    StepEnd {
        step: step.clone(),
        state,
        // Once a step is active, a record holds its arguments.
        args: if active.is_some() { None } else { told.args },
        out: None,
        error: None,
        attempts: attempts(ctx, step),
        started_at: active.map_or(told.since, |active| active.since),
        log: told.log,
        undo: None,
        verdict: Verdict::GoOn,
        reused_from: None,
    }
}

/// How many attempts a step has had, counting the one that just ended.
fn attempts(ctx: Ctx<'_>, step: &StepId) -> u32 {
    // A pure run is counted when it has failed: until then no record knows of it.
    ctx.state.active(step).map_or(1, |active| match active.at {
        At::Retry(_) | At::Approved => active.attempts + 1,
        _ => active.attempts.max(1),
    })
}

/// For attempts that failed: as many more as the flowlet asks for.
const RETRY_FAILED: u32 = 0;

/// When the next attempt is due, where there is one: so many as the flowlet's `retry` says, and
/// at least as many as given.
fn retry_at(ctx: Ctx<'_>, step: &StepId, attempts: u32, at_least: u32) -> Option<Timestamp> {
    let default = Retry::times(at_least);
    let retry = ctx.plan.work(step).retry.as_ref().unwrap_or(&default);
    if attempts > retry.count.max(at_least) || ctx.state.stopping.is_some() && !step.undo {
        return None;
    }
    let growth = retry.backoff_multiplier.powi(i32::try_from(attempts - 1).unwrap_or(i32::MAX));
    let delay = (retry.delay_ms as f64 * growth).min(retry.max_delay_ms as f64);
    // Between half and all of the delay.
    let share = if retry.jitter { 0.5 + (ctx.dice >> 11) as f64 / (1_u64 << 54) as f64 } else { 1.0 };
    Some(ctx.now.plus(Duration::from_millis((delay * share) as u64)))
}

fn again(
    ctx: Ctx<'_>,
    step: &StepId,
    failure: Failure,
    unknown: bool,
    at: Timestamp,
    args: Option<Payload>,
) -> Decision {
    Decision::record(Record::AttemptEnded {
        step: step.clone(),
        attempt: attempts(ctx, step),
        failure,
        unknown,
        next: AfterAttempt::Retry(at),
        args: if ctx.state.active(step).is_some() { None } else { args },
    })
}

/// What happens in doubt: as the flowlet says, else by what the module does.
fn policy(ctx: Ctx<'_>, step: &StepId) -> InDoubt {
    let work = ctx.plan.work(step);
    let by_nature = || {
        let args = ctx.state.active(step).and_then(|active| active.args.plain()).cloned().unwrap_or_default();
        let repeatable = work.idempotent || (work.module.nature)(&args).repeatable;
        let policy = if repeatable { InDoubtPolicy::Repeat } else { InDoubtPolicy::Ask };
        InDoubt { policy, expires_in: None }
    };
    work.in_doubt.unwrap_or_else(by_nature)
}

/// Whether an attempt of a step changes anything outside.
pub(super) fn writes(ctx: Ctx<'_>, step: &StepId) -> bool {
    let args = ctx.state.active(step).and_then(|active| active.args.plain()).cloned().unwrap_or_default();
    (ctx.plan.work(step).module.nature)(&args).class == Class::Write
}

/// It is not known whether an attempt took effect.
fn in_doubt(ctx: Ctx<'_>, step: &StepId, failure: Failure, interrupted: bool, ran: Ran) -> Decision {
    let attempts = attempts(ctx, step);
    if !writes(ctx, step) {
        // What only reads has no effect to be in doubt about.
        let at = if interrupted {
            (attempts <= INTERRUPTED_ATTEMPTS).then_some(ctx.now)
        } else {
            retry_at(ctx, step, attempts, RETRY_FAILED)
        };
        return match at {
            Some(at) => again(ctx, step, failure, false, at, ran.args),
            None => give_up(ctx, step, Ran { end: AttemptEnd::Failed(failure), ..ran }),
        };
    }
    let doubt = policy(ctx, step);
    match doubt.policy {
        InDoubtPolicy::Repeat => {
            let at = if interrupted {
                (attempts <= INTERRUPTED_ATTEMPTS).then_some(ctx.now)
            } else {
                retry_at(ctx, step, attempts, UNKNOWN_REPEATS)
            };
            match at {
                Some(at) => again(ctx, step, failure, true, at, ran.args),
                None => give_up(ctx, step, Ran { end: AttemptEnd::Failed(unknown(&failure)), ..ran }),
            }
        }
        InDoubtPolicy::Ask => Decision::record(Record::AttemptEnded {
            step: step.clone(),
            attempt: attempts,
            failure,
            unknown: true,
            next: AfterAttempt::Ask(doubt.expires_in.map(|seconds| ctx.now.plus(Duration::from_secs(seconds)))),
            args: None,
        }),
        InDoubtPolicy::Fail => give_up(ctx, step, Ran { end: AttemptEnd::Failed(unknown(&failure)), ..ran }),
    }
}

/// The failure of a step whose outcome stays unknown.
pub(super) fn unknown(last: &Failure) -> Failure {
    let message = format!("it is not known whether this took effect: {}", last.message);
    Failure { code: code::OUTCOME_UNKNOWN.into(), message, details: last.details.clone() }
}

/// A step has failed for good: what that means is up to the flowlet.
pub(super) fn give_up(ctx: Ctx<'_>, step: &StepId, ran: Ran) -> Decision {
    let (AttemptEnd::Failed(failure) | AttemptEnd::Unknown(failure)) = ran.end else { return Decision::nothing() };
    let told = Told { args: ran.args, since: ran.since, log: ran.log };
    let on_error = if step.undo { OnError::Continue } else { ctx.plan.layer(step).def.on_error };
    let end = match on_error {
        OnError::Fail => StepEnd { verdict: Verdict::Fail, ..ended(ctx, step, told, LayerState::Fail) },
        OnError::Continue => {
            let out = Some(Payload::Plain(failure.as_output()));
            StepEnd { out, ..ended(ctx, step, told, LayerState::Fail) }
        }
        OnError::Skip => ended(ctx, step, told, LayerState::Skip),
    };
    Decision::record(Record::StepEnded(Box::new(StepEnd { error: Some(failure), ..end })))
}

/// A play that a step asked for was admitted, or could not be.
pub(super) fn started(ctx: Ctx<'_>, step: &StepId, call: Call, outcome: Result<PlayId, Failure>) -> Decision {
    let told = Told { args: call.args, since: call.since, log: Vec::new() };
    if ctx.state.is_ended() || (ctx.state.stopping.is_some() && !step.undo) || ctx.state.has_ended(ctx.plan, step) {
        return Decision::nothing();
    }
    match outcome {
        Err(failure) => give_up(ctx, step, told.failed(failure)),
        Ok(play) if call.wait => {
            let expires_at = call.timeout.map(|timeout| ctx.now.plus(timeout));
            wait(step, told, WaitOn::Play(play), expires_at)
        }
        Ok(play) => done(ctx, step, told, call_output("NEW", play, Value::Null), Verdict::GoOn),
    }
}

/// What a call gives: where the other play stands, which one it is, and its output.
pub(super) fn call_output(state: &str, play: PlayId, out: Value) -> Value {
    Value::map([("state", Value::from(state)), ("playId", play.to_string().into()), ("out", out)])
}

/// Attempts were under way when the process that made them ended.
pub(super) fn lost(ctx: Ctx<'_>) -> Decision {
    let mut decision = Decision::nothing();
    let lost = ctx.state.all_active().filter(|(_, active)| active.at == At::Attempt);
    for (step, active) in lost {
        let failure = Failure::new(code::INTERRUPTED, "flow8 ended while the attempt was under way");
        let ran = Ran { args: None, since: active.since, log: Vec::new(), end: AttemptEnd::Unknown(failure.clone()) };
        decision.join(in_doubt(ctx, step, failure, true, ran));
    }
    decision
}
