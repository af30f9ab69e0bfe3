//! [`Elements`]: a lazy argument, evaluated for the elements of a list within one budget.

use std::collections::HashSet;

use expr::{Budget, Element, Need, Scope, Stop, Template};
use model::Value;
use model::failure::{Failure, code};
use model::limits::{ELEMENT_STEPS, EXPRESSION_BYTES};
use sdk::{PureCtx, Stopped};

use crate::arguments::refused;

/// A lazy argument, for one element after the other.
pub(crate) struct Elements<'a> {
    name: &'static str,
    template: Template,
    scope: &'a dyn Scope,
    budget: Budget,
    needs: Vec<Need>,
    known: HashSet<Need>,
}

impl<'a> Elements<'a> {
    /// The lazy argument of that name. A text is an expression, with braces or without; in
    /// anything else, texts may hold expressions in braces.
    ///
    /// # Errors
    /// Where it is no expression.
    pub(crate) fn new(name: &'static str, argument: &Value, ctx: &PureCtx<'a>) -> Result<Self, Failure> {
        // It was compiled before where the flow was published with it.
        let template = ctx.lazy(name, argument).map_err(|stopped| match stopped {
            Stopped::Failed(failure) => refused(failure.message),
            Stopped::Need(_) => refused(format!("{name}: is no expression")),
        })?;
        Ok(Self {
            name,
            template,
            scope: ctx.scope(),
            budget: Budget::new(ELEMENT_STEPS, EXPRESSION_BYTES),
            needs: Vec::new(),
            known: HashSet::new(),
        })
    }

    /// The values for all elements. Goes on behind one that needs facts, to learn what else is
    /// needed.
    ///
    /// # Errors
    /// The first failure, with the element's position; or all facts that are needed.
    pub(crate) fn all(mut self, items: &[Value]) -> Result<Vec<Value>, Stopped> {
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let scope = Element { outer: self.scope, dot: item.clone(), index };
            match self.template.eval(&scope, &mut self.budget) {
                Ok(value) => values.push(value),
                Err(Stop::Need(needs)) => self.note(needs),
                Err(Stop::Failed(_)) if !self.needs.is_empty() => {}
                Err(Stop::Failed(error)) => return Err(self.failed(index, &error).into()),
            }
        }
        if self.needs.is_empty() { Ok(values) } else { Err(Stopped::Need(self.needs)) }
    }

    /// The value in a scope of the caller's.
    ///
    /// # Errors
    /// The failure, with the element's position; or the facts that are needed.
    pub(crate) fn one(&mut self, scope: &dyn Scope, index: usize) -> Result<Value, Stopped> {
        self.template.eval(scope, &mut self.budget).map_err(|stop| match stop {
            Stop::Need(needs) => Stopped::Need(needs),
            Stop::Failed(error) => self.failed(index, &error).into(),
        })
    }

    fn note(&mut self, needs: Vec<Need>) {
        for need in needs {
            if self.known.insert(need.clone()) {
                self.needs.push(need);
            }
        }
    }

    fn failed(&self, index: usize, error: &expr::EvalError) -> Failure {
        Failure::new(code::EXPRESSION_ERROR, format!("{} of item [{index}]: {error}", self.name))
    }
}

/// Whether a condition holds: true does; false and null do not; anything else is none.
///
/// # Errors
/// Where it is no condition.
pub(crate) fn holds(value: &Value, index: usize) -> Result<bool, Failure> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Null => Ok(false),
        other => Err(Failure::new(
            code::EXPRESSION_ERROR,
            format!(
                "condition of item [{index}]: a condition is true or false, not a value of type {}; compare it (a == b)",
                other.type_name()
            ),
        )),
    }
}
