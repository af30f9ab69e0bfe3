//! [`Ledger`]: what was acknowledged, and must therefore be so.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::ids::PlayId;

/// What was promised to whoever asked.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Pages>);

#[derive(Default, Clone)]
pub(crate) struct Pages {
    /// Plays whose id was answered.
    pub(crate) plays: Vec<PlayId>,
    /// By idempotency key: the flow, the arguments, the play that was answered first, and when.
    pub(crate) keys: BTreeMap<String, Granted>,
    /// Commands that were carried out.
    pub(crate) commands: Vec<(PlayId, Did)>,
}

/// A wish that was granted under an idempotency key.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) flow: String,
    pub(crate) args: String,
    pub(crate) play: PlayId,
    pub(crate) at: Duration,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    Decide,
    Resolve,
    Cancel,
    Hold,
    Resume,
}

impl Ledger {
    pub(crate) fn write<T>(&self, write: impl FnOnce(&mut Pages) -> T) -> T {
        write(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn read(&self) -> Pages {
        self.write(|pages| pages.clone())
    }
}
