//! The grammar: operators by precedence climbing, calls, commands and pipes.
//!
//! A fault in the grammar ends the reading of this expression; a name that is not known, or a
//! wrong number of operands, is noted and the reading goes on.

use model::limits::{EXPRESSION_DEPTH, EXPRESSION_LENGTH};
use model::{Number, Value};

use super::lex::{Kind, Lexer, Token};
use super::{BinaryOp, Call, Expr, Node, UnaryOp, binding, message};
use crate::fault::{Notes, Problem};
use crate::functions;

/// What reading a part gives.
pub(super) type Parsed<T = Expr> = Result<T, Problem>;

/// Reads one expression.
pub(super) struct Parser<'t, 'p> {
    lexer: Lexer<'t>,
    /// The token that is looked at.
    pub(super) token: Token<'t>,
    depth: usize,
    start: usize,
    /// Takes what is wrong but does not end the reading.
    notes: &'p mut Notes,
}

/// Reads a whole text as an expression. It is one only where nothing was noted.
pub(super) fn parse_bare(source: &str, notes: &mut Notes) -> Parsed {
    Parser::start(source, 0, 1, false, notes)?.whole()
}

/// An expression in braces, and where its text ends.
pub(super) struct Braced {
    pub(super) expr: Expr,
    /// The byte after `}}`.
    pub(super) end: usize,
}

/// Reads the expression behind `{{`. Fails where it cannot be told where the expression ends.
pub(super) fn parse_braced(source: &str, at: usize, column: u32, notes: &mut Notes) -> Parsed<Braced> {
    let mut parser = Parser::start(source, at, column, true, notes)?;
    let expr = parser.whole()?;
    Ok(Braced { expr, end: parser.token.end })
}

impl<'t, 'p> Parser<'t, 'p> {
    fn start(source: &'t str, at: usize, column: u32, braces: bool, notes: &'p mut Notes) -> Parsed<Self> {
        let mut lexer = Lexer::new(source, at, column, braces);
        let token = lexer.next()?;
        Ok(Self { lexer, token, depth: 0, start: at, notes })
    }

    /// A whole expression, up to its end.
    fn whole(&mut self) -> Parsed {
        if self.token.kind == Kind::End {
            return Err(message::empty(self.token.column));
        }
        let expr = self.pipeline()?;
        if self.token.kind == Kind::End { Ok(expr) } else { Err(message::leftover(&self.token)) }
    }

    /// Goes to the next token and gives the one that was looked at.
    pub(super) fn advance(&mut self) -> Parsed<Token<'t>> {
        let next = self.lexer.next()?;
        if next.end - self.start > EXPRESSION_LENGTH {
            return Err(Problem::new(next.column, format!("an expression has at most {EXPRESSION_LENGTH} bytes")));
        }
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// Whether the token is this sign.
    pub(super) fn is(&self, sign: &str) -> bool {
        matches!(self.token.kind, Kind::Sign(found) if found == sign)
    }

    /// Whether the token is this sign, right behind the one before.
    pub(super) fn is_glued(&self, sign: &str) -> bool {
        !self.token.spaced && self.is(sign)
    }

    /// Takes this sign.
    pub(super) fn expect(&mut self, sign: &str) -> Parsed<()> {
        if !self.is(sign) {
            return Err(message::expected(sign, &self.token));
        }
        self.advance().map(drop)
    }

    /// A node, unless it nests too deep.
    pub(super) fn make(&self, node: Node, column: u32) -> Parsed {
        let expr = Expr::new(node, column);
        if usize::from(expr.height) > EXPRESSION_DEPTH { Err(too_deep(column)) } else { Ok(expr) }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH { Err(too_deep(self.token.column)) } else { Ok(()) }
    }

    /// `value | f | g a`
    pub(super) fn pipeline(&mut self) -> Parsed {
        let mut left = self.infix(binding::CHOICE)?;
        while self.is("|") {
            self.advance()?;
            left = self.pipe_into(left)?;
        }
        Ok(left)
    }

    /// The call that a pipe passes its value to.
    fn pipe_into(&mut self, value: Expr) -> Parsed {
        let column = self.token.column;
        let (expr, name) = match self.token.kind {
            Kind::Name(name) if literal_word(name).is_none() => {
                self.advance()?;
                let operands = self.operands(name)?;
                (self.call(name, column, operands, Some(value))?, name)
            }
            Kind::Root(root @ ("date" | "kv")) => {
                self.advance()?;
                (self.pipe_into_root(root, column, value)?, root)
            }
            _ => {
                return Err(Problem::new(
                    column,
                    "after | comes a function, which takes the value as its last operand",
                ));
            }
        };
        if let Some(problem) = message::operator_in_command(&self.token, name) {
            return Err(problem);
        }
        if !self.token.spaced && matches!(self.token.kind, Kind::Field(_) | Kind::Sign("[")) {
            return Err(Problem::new(self.token.column, "use parentheses: (a | f).field"));
        }
        Ok(expr)
    }

    /// Operators that bind at least so tightly.
    fn infix(&mut self, least: u8) -> Parsed {
        self.deeper()?;
        let mut left = self.prefix()?;
        loop {
            let column = self.token.column;
            let Kind::Sign(sign) = self.token.kind else { break };
            if sign == "?" && least <= binding::CHOICE {
                self.advance()?;
                let then = self.infix(binding::CHOICE)?;
                self.expect(":")?;
                let other = self.infix(binding::CHOICE)?;
                left = self.make(Node::Choice(Box::new([left, then, other])), column)?;
                continue;
            }
            let Some(op) = BinaryOp::of(sign).filter(|op| op.binds() >= least) else { break };
            self.advance()?;
            // `??` groups to the right, all others to the left.
            let right = self.infix(if op == BinaryOp::Coalesce { op.binds() } else { op.binds() + 1 })?;
            left = self.make(Node::Binary(op, Box::new([left, right])), column)?;
            if op.is_comparison() {
                self.refuse_chain(op)?;
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    /// `a == b == c` compares the truth of `a == b` with `c`, which nobody means.
    fn refuse_chain(&self, op: BinaryOp) -> Parsed<()> {
        match self.token.kind {
            Kind::Sign(sign) if BinaryOp::of(sign).is_some_and(|next| next.binds() == op.binds()) => Err(Problem::new(
                self.token.column,
                format!("compare two values at a time: a {} b && b {sign} c", op.sign()),
            )),
            _ => Ok(()),
        }
    }

    /// `!a`, `-a`, or a value and what is glued to it.
    fn prefix(&mut self) -> Parsed {
        let column = self.token.column;
        let op = match self.token.kind {
            Kind::Sign("!") => UnaryOp::Not,
            Kind::Sign("-") if self.lexer.digit_follows() => {
                let literal = self.negative()?;
                return self.postfix(literal);
            }
            Kind::Sign("-") => UnaryOp::Negate,
            _ => return self.primary(false),
        };
        self.deeper()?;
        self.advance()?;
        let operand = self.prefix()?;
        self.depth -= 1;
        self.make(Node::Unary(op, Box::new(operand)), column)
    }

    /// `-5`
    fn negative(&mut self) -> Parsed {
        let sign = self.advance()?;
        match self.token.kind {
            Kind::Number(digits) => {
                self.advance()?;
                number(&format!("-{digits}"), sign.column)
            }
            _ => Err(message::no_value(&self.token)),
        }
    }

    /// A value with its steps. As an `operand` of a command, a name takes no operands itself.
    fn primary(&mut self, operand: bool) -> Parsed {
        let column = self.token.column;
        let expr = match self.token.kind.clone() {
            Kind::Number(digits) => {
                self.advance()?;
                number(digits, column)?
            }
            Kind::Text(text) => {
                self.advance()?;
                Expr::new(Node::Literal(Value::Text(text)), column)
            }
            Kind::Dot | Kind::Field(_) => self.dot()?,
            Kind::Root(name) => return self.root(name, operand),
            Kind::Sign("(") => {
                self.advance()?;
                let inner = self.pipeline()?;
                self.expect(")")?;
                inner
            }
            Kind::Name(name) => {
                self.advance()?;
                if let Some(value) = literal_word(name) {
                    Expr::new(Node::Literal(value), column)
                } else if self.is_glued("(") {
                    let operands = self.parenthesised()?;
                    self.call(name, column, operands, None)?
                } else if operand && functions::find(name).is_none_or(|function| function.most > 0) {
                    return Err(message::call_in_command(column, name));
                } else if operand {
                    self.call(name, column, Vec::new(), None)?
                } else {
                    let operands = self.operands(name)?;
                    return self.call(name, column, operands, None);
                }
            }
            Kind::Sign(_) | Kind::End => return Err(message::no_value(&self.token)),
        };
        self.postfix(expr)
    }

    /// The operands behind a function's name: `(a, b)`, or ` a b`.
    pub(super) fn operands(&mut self, name: &str) -> Parsed<Vec<Expr>> {
        if self.is_glued("(") {
            return self.parenthesised();
        }
        let mut operands = Vec::new();
        while self.operand_follows() {
            operands.push(if self.is("-") { self.negative()? } else { self.primary(true)? });
        }
        let refusable = !operands.is_empty() || self.is("!");
        match message::operator_in_command(&self.token, name).filter(|_| refusable) {
            Some(problem) => Err(problem),
            None => Ok(operands),
        }
    }

    /// `(a, b)`
    pub(super) fn parenthesised(&mut self) -> Parsed<Vec<Expr>> {
        self.advance()?;
        let mut operands = Vec::new();
        if !self.is(")") {
            operands.push(self.pipeline()?);
            while self.is(",") {
                self.advance()?;
                operands.push(self.pipeline()?);
            }
        }
        if !matches!(self.token.kind, Kind::Sign(")")) {
            let mut problem = message::expected(")", &self.token);
            if self.token.kind != Kind::End {
                problem.message = format!("a comma or ) is missing here: {}", message::leftover(&self.token).message);
            }
            return Err(problem);
        }
        self.advance()?;
        Ok(operands)
    }

    fn operand_follows(&self) -> bool {
        self.token.spaced
            && match self.token.kind {
                Kind::Number(_) | Kind::Text(_) | Kind::Name(_) | Kind::Root(_) | Kind::Field(_) | Kind::Dot => true,
                Kind::Sign("(") => true,
                Kind::Sign("-") => self.lexer.digit_follows(),
                Kind::Sign(_) | Kind::End => false,
            }
    }

    /// A call, with the value of a pipe as its last operand.
    pub(super) fn call(&mut self, name: &str, column: u32, mut operands: Vec<Expr>, piped: Option<Expr>) -> Parsed {
        operands.extend(piped);
        let Some(function) = functions::find(name) else {
            self.notes.note(Problem::new(column, functions::unknown(name)))?;
            return Ok(Expr::new(Node::Literal(Value::Null), column));
        };
        if let Err(message) = function.takes(operands.len()) {
            self.notes.note(Problem::new(column, message))?;
        }
        let mut pattern = None;
        if let Some(first) = operands.first().filter(|_| function.pattern)
            && let Some(text) = first.literal_text()
        {
            self.notes.pattern(first.column)?;
            match functions::compile_pattern(text) {
                Ok(compiled) => pattern = Some(compiled),
                Err(message) => self.notes.note(Problem::new(first.column, message))?,
            }
        }
        self.make(Node::Call(Call { function, operands, pattern }), column)
    }
}

fn too_deep(column: u32) -> Problem {
    Problem::new(column, format!("an expression nests at most {EXPRESSION_DEPTH} levels"))
}

fn number(text: &str, column: u32) -> Parsed {
    match Number::parse(text) {
        Some(number) => Ok(Expr::new(Node::Literal(Value::Number(number)), column)),
        None => Err(Problem::new(column, "this is not a number")),
    }
}

/// The words that are values.
fn literal_word(name: &str) -> Option<Value> {
    match name {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" | "nil" => Some(Value::Null),
        _ => None,
    }
}
