//! [`Fault`]: why a text is not an expression, said at publishing.

use std::fmt;
use std::sync::Arc;

use model::limits::{EXPRESSIONS, PATTERNS};

/// What is wrong with an expression as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which string of the value: `body.items[0]`; empty where there is only one.
    pub path: String,
    /// Where in that string, in characters from 1.
    pub column: usize,
    /// What is wrong, and what to do.
    pub message: String,
    /// The string itself.
    pub source: Arc<str>,
}

impl Fault {
    pub(crate) fn new(problem: Problem, path: &str, source: &Arc<str>) -> Self {
        Self {
            path: path.to_owned(),
            column: problem.column as usize,
            message: problem.message,
            source: source.clone(),
        }
    }

    /// The line of the source with a caret under the place, then the message.
    pub fn render(&self) -> String {
        let (line, before) = self.line();
        let (shown, caret) = window(line, before);
        format!("{shown}\n{}^ {}", " ".repeat(caret), self.message)
    }

    /// The line that the column is in, and how many of its characters come before the place.
    fn line(&self) -> (&str, usize) {
        let mut before = self.column.saturating_sub(1);
        for line in self.source.split('\n') {
            let chars = line.chars().count();
            if before <= chars {
                return (line, before);
            }
            before -= chars + 1;
        }
        ("", 0)
    }
}

/// How many characters of a long line are shown on each side of the place.
const SHOWN: usize = 60;

/// The part of the line around the place, and where the place is in it. Tabs become spaces, so
/// that the caret stands right.
fn window(line: &str, place: usize) -> (String, usize) {
    let from = place.saturating_sub(SHOWN);
    let part = line.chars().skip(from).take(SHOWN * 2);
    (part.map(|char| if char.is_control() { ' ' } else { char }).collect(), place - from)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} (column {})", self.message, self.column)
    }
}

impl std::error::Error for Fault {}

/// A fault before it is known which string it is in.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) column: u32,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(column: u32, message: impl Into<String>) -> Self {
        Self { column, message: message.into() }
    }
}

/// What is noted while a template is compiled.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// What is wrong with the string that is being compiled.
    problems: Vec<Problem>,
    /// Expressions so far, in all strings.
    expressions: usize,
    /// Regular expressions so far, in all strings.
    patterns: usize,
}

/// So many faults are told; more would not help anybody.
pub(crate) const MOST_FAULTS: usize = 100;

impl Notes {
    /// Notes a problem that does not end the reading, unless there are too many.
    pub(crate) fn note(&mut self, problem: Problem) -> Result<(), Problem> {
        if self.problems.len() + 1 >= MOST_FAULTS {
            return Err(problem);
        }
        self.problems.push(problem);
        Ok(())
    }

    /// Notes the problem that ended the reading.
    pub(crate) fn end(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Counts an expression.
    pub(crate) fn expression(&mut self, column: u32) -> Result<(), Problem> {
        self.expressions += 1;
        if self.expressions > EXPRESSIONS {
            return Err(Problem::new(column, format!("there are at most {EXPRESSIONS} expressions in one value")));
        }
        Ok(())
    }

    /// Counts a regular expression that is compiled beforehand.
    pub(crate) fn pattern(&mut self, column: u32) -> Result<(), Problem> {
        self.patterns += 1;
        if self.patterns > PATTERNS {
            return Err(Problem::new(column, format!("there are at most {PATTERNS} regular expressions in one value")));
        }
        Ok(())
    }

    /// What is wrong, in the order in which it is written; none is noted any more.
    pub(crate) fn take(&mut self) -> Vec<Problem> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.sort_by_key(|problem| problem.column);
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(source: &str, column: usize) -> Fault {
        Fault { path: "body".into(), column, message: "wrong".into(), source: source.into() }
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(fault("{{ äöü + }}", 8).render(), "{{ äöü + }}\n       ^ wrong");
        assert_eq!(fault("one\ntwo", 6).render(), "two\n ^ wrong");
        assert_eq!(fault("", 1).render(), "\n^ wrong");
        assert_eq!(fault("ab", 3).render(), "ab\n  ^ wrong");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let rendered = fault(&"x".repeat(1000), 500).render();
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!((lines[0].len(), lines[1].find('^')), (120, Some(60)));
    }

    #[test]
    fn display_says_where() {
        assert_eq!(fault("x", 1).to_string(), "body: wrong (column 1)");
    }
}
