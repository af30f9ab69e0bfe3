//! Walks values by a query, and pays for every one that it looks at.

use std::cmp::Ordering;

use model::{Number, Value};

use super::{Comparable, Comparison, Logical, Pattern, Query, Selector, pattern};

/// What compiling a regular expression costs.
const COMPILING: u64 = 1_000;

/// Bytes of text that cost as much as a value.
const TEXT: usize = 64;

/// The budget is spent.
pub(super) struct Spent;

/// A walk through one value.
pub(super) struct Walk<'v> {
    root: &'v Value,
    left: u64,
}

/// A value that is there, or none.
enum Found<'v> {
    Nothing,
    Shared(&'v Value),
    Made(Value),
}

impl Found<'_> {
    fn get(&self) -> Option<&Value> {
        match self {
            Self::Nothing => None,
            Self::Shared(value) => Some(value),
            Self::Made(value) => Some(value),
        }
    }
}

impl<'v> Walk<'v> {
    pub(super) fn new(root: &'v Value, steps: u64) -> Self {
        Self { root, left: steps }
    }

    fn pay(&mut self, steps: u64) -> Result<(), Spent> {
        self.left = self.left.checked_sub(steps).ok_or(Spent)?;
        Ok(())
    }

    /// The nodes that a query selects, from a current node.
    pub(super) fn query(&mut self, query: &Query, current: &'v Value) -> Result<Vec<&'v Value>, Spent> {
        self.pay(1)?;
        let mut nodes = vec![if query.relative { current } else { self.root }];
        for segment in &query.segments {
            let mut next = Vec::new();
            for node in nodes {
                if segment.descends {
                    self.descend(&segment.selectors, node, &mut next)?;
                } else {
                    self.select(&segment.selectors, node, &mut next)?;
                }
            }
            nodes = next;
        }
        Ok(nodes)
    }

    /// Values nest no deeper than the limit for JSON, so this may call itself.
    fn descend(&mut self, selectors: &[Selector], node: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), Spent> {
        self.select(selectors, node, out)?;
        match node {
            Value::List(items) => items.iter().try_for_each(|item| self.descend(selectors, item, out)),
            Value::Map(fields) => fields.values().try_for_each(|field| self.descend(selectors, field, out)),
            _ => Ok(()),
        }
    }

    fn select(&mut self, selectors: &[Selector], node: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), Spent> {
        for selector in selectors {
            self.pay(1)?;
            match (selector, node) {
                (Selector::Name(name), Value::Map(fields)) => out.extend(fields.get(name.as_str())),
                (Selector::Index(index), Value::List(items)) => {
                    out.extend(position(*index, items.len()).and_then(|index| items.get(index)));
                }
                (Selector::Slice { start, end, step }, Value::List(items)) => {
                    for index in slice(*start, *end, *step, items.len()) {
                        self.pay(1)?;
                        out.extend(items.get(index));
                    }
                }
                (Selector::Wildcard, Value::List(items)) => {
                    self.pay(items.len() as u64)?;
                    out.extend(items.iter());
                }
                (Selector::Wildcard, Value::Map(fields)) => {
                    self.pay(fields.len() as u64)?;
                    out.extend(fields.values());
                }
                (Selector::Filter(filter), Value::List(items)) => self.filter(filter, items.iter(), out)?,
                (Selector::Filter(filter), Value::Map(fields)) => self.filter(filter, fields.values(), out)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn filter(
        &mut self,
        filter: &Logical,
        nodes: impl Iterator<Item = &'v Value>,
        out: &mut Vec<&'v Value>,
    ) -> Result<(), Spent> {
        for node in nodes {
            self.pay(1)?;
            if self.holds(filter, node)? {
                out.push(node);
            }
        }
        Ok(())
    }

    fn holds(&mut self, logical: &Logical, current: &'v Value) -> Result<bool, Spent> {
        self.pay(1)?;
        match logical {
            Logical::Or(any) => {
                for one in any {
                    if self.holds(one, current)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Logical::And(all) => {
                for one in all {
                    if !self.holds(one, current)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Logical::Not(inner) => Ok(!self.holds(inner, current)?),
            Logical::Exists(query) => Ok(!self.query(query, current)?.is_empty()),
            Logical::Compare(left, comparison, right) => {
                let (left, right) = (self.value(left, current)?, self.value(right, current)?);
                self.compare(left.get(), *comparison, right.get())
            }
            Logical::Matches { text, pattern, whole } => self.matches(text, pattern, *whole, current),
        }
    }

    fn value(&mut self, comparable: &Comparable, current: &'v Value) -> Result<Found<'v>, Spent> {
        self.pay(1)?;
        Ok(match comparable {
            Comparable::Literal(value) => Found::Made(value.clone()),
            Comparable::Singular(query) | Comparable::ValueOf(query) => match self.query(query, current)?.as_slice() {
                [only] => Found::Shared(only),
                _ => Found::Nothing,
            },
            Comparable::Count(query) => Found::Made(self.query(query, current)?.len().into()),
            Comparable::Length(inner) => match self.value(inner, current)?.get() {
                Some(Value::Text(text)) => {
                    self.pay((text.len() / TEXT) as u64)?;
                    Found::Made(text.chars().count().into())
                }
                Some(Value::List(items)) => Found::Made(items.len().into()),
                Some(Value::Map(fields)) => Found::Made(fields.len().into()),
                _ => Found::Nothing,
            },
        })
    }

    fn compare(&mut self, left: Option<&Value>, how: Comparison, right: Option<&Value>) -> Result<bool, Spent> {
        Ok(match how {
            Comparison::Equal => self.equal(left, right)?,
            Comparison::NotEqual => !self.equal(left, right)?,
            Comparison::Less => is(left, right, Ordering::Less),
            Comparison::Greater => is(left, right, Ordering::Greater),
            Comparison::LessOrEqual => is(left, right, Ordering::Less) || self.equal(left, right)?,
            Comparison::GreaterOrEqual => is(left, right, Ordering::Greater) || self.equal(left, right)?,
        })
    }

    fn equal(&mut self, left: Option<&Value>, right: Option<&Value>) -> Result<bool, Spent> {
        let (Some(left), Some(right)) = (left, right) else { return Ok(left.is_none() && right.is_none()) };
        // As much as the smaller of the two, since they differ where the other one goes on.
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).saturating_mul(8);
        let size = |value: &Value| value.measure(most, model::limits::JSON_DEPTH).bytes;
        self.pay((size(left).min(size(right)) / 8) as u64)?;
        Ok(left == right)
    }

    fn matches(
        &mut self,
        text: &Comparable,
        pattern: &Pattern,
        whole: bool,
        current: &'v Value,
    ) -> Result<bool, Spent> {
        let text = self.value(text, current)?;
        let Some(Value::Text(text)) = text.get() else { return Ok(false) };
        self.pay((text.len() / TEXT) as u64)?;
        match pattern {
            Pattern::Written(compiled) => Ok(compiled.as_ref().is_some_and(|pattern| pattern.is_match(text))),
            Pattern::Computed(computed) => {
                let written = self.value(computed, current)?;
                let Some(Value::Text(written)) = written.get() else { return Ok(false) };
                self.pay(COMPILING + (written.len() / TEXT) as u64)?;
                Ok(pattern::compile(written, whole).is_some_and(|pattern| pattern.is_match(text)))
            }
        }
    }
}

/// Whether two values have this order. Only numbers, and only texts, have any.
fn is(left: Option<&Value>, right: Option<&Value>, wanted: Ordering) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => order(left, right) == Some(wanted),
        (Some(Value::Text(left)), Some(Value::Text(right))) => left.cmp(right) == wanted,
        _ => false,
    }
}

/// Exact up to 28 digits; beyond, as near as binary floats are.
fn order(left: &Number, right: &Number) -> Option<Ordering> {
    match (left.decimal(), right.decimal()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.to_f64().partial_cmp(&right.to_f64()),
    }
}

/// A position from the start; a negative one counts from the end.
fn position(index: i64, length: usize) -> Option<usize> {
    match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
    }
}

/// The positions of a slice (RFC 9535, 2.3.4.2).
fn slice(start: Option<i64>, end: Option<i64>, step: i64, length: usize) -> impl Iterator<Item = usize> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let normal = |index: i64| if index >= 0 { index } else { length.saturating_add(index) };
    let (start, end) = if step >= 0 {
        (start.unwrap_or(0), end.unwrap_or(length))
    } else {
        (start.unwrap_or(length - 1), end.map_or(-1, normal))
    };
    let (from, to) = if step >= 0 {
        (normal(start).clamp(0, length), normal(end).clamp(0, length))
    } else {
        (normal(start).clamp(-1, length - 1), end.clamp(-1, length - 1))
    };
    let mut next = (step != 0).then_some(from);
    std::iter::from_fn(move || {
        let at = next.filter(|at| if step > 0 { *at < to } else { *at > to })?;
        next = at.checked_add(step);
        usize::try_from(at).ok()
    })
}
