//! [`Budget`]: what one evaluation may spend, in steps and in bytes.
//!
//! Everything that loops or grows is charged here before it is done. The charges are part of
//! the language's meaning: the same evaluation costs the same everywhere.

use model::limits::{EXPRESSION_BYTES, EXPRESSION_STEPS};

use crate::stop::{Halt, Reason};

/// The parts of a step. A byte of text costs one, so that a step pays for 1 KiB.
const PARTS: u64 = 1024;

/// What going through an item of a list costs, so that a step pays for 32.
const PARTS_PER_ITEM: u64 = 32;

/// What an item of a new list counts, in bytes.
const ITEM_BYTES: usize = 32;

/// What a field of a new object counts, in bytes, beside its key.
const FIELD_BYTES: usize = 64;

/// How much an evaluation may still do and build.
///
/// A *step* is one part of an expression evaluated, 32 items of a list gone through, or 1 KiB of
/// text. *Bytes* count text, lists and objects that are built, not those that are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// What is left of the steps, in parts of one.
    parts: u64,
    bytes: u64,
    granted: (u64, u64),
}

impl Budget {
    /// A budget of so many steps and bytes.
    pub fn new(steps: u64, bytes: u64) -> Self {
        Self { parts: steps.saturating_mul(PARTS), bytes, granted: (steps, bytes) }
    }

    /// The whole steps that are left.
    pub fn steps_left(&self) -> u64 {
        self.parts / PARTS
    }

    /// The bytes that are left.
    pub fn bytes_left(&self) -> u64 {
        self.bytes
    }

    /// Pays for a number of steps.
    pub(crate) fn step(&mut self, count: u64) -> Result<(), Halt> {
        self.work(count.saturating_mul(PARTS))
    }

    fn work(&mut self, parts: u64) -> Result<(), Halt> {
        match self.parts.checked_sub(parts) {
            Some(left) => {
                self.parts = left;
                Ok(())
            }
            None => Err(Halt::failed(
                Reason::Limit,
                format!("the expression needs more than the {} steps that it may take", self.granted.0),
            )),
        }
    }

    /// Pays for going through so many items.
    pub(crate) fn go_through(&mut self, items: usize) -> Result<(), Halt> {
        self.work((items as u64).saturating_mul(PARTS_PER_ITEM))
    }

    /// Pays for reading so many bytes of text.
    pub(crate) fn scan(&mut self, bytes: usize) -> Result<(), Halt> {
        self.work(bytes as u64)
    }

    /// Pays for building so many bytes of text.
    pub(crate) fn text(&mut self, bytes: usize) -> Result<(), Halt> {
        self.scan(bytes)?;
        self.build(bytes)
    }

    /// Pays for building a list of so many items.
    pub(crate) fn list(&mut self, items: usize) -> Result<(), Halt> {
        self.go_through(items)?;
        self.build(items.saturating_mul(ITEM_BYTES))
    }

    /// Pays for building an object of so many fields.
    pub(crate) fn map(&mut self, fields: usize) -> Result<(), Halt> {
        self.go_through(fields)?;
        self.build(fields.saturating_mul(FIELD_BYTES))
    }

    /// Pays for so many bytes, which were gone through already.
    pub(crate) fn build(&mut self, bytes: usize) -> Result<(), Halt> {
        match self.bytes.checked_sub(bytes as u64) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(Halt::failed(
                Reason::Limit,
                format!("the expression builds more than the {} bytes that it may", self.granted.1),
            )),
        }
    }
}

/// What an expression may spend by default: [`EXPRESSION_STEPS`] and [`EXPRESSION_BYTES`].
impl Default for Budget {
    fn default() -> Self {
        Self::new(EXPRESSION_STEPS, EXPRESSION_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_come_before_the_work_and_never_pass_zero() {
        let mut budget = Budget::new(10, 100);
        assert!(budget.step(4).is_ok());
        assert!(budget.go_through(33).is_ok());
        assert_eq!(budget.steps_left(), 4);
        assert!(budget.step(5).is_err());
        assert_eq!(budget.steps_left(), 4);
        assert!(budget.go_through(31).is_ok());
        assert_eq!(budget.steps_left(), 4);
        assert!(budget.text(90).is_ok());
        assert!(budget.text(11).is_err());
        assert_eq!(budget.bytes_left(), 10);
        assert!(budget.list(usize::MAX).is_err());
        assert!(budget.map(usize::MAX).is_err());
    }

    #[test]
    fn nothing_costs_nothing() {
        let mut budget = Budget::new(0, 0);
        assert!(budget.go_through(0).is_ok() && budget.text(0).is_ok() && budget.list(0).is_ok());
    }
}
