//! [`Database`]: the one way to databases.

use std::time::Duration;

use async_trait::async_trait;
use model::value::Value;

use crate::Mishap;
use crate::component::{Backend, Component, Nothing};

/// A statement, on its way to a database.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text, with `$1`, `$2` … where the parameters belong.
    pub sql: String,
    /// Its parameters; they are bound, never written into the text.
    pub params: Vec<Value>,
    /// What is wanted of it.
    pub gives: Gives,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it may leave something behind in its connection, which then is not used again.
    pub leaves_traces: bool,
}

/// What is wanted of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Its rows, at most so many; it may change nothing, and the database sees to that.
    Read(usize),
    /// It changes something; its rows, at most so many.
    Changed(usize),
    /// It changes something; how many rows is enough.
    Count,
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// The rows, as objects by column.
    pub rows: Vec<Value>,
    /// How many rows were given, or changed.
    pub count: u64,
}

/// Runs statements. Each is a transaction of its own.
#[async_trait]
pub trait Database: Backend {
    /// Runs a statement.
    ///
    /// # Errors
    /// Where it surely did not take effect, or where that is not known: the connection was lost
    /// while a change was being committed.
    async fn run(&self, component: &Component, statement: Statement) -> Result<Ran, Mishap>;
}

#[async_trait]
impl Database for Nothing {
    async fn run(&self, component: &Component, _: Statement) -> Result<Ran, Mishap> {
        Err(Self::failure(component).into())
    }
}
