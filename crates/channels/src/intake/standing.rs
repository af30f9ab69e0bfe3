//! [`Standing`]: how taking in goes at this replica, for people to see.

use std::sync::{Mutex, PoisonError};

use model::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::figures::Figures;
use crate::channel::Kind;

/// Characters of an error that are shown.
const ERROR_CHARS: usize = 500;

/// How a channel takes in, at the replica that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChannelIntake")]
pub struct Intake {
    /// How it goes.
    pub state: IntakeState,
    /// What stands in its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Messages that became plays here, since this replica started.
    pub taken: u64,
    /// Of these, those whose play was there before: they had come already.
    pub replayed: u64,
    /// Messages that can never be taken.
    pub dead: u64,
}

/// How taking in goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChannelIntakeState")]
pub enum IntakeState {
    /// Nothing is taken in: the channel is not enabled, or this process only answers.
    Off,
    /// A connection is opened.
    Connecting,
    /// Messages are taken as they come.
    Connected,
    /// Messages come and no play can be started now; `error` says why. They are kept where they are.
    Paused,
    /// One replica alone takes in, and it is another one.
    Elsewhere,
    /// It is tried again and again; `error` says what is wrong.
    Failing,
}

impl Intake {
    /// That of a channel of which nothing is known here.
    pub(super) fn off(since: Timestamp) -> Self {
        Self { state: IntakeState::Off, error: None, since, taken: 0, replayed: 0, dead: 0 }
    }
}

/// How one channel takes in here.
pub(super) struct Standing {
    kind: Kind,
    figures: Figures,
    now: Mutex<Intake>,
}

impl Standing {
    pub(super) fn new(kind: Kind, figures: Figures, at: Timestamp) -> Self {
        Self { kind, figures, now: Mutex::new(Intake::off(at)) }
    }

    pub(super) fn shown(&self) -> Intake {
        self.now().clone()
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Intake> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, state: IntakeState, error: Option<&str>, at: Timestamp) {
        let mut now = self.now();
        let is_open = |state| matches!(state, IntakeState::Connected | IntakeState::Paused);
        self.figures.connected(self.kind, i64::from(is_open(state)) - i64::from(is_open(now.state)));
        if now.state != state {
            now.since = at;
        }
        now.state = state;
        now.error = error.map(|error| error.chars().take(ERROR_CHARS).collect());
    }

    pub(super) fn is(&self, state: IntakeState) -> bool {
        self.now().state == state
    }

    /// A message became a play; or its play was there before.
    pub(super) fn took(&self, was_there: bool) {
        let mut now = self.now();
        now.taken += 1;
        now.replayed += u64::from(was_there);
        self.figures.settled(self.kind, if was_there { "replayed" } else { "started" });
    }

    /// A message waits to come again.
    pub(super) fn put_back(&self) {
        self.figures.settled(self.kind, "again");
    }

    /// A message can never be taken.
    pub(super) fn gave_up(&self) {
        self.now().dead += 1;
        self.figures.settled(self.kind, "dead");
    }

    pub(super) fn lost(&self) {
        self.figures.lost(self.kind);
    }
}
