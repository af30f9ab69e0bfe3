//! [`Outcome`]: what a module that ran asks of the engine.

use std::time::Duration;

use model::failure::Failure;
use model::time::Timestamp;
use model::value::Value;

/// What a module that ran asks of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done; this is its output.
    Done(Value),
    /// It is done, and its output is the play's answer.
    Respond(Value),
    /// The play ends well here; this is its output.
    End(Value),
    /// The play fails here, whatever the flowlet says of errors.
    Fail(Failure),
    /// It is done when that time comes.
    Sleep(Until),
    /// It is done when an event of that key comes; fails after the timeout.
    WaitEvent {
        /// The key.
        key: String,
        /// How long to wait; for ever where none is given.
        timeout: Option<Duration>,
    },
    /// It starts another play.
    Call {
        /// The flow: its id or its permanent id.
        flow: String,
        /// The play's arguments.
        args: Value,
        /// Whether it is done only when that play has ended.
        wait: bool,
        /// How long to wait; for ever where none is given.
        timeout: Option<Duration>,
    },
    /// What follows it is run once for each of these.
    Loop {
        /// The items.
        items: Value,
        /// Items in one round; 1 hands over bare items.
        batch: u32,
        /// Rounds in flight at once.
        parallel: u32,
    },
    /// It changes a key/value, in the commit of its own end.
    Kv(KvOp),
}

/// A time, or a while from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// That instant.
    At(Timestamp),
    /// So much later than now.
    After(Duration),
}

/// A change of one key/value.
#[derive(Debug, Clone, PartialEq)]
pub struct KvOp {
    /// Whose key.
    pub scope: KvScope,
    /// Which one.
    pub key: String,
    /// What becomes of it.
    pub change: KvChange,
}

/// Whose keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KvScope {
    /// The flow's own.
    #[default]
    Flow,
    /// Those of the flow's group.
    Group,
    /// Those of the company.
    Global,
}

/// What becomes of a key/value.
#[derive(Debug, Clone, PartialEq)]
pub enum KvChange {
    /// It becomes this, and is forgotten after a while where one is given.
    Set(Value, Option<Duration>),
    /// The value is added to its list.
    Append(Value),
    /// It is removed.
    Delete,
    /// The number is added to it; a missing one counts as zero.
    Increment(Value),
    /// It becomes the second where it is the first; null stands for missing.
    CompareAndSet(Value, Value),
}
