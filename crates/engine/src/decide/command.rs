//! Somebody wants something: to decide an approval, to resolve a doubt, to cancel, hold or resume.

use model::actor::{Actor, ActorKind};
use model::failure::{Failure, code};
use model::flow::Approval;
use model::ids::LayerId;
use model::payload::Digest;
use model::play::Trigger;
use model::record::{Record, Resolution, StepId, Stop, Verdict};

use super::attempt::{Told, done, give_up, intend, unknown};
use super::seen::{seen, shown_digest};
use super::{Command, Ctx, Decision, Refusal};
use crate::state::{Active, At, Phase};

/// Decides on a command, or says why it cannot be carried out.
pub(super) fn command(ctx: Ctx<'_>, command: Command) -> Result<Decision, Refusal> {
    if ctx.state.is_ended() {
        return Err(Refusal::Ended);
    }
    match command {
        Command::Approve { layer, approved, seen, note, actor, roles } => {
            let (step, active) = find(ctx, layer, |at| matches!(at, At::Approval { .. }))?;
            let seen = as_seen(ctx, layer, active, seen)?;
            approve(ctx, &step, Judgement { approved, seen, note, actor }, &roles)
        }
        Command::Resolve { layer, decision, out, note, actor } => {
            let (step, active) = find(ctx, layer, |at| matches!(at, At::InDoubt(..)))?;
            Ok(resolve(ctx, &step, active, decision, out.unwrap_or_default(), note, actor))
        }
        Command::Cancel { compensate, reason, actor } => {
            if ctx.state.stopping.is_some() {
                return Err(Refusal::NotNow("the play is about to end already".into()));
            }
            Ok(Decision::record(Record::Stopping { actor, stop: Stop::Cancel, reason, compensate }))
        }
        Command::Hold { actor } => match ctx.state.phase {
            _ if ctx.state.held_since.is_some() => Err(Refusal::NotNow("the play is on hold already".into())),
            Phase::Running if ctx.state.stopping.is_none() => Ok(Decision::record(Record::Held { actor })),
            Phase::Running => Err(Refusal::NotNow("the play is about to end".into())),
            _ => Err(Refusal::NotNow("the play has not begun; cancel it, or wait until it runs".into())),
        },
        Command::Resume { actor } => match ctx.state.held_since {
            Some(_) => Ok(Decision::record(Record::Resumed { actor })),
            None => Err(Refusal::NotNow("the play is not on hold".into())),
        },
    }
}

/// The step of that record, if it is at that. What undoes a step is found by that step's record, too.
fn find<'a>(ctx: Ctx<'a>, layer: LayerId, is_at: impl Fn(&At) -> bool) -> Result<(StepId, &'a Active), Refusal> {
    let play = ctx.header.key.play;
    let found = ctx.state.all_active().find(|(step, active)| {
        is_at(&active.at) && (step.layer_id(play) == layer || step.forward().layer_id(play) == layer)
    });
    found.map(|(step, active)| (step.clone(), active)).ok_or(Refusal::NoSuchStep)
}

/// The digest of what waits for a decision, which is what was shown.
fn as_seen(ctx: Ctx<'_>, layer: LayerId, active: &Active, shown: Option<Digest>) -> Result<Option<Digest>, Refusal> {
    let At::Approval { digest, .. } = &active.at else { return Ok(None) };
    // What is frozen does not change, but in a store that somebody has written to.
    if shown_digest(&active.args).is_some_and(|shown| shown != *digest) {
        return Err(Refusal::NotNow("the arguments are not those that wait for approval: they were altered".into()));
    }
    let is = seen(ctx.header, layer, *digest);
    if shown.is_some_and(|shown| shown != is) {
        let message = "what waits for approval is not what you were shown; look at it again";
        return Err(Refusal::NotNow(message.into()));
    }
    Ok(Some(is))
}

/// What somebody decided, about what.
struct Judgement {
    approved: bool,
    seen: Option<Digest>,
    note: Option<String>,
    actor: Actor,
}

fn approve(ctx: Ctx<'_>, step: &StepId, judgement: Judgement, roles: &[String]) -> Result<Decision, Refusal> {
    let Judgement { approved, seen, note, actor } = judgement;
    let terms = ctx.plan.layer(step).def.needs_approval.clone().unwrap_or_default();
    may_decide(ctx, &terms, &actor, roles)?;
    if let Some(At::Approval { given, .. }) = ctx.state.active(step).map(|active| &active.at)
        && actor.user.is_some_and(|user| given.contains(&user.to_string()))
    {
        return Err(Refusal::NotNow("you have approved this already; somebody else must, too".into()));
    }
    let why = note.clone();
    let mut decision = Decision::record(Record::ApprovalGiven { step: step.clone(), actor, approved, seen, note });
    if !approved {
        let message = why.map_or_else(|| "declined".to_owned(), |why| format!("declined: {why}"));
        let failure = Failure::new(code::APPROVAL_DECLINED, message);
        decision.join(give_up(ctx, step, Told::nothing(ctx).failed(failure)));
    }
    Ok(decision)
}

/// Roles and four eyes. A list of roles binds everybody: who may change what people are gets around it in the open.
fn may_decide(ctx: Ctx<'_>, terms: &Approval, actor: &Actor, roles: &[String]) -> Result<(), Refusal> {
    if !terms.roles.is_empty() && !terms.roles.iter().any(|role| roles.contains(role)) {
        return Err(Refusal::Forbidden(format!("only {} may decide this", terms.roles.join(" or "))));
    }
    if !terms.four_eyes {
        return Ok(());
    }
    let Some(decider) = actor.user else {
        return Err(Refusal::Forbidden("four eyes: a person must decide this, signed in".into()));
    };
    if ctx.header.actor.user == Some(decider) {
        return Err(Refusal::Forbidden("four eyes: you started this play, so somebody else must decide".into()));
    }
    let by_itself = matches!(ctx.header.actor.kind, ActorKind::Channel | ActorKind::Schedule)
        || matches!(ctx.header.trigger, Trigger::Channel | Trigger::Schedule | Trigger::Event);
    if by_itself && ctx.header.flow.published_by == Some(decider) {
        return Err(Refusal::Forbidden("four eyes: you published this flow, so somebody else must decide".into()));
    }
    Ok(())
}

fn resolve(
    ctx: Ctx<'_>,
    step: &StepId,
    active: &Active,
    decision: Resolution,
    out: model::value::Value,
    note: Option<String>,
    actor: Actor,
) -> Decision {
    let mut decided = Decision::record(Record::Resolved { step: step.clone(), actor, decision, note });
    decided.join(match decision {
        Resolution::Happened => done(ctx, step, Told::nothing(ctx), out, Verdict::GoOn),
        Resolution::Repeat => intend(ctx, step, active.attempts + 1, active.args.clone(), None),
        Resolution::Failed => {
            let failure = match &active.at {
                At::InDoubt(_, failure) => unknown(failure),
                _ => Failure::new(code::OUTCOME_UNKNOWN, "it did not take effect"),
            };
            give_up(ctx, step, Told::nothing(ctx).failed(failure))
        }
    });
    decided
}
