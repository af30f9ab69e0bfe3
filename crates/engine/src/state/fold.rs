//! The fold: what each record makes of a state. It decides nothing, so it never fails: whatever
//! was decided is in the record.

use std::time::Duration;

use model::failure::{Failure, code};
use model::payload::Payload;
use model::play::{Compensation, LayerState, PlayState as Standing};
use model::record::{AfterAttempt, Entry, Record, StepEnd, StepId, Stop, Verdict};
use model::time::Timestamp;

use super::{Active, At, Collected, Frame, FrameId, Loop, Phase, PlayState, StepResult, Stopping};
use crate::plan::{Collect, Plan};

impl PlayState {
    /// Takes one more record.
    pub fn apply(&mut self, plan: &Plan, entry: &Entry) {
        self.records += 1;
        let at = entry.at;
        match &entry.record {
            Record::Admitted(admission) => {
                self.args = admission.args.clone();
                self.keys = admission.keys.clone();
                self.taking_over = admission.retry.clone();
                if !admission.deferred {
                    self.start(plan, at);
                }
            }
            Record::Started => self.start(plan, at),
            Record::TookOver => self.taking_over = None,
            Record::Observed { step, facts } => self.facts.entry(step.clone()).or_default().merge(facts.clone()),
            Record::ApprovalAsked { step, args, digest, expires_at } => {
                let asked = At::Approval { digest: *digest, expires_at: *expires_at, given: Vec::new() };
                self.begin(step.clone(), Active { args: args.clone(), since: at, attempts: 0, at: asked });
            }
            Record::ApprovalGiven { step, actor, approved, .. } => {
                if *approved {
                    self.approved(
                        plan,
                        step,
                        &actor.user.map_or_else(|| actor.name.clone(), |user| user.to_string()),
                        actor.is_person(),
                    );
                }
            }
            Record::Attempting { step, attempt, args, .. } => {
                self.change(step, args.as_ref(), at, At::Attempt, Some(*attempt));
            }
            Record::AttemptEnded { step, attempt, failure, next, args, .. } => {
                let next = match next {
                    AfterAttempt::Retry(at) => At::Retry(*at),
                    AfterAttempt::Ask(expires_at) => At::InDoubt(*expires_at, failure.clone()),
                };
                self.change(step, args.as_ref(), at, next, Some(*attempt));
            }
            Record::Waiting { step, args, on, expires_at } => {
                self.change(step, Some(args), at, At::Wait(on.clone(), *expires_at), None);
            }
            Record::LoopOpened { step, args, rounds, parallel, batch } => {
                self.change(step, Some(args), at, At::Loop, None);
                self.loops.insert(step.clone(), Loop::new(args.clone(), *rounds, *parallel, *batch));
                self.open_rounds(plan, step);
            }
            Record::StepEnded(end) => self.step_ended(plan, end),
            Record::Held { .. } => self.held_since = Some(at),
            Record::Resumed { .. } => {
                if let Some(since) = self.held_since.take() {
                    // A pause does not count against the play's time.
                    self.deadline = self.deadline.map(|deadline| deadline.plus(at.since(since)));
                }
            }
            Record::Stopping { stop, reason, compensate, .. } => self.stop(*stop, reason.as_deref(), *compensate),
            Record::Ended { state, .. } => self.end(*state),
            Record::Resolved { .. } => {}
        }
    }

    fn start(&mut self, plan: &Plan, at: Timestamp) {
        self.phase = Phase::Running;
        self.started_at = Some(at);
        self.deadline = (plan.def.timeout > 0).then(|| at.plus(Duration::from_secs(plan.def.timeout)));
        self.open_frame(plan, FrameId::root());
    }

    /// What a step is at changes; it begins, where it had not.
    fn change(&mut self, step: &StepId, args: Option<&Payload>, now: Timestamp, at: At, attempts: Option<u32>) {
        let before = self.end_active(step);
        let (before_args, since, before_attempts) = match before {
            Some(before) => (before.args, before.since, before.attempts),
            None => (Payload::default(), now, 0),
        };
        let active = Active {
            args: args.cloned().unwrap_or(before_args),
            since,
            attempts: attempts.unwrap_or(before_attempts),
            at,
        };
        self.begin(step.clone(), active);
    }

    fn approved(&mut self, plan: &Plan, step: &StepId, who: &str, is_person: bool) {
        let quorum = plan.layer(step).def.needs_approval.as_ref().map_or(1, |terms| terms.quorum as usize);
        let Some(mut active) = self.end_active(step) else { return };
        let At::Approval { given, .. } = &mut active.at else {
            return self.begin(step.clone(), active);
        };
        given.push(who.to_owned());
        // An expiry that counts as a yes counts for all.
        if given.len() >= quorum || !is_person {
            active.at = At::Approved;
            self.todo.push_back(step.clone());
        }
        self.begin(step.clone(), active);
    }

    fn step_ended(&mut self, plan: &Plan, end: &StepEnd) {
        let step = &end.step;
        self.end_active(step);
        self.facts.remove(step);
        if step.undo {
            self.undo.pop();
            if end.state == LayerState::Done {
                self.compensation.get_or_insert(Compensation::Done);
            } else {
                self.compensation = Some(Compensation::Failed);
            }
            return;
        }
        if let Some(undo) = &end.undo {
            self.undo.push((step.clone(), undo.clone()));
        }
        self.heed(plan, end);
        let layer = plan.layer(step);
        let id = FrameId::of(plan, step);
        let Some(frame) = self.frames.get_mut(&id) else { return };
        let result = StepResult { state: end.state, out: end.out.clone() };
        if !frame.end(layer.slot, result) || self.stopping.is_some() {
            return;
        }
        if let Some(collect) = &layer.collects {
            self.loops.remove(&StepId { layer: collect.iterator, ..step.clone() });
        } else if layer.opens.is_some_and(|body| plan.bodies[usize::from(body)].aggregator.is_none()) {
            self.loops.remove(step);
        }
        for dependent in &layer.dependents {
            let slot = plan.layers[usize::from(*dependent)].slot;
            if frame.release(slot) {
                self.todo.push_back(StepId { layer: *dependent, ..step.clone() });
            }
        }
        if frame.left == 0 && !id.items.is_empty() {
            self.round_ended(plan, &id);
        }
    }

    /// What the end of a step means for the play.
    fn heed(&mut self, plan: &Plan, end: &StepEnd) {
        if matches!(end.verdict, Verdict::Respond | Verdict::End) && !self.has_answered(plan) {
            self.answer = Some(end.out.clone().unwrap_or_default());
        }
        let failure = || end.error.clone().map(|failure| (Some(end.step.clone()), failure));
        let stopping = match end.verdict {
            Verdict::GoOn | Verdict::Respond => return,
            Verdict::End => Stopping { end: Standing::Done, abort: true, compensate: false, failure: None },
            Verdict::Fail => Stopping { end: Standing::Fail, abort: false, compensate: true, failure: failure() },
            Verdict::Abort => Stopping { end: Standing::Fail, abort: true, compensate: true, failure: failure() },
        };
        self.stopping.get_or_insert(stopping);
    }

    fn stop(&mut self, stop: Stop, reason: Option<&str>, compensate: bool) {
        let (end, failure) = match stop {
            Stop::Cancel => {
                (Standing::Canceled, Failure::new(code::CANCELED, reason.unwrap_or("the play was canceled")))
            }
            Stop::Timeout => {
                (Standing::Fail, Failure::new(code::TIMEOUT, reason.unwrap_or("the play took longer than it may")))
            }
        };
        self.stopping = Some(Stopping { end, abort: true, compensate, failure: Some((None, failure)) });
        self.held_since = None;
    }

    fn end(&mut self, state: Standing) {
        self.phase = Phase::Ended(state);
        self.frames.clear();
        self.loops.clear();
        self.active.clear();
        self.facts.clear();
        self.undo.clear();
        self.todo.clear();
        self.timers.clear();
    }

    fn open_frame(&mut self, plan: &Plan, id: FrameId) {
        let body = &plan.bodies[usize::from(id.body)];
        let frame = Frame::new(plan, body);
        for (slot, layer) in body.layers.iter().enumerate() {
            if frame.is_free(slot) {
                self.todo.push_back(StepId { layer: *layer, undo: false, items: id.items.clone() });
            }
        }
        self.frames.insert(id, frame);
    }

    /// Opens as many rounds of a loop as may be in flight; lets the iterator close where all have ended.
    fn open_rounds(&mut self, plan: &Plan, iterator: &StepId) {
        let Some(body) = plan.layer(iterator).opens else { return };
        let is_empty = plan.bodies[usize::from(body)].layers.is_empty();
        while let Some(open) = self.loops.get_mut(iterator).filter(|open| open.has_room()) {
            let mut items = iterator.items.clone();
            items.push(open.next);
            open.next += 1;
            let id = FrameId { body, items };
            if is_empty {
                self.count_round(plan, &id, iterator);
            } else {
                self.open_frame(plan, id);
            }
        }
        if self.loops.get(iterator).is_some_and(Loop::is_over) {
            self.todo.push_back(iterator.clone());
        }
    }

    fn round_ended(&mut self, plan: &Plan, id: &FrameId) {
        let Some(iterator) = plan.bodies[usize::from(id.body)].iterator else { return };
        let mut around = id.items.clone();
        around.pop();
        let iterator = StepId { layer: iterator, undo: false, items: around };
        self.count_round(plan, id, &iterator);
        self.frames.remove(id);
        self.open_rounds(plan, &iterator);
    }

    /// Counts a round that has ended, and collects what it gave.
    fn count_round(&mut self, plan: &Plan, id: &FrameId, iterator: &StepId) {
        let collect = plan.bodies[usize::from(id.body)]
            .aggregator
            .and_then(|aggregator| plan.layers[usize::from(aggregator)].collects.as_ref());
        let frame = self.frames.get(id);
        let Some(open) = self.loops.get_mut(iterator) else { return };
        let round = id.items.last().copied().unwrap_or(0);
        open.ended += 1;
        match collect {
            // What the iterator itself gave is known from its items, when it is asked for.
            Some(collect) if collect.source == iterator.layer => {}
            Some(Collect { source, field, .. }) => {
                let slot = plan.layers[usize::from(*source)].slot;
                match frame.and_then(|frame| frame.result(slot)) {
                    Some(StepResult { state: LayerState::Done, out }) => {
                        let (value, left) = part(&out.clone().unwrap_or_default(), field);
                        open.collect(Collected { round, left, value });
                    }
                    Some(StepResult { state: LayerState::Fail, .. }) => open.failed += 1,
                    _ => open.filtered += 1,
                }
            }
            None => {
                let mut results = frame.into_iter().flat_map(Frame::results).map(|result| result.state).peekable();
                if results.peek().is_none() {
                    return;
                }
                let states: Vec<LayerState> = results.collect();
                if states.contains(&LayerState::Fail) {
                    open.failed += 1;
                } else if states.iter().all(|state| state.is_passed_over()) {
                    open.filtered += 1;
                }
            }
        }
    }
}

/// The part of a payload at a path of names; and how many names are left where the rest of the
/// way leads through a part that is kept elsewhere.
fn part(payload: &Payload, field: &[String]) -> (Payload, usize) {
    let mut at = payload.clone();
    for (walked, name) in field.iter().enumerate() {
        match at.part(name) {
            Some(part) => at = part,
            None => return (at, field.len() - walked),
        }
    }
    (at, 0)
}
