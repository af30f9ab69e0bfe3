//! `decide`: from a plan, a state and an input, the records to make and the effects to perform.
//!
//! Pure: no clock, no randomness, no input or output, no waiting. Whatever it needs of these
//! comes in with the input. The driver applies the records, commits them, and performs the
//! effects, each only after the commit that explains it.

mod attempt;
mod command;
mod due;
mod message;
mod scope;
mod seen;
mod step;
mod wind;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use expr::Need;
use model::failure::Failure;
use model::ids::{PlayId, ReplicaId};
use model::payload::Payload;
use model::play::PlayHeader;
use model::record::{Facts, LogLine, MessageBody, Record, StepId};
use model::time::Timestamp;
use model::value::Value;
use sdk::{KvOp, Outcome};
use serde::{Deserialize, Serialize};

use crate::hush::Hush;
use crate::plan::Plan;
use crate::state::PlayState;

pub use self::seen::seen;
pub use model::command::Command;
pub use scope::FactScope;
pub(crate) use scope::StepScope;
pub(crate) use step::frozen;

/// What a decision is made from.
#[derive(Clone, Copy)]
pub struct Ctx<'a> {
    /// The flow, compiled.
    pub plan: &'a Plan,
    /// Where the play stands.
    pub state: &'a PlayState,
    /// Who and what the play is. Only what never changes is read.
    pub header: &'a PlayHeader,
    /// The time.
    pub now: Timestamp,
    /// Random bits, for jitter.
    pub dice: u64,
    /// Who decides.
    pub replica: ReplicaId,
    /// What `$env` gives.
    pub env: &'a BTreeMap<String, String>,
    /// Secrets that were read for this play; none where there is no such secret.
    pub secrets: &'a HashMap<String, Option<Value>>,
    /// What of them, and of what is sensitive, must not stand in clear.
    pub hush: &'a Hush,
}

/// What a decision is about.
#[derive(Debug)]
pub enum Input {
    /// A step is ready.
    Step(StepId),
    /// Facts that a step asked for. Those of secrets and of stored values are at hand already.
    Facts(StepId, Facts),
    /// An attempt, or a pure run, came to an end.
    Ran(StepId, Ran),
    /// A play that a step asked for was admitted, or could not be.
    Started(StepId, Call, Result<PlayId, Failure>),
    /// Attempts were under way when the process that made them ended.
    Lost,
    /// Some time has come.
    Due,
    /// A message came.
    Message(MessageBody),
    /// Somebody wants something.
    Command(Command),
    /// Nothing is left to do, or the play is about to end.
    Wind,
}

/// How an attempt, or a pure run, came to an end.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What was run, where no record says so yet.
    pub args: Option<Payload>,
    /// When it began.
    pub since: Timestamp,
    /// What it logged.
    pub log: Vec<LogLine>,
    /// What came of it.
    pub end: AttemptEnd,
}

/// How a step asked for another play.
#[derive(Debug)]
pub struct Call {
    /// What the step was run with, where no record says so yet.
    pub args: Option<Payload>,
    /// When it began.
    pub since: Timestamp,
    /// Whether it waits for the other play's end.
    pub wait: bool,
    /// For how long.
    pub timeout: Option<Duration>,
}

/// What came of an attempt.
#[derive(Debug, Clone)]
pub enum AttemptEnd {
    /// It ended well.
    Ok(Outcome),
    /// It surely did not take effect.
    Failed(Failure),
    /// It may have taken effect.
    Unknown(Failure),
}

/// Why a command is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The play has ended.
    #[error("the play has ended")]
    Ended,
    /// It is not in a state for that.
    #[error("{0}")]
    NotNow(String),
    /// There is no such step waiting.
    #[error("no flowlet of that id waits for this")]
    NoSuchStep,
    /// Whoever asks may not.
    #[error("{0}")]
    Forbidden(String),
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Decision {
    /// What happened, in order.
    pub records: Vec<Record>,
    /// What follows from it.
    pub effects: Vec<Effect>,
}

/// What is to be done. Each is done after the commit of the records it came with, but for
/// `Fetch`, `Recall` and `Pure`, which change nothing outside.
#[derive(Debug)]
pub enum Effect {
    /// Read facts, then come back with [`Input::Facts`].
    Fetch(StepId, Vec<Need>),
    /// Bring a step's own frozen arguments to hand, then come back with [`Input::Step`].
    Recall(StepId),
    /// Run a pure module.
    Pure {
        /// The step.
        step: StepId,
        /// What it is run with.
        args: Value,
        /// Whether a record holds these arguments already.
        recorded: bool,
    },
    /// Run a module that reaches outside.
    Attempt {
        /// The step.
        step: StepId,
        /// Which attempt.
        attempt: u32,
        /// What it is run with.
        args: Payload,
        /// How long it may take.
        timeout: Duration,
    },
    /// Break an attempt off.
    Abort(StepId),
    /// Admit another play.
    StartPlay {
        /// The step.
        step: StepId,
        /// The flow: its id or its permanent id.
        flow: String,
        /// Its arguments.
        args: Value,
        /// What comes back with [`Input::Started`].
        call: Call,
    },
    /// Change a key/value in the next commit, then come back with [`Input::Ran`].
    Kv {
        /// The step.
        step: StepId,
        /// The change.
        op: KvOp,
        /// What the module was run with, where no record says so yet.
        args: Option<Payload>,
        /// When it began.
        since: Timestamp,
    },
    /// Tell another play something, in the same commit.
    Send(PlayId, MessageBody),
    /// Look for an event of that key that came before anybody waited for it.
    SeekEvent(String),
}

impl Decision {
    fn nothing() -> Self {
        Self::default()
    }

    fn record(record: Record) -> Self {
        Self { records: vec![record], effects: Vec::new() }
    }

    fn effect(effect: Effect) -> Self {
        Self { records: Vec::new(), effects: vec![effect] }
    }

    #[must_use]
    fn and(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    fn join(&mut self, other: Self) {
        self.records.extend(other.records);
        self.effects.extend(other.effects);
    }
}

/// Decides.
///
/// # Errors
/// A command that cannot be carried out. Every other input has a decision.
pub fn decide(ctx: Ctx<'_>, input: Input) -> Result<Decision, Refusal> {
    Ok(match input {
        Input::Step(step) => step::step(ctx, &step),
        Input::Facts(step, facts) => step::facts(step, facts),
        Input::Ran(step, ran) => attempt::ran(ctx, &step, ran),
        Input::Started(step, call, outcome) => attempt::started(ctx, &step, call, outcome),
        Input::Lost => attempt::lost(ctx),
        Input::Due => due::due(ctx),
        Input::Message(body) => message::message(ctx, body),
        Input::Command(command) => return command::command(ctx, command),
        Input::Wind => wind::wind(ctx),
    })
}
