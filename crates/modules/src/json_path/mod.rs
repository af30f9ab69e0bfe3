//! JSONPath (RFC 9535) over values: exact, and bounded in what it looks at.
//!
//! Own code, because the libraries that exist compare numbers as binary floats, so that long ids
//! and amounts match their neighbours, and go on as long as a query tells them to. The tests
//! compare it with one of them on what both can do.

mod eval;
mod parse;
mod pattern;

use model::Value;
use model::limits::JSON_PATH_STEPS;
use regex::Regex;

/// A query, as it was written.
#[derive(Debug)]
pub(crate) struct Query {
    /// Whether it starts at the current node (`@`), not at the root (`$`).
    relative: bool,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    /// Whether it is taken for the node and everything below it (`..`).
    descends: bool,
    selectors: Vec<Selector>,
}

#[derive(Debug)]
enum Selector {
    Name(String),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Logical),
}

/// What is true or false of a node.
#[derive(Debug)]
enum Logical {
    Or(Vec<Logical>),
    And(Vec<Logical>),
    Not(Box<Logical>),
    Compare(Comparable, Comparison, Comparable),
    Exists(Query),
    /// Whether a text matches as a whole, or somewhere.
    Matches {
        text: Comparable,
        pattern: Pattern,
        whole: bool,
    },
}

/// What has a value, or none.
#[derive(Debug)]
enum Comparable {
    Literal(Value),
    Singular(Query),
    Length(Box<Comparable>),
    Count(Query),
    ValueOf(Query),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A regular expression (RFC 9485); compiled beforehand where it is written out.
#[derive(Debug)]
enum Pattern {
    Written(Option<Regex>),
    Computed(Comparable),
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::query(text)
    }

    /// The nodes that it selects, in order.
    ///
    /// # Errors
    /// Where it looks at more than [`JSON_PATH_STEPS`] values.
    pub(crate) fn select<'v>(&self, root: &'v Value) -> Result<Vec<&'v Value>, String> {
        let mut walk = eval::Walk::new(root, JSON_PATH_STEPS);
        walk.query(self, root).map_err(|_| {
            format!("the query looks at more than {JSON_PATH_STEPS} values; ask for less with each \"..\" and \"*\"")
        })
    }

    /// Whether it selects one node at most, whatever the value.
    fn is_singular(&self) -> bool {
        self.segments.iter().all(|segment| {
            !segment.descends && matches!(segment.selectors.as_slice(), [Selector::Name(_) | Selector::Index(_)])
        })
    }
}

#[cfg(test)]
mod tests;
