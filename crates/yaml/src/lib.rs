//! YAML as exact JSON values, with the place of everything in them.
//!
//! [`read`] takes YAML 1.2 (core schema) and keeps what JSON can say: a number keeps its text,
//! keys are strings, one text is one document. [`write`] gives block style that reads back as
//! the same value. It knows nothing of flows.
//!
//! # What it decides
//!
//! - `yes`, `no`, `on`, `off`, `1_000` and dates are text, as YAML 1.2 has it.
//! - A number that JSON writes otherwise (`+1`, `.5`, `0x1F`, `0o17`) becomes that number. What
//!   JSON cannot write (`.inf`, `.nan`) and what readers take differently (`007`) is refused.
//! - A key is text; one that reads as a number, a boolean or null must be quoted. A key that is
//!   given twice is refused. `<<` is a key like any other.
//! - Of tags, those of the core schema are known, and `!` for "this is text".
//! - An alias counts as much as what it stands for, so that a short text cannot stand for more
//!   than the limits allow.

mod position;
mod read;
mod scalar;
mod write;

pub use position::Position;
pub use read::{Document, read};
pub use write::write;

/// Why a text is not YAML that flow8 takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct YamlError {
    /// What is wrong, and what to do.
    pub message: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl YamlError {
    pub(crate) fn at(position: Position, message: impl Into<String>) -> Self {
        Self { message: message.into(), line: position.line, column: position.column }
    }

    /// At the end of its line at the latest: the parser counts bytes, not characters, in a directive (`%...`).
    pub(crate) fn within(self, text: &str) -> Self {
        let line =
            text.replace("\r\n", "\n").split(['\n', '\r']).nth(self.line - 1).map_or(0, |line| line.chars().count());
        Self { column: self.column.min(line + 1), ..self }
    }
}
