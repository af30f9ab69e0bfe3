//! A play as lists show it and as the store finds it: [`PlayHeader`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::failure::Failure;
use crate::flow::Slug;
use crate::ids::{CompanyId, FlowId, PlayId, ReplicaId, UserId};
use crate::payload::Digest;
use crate::record::StepId;
use crate::time::Timestamp;
use crate::trace::TraceParent;

/// Which play, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlayKey {
    /// Whose it is.
    pub company: CompanyId,
    /// Which one.
    pub play: PlayId,
}

/// Where a play stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlayState {
    /// Admitted, not begun.
    New,
    /// At work.
    Run,
    /// Ended well.
    Done,
    /// Ended badly.
    Fail,
    /// Recorded by a trigger but not run.
    Skip,
    /// Ended; every flowlet was filtered out.
    Filtered,
    /// Queued by a concurrency limit, or for its start time.
    Deferred,
    /// For an approval, a timer or an outside event.
    Wait,
    /// Paused by a person.
    OnHold,
    /// Ended by a person.
    Canceled,
}

impl PlayState {
    /// Whether the play will never change again.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Done | Self::Fail | Self::Skip | Self::Filtered | Self::Canceled)
    }

    /// The word for it, as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Run => "RUN",
            Self::Done => "DONE",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
            Self::Filtered => "FILTERED",
            Self::Deferred => "DEFERRED",
            Self::Wait => "WAIT",
            Self::OnHold => "ON_HOLD",
            Self::Canceled => "CANCELED",
        }
    }
}

impl std::fmt::Display for PlayState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where one flowlet of a play stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LayerState {
    /// Not begun.
    New,
    /// At work.
    Run,
    /// Ended well.
    Done,
    /// Ended badly.
    Fail,
    /// Passed over.
    Skip,
    /// Its filters did not pass.
    Filtered,
    /// For an approval, a timer or an outside event.
    Wait,
    /// It may or may not have taken effect.
    InDoubt,
    /// Ended before its end by the play's end.
    Canceled,
    /// Done, and undone again.
    Compensated,
}

impl LayerState {
    /// Whether the flowlet did nothing, so that what waits for it alone does nothing either.
    pub fn is_passed_over(self) -> bool {
        matches!(self, Self::Skip | Self::Filtered)
    }

    /// The word for it, as the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Run => "RUN",
            Self::Done => "DONE",
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
            Self::Filtered => "FILTERED",
            Self::Wait => "WAIT",
            Self::InDoubt => "IN_DOUBT",
            Self::Canceled => "CANCELED",
            Self::Compensated => "COMPENSATED",
        }
    }
}

impl std::fmt::Display for LayerState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The flow that a play runs, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowAt {
    /// The flow.
    pub id: FlowId,
    /// The name that outlives versions.
    pub permanent_id: Slug,
    /// What people call it.
    pub name: String,
    /// The version; 0 for a draft that was forced.
    pub version: u32,
    /// The digest of the definition, under which it is kept.
    pub definition: Digest,
    /// Who published it, where it was a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_by: Option<UserId>,
}

/// What started a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Trigger {
    /// A person or a program, through the API or the command line.
    Run,
    /// A retry of another play.
    Retry,
    /// A `subflow` flowlet.
    Subflow,
    /// A schedule.
    Schedule,
    /// A channel.
    Channel,
    /// An event.
    Event,
}

/// The slots that a concurrency limit gives out under one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LimitKey {
    /// The flow that sets the limit.
    pub flow: FlowId,
    /// The digest of the evaluated key; of nothing where the limit has none.
    pub key: Digest,
}

/// A play's place under a concurrency limit.
///
/// The store compares a header's slot with the one before it: entering `Held` needs a free
/// slot, and leaving it wakes the first in the queue, in the same commit. So no crash, cancel
/// or retry can leak a slot: a slot is what the header says, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Which slots.
    pub key: LimitKey,
    /// How many there are.
    pub limit: u32,
    /// Where this play stands.
    pub place: SlotPlace,
}

/// Where a play stands under its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SlotPlace {
    /// Not asked for yet: the play waits for its start time.
    Later,
    /// In the queue.
    Queued,
    /// Holds a slot, until it ends.
    Held,
    /// Has ended.
    Left,
}

/// How the undoing of a failed play went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compensation {
    /// All that had to be undone was undone.
    Done,
    /// Something could not be undone; a person must look.
    Failed,
}

/// A step of another play.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentStep {
    /// The play.
    pub play: PlayId,
    /// Its step.
    pub step: StepId,
    /// How many plays stand above this one.
    pub depth: u32,
    /// Whether the parent waits for the end.
    pub waits: bool,
    /// The slots that plays above hold and this one shares, since they wait for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<LimitKey>,
}

/// The play because of which another started, without waiting for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The play.
    pub play: PlayId,
    /// How many plays stand before the one that it started.
    pub depth: u32,
}

/// A play as lists show it and as the store finds it. Rewritten with every commit of the play;
/// the records say how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayHeader {
    /// Whose it is, and which.
    pub key: PlayKey,
    /// Rises by one with every commit; a commit that expects another number is refused.
    pub revision: u64,
    /// Records so far.
    pub records: u64,
    /// What it runs.
    pub flow: FlowAt,
    /// Where it stands.
    pub state: PlayState,
    /// What started it.
    pub trigger: Trigger,
    /// Who started it.
    pub actor: Actor,
    /// For people to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// When it was admitted.
    pub created_at: Timestamp,
    /// Not to begin before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When somebody must look at it next; none while a replica has it, or when only an outside event can move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The replica that has it in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ReplicaId>,
    /// Its place under a concurrency limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// The step that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentStep>,
    /// The play because of which it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The play that this one retries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<PlayId>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
    /// The ref of the flowlet that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_ref: Option<String>,
    /// How the undoing went, where there was any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<Compensation>,
    /// Where in a trace it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceParent>,
}

impl PlayHeader {
    /// How many plays have started each other up to this one.
    pub fn depth(&self) -> u32 {
        let above = self.parent.as_ref().map_or(0, |parent| parent.depth);
        above.max(self.cause.map_or(0, |cause| cause.depth))
    }
}
