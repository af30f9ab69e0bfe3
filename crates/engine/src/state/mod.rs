//! [`PlayState`]: where a play stands: the fold of its records, and nothing else.
//!
//! What is serialised is what the records say. The rest (`todo`, `timers`) follows from it and
//! is made anew when a state is read back ([`PlayState::revive`]).

mod fold;
mod frame;
mod rounds;
mod spots;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::failure::Failure;
use model::ids::{LayerId, PlayId};
use model::payload::{Digest, Payload};
use model::play::{Compensation, LayerState, PlayState as Standing};
use model::record::{Facts, RetryFrom, StepId, Undo, WaitOn};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;

pub use frame::{Frame, FrameId, StepResult};
pub use rounds::{Collected, Loop, Page};
pub use spots::Spot;

/// Where a play stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlayState {
    /// Records so far.
    pub records: u64,
    /// Whether it has begun or ended.
    pub phase: Phase,
    /// Its arguments.
    pub args: Payload,
    /// Idempotency keys that carry over from the play that it retries.
    pub keys: BTreeMap<LayerId, String>,
    /// For a retry that has not taken over everything yet: where it begins again.
    pub taking_over: Option<RetryFrom>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When its time is over; moves with every pause.
    pub deadline: Option<Timestamp>,
    /// Since when it is paused.
    pub held_since: Option<Timestamp>,
    /// The flow, and the rounds of loops in flight.
    frames: BTreeMap<FrameId, Frame>,
    /// Loops that are open, or not collected yet, by their iterator.
    loops: BTreeMap<StepId, Loop>,
    /// Steps that have begun and not ended.
    active: BTreeMap<StepId, Active>,
    /// What steps have read from outside.
    facts: BTreeMap<StepId, Facts>,
    /// What would be undone, in the order in which it was done.
    undo: Vec<(StepId, Undo)>,
    /// How it is about to end.
    pub stopping: Option<Stopping>,
    /// What it answers, where a flowlet said so.
    pub answer: Option<Payload>,
    /// How the undoing goes.
    pub compensation: Option<Compensation>,
    /// Steps that are ready to be decided on, in the order in which they became so.
    #[serde(skip)]
    todo: VecDeque<StepId>,
    /// When what must be looked at again.
    #[serde(skip)]
    timers: BTreeSet<(Timestamp, StepId)>,
}

/// Whether a play has begun or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Not begun: it waits for its start time, a slot, or a replica.
    Deferred,
    /// At work, or about to end.
    Running,
    /// Over.
    Ended(Standing),
}

/// How a play is about to end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The state it will have.
    pub end: Standing,
    /// Whether attempts under way are broken off.
    pub abort: bool,
    /// Whether what was done is undone.
    pub compensate: bool,
    /// Why, and at which step.
    pub failure: Option<(Option<StepId>, Failure)>,
}

/// A step that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Active {
    /// Its arguments, frozen.
    pub args: Payload,
    /// When it began.
    pub since: Timestamp,
    /// Attempts so far.
    pub attempts: u32,
    /// What it is at.
    pub at: At,
}

/// What a step is at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum At {
    /// It waits for people to agree.
    Approval {
        /// The digest of what they agree to.
        digest: Digest,
        /// Until when.
        expires_at: Option<Timestamp>,
        /// Who has agreed.
        given: Vec<String>,
    },
    /// They agreed; it is about to run.
    Approved,
    /// An attempt is under way.
    Attempt,
    /// An attempt failed; the next is due then.
    Retry(Timestamp),
    /// An attempt may have taken effect; a person is asked, until then.
    InDoubt(Option<Timestamp>, Failure),
    /// It waits, until the second time at most.
    Wait(WaitOn, Option<Timestamp>),
    /// Its loop runs.
    Loop,
}

impl Active {
    /// When it must be looked at again, if nothing comes before.
    fn timer(&self) -> Option<Timestamp> {
        match &self.at {
            At::Approval { expires_at, .. } | At::InDoubt(expires_at, _) => *expires_at,
            At::Retry(at) => Some(*at),
            At::Wait(WaitOn::Until(at), _) => Some(*at),
            At::Wait(_, expires_at) => *expires_at,
            At::Approved | At::Attempt | At::Loop => None,
        }
    }
}

impl Default for PlayState {
    /// The state before the first record.
    fn default() -> Self {
        Self {
            records: 0,
            phase: Phase::Deferred,
            args: Payload::default(),
            keys: BTreeMap::new(),
            taking_over: None,
            started_at: None,
            deadline: None,
            held_since: None,
            frames: BTreeMap::new(),
            loops: BTreeMap::new(),
            active: BTreeMap::new(),
            facts: BTreeMap::new(),
            undo: Vec::new(),
            stopping: None,
            answer: None,
            compensation: None,
            todo: VecDeque::new(),
            timers: BTreeSet::new(),
        }
    }
}

impl PlayState {
    /// Makes anew what is not serialised. Called once, when a state has been read back.
    pub fn revive(&mut self, plan: &Plan) {
        self.timers = self.active.iter().filter_map(|(step, active)| Some((active.timer()?, step.clone()))).collect();
        self.todo.clear();
        for (id, frame) in &self.frames {
            for (slot, layer) in plan.bodies[usize::from(id.body)].layers.iter().enumerate() {
                let step = StepId { layer: *layer, undo: false, items: id.items.clone() };
                if frame.is_free(slot) && !self.active.contains_key(&step) {
                    self.todo.push_back(step);
                }
            }
        }
        for (step, active) in &self.active {
            let is_over = |step: &StepId| self.loops.get(step).is_some_and(Loop::is_over);
            if active.at == At::Approved || (active.at == At::Loop && is_over(step)) {
                self.todo.push_back(step.clone());
            }
        }
    }

    /// Whether the play has ended.
    pub fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// The next step to decide on, unless the play is paused or about to end.
    pub fn next_step(&mut self, plan: &Plan) -> Option<StepId> {
        if !self.is_going() {
            return None;
        }
        while let Some(step) = self.todo.pop_front() {
            if self.is_ready(plan, &step) {
                return Some(step);
            }
        }
        None
    }

    fn is_going(&self) -> bool {
        self.held_since.is_none()
            && self.stopping.is_none()
            && self.phase == Phase::Running
            && self.taking_over.is_none()
    }

    /// Whether something is still to be taken over from the play that this one retries.
    pub fn must_take_over(&self) -> bool {
        self.phase == Phase::Running && self.taking_over.is_some()
    }

    /// Whether a step has begun or ended here.
    pub fn knows(&self, plan: &Plan, step: &StepId) -> bool {
        let slot = plan.layer(step).slot;
        let is_over = self.frames.get(&FrameId::of(plan, step)).is_none_or(|frame| frame.result(slot).is_some());
        is_over || self.active.contains_key(step)
    }

    /// Whether a step has ended here.
    pub fn has_ended(&self, plan: &Plan, step: &StepId) -> bool {
        let slot = plan.layer(step).slot;
        !step.undo && self.frames.get(&FrameId::of(plan, step)).is_none_or(|frame| frame.result(slot).is_some())
    }

    /// The keys of the events that steps wait for.
    pub fn awaited_events(&self) -> impl Iterator<Item = &str> {
        self.active.values().filter_map(|active| match &active.at {
            At::Wait(WaitOn::Event(key), _) => Some(key.as_str()),
            _ => None,
        })
    }

    /// Whether there is something to decide about a step. It may have been settled since it was put on the list.
    fn is_ready(&self, plan: &Plan, step: &StepId) -> bool {
        match self.active.get(step).map(|active| &active.at) {
            Some(At::Approved | At::Retry(_)) => true,
            Some(At::Loop) => self.loops.get(step).is_some_and(Loop::is_over),
            Some(_) => false,
            None => {
                let slot = usize::from(plan.layer(step).slot);
                self.frames.get(&FrameId::of(plan, step)).is_some_and(|frame| frame.is_free(slot))
            }
        }
    }

    /// Whether steps are ready to be decided on.
    pub fn has_steps(&self) -> bool {
        self.is_going() && !self.todo.is_empty()
    }

    /// Puts a step back, to be decided on next.
    pub fn put_back(&mut self, step: StepId) {
        self.todo.push_front(step);
    }

    /// Whether every flowlet of the flow has reached its end.
    pub fn is_through(&self) -> bool {
        self.frames.get(&FrameId::root()).is_some_and(|root| root.left == 0)
    }

    /// Whether a `respond` flowlet of the flow itself is done: whoever waits has the answer then, and nothing
    /// after it makes another.
    pub fn has_answered(&self, plan: &Plan) -> bool {
        let is_done = |slot| self.root()?.result(slot).map(|result| result.state == LayerState::Done);
        self.answer.is_some() && plan.responders().any(|layer| is_done(layer.slot).unwrap_or(false))
    }

    /// The flow's own frame.
    pub fn root(&self) -> Option<&Frame> {
        self.frames.get(&FrameId::root())
    }

    /// The frame that a flowlet stands in.
    pub fn frame(&self, id: &FrameId) -> Option<&Frame> {
        self.frames.get(id)
    }

    /// A step that has begun and not ended.
    pub fn active(&self, step: &StepId) -> Option<&Active> {
        self.active.get(step)
    }

    /// All steps that have begun and not ended.
    pub fn all_active(&self) -> impl Iterator<Item = (&StepId, &Active)> {
        self.active.iter()
    }

    /// The loop of an iterator.
    pub fn loop_of(&self, iterator: &StepId) -> Option<&Loop> {
        self.loops.get(iterator)
    }

    /// What a step has read from outside.
    pub fn facts(&self, step: &StepId) -> Option<&Facts> {
        self.facts.get(step)
    }

    /// The key that all attempts of a step send to their peer.
    pub fn idempotency_key(&self, play: PlayId, step: &StepId) -> String {
        let carried = if self.keys.is_empty() { None } else { self.keys.get(&step.layer_id(play)) };
        carried.cloned().unwrap_or_else(|| step.idempotency_key(play))
    }

    /// What is to be undone next.
    pub fn next_undo(&self) -> Option<&(StepId, Undo)> {
        self.undo.last()
    }

    /// The steps whose time has come.
    pub fn expired(&self, now: Timestamp) -> Vec<StepId> {
        self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, step)| step.clone()).collect()
    }

    /// When the play must be looked at next, if nothing comes before; never while it is paused.
    /// Steps that something is worked out for are not waited for.
    pub fn next_timer(&self, in_hand: &BTreeSet<StepId>) -> Option<Timestamp> {
        if self.held_since.is_some() || self.phase != Phase::Running {
            return None;
        }
        let deadline = self.deadline.filter(|_| self.stopping.is_none());
        let first = self.timers.iter().find(|(_, step)| !in_hand.contains(step));
        first.map(|(at, _)| *at).into_iter().chain(deadline).min()
    }

    /// How the play looks from outside. `busy`: whether something is under way beyond what the records say.
    pub fn standing(&self, busy: bool) -> Standing {
        match self.phase {
            Phase::Ended(end) => end,
            Phase::Deferred => Standing::Deferred,
            Phase::Running => {
                let attempts = busy || self.active.values().any(|active| active.at == At::Attempt);
                if self.held_since.is_some() && !attempts {
                    Standing::OnHold
                } else if attempts || self.has_steps() || self.active.is_empty() {
                    Standing::Run
                } else {
                    Standing::Wait
                }
            }
        }
    }

    /// Calls `visit` with every payload of the state.
    pub fn each_payload(&mut self, visit: &mut dyn FnMut(&mut Payload)) {
        visit(&mut self.args);
        self.answer.iter_mut().for_each(&mut *visit);
        for frame in self.frames.values_mut() {
            frame.each_payload(visit);
        }
        for active in self.active.values_mut() {
            visit(&mut active.args);
        }
        for open in self.loops.values_mut() {
            open.each_payload(visit);
        }
        for facts in self.facts.values_mut() {
            facts.kv.values_mut().for_each(&mut *visit);
        }
        for (_, undo) in &mut self.undo {
            if let Undo::Args(args) = undo {
                visit(args);
            }
        }
    }

    /// Replaces full pages of collected values by what `pack` makes of them, so that they are
    /// written once and then referred to.
    pub fn settle_pages(&mut self, pack: &mut dyn FnMut(&Payload) -> Option<Payload>) {
        self.loops.values_mut().for_each(|open| open.settle_pages(pack));
    }

    fn begin(&mut self, step: StepId, active: Active) {
        self.end_active(&step);
        if let Some(at) = active.timer() {
            self.timers.insert((at, step.clone()));
        }
        self.active.insert(step, active);
    }

    fn end_active(&mut self, step: &StepId) -> Option<Active> {
        let active = self.active.remove(step)?;
        if let Some(at) = active.timer() {
            self.timers.remove(&(at, step.clone()));
        }
        Some(active)
    }
}
