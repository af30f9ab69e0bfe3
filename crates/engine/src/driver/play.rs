//! [`Running`]: one play in memory.
//!
//! It thinks (decides, and runs what is pure) until nothing more can be done, commits all of
//! that at once, and then does what must come after the commit. Then it waits for an attempt
//! to land, for a note, or for its next timer. When nothing is under way it lets go of the
//! play: what is left is a row with a due time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::{AbortHandle, BoxFuture};
use futures::stream::FuturesUnordered;
use model::batch::WaitKind;
use model::doc::DocWrite;
use model::failure::{Failure, code};
use model::limits::{FACT_ROUNDS, STEPS_PER_TURN};
use model::payload::Payload;
use model::play::{PlayHeader, PlayKey, Slot};
use model::record::{MessageBody, Record, StepId, WaitOn};
use model::time::Timestamp;
use model::value::Value;
use sdk::Run;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::commit::Abandoned;
use super::pending::Pending;
use super::permits::Permit;
use super::plays::Inbox;
use super::tail::Tail;
use super::{Engine, EngineError, Report, RequestInfo, audit};
use crate::decide::{AttemptEnd, Command, Ctx, Decision, Effect, Input, Ran, Refusal, decide};
use crate::failpoint::FailPoint;
use crate::hush::Hush;
use crate::pack::{PackError, Packer};
use crate::plan::Plan;
use crate::state::{At, PlayState};

/// What a play in memory is told.
pub(super) enum Note {
    /// Somebody wants something.
    Command(Box<Command>, RequestInfo, oneshot::Sender<Result<(), EngineError>>),
    /// There are messages in the store.
    Mail,
    /// Its turn has come to make an attempt.
    Permit,
    /// Somebody wants to hear when it answers, ends or comes to wait.
    Watch(oneshot::Sender<Report>),
}

/// What came of something that was under way.
pub(super) enum Landed {
    /// An attempt, or a pure run, came to an end; with its arguments, where those were kept elsewhere.
    Ran(StepId, Ran, Option<Payload>),
    /// A pure run asks for facts.
    Need(StepId, Vec<expr::Need>),
    /// Facts and values that a step asked for.
    Facts(super::facts::Found),
    /// A key/value was read, and what is to be written is known.
    Kv(Box<super::kv::Change>),
    /// Another play is ready to be admitted.
    Child(Box<super::children::Ready>),
    /// An event that came early.
    Event(MessageBody, DocWrite),
    /// Nothing: it was broken off.
    Nothing,
    /// Nothing: others have the play by now.
    Lost,
}

pub(super) type Flight = BoxFuture<'static, Landed>;

/// One play in memory.
pub(super) struct Running {
    pub(super) engine: Arc<Engine>,
    pub(super) plan: Arc<Plan>,
    /// The header as it was last committed.
    pub(super) header: PlayHeader,
    pub(super) state: PlayState,
    pub(super) packer: Packer,
    pub(super) secrets: HashMap<String, Option<Value>>,
    /// What of them, and of what is sensitive, must not stand in clear.
    pub(super) hush: Hush,
    pub(super) inputs: VecDeque<Input>,
    pub(super) pending: Pending,
    /// What comes after the commit.
    pub(super) after: Vec<Effect>,
    /// Attempts under way.
    pub(super) flights: FuturesUnordered<Flight>,
    /// What is read, worked out and asked for before something can be decided. It leaves no trace
    /// outside, and nothing is lost with it.
    pub(super) errands: FuturesUnordered<Flight>,
    /// The steps that something is worked out for: what comes of it must come before they are decided on again.
    pub(super) in_hand: BTreeSet<StepId>,
    /// Whether a commit failed of which it is not known whether it happened.
    pub(super) in_doubt: bool,
    pub(super) aborts: HashMap<StepId, AbortHandle>,
    /// Attempts that landed since the last commit.
    pub(super) landed: Vec<(StepId, Ran)>,
    /// How often each step has asked for facts.
    pub(super) rounds: HashMap<StepId, u32>,
    /// What the store knows it to wait for.
    pub(super) waits: BTreeMap<StepId, (WaitKind, String)>,
    /// Held from the reading of a key/value to the commit of its change.
    pub(super) kv_guard: Option<OwnedMutexGuard<()>>,
    /// Whether a key/value is being read for a change.
    pub(super) kv_under_way: bool,
    pub(super) permits: Vec<Permit>,
    /// Steps that are set aside until there is one.
    pub(super) waiting_for_permit: Vec<StepId>,
    /// Its place under a concurrency limit, from the next commit on.
    pub(super) slot: Option<Slot>,
    /// A play that could not begin is not tried again before.
    pub(super) not_before: Option<Timestamp>,
    /// What is read to bring the play back.
    pub(super) tail: Tail,
    /// What the play gives, once it has ended.
    pub(super) out: Option<Payload>,
    pub(super) watchers: Vec<oneshot::Sender<Report>>,
    /// Commands that were decided and are answered by the commit.
    pub(super) replies: Vec<oneshot::Sender<Result<(), EngineError>>>,
    /// Whether others have it by now.
    pub(super) lost: bool,
    /// What could not be written down.
    pub(super) broken: Option<PackError>,
    /// Whether nothing has changed since the last step towards the end.
    pub(super) wound: bool,
}

impl Running {
    pub(super) fn new(engine: &Arc<Engine>, plan: Arc<Plan>, header: PlayHeader, state: PlayState) -> Box<Self> {
        // It is large, and handed from future to future.
        Box::new(Self {
            packer: Packer::new(header.key, engine.parts.seal.clone()),
            engine: engine.clone(),
            plan,
            tail: Tail { from: state.records, ..Tail::default() },
            waits: waits_of(&state),
            slot: header.slot.clone(),
            state,
            header,
            secrets: HashMap::new(),
            hush: Hush::default(),
            inputs: VecDeque::new(),
            pending: Pending::default(),
            after: Vec::new(),
            flights: FuturesUnordered::new(),
            errands: FuturesUnordered::new(),
            in_hand: BTreeSet::new(),
            in_doubt: false,
            aborts: HashMap::new(),
            landed: Vec::new(),
            not_before: None,
            rounds: HashMap::new(),
            kv_guard: None,
            kv_under_way: false,
            permits: Vec::new(),
            waiting_for_permit: Vec::new(),
            out: None,
            watchers: Vec::new(),
            replies: Vec::new(),
            lost: false,
            broken: None,
            wound: false,
        })
    }

    pub(super) fn key(&self) -> PlayKey {
        self.header.key
    }

    /// Runs the play until it has ended or waits, then lets it go.
    pub(super) async fn run(mut self: Box<Self>, mut inbox: Inbox) {
        loop {
            if let Err(Abandoned(why)) = self.advance().await {
                tracing::warn!(play = %self.key().play, flow = %self.header.flow.id, %why, "letting a play go");
                self.engine.take_up_again(self.key(), inbox);
                return;
            }
            let waits = self.can_park();
            if self.state.is_ended() || waits {
                self.tell_watchers().await;
                if (self.state.is_ended() || self.is_parked()) && self.engine.plays.let_go(self.key(), &inbox) {
                    return;
                }
            }
            if self.is_shelved() && self.engine.plays.let_go(self.key(), &inbox) {
                return;
            }
            let timer = self.state.next_timer(&self.in_hand).map(|at| at.since(self.engine.now()));
            let world = self.engine.parts.world.clone();
            tokio::select! {
                biased;
                note = inbox.recv() => match note {
                    Some(note) => self.heed(note).await,
                    None => return,
                },
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.land(landed),
                Some(landed) = self.errands.next(), if !self.errands.is_empty() => self.land(landed),
                () = world.sleep(timer.unwrap_or_default()), if timer.is_some() => self.inputs.push_back(Input::Due),
                // Nobody waits here any more then.
                () = self.engine.until_draining(), if waits && !self.engine.is_draining() => {}
            }
        }
    }

    /// Thinks and commits until nothing more can be done at once.
    ///
    /// # Errors
    /// Where the play must be left to be loaded again.
    pub(super) async fn advance(&mut self) -> Result<(), Abandoned> {
        loop {
            if self.lost {
                return Err(Abandoned("this replica was given up while it was at it".into()));
            }
            if self.state.must_take_over() {
                self.take_over().await?;
            }
            let thought = self.think();
            if thought == Thought::Tired {
                tokio::task::yield_now().await;
                continue;
            }
            if thought == Thought::Done && self.pending.is_empty() && !self.must_move_out() {
                // Nothing is left to commit: what waits for a commit need not wait any more.
                let waiting = self.after.len();
                self.launch();
                if self.after.len() == waiting {
                    return Ok(());
                }
                continue;
            }
            self.commit_or_reload().await?;
            self.launch();
            self.tell_of_answer().await;
            if thought == Thought::Done && self.inputs.is_empty() && !self.state.has_steps() && !self.is_winding() {
                return Ok(());
            }
        }
    }

    /// Thinks as far as one commit reaches, letting others have their turns.
    pub(super) async fn think_first(&mut self) {
        while self.think() == Thought::Tired {
            tokio::task::yield_now().await;
        }
    }

    /// Decides, and runs what is pure, until nothing is left, a batch is full, or others should have a turn.
    fn think(&mut self) -> Thought {
        for _ in 0..STEPS_PER_TURN {
            if self.pending.is_full() || self.broken.is_some() {
                return Thought::Full;
            }
            if let Some(input) = self.inputs.pop_front() {
                self.take(input);
            } else if self.engine.is_draining() && !self.needs_but_end() {
                // Nothing new is begun; what is under way may finish.
                return Thought::Done;
            } else if let Some(step) = self.state.next_step(&self.plan) {
                if self.may_attempt(&step) {
                    self.take(Input::Step(step));
                }
            } else if self.is_winding() {
                self.wound = true;
                self.take(Input::Wind);
            } else {
                return Thought::Done;
            }
        }
        Thought::Tired
    }

    /// Whether a step towards the end can be taken.
    pub(super) fn is_winding(&self) -> bool {
        !self.wound && !self.state.is_ended() && (self.state.stopping.is_some() || self.state.is_through())
    }

    /// Whether all is done but to say so. Whoever waits for the play has the answer then.
    fn needs_but_end(&self) -> bool {
        self.state.stopping.is_none() && !self.state.has_steps() && self.state.is_through() && self.is_winding()
    }

    /// An attempt needs a permit before it is intended, so that an intent that is recorded is
    /// acted on. Where none is free, the step waits for one.
    fn may_attempt(&mut self, step: &StepId) -> bool {
        if !matches!(self.plan.work(step).module.run, Run::Effect(_)) {
            return true;
        }
        let intended = self.after.iter().filter(|effect| matches!(effect, Effect::Attempt { .. })).count();
        if self.permits.len() > intended {
            return true;
        }
        if let Some(permit) = self.engine.permits.ask(self.key()) {
            self.permits.push(permit);
            return true;
        }
        self.waiting_for_permit.push(step.clone());
        false
    }

    pub(super) fn ctx(&self, now: Timestamp) -> Ctx<'_> {
        Ctx {
            plan: &self.plan,
            state: &self.state,
            header: &self.header,
            now,
            dice: self.engine.parts.world.random(),
            replica: self.engine.replica(),
            env: &self.engine.parts.settings.env,
            secrets: &self.secrets,
            hush: &self.hush,
        }
    }

    /// Decides on an input that cannot be refused.
    pub(super) fn take(&mut self, input: Input) {
        let now = self.engine.now();
        if let Input::Ran(step, _) | Input::Facts(step, _) | Input::Started(step, ..) = &input {
            self.in_hand.remove(step);
        }
        if let Ok(decision) = decide(self.ctx(now), input) {
            self.absorb(decision, now);
        }
    }

    /// Decides on an input, and says whether a record of that kind came of it.
    pub(super) fn takes(&mut self, input: Input, wanted: impl Fn(&Record) -> bool) -> bool {
        let now = self.engine.now();
        if let Input::Ran(step, _) | Input::Started(step, ..) = &input {
            self.in_hand.remove(step);
        }
        let Ok(decision) = decide(self.ctx(now), input) else { return false };
        let is_made = decision.records.iter().any(wanted);
        self.absorb(decision, now);
        is_made
    }

    /// Makes a decision's records part of the state and of the next commit, and begins what may
    /// begin before it.
    fn absorb(&mut self, decision: Decision, now: Timestamp) {
        self.wound &= decision.records.is_empty();
        for record in decision.records {
            self.record(record, now);
        }
        for effect in decision.effects {
            self.perform(effect, now);
        }
    }

    pub(super) fn perform(&mut self, effect: Effect, now: Timestamp) {
        if let Effect::Pure { step, .. }
        | Effect::Fetch(step, _)
        | Effect::Recall(step)
        | Effect::Kv { step, .. }
        | Effect::StartPlay { step, .. } = &effect
            && !self.in_hand.insert(step.clone())
        {
            // Its time came, or the play took a turn, while something was worked out for it.
            return;
        }
        match effect {
            Effect::Pure { step, args, recorded } => self.run_pure(step, args, recorded, now),
            Effect::Fetch(step, needs) => {
                let rounds = self.rounds.entry(step.clone()).or_default();
                *rounds += 1;
                if *rounds > FACT_ROUNDS {
                    let message = format!("asks for facts more than {FACT_ROUNDS} times; name the keys it reads");
                    self.inputs.push_back(failed(step, now, Failure::new(code::LIMIT_EXCEEDED, message)));
                } else if super::facts::reads_kv(&needs) && !self.pending.docs.is_empty() {
                    // It must see what the play itself has just written.
                    self.after.push(Effect::Fetch(step, needs));
                } else {
                    self.fetch(step, needs);
                }
            }
            Effect::Recall(step) => self.recall(step),
            Effect::Kv { step, op, args, since } if self.pending.docs.is_empty() && self.may_change_kv() => {
                self.change_kv(step, op, args, since);
            }
            Effect::StartPlay { step, flow, args, call } => self.start_play(step, flow, args, call),
            Effect::Send(play, body) => self.send(play, body, now),
            Effect::Attempt { .. } | Effect::SeekEvent(_) | Effect::Abort(_) | Effect::Kv { .. } => {
                self.after.push(effect);
            }
        }
    }

    /// Takes up what came of something that was under way.
    pub(super) fn land(&mut self, landed: Landed) {
        match landed {
            Landed::Ran(step, ran, recalled) => {
                recalled.iter().for_each(|args| self.hush.learn_of(args));
                // Of an attempt that was made, the outcome must not be lost to a commit that fails.
                if self.aborts.remove(&step).is_some() {
                    self.landed.push((step.clone(), ran.clone()));
                }
                self.inputs.push_back(Input::Ran(step, ran));
            }
            Landed::Need(step, needs) => self.fetch_more(step, needs, self.engine.now()),
            Landed::Facts(found) => self.found(found),
            Landed::Kv(change) => self.changed_kv(*change),
            Landed::Child(ready) => self.child_ready(*ready),
            Landed::Event(body, taken) => {
                // Where nobody waits for it any more, it is kept for others.
                if self.takes(Input::Message(body), |_| true) {
                    self.pending.docs.push(taken);
                }
            }
            Landed::Nothing => {}
            Landed::Lost => self.lost = true,
        }
    }

    async fn heed(&mut self, note: Note) {
        match note {
            Note::Mail => self.read_mail().await,
            Note::Permit => {
                // Where nothing needs it any more, it is for others.
                let given = self.engine.permits.given(self.key());
                self.permits.extend(given.filter(|_| !self.waiting_for_permit.is_empty()));
                self.waiting_for_permit.drain(..).rev().for_each(|step| self.state.put_back(step));
            }
            Note::Watch(watcher) => {
                self.watchers.push(watcher);
                self.tell_of_answer().await;
            }
            Note::Command(command, request, reply) => match self.obey(*command, &request) {
                Ok(()) => self.replies.push(reply),
                Err(refusal) => {
                    // Whoever asked may have gone away.
                    let _ = reply.send(Err(refusal.into()));
                }
            },
        }
    }

    /// Carries out a command, in the next commit.
    ///
    /// # Errors
    /// Where it is refused; then nothing has changed.
    pub(super) fn obey(&mut self, command: Command, request: &RequestInfo) -> Result<(), Refusal> {
        let now = self.engine.now();
        let decision = decide(self.ctx(now), Input::Command(command.clone()))?;
        let row = audit::of_command(&self.header, &command, &decision.records, request, now);
        self.absorb(decision, now);
        self.pending.audit.push(row);
        if self.pending.approval {
            self.engine.at(FailPoint::Approval);
        }
        Ok(())
    }

    /// Forgets what was worked out and decided since the last commit.
    pub(super) fn forget_thoughts(&mut self) {
        self.pending = Pending::default();
        self.after.clear();
        self.inputs.clear();
        self.errands.clear();
        self.in_hand.clear();
        self.waiting_for_permit.clear();
        self.rounds.clear();
        self.kv_guard = None;
        self.kv_under_way = false;
        self.wound = false;
        self.out = None;
    }
}

/// How thinking came to an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thought {
    /// Nothing is left to think about.
    Done,
    /// The batch is full.
    Full,
    /// Others should have a turn.
    Tired,
}

fn failed(step: StepId, since: Timestamp, failure: Failure) -> Input {
    Input::Ran(step, Ran { args: None, since, log: Vec::new(), end: AttemptEnd::Failed(failure) })
}

/// What a state waits for that the store must find by its key.
pub(super) fn waits_of(state: &PlayState) -> BTreeMap<StepId, (WaitKind, String)> {
    state.all_active().filter_map(|(step, active)| Some((step.clone(), wait_of(&active.at)?))).collect()
}

/// What a step waits for that the store must find by its key.
pub(super) fn wait_of(at: &At) -> Option<(WaitKind, String)> {
    match at {
        At::Approval { .. } => Some((WaitKind::Approval, String::new())),
        At::InDoubt(..) => Some((WaitKind::InDoubt, String::new())),
        At::Wait(WaitOn::Event(key), _) => Some((WaitKind::Event, key.clone())),
        _ => None,
    }
}
