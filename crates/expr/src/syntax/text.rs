//! Cuts a string into the text between expressions and the expressions.

use std::sync::Arc;

use super::Expr;
use super::parse::{Braced, parse_braced};
use crate::fault::{Notes, Problem};

/// A part of a string.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// Taken as it is.
    Text(Arc<str>),
    /// Evaluated.
    Expr(Expr),
}

/// The parts of a string; none for an empty one. What is wrong is noted, and then the parts are
/// not complete.
pub(crate) fn split(source: &str, notes: &mut Notes) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut at, mut column) = (0, 1);
    while let Some(text) = source[at..].find("{{") {
        if text > 0 {
            parts.push(Part::Text(source[at..at + text].into()));
        }
        column += chars(&source[at..at + text]);
        at += text + 2;
        if source[at..].strip_prefix('-').is_some_and(|rest| rest.starts_with(char::is_whitespace)) {
            notes.end(Problem::new(
                column + 2,
                "a dash right behind {{ does not trim here; remove it, or put a space before it to negate",
            ));
            return parts;
        }
        match notes.expression(column).and_then(|()| parse_braced(source, at, column + 2, notes)) {
            Ok(Braced { expr, end }) => {
                parts.push(Part::Expr(expr));
                column += 2 + chars(&source[at..end]);
                at = end;
            }
            Err(problem) => {
                notes.end(problem);
                return parts;
            }
        }
    }
    if at < source.len() {
        parts.push(Part::Text(source[at..].into()));
    }
    parts
}

fn chars(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}
