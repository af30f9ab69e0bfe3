//! The expression language as a tree: [`Expr`], made by the parser and printed back.
//!
//! Names of functions are resolved here, so a tree can always be evaluated. Nothing here
//! evaluates.

mod lex;
mod message;
mod parse;
mod path;
mod print;
mod text;

#[cfg(test)]
mod any;

use std::fmt;
use std::sync::Arc;

use model::Value;
use regex::Regex;

pub(crate) use lex::is_field_name;
pub use path::roots;
pub(crate) use text::{Part, split};

use crate::fault::{Fault, Notes};
use crate::functions::Function;

/// An expression. `Display` prints it so that it parses to the same tree; calls are printed as
/// `f(a, b)`. `==` does not look at where a part was written.
#[derive(Clone)]
pub struct Expr {
    pub(crate) node: Node,
    /// Where it was written: of an operator the operator itself. In characters, from 1.
    pub(crate) column: u32,
    /// How deep it nests; 1 for a leaf.
    pub(crate) height: u16,
}

/// The shapes of an expression.
#[derive(Clone, PartialEq)]
pub(crate) enum Node {
    /// null, a boolean, a number or a text.
    Literal(Value),
    /// A root or any value, and steps below it. Steps are empty only below a root.
    Path(Path),
    /// `!a`, `-a`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<[Expr; 2]>),
    /// `condition ? a : b`
    Choice(Box<[Expr; 3]>),
    /// `f(a, b)`
    Call(Call),
}

/// A function with its operands.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) operands: Vec<Expr>,
    /// The regular expression in the first operand, where that is a literal.
    pub(crate) pattern: Option<Regex>,
}

/// Where a path starts and how it goes on.
#[derive(Clone, PartialEq)]
pub(crate) struct Path {
    pub(crate) base: Base,
    pub(crate) steps: Vec<Step>,
}

/// What a path starts with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Base {
    Prev(Arc<str>),
    Args,
    /// A literal key, mostly.
    Kv(Box<Expr>),
    Secret(Arc<str>),
    Env(Arc<str>),
    Flow,
    Play,
    Step,
    Now,
    Item,
    Index,
    Dot,
    /// Any other value; never a path.
    Value(Box<Expr>),
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// `.name`, `["any key"]`
    Field(Arc<str>),
    /// `[0]`, `[-1]`
    At(i64),
    /// `[expression]`; never a literal text or whole number.
    Computed(Box<Expr>),
}

/// Operators with one operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Not,
    Negate,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Coalesce,
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// How tightly things bind, loosest first.
pub(crate) mod binding {
    pub(crate) const CHOICE: u8 = 1;
    pub(crate) const COALESCE: u8 = 2;
    pub(crate) const OR: u8 = 3;
    pub(crate) const AND: u8 = 4;
    pub(crate) const EQUALITY: u8 = 5;
    pub(crate) const ORDERING: u8 = 6;
    pub(crate) const SUM: u8 = 7;
    pub(crate) const PRODUCT: u8 = 8;
    pub(crate) const UNARY: u8 = 9;
    pub(crate) const PRIMARY: u8 = 10;
}

impl BinaryOp {
    /// Every operator, with its sign and how tightly it binds.
    const ALL: [(Self, &'static str, u8); 14] = [
        (Self::Coalesce, "??", binding::COALESCE),
        (Self::Or, "||", binding::OR),
        (Self::And, "&&", binding::AND),
        (Self::Equal, "==", binding::EQUALITY),
        (Self::NotEqual, "!=", binding::EQUALITY),
        (Self::Less, "<", binding::ORDERING),
        (Self::LessOrEqual, "<=", binding::ORDERING),
        (Self::Greater, ">", binding::ORDERING),
        (Self::GreaterOrEqual, ">=", binding::ORDERING),
        (Self::Add, "+", binding::SUM),
        (Self::Subtract, "-", binding::SUM),
        (Self::Multiply, "*", binding::PRODUCT),
        (Self::Divide, "/", binding::PRODUCT),
        (Self::Remainder, "%", binding::PRODUCT),
    ];

    /// The operator of a sign.
    pub(crate) fn of(sign: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == sign).map(|(op, ..)| *op)
    }

    /// The operator's sign.
    pub(crate) fn sign(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// How tightly it binds.
    pub(crate) fn binds(self) -> u8 {
        Self::ALL[self as usize].2
    }

    /// Whether `a op b op c` is refused.
    pub(crate) fn is_comparison(self) -> bool {
        matches!(self.binds(), binding::EQUALITY | binding::ORDERING)
    }
}

impl Expr {
    /// Reads an expression without braces.
    ///
    /// # Errors
    /// The first fault in the text.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let source: Arc<str> = text.into();
        let mut notes = Notes::default();
        let parsed = parse::parse_bare(&source, &mut notes);
        // What was noted comes before what ended the reading.
        match (notes.take().into_iter().next(), parsed) {
            (None, Ok(expr)) => Ok(expr),
            (Some(problem), _) | (None, Err(problem)) => Err(Fault::new(problem, "", &source)),
        }
    }

    pub(crate) fn new(node: Node, column: u32) -> Self {
        let below = match &node {
            Node::Literal(_) => 0,
            Node::Path(path) => path.height(),
            Node::Unary(_, operand) => operand.height,
            Node::Binary(_, operands) => tallest(operands.as_slice()),
            Node::Choice(operands) => tallest(operands.as_slice()),
            Node::Call(call) => tallest(&call.operands),
        };
        Self { node, column, height: below.saturating_add(1) }
    }

    /// The literal text, where it is one.
    pub(crate) fn literal_text(&self) -> Option<&Arc<str>> {
        match &self.node {
            Node::Literal(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Calls `visit` with this expression and every one inside it.
    pub(crate) fn walk<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        visit(self);
        match &self.node {
            Node::Literal(_) => {}
            Node::Unary(_, operand) => operand.walk(visit),
            Node::Binary(_, operands) => operands.iter().for_each(|operand| operand.walk(visit)),
            Node::Choice(operands) => operands.iter().for_each(|operand| operand.walk(visit)),
            Node::Call(call) => call.operands.iter().for_each(|operand| operand.walk(visit)),
            Node::Path(path) => {
                if let Base::Kv(inner) | Base::Value(inner) = &path.base {
                    inner.walk(visit);
                }
                for step in &path.steps {
                    if let Step::Computed(inner) = step {
                        inner.walk(visit);
                    }
                }
            }
        }
    }
}

fn tallest(operands: &[Expr]) -> u16 {
    operands.iter().map(|operand| operand.height).max().unwrap_or(0)
}

impl Path {
    /// The path of a root alone.
    pub(crate) fn root(base: Base) -> Self {
        Self { base, steps: Vec::new() }
    }

    fn height(&self) -> u16 {
        let base = match &self.base {
            Base::Kv(inner) | Base::Value(inner) => inner.height,
            _ => 0,
        };
        let steps = self.steps.iter().map(|step| match step {
            Step::Computed(inner) => inner.height,
            Step::Field(_) | Step::At(_) => 0,
        });
        steps.fold(base, u16::max)
    }
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function.name == other.function.name && self.operands == other.operands
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
