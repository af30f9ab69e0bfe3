//! [`EffectCtx`]: what a module that reaches outside is handed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::failure::Failure;
use model::ids::{CompanyId, FlowId, PlayId};
use model::record::{LogLevel, LogLine};
use model::value::Value;

use crate::component::{Backends, COMPONENT_NOT_FOUND, Component, Kind};
use crate::http::Http;
use crate::link::Credential;
use crate::pure::push_line;
use crate::storage::Storage;

/// Why an attempt did not end well.
#[derive(Debug, Clone, PartialEq)]
pub enum Mishap {
    /// It surely did not take effect.
    Failed(Failure),
    /// It may have taken effect: the connection was lost, or time ran out, after the first byte left.
    Unknown(Failure),
}

impl From<Failure> for Mishap {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What a module that reaches outside is handed.
pub struct EffectCtx {
    /// Whose play it is.
    pub company: CompanyId,
    /// The flow.
    pub flow: FlowId,
    /// The play.
    pub play: PlayId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// The same for all attempts of the step: what a peer recognises a repetition by.
    pub idempotency_key: String,
    /// The place in a trace that a peer's part belongs to, as the header `traceparent`.
    pub traceparent: Option<String>,
    /// How long the attempt may take.
    pub timeout: Duration,
    /// The way to HTTP peers.
    pub http: Arc<dyn Http>,
    /// The company's files.
    pub storage: Arc<dyn Storage>,
    /// What stands behind components.
    pub backends: Backends,
    /// The components that the flowlet works on.
    pub components: BTreeMap<Kind, Component>,
    /// The stored credential that the flowlet calls out with, where it names one.
    pub credential: Option<Credential>,
    /// Lines for the play's log.
    pub log: EffectLog,
}

impl EffectCtx {
    /// The component of a kind that the flowlet works on.
    ///
    /// # Errors
    /// Where it has none.
    pub fn component(&self, kind: Kind) -> Result<&Component, Failure> {
        let none = || Failure::new(COMPONENT_NOT_FOUND, format!("the flowlet has no component of kind {kind}"));
        self.components.get(&kind).ok_or_else(none)
    }
}

impl fmt::Debug for EffectCtx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectCtx").field("play", &self.play).field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

/// Lines for the play's log, from an attempt.
#[derive(Debug, Default)]
pub struct EffectLog(Mutex<Vec<LogLine>>);

impl EffectLog {
    /// Adds a line.
    pub fn line(&self, level: LogLevel, message: &str, data: Value) {
        push_line(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), level, message, data);
    }

    /// Takes the lines.
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
