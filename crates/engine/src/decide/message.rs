//! A message came: an event, the end of a subflow, or word from the play that started this one.

use model::actor::{Actor, ActorKind};
use model::failure::{Failure, code};
use model::play::PlayState;
use model::record::{MessageBody, Record, StepId, Stop, Verdict, WaitOn};
use model::value::Value;

use super::attempt::{Told, call_output, done, give_up};
use super::{Ctx, Decision};
use crate::state::At;

/// Decides on a message. One that nothing waits for any more is passed over.
pub(super) fn message(ctx: Ctx<'_>, body: MessageBody) -> Decision {
    if ctx.state.is_ended() {
        return Decision::nothing();
    }
    match body {
        MessageBody::Event { key, data } => {
            let mut decision = Decision::nothing();
            for step in waiting_for(ctx, &WaitOn::Event(key.clone())) {
                let out = Value::map([("key", Value::from(key.as_str())), ("data", data.clone())]);
                decision.join(done(ctx, &step, Told::nothing(ctx), out, Verdict::GoOn));
            }
            decision
        }
        MessageBody::ChildEnded { child, state, out, error, .. } => {
            let mut decision = Decision::nothing();
            for step in waiting_for(ctx, &WaitOn::Play(child)) {
                let told = Told::nothing(ctx);
                decision.join(match state {
                    PlayState::Fail | PlayState::Canceled => {
                        let why = error.as_ref().map_or_else(|| format!("it is {state}"), ToString::to_string);
                        let failure =
                            Failure::new(code::SUBFLOW_FAILED, format!("the subflow {child} did not end well: {why}"));
                        give_up(ctx, &step, told.failed(failure))
                    }
                    _ => {
                        let out = out.plain().cloned().unwrap_or_default();
                        done(ctx, &step, told, call_output(state.as_str(), child, out), Verdict::GoOn)
                    }
                });
            }
            decision
        }
        // The driver takes it for what it is: a command.
        MessageBody::Asked { .. } => Decision::nothing(),
        MessageBody::ParentStopped { stop } => {
            if ctx.state.stopping.is_some() {
                return Decision::nothing();
            }
            let reason = match stop {
                Stop::Cancel => "the play that started this one was stopped",
                Stop::Timeout => "the play that started this one waits no more",
            };
            let id = ctx.header.parent.as_ref().map(|parent| parent.play.0);
            Decision::record(Record::Stopping {
                actor: Actor { kind: ActorKind::Play, id, name: "parent play".into(), user: None },
                stop: Stop::Cancel,
                reason: Some(reason.into()),
                compensate: false,
            })
        }
    }
}

/// The steps that wait for this.
fn waiting_for(ctx: Ctx<'_>, on: &WaitOn) -> Vec<StepId> {
    let waits = |at: &At| matches!(at, At::Wait(waits_on, _) if waits_on == on);
    ctx.state.all_active().filter(|(_, active)| waits(&active.at)).map(|(step, _)| step.clone()).collect()
}
