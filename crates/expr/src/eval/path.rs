//! Follows a path by reference: nothing is copied on the way, the end is shared.

use model::Value;
use rust_decimal::prelude::ToPrimitive;

use super::compare::described;
use super::{Evaluator, missing};
use crate::scope::Root;
use crate::stop::{Halt, Outcome};
use crate::syntax::{Base, Expr, Path, Step};

impl Evaluator<'_> {
    pub(super) fn path(&mut self, path: &Path) -> Outcome {
        let base = match self.base(&path.base) {
            Ok(Some(value)) => value,
            Ok(None) => return Ok(Value::Null),
            Err(halt) if halt.is_missing() && !matches!(path.base, Base::Value(_)) => {
                return Err(missing::named(path, halt, self.quiet));
            }
            Err(halt) => return Err(halt),
        };
        if path.steps.is_empty() {
            return Ok(base);
        }
        self.budget.step(path.steps.len() as u64)?;
        let mut at = &base;
        for (index, step) in path.steps.iter().enumerate() {
            let below = match step {
                Step::Field(name) => at.get(name),
                Step::At(position) => element(at, *position),
                Step::Computed(inner) => self.computed(at, inner)?,
            };
            match below {
                Some(value) => at = value,
                None if self.quiet => return Err(Halt::missing(String::new())),
                None => return Err(Halt::missing(missing::explain(path, index, at))),
            }
        }
        Ok(at.clone())
    }

    fn base(&mut self, base: &Base) -> Outcome<Option<Value>> {
        let root = match base {
            Base::Prev(name) => Root::Prev(name),
            Base::Args => Root::Args,
            Base::Kv(key) => return self.kv(key),
            Base::Secret(name) => Root::Secret(name),
            Base::Env(name) => Root::Env(name),
            Base::Flow => Root::Flow,
            Base::Play => Root::Play,
            Base::Step => Root::Step,
            Base::Now => Root::Now,
            Base::Item => Root::Item,
            Base::Index => Root::Index,
            Base::Dot => Root::Dot,
            Base::Value(value) => return self.eval(value).map(Some),
        };
        self.find(&root)
    }

    fn kv(&mut self, key: &Expr) -> Outcome<Option<Value>> {
        if let Some(key) = key.literal_text() {
            return self.find(&Root::Kv(key));
        }
        match self.eval(key)? {
            Value::Text(key) => self.find(&Root::Kv(&key)),
            other => Err(Halt::operand(format!("a key of $kv is text, not {}", described(&other))).at(key.column)),
        }
    }

    /// What a computed step leads to: text is a key, a whole number is a position.
    fn computed<'v>(&mut self, at: &'v Value, inner: &Expr) -> Outcome<Option<&'v Value>> {
        match self.eval(inner)? {
            Value::Text(name) => Ok(at.get(&name)),
            Value::Number(number) => match number.decimal().filter(|decimal| decimal.fract().is_zero()) {
                Some(position) => Ok(position.to_i64().and_then(|position| element(at, position))),
                None => Err(Halt::operand("a position is a whole number").at(inner.column)),
            },
            other => {
                Err(Halt::operand(format!("brackets hold a position or a key, not {}", described(&other)))
                    .at(inner.column))
            }
        }
    }
}

/// The element at a position; a negative one counts from the end.
pub(crate) fn element(at: &Value, position: i64) -> Option<&Value> {
    let items = at.as_list()?;
    let index = match usize::try_from(position) {
        Ok(index) => index,
        Err(_) => items.len().checked_sub(usize::try_from(position.unsigned_abs()).ok()?)?,
    };
    items.get(index)
}
