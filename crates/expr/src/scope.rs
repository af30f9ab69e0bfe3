//! [`Scope`]: where an expression reads what it names, and [`Element`], a scope inside a list.

use std::fmt;

use model::Value;
use sha2::{Digest, Sha256};

/// What the expressions of one evaluation can read.
pub trait Scope {
    /// The value of a root, or why there is none. The same root must always give the same.
    fn find(&self, root: &Root<'_>) -> Found;
}

/// What a path starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root<'a> {
    /// `$prev.<ref>`: the output of a flowlet.
    Prev(&'a str),
    /// `$prev.args`, `$prev.input`: the play's arguments.
    Args,
    /// `$kv.<key>`.
    Kv(&'a str),
    /// `$secret.<name>`.
    Secret(&'a str),
    /// `$env.<NAME>`.
    Env(&'a str),
    /// `$flow`: an object of `id`, `permanentId`, `version`, `name`.
    Flow,
    /// `$play`: an object of `id`, `startedAt`, `attempt`.
    Play,
    /// `$step`: an object of `ref`, `index`, `attempt`, `idempotencyKey`.
    Step,
    /// `$date.now`: RFC 3339 text.
    Now,
    /// What `uuid` draws from: hex text.
    Seed,
    /// `$item`: the item of the loop.
    Item,
    /// `$index`: its position, from 0.
    Index,
    /// `.`: the current element.
    Dot,
}

/// What a scope answers.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// It is this.
    Value(Value),
    /// A flowlet that did not run: null, and so is every path below it.
    NotRun,
    /// It is not there, and why: "there is no loop here".
    Missing(String),
    /// It is not at hand: ask the driver. Only for roots that a [`Need`] can name.
    Need,
}

/// What an evaluation asks the driver for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Need {
    /// The play's arguments.
    Args,
    /// The item of the loop.
    Item,
    /// The output of the flowlet with this ref.
    Output(String),
    /// The value of this key.
    Kv(String),
    /// The secret of this name.
    Secret(String),
    /// The time.
    Now,
    /// A seed for uuids.
    Seed,
}

impl Need {
    /// What to ask for where a scope says [`Found::Need`]; `None` where that root is always at hand.
    pub(crate) fn of(root: &Root<'_>) -> Option<Self> {
        match root {
            Root::Args => Some(Self::Args),
            Root::Prev(name) => Some(Self::Output((*name).to_owned())),
            Root::Item => Some(Self::Item),
            Root::Kv(key) => Some(Self::Kv((*key).to_owned())),
            Root::Secret(name) => Some(Self::Secret((*name).to_owned())),
            Root::Now => Some(Self::Now),
            Root::Seed => Some(Self::Seed),
            Root::Env(_) | Root::Flow | Root::Play | Root::Step | Root::Index | Root::Dot => None,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Args => f.write_str("$prev.args"),
            Self::Item => f.write_str("$item"),
            Self::Output(name) => write!(f, "$prev.{name}"),
            Self::Kv(key) => write!(f, "$kv[\"{key}\"]"),
            Self::Secret(name) => write!(f, "$secret.{name}"),
            Self::Now => f.write_str("$date.now"),
            Self::Seed => f.write_str("a seed for uuids"),
        }
    }
}

/// A scope inside a list: `.` and `$item` are the element, `$index` is its position.
///
/// Every element draws other uuids from the outer seed.
pub struct Element<'a> {
    /// Where everything else is read.
    pub outer: &'a dyn Scope,
    /// The element.
    pub dot: Value,
    /// Its position, from 0.
    pub index: usize,
}

impl Scope for Element<'_> {
    fn find(&self, root: &Root<'_>) -> Found {
        match root {
            Root::Dot | Root::Item => Found::Value(self.dot.clone()),
            Root::Index => Found::Value(self.index.into()),
            Root::Seed => match self.outer.find(root) {
                Found::Value(Value::Text(seed)) => Found::Value(below(&seed, self.index).into()),
                other => other,
            },
            other => self.outer.find(other),
        }
    }
}

/// The seed of the element at a position.
fn below(seed: &str, index: usize) -> String {
    hex::encode(Sha256::digest(format!("{seed}/{index}")))
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element").field("index", &self.index).finish_non_exhaustive()
    }
}
