//! [`Record`]: what happened in a play. Records are the truth; a play's state is a fold over
//! them, and recovery is the same fold.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;

use crate::actor::Actor;
use crate::command::Command;
use crate::failure::Failure;
use crate::ids::{CompanyId, Id, LayerId, PlayId, ReplicaId};
use crate::payload::{Digest, Payload};
use crate::play::{Compensation, LayerState, PlayState};
use crate::time::Timestamp;
use crate::value::Value;

/// One flowlet at one place of one play: its position in the flow, and the item of each loop
/// around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    /// The flowlet's position in the flow's `layers`.
    pub layer: u16,
    /// Whether this is the flowlet's compensation.
    pub undo: bool,
    /// The item in each loop around it, outermost first.
    pub items: SmallVec<[u32; 4]>,
}

impl StepId {
    /// A flowlet outside all loops.
    pub fn top(layer: u16) -> Self {
        Self { layer, undo: false, items: SmallVec::new() }
    }

    /// The compensation of this step.
    #[must_use]
    pub fn undoing(&self) -> Self {
        Self { undo: true, ..self.clone() }
    }

    /// The step that this one undoes; itself where it undoes none.
    #[must_use]
    pub fn forward(&self) -> Self {
        Self { undo: false, ..self.clone() }
    }

    /// The id by which the API names this step's record.
    pub fn layer_id(&self, play: PlayId) -> LayerId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.hash(b"layer", play)[..12]);
        LayerId(Id::from_bytes(id))
    }

    /// The key that all attempts of this step send to their peer.
    pub fn idempotency_key(&self, play: PlayId) -> String {
        let hash = self.hash(b"attempt", play);
        hash[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
            use std::fmt::Write as _;
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    fn hash(&self, purpose: &[u8], play: PlayId) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(purpose);
        hash.update(play.0.as_bytes());
        hash.update([u8::from(self.undo)]);
        hash.update(self.layer.to_be_bytes());
        for item in &self.items {
            hash.update(item.to_be_bytes());
        }
        hash.finalize().into()
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", if self.undo { "undo " } else { "" }, self.layer, self.items)
    }
}

/// Written as a few small numbers: twice the layer, plus one for a compensation; then the items.
impl Serialize for StepId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let head = u32::from(self.layer) << 1 | u32::from(self.undo);
        serializer.collect_seq(std::iter::once(head).chain(self.items.iter().copied()))
    }
}

impl<'de> Deserialize<'de> for StepId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = SmallVec::<[u32; 8]>::deserialize(deserializer)?;
        let (head, items) = numbers.split_first().ok_or_else(|| de::Error::custom("a step has a layer"))?;
        let layer = u16::try_from(head >> 1).map_err(de::Error::custom)?;
        Ok(Self { layer, undo: head & 1 == 1, items: items.into() })
    }
}

/// One record, and when it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// What.
    #[serde(rename = "r")]
    pub record: Record,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Record {
    /// The play was admitted. Always the first record.
    Admitted(Admission),
    /// It left the queue, or its start time came; it runs.
    Started,
    /// It has taken over all that it takes over from the play that it retries.
    TookOver,
    /// Facts that the arguments of a step read from outside the play.
    Observed {
        /// The step.
        step: StepId,
        /// What it read.
        facts: Facts,
    },
    /// A step's arguments are frozen and wait for approval.
    ApprovalAsked {
        /// The step.
        step: StepId,
        /// What would run.
        args: Payload,
        /// The digest of the arguments' canonical JSON, sensitive parts masked: what a decision is about.
        digest: Digest,
        /// When nobody has decided by then, it counts as the flowlet says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// Somebody decided.
    ApprovalGiven {
        /// The step.
        step: StepId,
        /// Who; the system where it expired.
        actor: Actor,
        /// Whether it may run.
        approved: bool,
        /// The digest of what the decision is about: the flow's version, the play, the step and its arguments.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Digest>,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// An attempt is about to be made. Committed before anything leaves the process.
    Attempting {
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// What is run; written with the first attempt only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<Payload>,
        /// Who makes it.
        replica: ReplicaId,
    },
    /// An attempt ended otherwise than well, and is not the last word.
    AttemptEnded {
        /// The step.
        step: StepId,
        /// Which attempt.
        attempt: u32,
        /// What is known of it.
        failure: Failure,
        /// Whether it may have taken effect.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unknown: bool,
        /// What follows.
        next: AfterAttempt,
        /// What was run, where no record says so yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        args: Option<Payload>,
    },
    /// A person said what became of an attempt in doubt.
    Resolved {
        /// The step.
        step: StepId,
        /// Who.
        actor: Actor,
        /// What.
        decision: Resolution,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// A step waits for a time, an event or another play.
    Waiting {
        /// The step.
        step: StepId,
        /// Its arguments.
        args: Payload,
        /// What it waits for.
        on: WaitOn,
        /// When it gives up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Timestamp>,
    },
    /// A loop begins.
    LoopOpened {
        /// The iterator's step.
        step: StepId,
        /// Its arguments.
        args: Payload,
        /// How many rounds: items, or batches of them.
        rounds: u32,
        /// Rounds in flight at once.
        parallel: u32,
        /// Items in a round; 0 where each round is one item, bare.
        batch: u32,
    },
    /// A step reached its end.
    StepEnded(Box<StepEnd>),
    /// A person paused the play.
    Held {
        /// Who.
        actor: Actor,
    },
    /// A person let it go on.
    Resumed {
        /// Who.
        actor: Actor,
    },
    /// Somebody asked to end the play, or its time is over.
    Stopping {
        /// Who.
        actor: Actor,
        /// How it will end.
        stop: Stop,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Whether done steps are undone.
        compensate: bool,
    },
    /// The play ended. Always the last record.
    Ended {
        /// How.
        state: PlayState,
        /// What it gives: the `respond` flowlet's output, else that of the last flowlet.
        #[serde(default)]
        out: Payload,
        /// How the undoing went, where there was any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        compensation: Option<Compensation>,
    },
}

/// The birth of a play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// The play's arguments.
    pub args: Payload,
    /// Whether it waits: for its start time, or for a slot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deferred: bool,
    /// For a retry: idempotency keys of steps whose outcome is unknown, which carry over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<LayerId, String>,
    /// For a retry: where it begins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryFrom>,
}

/// Where a retry begins again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetryFrom {
    /// At whatever was not finished.
    Failure,
    /// At this flowlet, and whatever is downstream of it.
    Layer(String),
}

/// What follows an attempt that did not end well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AfterAttempt {
    /// Another attempt, then.
    Retry(Timestamp),
    /// A person is asked, until then.
    Ask(Option<Timestamp>),
}

/// What a person says of an attempt in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resolution {
    /// It took effect.
    Happened,
    /// Try again, with the same key.
    Repeat,
    /// It did not, and is not to be tried again.
    Failed,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitOn {
    /// A time.
    Until(Timestamp),
    /// An event of that key.
    Event(String),
    /// The end of another play.
    Play(PlayId),
}

/// How a play is made to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// `CANCELED`.
    Cancel,
    /// `FAIL`, with `TIMEOUT`.
    Timeout,
}

/// The end of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepEnd {
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub state: LayerState,
    /// Its arguments, where no record says so yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Payload>,
    /// Its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<Payload>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// How many attempts it took.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// When it began.
    pub started_at: Timestamp,
    /// Lines for the play's log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
    /// What undoes it later, where anything does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// What it means for the play beyond the step.
    #[serde(default, skip_serializing_if = "Verdict::is_go_on")]
    pub verdict: Verdict,
    /// The play whose finished step this is, in a retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused_from: Option<PlayId>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How a step that is done would be undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Undo {
    /// With these arguments, frozen when the step ended.
    Args(Payload),
    /// Not at all: its arguments could not be evaluated.
    Impossible(Failure),
}

/// What the end of a step means for the play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It goes on.
    #[default]
    GoOn,
    /// It goes on, and this output is its answer.
    Respond,
    /// It ends well, at once.
    End,
    /// It fails, when what is under way has finished.
    Fail,
    /// It fails, at once.
    Abort,
}

impl Verdict {
    fn is_go_on(&self) -> bool {
        *self == Self::GoOn
    }
}

/// One line of a play's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// How much it matters.
    pub level: LogLevel,
    /// What it says.
    pub message: String,
    /// More, for programs.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug,
    /// For whoever follows what happens.
    #[default]
    Info,
    /// For whoever cares.
    Warn,
    /// For whoever must act.
    Error,
}

/// What the arguments of one step read from outside the play. Recorded before it is used, so
/// that evaluating again gives the same.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// KV values by key; null where there was none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kv: BTreeMap<String, Payload>,
    /// Names of secrets; never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The time it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// What uuids are drawn from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<String>,
}

impl Facts {
    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes what another reading found, too.
    pub fn merge(&mut self, other: Self) {
        self.kv.extend(other.kv);
        self.secrets.extend(other.secrets);
        self.secrets.sort();
        self.secrets.dedup();
        self.now = self.now.or(other.now);
        self.seed = self.seed.take().or(other.seed);
    }
}

/// A message to a play from outside itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MessageBody {
    /// A play that it started has ended.
    ChildEnded {
        /// The step that started it.
        step: StepId,
        /// The play that ended.
        child: PlayId,
        /// Whose it is: a child is always of the same company.
        company: CompanyId,
        /// How it ended.
        state: PlayState,
        /// What it gave; its stored parts are kept with the child.
        out: Payload,
        /// Why it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// An event that a step waits for.
    Event {
        /// The event's key.
        key: String,
        /// What came with it.
        data: Value,
    },
    /// Somebody asked for something at another replica than the one that has the play.
    Asked {
        /// Under which the answer is kept.
        ask: Id,
        /// What is asked for.
        command: Box<Command>,
        /// The id of the request behind it.
        request_id: Option<String>,
        /// The address that came from.
        ip: Option<String>,
    },
    /// The play that started it was stopped.
    ParentStopped {
        /// How.
        stop: Stop,
    },
}

impl Record {
    /// The step it is about.
    pub fn step(&self) -> Option<&StepId> {
        match self {
            Self::Observed { step, .. }
            | Self::ApprovalAsked { step, .. }
            | Self::ApprovalGiven { step, .. }
            | Self::Attempting { step, .. }
            | Self::AttemptEnded { step, .. }
            | Self::Resolved { step, .. }
            | Self::Waiting { step, .. }
            | Self::LoopOpened { step, .. } => Some(step),
            Self::StepEnded(end) => Some(&end.step),
            _ => None,
        }
    }

    /// Calls `visit` with every payload it carries.
    pub fn each_payload(&mut self, visit: &mut dyn FnMut(&mut Payload)) {
        match self {
            Self::Admitted(Admission { args, .. })
            | Self::ApprovalAsked { args, .. }
            | Self::Waiting { args, .. }
            | Self::LoopOpened { args, .. }
            | Self::Ended { out: args, .. } => visit(args),
            Self::Attempting { args, .. } | Self::AttemptEnded { args, .. } => {
                args.iter_mut().for_each(visit);
            }
            Self::Observed { facts, .. } => facts.kv.values_mut().for_each(visit),
            Self::StepEnded(end) => {
                let StepEnd { args, out, undo, .. } = &mut **end;
                [args, out].into_iter().flatten().for_each(&mut *visit);
                if let Some(Undo::Args(args)) = undo {
                    visit(args);
                }
            }
            Self::Started
            | Self::TookOver
            | Self::ApprovalGiven { .. }
            | Self::Resolved { .. }
            | Self::Held { .. }
            | Self::Resumed { .. }
            | Self::Stopping { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    fn step(layer: u16, items: &[u32]) -> StepId {
        StepId { layer, undo: false, items: items.into() }
    }

    #[test]
    fn a_step_is_written_small_and_comes_back() {
        for (step, size) in [(step(3, &[]), 2), (step(3, &[]).undoing(), 2), (step(999, &[7, 99_999]), 10)] {
            let bytes = codec::encode(&step).expect("encodes");
            assert!(bytes.len() <= size, "{step:?} takes {} bytes", bytes.len());
            assert_eq!(codec::decode::<StepId>(&bytes).expect("decodes"), step);
        }
    }

    #[test]
    fn ids_and_keys_differ_by_play_step_and_item() {
        let (one, two) = (PlayId(Id::from_parts(1, 1)), PlayId(Id::from_parts(1, 2)));
        let steps = [step(0, &[]), step(1, &[]), step(1, &[0]), step(1, &[0, 0]), step(1, &[0]).undoing()];
        let mut keys: Vec<String> = steps
            .iter()
            .flat_map(|step| [one, two].map(|play| (step, play)))
            .flat_map(|(step, play)| [step.idempotency_key(play), step.layer_id(play).to_string()])
            .collect();
        let count = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn a_record_of_a_newer_version_is_read_by_this_one() {
        #[derive(Serialize)]
        struct Newer {
            t: i64,
            r: BTreeMap<&'static str, BTreeMap<&'static str, Value>>,
            extra: u8,
        }
        let newer = Newer {
            t: 5,
            r: BTreeMap::from([(
                "held",
                BTreeMap::from([
                    ("actor", Value::map([("kind", "system"), ("name", "flow8")])),
                    ("later", Value::from(1)),
                ]),
            )]),
            extra: 1,
        };
        let entry: Entry = codec::decode(&codec::encode(&newer).expect("encodes")).expect("decodes");
        assert_eq!(entry.record, Record::Held { actor: Actor::system() });
    }
}
