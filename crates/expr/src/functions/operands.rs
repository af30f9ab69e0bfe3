//! [`Operands`]: the values that a function is called with, and what is said of a wrong one.

use std::sync::Arc;

use model::{Map, Value};
use regex::Regex;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::eval::{Values, compare};
use crate::stop::{Halt, Outcome};
use crate::syntax::{Call, Node};

/// The operands of one call, in the order of the signature.
pub(crate) struct Operands<'e> {
    call: &'e Call,
    values: Values,
    /// Whether the first operand that is written was moved to the end.
    rotated: bool,
}

impl<'e> Operands<'e> {
    pub(crate) fn new(call: &'e Call, mut values: Values) -> Self {
        let mut rotated = false;
        if let (Some(is_subject), [first, .., last]) = (call.function.subject, values.as_slice()) {
            rotated = is_subject(first) && !is_subject(last);
        }
        if rotated {
            values.rotate_left(1);
        }
        Self { call, values, rotated }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Value] {
        &self.values
    }

    /// The position of the last one, which is what most functions work on.
    pub(crate) fn last(&self) -> usize {
        self.values.len().saturating_sub(1)
    }

    /// One as it is; null where there is none.
    pub(crate) fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// One as it is, given away.
    pub(crate) fn take(&mut self, index: usize) -> Value {
        self.values.get_mut(index).map(std::mem::take).unwrap_or_default()
    }

    /// The regular expression in the first operand, where it was compiled beforehand.
    pub(crate) fn pattern(&self) -> Option<&'e Regex> {
        self.call.pattern.as_ref()
    }

    /// A text.
    pub(crate) fn text(&self, index: usize) -> Outcome<&str> {
        self.shared_text(index).map(|text| &**text)
    }

    /// A text that can be shared.
    pub(crate) fn shared_text(&self, index: usize) -> Outcome<&Arc<str>> {
        match self.value(index) {
            Value::Text(text) => Ok(text),
            Value::Number(_) | Value::Bool(_) => Err(self.advise(index, "a string", "text(…) makes one")),
            _ => Err(self.wrong(index, "a string")),
        }
    }

    /// A number.
    pub(crate) fn decimal(&self, index: usize) -> Outcome<Decimal> {
        match self.value(index) {
            Value::Number(number) => compare::decimal(number).map_err(|halt| halt.at(self.column(index))),
            Value::Text(_) => Err(self.advise(index, "a number", "number(…) reads one from a string")),
            _ => Err(self.wrong(index, "a number")),
        }
    }

    /// A whole number.
    pub(crate) fn whole(&self, index: usize) -> Outcome<i64> {
        let decimal = self.decimal(index)?;
        let whole = if decimal.fract().is_zero() { decimal.to_i64() } else { None };
        whole.ok_or_else(|| self.refuse(index, "must be a whole number"))
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&self, index: usize) -> Outcome<usize> {
        usize::try_from(self.whole(index)?).map_err(|_| self.refuse(index, "must not be negative"))
    }

    /// The items of a list.
    pub(crate) fn list(&self, index: usize) -> Outcome<&[Value]> {
        self.value(index).as_list().ok_or_else(|| self.wrong(index, "a list"))
    }

    /// The fields of an object.
    pub(crate) fn map(&self, index: usize) -> Outcome<&Map> {
        self.value(index).as_map().ok_or_else(|| self.wrong(index, "an object"))
    }

    /// An operand that is of the wrong type.
    pub(crate) fn wrong(&self, index: usize, expected: &str) -> Halt {
        self.refuse(index, &format!("must be {expected}, not {}", compare::described(self.value(index))))
    }

    /// An operand that is of the wrong type, and what to do about it.
    pub(crate) fn advise(&self, index: usize, expected: &str, advice: &str) -> Halt {
        self.refuse(index, &format!("must be {expected}, not {}; {advice}", compare::described(self.value(index))))
    }

    /// An operand that cannot be taken, for a reason that reads on after the operand's name.
    pub(crate) fn refuse(&self, index: usize, why: &str) -> Halt {
        Halt::operand(format!(
            "{}: operand {}{} {why}",
            self.call.function.name,
            self.written(index) + 1,
            self.name(index)
        ))
        .at(self.column(index))
    }

    /// The position at which an operand was written.
    fn written(&self, index: usize) -> usize {
        if self.rotated { (index + 1) % self.values.len().max(1) } else { index }
    }

    /// Where an operand was written; 0 where there is none.
    fn column(&self, index: usize) -> u32 {
        self.call.operands.get(self.written(index)).map_or(0, |operand| operand.column)
    }

    /// An operand as it was written: never the data that it stands for.
    pub(crate) fn shown(&self, index: usize) -> String {
        self.call.operands.get(self.written(index)).map(ToString::to_string).unwrap_or_default()
    }

    /// Whether an operand was written out, so that a message may tell what it holds.
    pub(crate) fn is_literal(&self, index: usize) -> bool {
        self.call.operands.get(self.written(index)).is_some_and(|operand| matches!(operand.node, Node::Literal(_)))
    }

    /// The operand's name in the signature, in parentheses. Those that may be left out are taken
    /// to be there from left to right.
    fn name(&self, index: usize) -> String {
        let function = self.call.function;
        let mut spare = self.values.len().saturating_sub(function.least);
        let mut at = 0;
        for name in function.operand_names() {
            let plain = name.trim_end_matches('?').trim_end_matches("...");
            let takes = if name.ends_with("...") {
                spare
            } else if name.ends_with('?') {
                spare.min(1)
            } else {
                1
            };
            if plain.len() < name.len() {
                spare -= takes;
            }
            if index < at + takes {
                return format!(" ({plain})");
            }
            at += takes;
        }
        String::new()
    }
}
