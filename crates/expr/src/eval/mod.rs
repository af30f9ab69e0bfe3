//! Evaluates an expression in a scope, within a budget.
//!
//! Operands are evaluated from left to right. One that needs something does not keep the ones
//! after it from being looked at, so that one round asks for as much as it can; but what the
//! first of them that gave no value says is what counts.

pub(crate) mod arith;
pub(crate) mod compare;
mod missing;
mod path;
pub(crate) mod write;

use std::collections::HashSet;

use model::Value;
use smallvec::SmallVec;

pub(crate) use path::element;

use crate::budget::Budget;
use crate::functions::{Operands, Run};
use crate::scope::{Found, Need, Root, Scope};
use crate::stop::{Halt, Outcome, Reason};
use crate::syntax::{BinaryOp, Call, Expr, Node, UnaryOp};

/// One evaluation of a template.
pub(crate) struct Evaluator<'a> {
    scope: &'a dyn Scope,
    pub(crate) budget: &'a mut Budget,
    /// What the scope did not have; each once, in the order in which it was missed.
    needs: Vec<Need>,
    /// The same, for looking one up.
    noted: HashSet<Need>,
    /// How many uuids were drawn.
    drawn: u64,
    /// Whether a missing path is caught anyway, so that its message need not be made.
    quiet: bool,
}

/// The values of the operands of one call; few enough for the stack, mostly.
pub(crate) type Values = SmallVec<[Value; 4]>;

impl<'a> Evaluator<'a> {
    pub(crate) fn new(scope: &'a dyn Scope, budget: &'a mut Budget) -> Self {
        Self { scope, budget, needs: Vec::new(), noted: HashSet::new(), drawn: 0, quiet: false }
    }

    /// What the evaluation needs; empty where it had everything.
    pub(crate) fn into_needs(self) -> Vec<Need> {
        self.needs
    }

    /// Whether anything was needed so far.
    pub(crate) fn is_short(&self) -> bool {
        !self.needs.is_empty()
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, expr: &Expr) -> Outcome {
        match self.budget.step(1).and_then(|()| self.node(expr)) {
            Err(halt) => Err(halt.at(expr.column)),
            value => value,
        }
    }

    fn node(&mut self, expr: &Expr) -> Outcome {
        match &expr.node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Path(path) => self.path(path),
            Node::Unary(UnaryOp::Not, operand) => Ok(Value::Bool(!self.truth(operand)?)),
            Node::Unary(UnaryOp::Negate, operand) => arith::negate(&self.eval(operand)?),
            Node::Binary(op, operands) => self.binary(*op, operands),
            Node::Choice(operands) => {
                let [condition, then, other] = &**operands;
                if self.truth(condition)? { self.eval(then) } else { self.eval(other) }
            }
            Node::Call(call) => self.call(call),
        }
    }

    fn binary(&mut self, op: BinaryOp, operands: &[Expr; 2]) -> Outcome {
        let [left, right] = operands;
        match op {
            BinaryOp::Coalesce => match self.eval_or_missing(left)? {
                None | Some(Value::Null) => self.eval(right),
                Some(value) => Ok(value),
            },
            BinaryOp::And => Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            BinaryOp::Or => Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            _ => {
                let values = self.eval_all(operands)?;
                apply(op, &values[0], &values[1], self.budget)
            }
        }
    }

    fn call(&mut self, call: &Call) -> Outcome {
        match call.function.run {
            Run::Strict(run) => {
                let values = self.eval_all(&call.operands)?;
                run(&mut Operands::new(call, values), self.budget)
            }
            Run::Lazy(run) => run(self, &call.operands),
        }
    }

    /// The values of all operands. After one that needs something, the rest is looked at only
    /// for what it needs, too.
    pub(crate) fn eval_all(&mut self, operands: &[Expr]) -> Outcome<Values> {
        let mut values = Values::with_capacity(operands.len());
        let mut is_short = false;
        for operand in operands {
            match self.eval(operand) {
                Ok(value) => values.push(value),
                Err(Halt::Need) => is_short = true,
                Err(_) if is_short => {}
                Err(failed) => return Err(failed),
            }
        }
        if is_short { Err(Halt::Need) } else { Ok(values) }
    }

    /// The value of an expression; `None` where it reads a path that is not there.
    pub(crate) fn eval_or_missing(&mut self, expr: &Expr) -> Outcome<Option<Value>> {
        let was_quiet = std::mem::replace(&mut self.quiet, true);
        let value = self.eval(expr);
        self.quiet = was_quiet;
        match value {
            Ok(value) => Ok(Some(value)),
            Err(halt) if halt.is_missing() => Ok(None),
            Err(halt) => Err(halt),
        }
    }

    /// Whether a condition holds.
    pub(crate) fn truth(&mut self, condition: &Expr) -> Outcome<bool> {
        let value = self.eval(condition)?;
        compare::truth(&value).map_err(|halt| halt.at(condition.column))
    }

    /// What a root is; `None` for the output of a flowlet that did not run.
    fn find(&mut self, root: &Root<'_>) -> Outcome<Option<Value>> {
        match self.scope.find(root) {
            Found::Value(value) => Ok(Some(value)),
            Found::NotRun => Ok(None),
            Found::Missing(why) => Err(Halt::missing(why)),
            Found::Need => match Need::of(root) {
                Some(need) => {
                    if self.noted.insert(need.clone()) {
                        self.needs.push(need);
                    }
                    Err(Halt::Need)
                }
                None => Err(Halt::missing("it is not at hand here")),
            },
        }
    }

    /// The seed for uuids, and the number of the one that is drawn now.
    pub(crate) fn draw(&mut self) -> Outcome<(String, u64)> {
        let Some(Value::Text(seed)) = self.find(&Root::Seed)? else {
            return Err(Halt::failed(Reason::Missing, "there is nothing to draw a uuid from here"));
        };
        self.budget.scan(seed.len())?;
        self.drawn += 1;
        Ok((seed.to_string(), self.drawn))
    }
}

/// An operator whose operands are both evaluated.
fn apply(op: BinaryOp, left: &Value, right: &Value, budget: &mut Budget) -> Outcome {
    use std::cmp::Ordering;
    let ordered = |holds: fn(Ordering) -> bool| Ok(Value::Bool(holds(compare::order(left, right)?)));
    match op {
        BinaryOp::Equal => compare::equal(left, right, budget).map(Value::Bool),
        BinaryOp::NotEqual => compare::equal(left, right, budget).map(|same| Value::Bool(!same)),
        BinaryOp::Less => ordered(Ordering::is_lt),
        BinaryOp::LessOrEqual => ordered(Ordering::is_le),
        BinaryOp::Greater => ordered(Ordering::is_gt),
        BinaryOp::GreaterOrEqual => ordered(Ordering::is_ge),
        BinaryOp::Add => arith::add(left, right, budget),
        BinaryOp::Subtract => arith::subtract(left, right),
        BinaryOp::Multiply => arith::multiply(left, right),
        BinaryOp::Divide => arith::divide(left, right),
        BinaryOp::Remainder => arith::remainder(left, right),
        BinaryOp::Coalesce | BinaryOp::And | BinaryOp::Or => Err(Halt::operand("not an operator of two values")),
    }
}
