//! Why an evaluation gives no value: [`Stop`], and the [`EvalError`] of one that failed.

use std::fmt;

use crate::scope::Need;

/// Why an evaluation gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It failed, and would fail again with the same scope.
    Failed(EvalError),
    /// The scope lacks these: read them, and evaluate again. Each is named once.
    Need(Vec<Need>),
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// A path that is not there; `??` catches it.
    Missing,
    /// A value that an operator or a function does not take.
    Operand,
    /// A limit of the language: steps, bytes, digits, depth.
    Limit,
}

/// A failed evaluation: what, where, and what to do about it. Never holds a value of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    /// What kind of failure it is.
    pub reason: Reason,
    /// For people: what is wrong, and what to do.
    pub message: String,
    /// Which string of the template: `body.items[0]`; empty where the template is one string.
    pub path: String,
    /// Where in that string, in characters from 1.
    pub column: usize,
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (column {})", self.message, self.column)
    }
}

impl std::error::Error for EvalError {}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Need(needs) => {
                f.write_str("needs")?;
                for (at, need) in needs.iter().enumerate() {
                    write!(f, "{} {need}", if at == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Stop {}

/// Why a part of an expression gave no value, inside the evaluator.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Something is needed; the evaluator has noted what.
    Need,
    /// It failed. Boxed, so that the way of success stays narrow.
    Failed(Box<Failure>),
}

/// A failure whose place may not be known yet.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// From 1; 0 until the evaluator knows the place.
    pub(crate) column: u32,
}

/// What evaluating a part gives.
pub(crate) type Outcome<T = model::Value> = Result<T, Halt>;

impl Halt {
    /// A failure at the place that is being evaluated.
    pub(crate) fn failed(reason: Reason, message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failure { reason, message: message.into(), column: 0 }))
    }

    /// A value that is not taken, at the place that is being evaluated.
    pub(crate) fn operand(message: impl Into<String>) -> Self {
        Self::failed(Reason::Operand, message)
    }

    /// A path that is not there.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self::failed(Reason::Missing, message)
    }

    /// The same, at this place where none is known yet.
    pub(crate) fn at(mut self, column: u32) -> Self {
        if let Self::Failed(failure) = &mut self
            && failure.column == 0
        {
            failure.column = column;
        }
        self
    }

    /// Whether it is a path that is not there.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.reason == Reason::Missing)
    }
}

impl Failure {
    /// The failure as the caller sees it.
    pub(crate) fn into_error(self, path: &str) -> EvalError {
        EvalError {
            reason: self.reason,
            message: self.message,
            path: path.to_owned(),
            column: (self.column as usize).max(1),
        }
    }
}
