//! Some time has come: a retry, the end of a wait, of an approval or of the play.

use model::actor::Actor;
use model::failure::{Failure, code};
use model::flow::OnExpire;
use model::record::{MessageBody, Record, StepId, Stop, Verdict, WaitOn};
use model::value::Value;

use super::attempt::{Told, done, give_up, unknown};
use super::step::retry;
use super::{Ctx, Decision, Effect};
use crate::state::{Active, At};

/// Decides on everything whose time has come.
pub(super) fn due(ctx: Ctx<'_>) -> Decision {
    let state = ctx.state;
    if state.is_ended() || state.held_since.is_some() {
        return Decision::nothing();
    }
    if state.stopping.is_none() && state.deadline.is_some_and(|deadline| deadline <= ctx.now) {
        return Decision::record(Record::Stopping {
            actor: Actor::system(),
            stop: Stop::Timeout,
            reason: Some(format!("the play took longer than its {} seconds", ctx.plan.def.timeout)),
            compensate: true,
        });
    }
    let mut decision = Decision::nothing();
    for step in state.expired(ctx.now) {
        if let Some(active) = state.active(&step) {
            decision.join(expired(ctx, &step, active));
        }
    }
    decision
}

fn expired(ctx: Ctx<'_>, step: &StepId, active: &Active) -> Decision {
    match &active.at {
        At::Retry(_) => retry(ctx, step),
        At::Approval { .. } => approval_expired(ctx, step),
        At::InDoubt(_, failure) => give_up(ctx, step, Told::nothing(ctx).failed(unknown(failure))),
        At::Wait(WaitOn::Until(until), _) => {
            done(ctx, step, Told::nothing(ctx), Value::map([("until", until.to_string())]), Verdict::GoOn)
        }
        At::Wait(on, _) => {
            let what = match on {
                WaitOn::Event(key) => format!("no event {key:?} came in time"),
                _ => "the subflow did not end in time".into(),
            };
            let decision = give_up(ctx, step, Told::nothing(ctx).failed(Failure::new(code::TIMEOUT, what)));
            match on {
                WaitOn::Play(play) => {
                    decision.and(Effect::Send(*play, MessageBody::ParentStopped { stop: Stop::Timeout }))
                }
                _ => decision,
            }
        }
        At::Approved | At::Attempt | At::Loop => Decision::nothing(),
    }
}

fn approval_expired(ctx: Ctx<'_>, step: &StepId) -> Decision {
    let terms = ctx.plan.layer(step).def.needs_approval.clone().unwrap_or_default();
    let approved = terms.on_expire == OnExpire::Approved;
    let note = Some("nobody decided in time".to_owned());
    let mut decision = Decision::record(Record::ApprovalGiven {
        step: step.clone(),
        actor: Actor::system(),
        approved,
        seen: None,
        note,
    });
    if !approved {
        let failure = Failure::new(code::APPROVAL_DECLINED, "nobody approved in time");
        decision.join(give_up(ctx, step, Told::nothing(ctx).failed(failure)));
    }
    decision
}
