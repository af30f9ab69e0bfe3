//! [`Failure`]: how anything that goes wrong in a play is told, with a stable code.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::Value;

/// What went wrong: a code for programs, a message for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable, in capitals: `TIMEOUT`, `HTTP_CONNECT` …
    pub code: Cow<'static, str>,
    /// What, where, and what to do.
    pub message: String,
    /// More, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl Failure {
    /// A failure without details.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into(), details: None }
    }

    /// The same failure, telling programs more.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }

    /// What flowlets downstream of a tolerated failure read: `{error: {code, message, details?}}`.
    pub fn as_output(&self) -> Value {
        let mut error = vec![("code", Value::from(&*self.code)), ("message", self.message.as_str().into())];
        error.extend(self.details.clone().map(|details| ("details", details)));
        Value::map([("error", Value::map(error))])
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

/// The codes that the engine itself gives. Modules add their own.
pub mod code {
    /// A module's arguments do not fit its schema.
    pub const BAD_ARGUMENTS: &str = "BAD_ARGUMENTS";
    /// An expression could not be evaluated.
    pub const EXPRESSION_ERROR: &str = "EXPRESSION_ERROR";
    /// A filter could not be evaluated.
    pub const FILTER_ERROR: &str = "FILTER_ERROR";
    /// An attempt, a wait or the play took longer than it may.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// Nobody approved: declined or expired.
    pub const APPROVAL_DECLINED: &str = "APPROVAL_DECLINED";
    /// It is not known whether an attempt took effect.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// The process ended during the attempt.
    pub const INTERRUPTED: &str = "INTERRUPTED";
    /// A module broke its contract.
    pub const MODULE_PANICKED: &str = "MODULE_PANICKED";
    /// A limit of [`crate::limits`] was reached.
    pub const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
    /// The play was canceled.
    pub const CANCELED: &str = "CANCELED";
    /// A `fail` flowlet ended the play.
    pub const FAILED_BY_FLOW: &str = "FAILED_BY_FLOW";
    /// A subflow did not end well.
    pub const SUBFLOW_FAILED: &str = "SUBFLOW_FAILED";
    /// The flow to call does not exist or has no published version.
    pub const FLOW_NOT_PUBLISHED: &str = "FLOW_NOT_PUBLISHED";
    /// flow8 itself could not do its part; the log says more.
    pub const INTERNAL_ERROR: &str = "INTERNAL_ERROR";
}
