//! [`PureCtx`]: what a pure module is handed.

use std::fmt;
use std::sync::Arc;

use expr::{Budget, Element, Found, Need, Root, Scope, Stop, Template};
use model::failure::{Failure, code};
use model::limits::{LOG_LINE_CHARS, LOG_LINES};
use model::record::{LogLevel, LogLine};
use model::value::Value;

/// Why a pure module gave no outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Stopped {
    /// It failed, and would fail again.
    Failed(Failure),
    /// It needs facts: they are read and recorded, and it runs again.
    Need(Vec<Need>),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Stop> for Stopped {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(error) => Self::Failed(Failure::new(code::EXPRESSION_ERROR, error.to_string())),
            Stop::Need(needs) => Self::Need(needs),
        }
    }
}

/// What a pure module is handed: facts that are recorded, expressions of its lazy arguments,
/// and a place for log lines. No clock, no network, no files.
pub struct PureCtx<'a> {
    scope: &'a dyn Scope,
    lazy: &'a [(Arc<str>, Template)],
    log: Vec<LogLine>,
}

impl fmt::Debug for PureCtx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PureCtx").field("log", &self.log).finish_non_exhaustive()
    }
}

impl<'a> PureCtx<'a> {
    /// A context in which expressions read through `scope`.
    pub fn new(scope: &'a dyn Scope) -> Self {
        Self { scope, lazy: &[], log: Vec::new() }
    }

    /// The same, with lazy arguments that were compiled before.
    #[must_use]
    pub fn with_lazy(self, lazy: &'a [(Arc<str>, Template)]) -> Self {
        Self { lazy, ..self }
    }

    /// A lazy argument, compiled: an expression with or without braces, or JSON that holds some.
    ///
    /// # Errors
    /// Where it does not parse.
    pub fn lazy(&self, arg: &str, value: &Value) -> Result<Template, Stopped> {
        if let Some((_, template)) = self.lazy.iter().find(|(name, _)| **name == *arg) {
            return Ok(template.clone());
        }
        let compiled = match value {
            Value::Text(text) => Template::compile_expr(text).map_err(|fault| vec![fault]),
            other => Template::compile(other),
        };
        compiled.map_err(|faults| {
            let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::new(code::EXPRESSION_ERROR, format!("{arg}: {}", all.join("; "))).into()
        })
    }

    /// The time, as RFC 3339 text: the same however often the step is evaluated.
    ///
    /// # Errors
    /// [`Stopped::Need`] until it is recorded.
    pub fn now(&self) -> Result<Value, Stopped> {
        self.fact(&Root::Now, Need::Now)
    }

    /// Hex digits to draw randomness from: the same however often the step is evaluated.
    ///
    /// # Errors
    /// [`Stopped::Need`] until they are recorded.
    pub fn seed(&self) -> Result<Value, Stopped> {
        self.fact(&Root::Seed, Need::Seed)
    }

    /// The key/value that `$kv` gives; null where there is none.
    ///
    /// # Errors
    /// [`Stopped::Need`] until it is recorded.
    pub fn kv(&self, key: &str) -> Result<Value, Stopped> {
        self.fact(&Root::Kv(key), Need::Kv(key.to_owned()))
    }

    fn fact(&self, root: &Root<'_>, need: Need) -> Result<Value, Stopped> {
        match self.scope.find(root) {
            Found::Value(value) => Ok(value),
            Found::NotRun | Found::Missing(_) => Ok(Value::Null),
            Found::Need => Err(Stopped::Need(vec![need])),
        }
    }

    /// What expressions read, for a module that puts roots of its own in front of it.
    pub fn scope(&self) -> &'a dyn Scope {
        self.scope
    }

    /// Evaluates an expression over the whole scope.
    ///
    /// # Errors
    /// Where it fails or needs facts.
    pub fn eval(&self, template: &Template) -> Result<Value, Stopped> {
        Ok(template.eval(self.scope, &mut Budget::default())?)
    }

    /// Evaluates a lazy argument for one element of a list.
    ///
    /// # Errors
    /// Where it fails or needs facts.
    pub fn eval_for(&self, template: &Template, element: &Value, index: usize) -> Result<Value, Stopped> {
        let scope = Element { outer: self.scope, dot: element.clone(), index };
        Ok(template.eval(&scope, &mut Budget::default())?)
    }

    /// Adds a line to the play's log.
    pub fn log(&mut self, level: LogLevel, message: &str, data: Value) {
        push_line(&mut self.log, level, message, data);
    }

    /// The lines that were logged.
    pub fn into_log(self) -> Vec<LogLine> {
        self.log
    }
}

/// Adds a line, within the limits of a flowlet's log.
pub(crate) fn push_line(log: &mut Vec<LogLine>, level: LogLevel, message: &str, data: Value) {
    if log.len() < LOG_LINES {
        log.push(LogLine { level, message: message.chars().take(LOG_LINE_CHARS).collect(), data });
    }
}
