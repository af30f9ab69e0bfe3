//! Nothing is left to do, or the play is about to end: what is under way is wound up, what was
//! done is undone where it must be, and the play ends.

use model::failure::{Failure, code};
use model::payload::Payload;
use model::play::{Compensation, LayerState, PlayState as Standing};
use model::record::{MessageBody, Record, StepEnd, StepId, Stop, Undo, WaitOn};

use super::attempt::{Told, ended, intend, writes};
use super::{Ctx, Decision, Effect};
use crate::plan::Plan;
use crate::state::{Active, At, PlayState, Stopping};

/// Takes the next step towards the end, if there is one to take.
pub(super) fn wind(ctx: Ctx<'_>) -> Decision {
    match &ctx.state.stopping {
        // What failed while the play is on hold is undone when it goes on.
        Some(_) if ctx.state.held_since.is_some() => Decision::nothing(),
        Some(stopping) => wind_up(ctx, stopping),
        None if ctx.state.is_through() => end(ctx, natural_end(ctx.state)),
        None => Decision::nothing(),
    }
}

fn wind_up(ctx: Ctx<'_>, stopping: &Stopping) -> Decision {
    let mut decision = Decision::nothing();
    let mut under_way = false;
    for (step, active) in ctx.state.all_active() {
        if step.undo || (active.at == At::Attempt && !stopping.abort) {
            under_way = true;
        } else {
            decision.join(break_off(ctx, step, active));
        }
    }
    if under_way || !decision.records.is_empty() {
        return decision;
    }
    match ctx.state.next_undo() {
        Some((step, undo)) if stopping.compensate => undo_step(ctx, &step.undoing(), undo),
        _ => end(ctx, stopping.end),
    }
}

/// Ends a step that has not come to its own end.
fn break_off(ctx: Ctx<'_>, step: &StepId, active: &Active) -> Decision {
    let in_doubt = |failure: Option<Failure>| StepEnd {
        error: failure.or_else(|| Some(Failure::new(code::OUTCOME_UNKNOWN, "broken off by the end of the play"))),
        ..ended(ctx, step, Told::nothing(ctx), LayerState::InDoubt)
    };
    let canceled = || ended(ctx, step, Told::nothing(ctx), LayerState::Canceled);
    let (end, effect) = match &active.at {
        At::Attempt if writes(ctx, step) => (in_doubt(None), Some(Effect::Abort(step.clone()))),
        At::Attempt => (canceled(), Some(Effect::Abort(step.clone()))),
        At::InDoubt(_, failure) => (in_doubt(Some(failure.clone())), None),
        At::Wait(WaitOn::Play(play), _) => {
            (canceled(), Some(Effect::Send(*play, MessageBody::ParentStopped { stop: Stop::Cancel })))
        }
        At::Approval { .. } | At::Approved | At::Retry(_) | At::Wait(..) | At::Loop => (canceled(), None),
    };
    let decision = Decision::record(Record::StepEnded(Box::new(end)));
    match effect {
        Some(effect) => decision.and(effect),
        None => decision,
    }
}

fn undo_step(ctx: Ctx<'_>, undoing: &StepId, undo: &Undo) -> Decision {
    match undo {
        Undo::Args(args) => match &ctx.plan.work(undoing).module.run {
            sdk::Run::Effect(_) => intend(ctx, undoing, 1, args.clone(), Some(args.clone())),
            _ => match args.plain() {
                Some(args) => {
                    Decision::effect(Effect::Pure { step: undoing.clone(), args: args.clone(), recorded: false })
                }
                None => Decision::effect(Effect::Recall(undoing.clone())),
            },
        },
        Undo::Impossible(failure) => {
            let end =
                StepEnd { error: Some(failure.clone()), ..ended(ctx, undoing, Told::nothing(ctx), LayerState::Fail) };
            Decision::record(Record::StepEnded(Box::new(end)))
        }
    }
}

fn end(ctx: Ctx<'_>, state: Standing) -> Decision {
    let compensation: Option<Compensation> = ctx.state.compensation;
    let out = match state {
        Standing::Done | Standing::Filtered => ctx.state.answer.clone().or_else(|| last_output(ctx.plan, ctx.state)),
        // What was answered stays so, however the play ends.
        _ => ctx.state.answer.clone().filter(|_| ctx.state.has_answered(ctx.plan)),
    };
    Decision::record(Record::Ended { state, out: out.unwrap_or_default(), compensation })
}

/// `FILTERED` where every flowlet was filtered out, else `DONE`.
fn natural_end(state: &PlayState) -> Standing {
    let all_filtered =
        state.root().is_some_and(|root| root.results().all(|result| result.state == LayerState::Filtered));
    if all_filtered { Standing::Filtered } else { Standing::Done }
}

/// The output of the done flowlet that stands last by index and position.
fn last_output(plan: &Plan, state: &PlayState) -> Option<Payload> {
    let root = state.root()?;
    let layers = &plan.bodies.first()?.layers;
    let done = layers.iter().map(|at| &plan.layers[usize::from(*at)]).filter_map(|layer| {
        let result = root.result(layer.slot).filter(|result| result.state == LayerState::Done)?;
        Some((layer.index, layer.slot, result.out.clone()))
    });
    done.max_by_key(|(index, slot, _)| (*index, *slot)).and_then(|(_, _, out)| out)
}
