//! Roots such as `$prev.order`, and the steps that are glued to a value.

use std::sync::Arc;

use model::Value;
use model::flow::Ref;
use model::suggest::did_you_mean;
use rust_decimal::prelude::ToPrimitive;

use super::lex::Kind;
use super::parse::{Parsed, Parser};
use super::{Base, Expr, Node, Path, Step, message};
use crate::fault::Problem;

/// Everything that a path can start with, and what it is; a leading dot is the current element.
const ROOTS: &[(&str, &str)] = &[
    ("$prev", "The output of an upstream flowlet by its ref, or $prev.args, the play's arguments."),
    ("$kv", "A stored value by its key: $kv.key, $kv[\"any key\"], $kv.get key."),
    ("$flow", "The flow: id, permanentId, version, name."),
    ("$flowId", "The flow's id."),
    ("$play", "The play: id, startedAt, attempt."),
    ("$step", "The flowlet: ref, index, attempt, idempotencyKey."),
    ("$env", "A variable of the environment that is on the allow-list."),
    ("$date", "The time, $date.now, and the functions of times."),
    ("$secret", "A secret by its name."),
    ("$item", "The item of the loop, or the current element."),
    ("$index", "The position of the item, from 0."),
];

/// Every root of a path and what it is, for docs and completion.
pub fn roots() -> &'static [(&'static str, &'static str)] {
    ROOTS
}

impl Parser<'_, '_> {
    /// `.`, `.field`
    pub(super) fn dot(&mut self) -> Parsed {
        let token = self.advance()?;
        let mut path = Path::root(Base::Dot);
        if let Kind::Field(name) = token.kind {
            path.steps.push(Step::Field(name.into()));
        }
        self.make(Node::Path(path), token.column)
    }

    /// What starts with `$`, and its steps. As an `operand` of a command it takes no operands itself.
    pub(super) fn root(&mut self, name: &str, operand: bool) -> Parsed {
        let column = self.token.column;
        self.advance()?;
        let base = match name {
            "prev" => self.prev(column)?,
            "secret" => Base::Secret(self.written_name("secret", "a secret", column)?),
            "env" => Base::Env(self.written_name("env", "a variable", column)?),
            "kv" => match self.kv(column, operand)? {
                (base, true) => return self.make(Node::Path(Path::root(base)), column),
                (base, false) => base,
            },
            "date" => return self.date(column, operand),
            "flow" => Base::Flow,
            "play" => Base::Play,
            "step" => Base::Step,
            "item" => Base::Item,
            "index" => Base::Index,
            "flowId" => {
                let path = Path { base: Base::Flow, steps: vec![Step::Field("id".into())] };
                let id = self.make(Node::Path(path), column)?;
                return self.postfix(id);
            }
            _ => {
                let written = format!("${name}");
                let names: Vec<&str> = ROOTS.iter().map(|(root, _)| *root).collect();
                let near = did_you_mean(&written, names.iter().copied());
                let hint = if near.is_empty() { format!("; the roots are {}", names.join(" ")) } else { near };
                return Err(Problem::new(column, format!("there is no {written}{hint}")));
            }
        };
        let root = self.make(Node::Path(Path::root(base)), column)?;
        self.postfix(root)
    }

    fn prev(&mut self, column: u32) -> Parsed<Base> {
        let at = self.token.column;
        let name = self.written_name("prev", "a flowlet (or args)", column)?;
        match &*name {
            "args" | "input" => Ok(Base::Args),
            _ => match name.parse::<Ref>() {
                Ok(_) => Ok(Base::Prev(name)),
                Err(_) if name.contains('-') => Err(Problem::new(
                    at,
                    format!("no ref has a \"-\" in it, as {name} has; to subtract, put spaces around the -"),
                )),
                Err(error) => Err(Problem::new(at, error.to_string())),
            },
        }
    }

    /// The name behind a root whose names must be known at publishing: `.name` or `["name"]`.
    fn written_name(&mut self, root: &str, what: &str, column: u32) -> Parsed<Arc<str>> {
        if let Kind::Field(name) = self.token.kind
            && !self.token.spaced
        {
            self.advance()?;
            return Ok(name.into());
        }
        if self.is_glued("[") {
            let step = self.bracket()?;
            return match step {
                Step::Field(name) => Ok(name),
                _ => Err(Problem::new(
                    column,
                    format!("the name behind ${root} is written out, so that publishing can check it"),
                )),
            };
        }
        Err(Problem::new(column, format!("${root} alone is no value; name {what}: ${root}.<name>")))
    }

    /// A key of `$kv`, and whether no step can follow since it was read by a command.
    fn kv(&mut self, column: u32, operand: bool) -> Parsed<(Base, bool)> {
        if self.token.spaced {
            return Err(Problem::new(column, "$kv alone is no value; name a key: $kv.<key>"));
        }
        match self.token.kind {
            Kind::Field("get") => {
                self.advance()?;
                let command = !self.is_glued("(");
                if operand && command {
                    return Err(message::call_in_command(column, "$kv.get"));
                }
                let operands = self.operands("$kv.get")?;
                Ok((kv_get(operands, column)?, command))
            }
            Kind::Field(name) => {
                self.advance()?;
                Ok((kv_key(Value::from(name), column), false))
            }
            Kind::Sign("[") => {
                let base = match self.bracket()? {
                    Step::Field(name) => kv_key(Value::Text(name), column),
                    Step::Computed(key) => Base::Kv(key),
                    Step::At(_) => return Err(Problem::new(column, "a key is text: $kv[\"1\"]")),
                };
                Ok((base, false))
            }
            _ => Err(Problem::new(column, "$kv alone is no value; name a key: $kv.<key>")),
        }
    }

    /// `$date.now`, or a call of `$date.format` and the like.
    fn date(&mut self, column: u32, operand: bool) -> Parsed {
        let Kind::Field(name) = self.token.kind else {
            return Err(Problem::new(column, "$date alone is no value; write $date.now, or $date.format and the like"));
        };
        self.advance()?;
        if name == "now" {
            if self.is_glued("(") && !self.parenthesised()?.is_empty() {
                return Err(Problem::new(column, "$date.now takes no operands"));
            }
            let now = self.make(Node::Path(Path::root(Base::Now)), column)?;
            return self.postfix(now);
        }
        let name = format!("$date.{name}");
        if self.is_glued("(") {
            let operands = self.parenthesised()?;
            let call = self.call(&name, column, operands, None)?;
            return self.postfix(call);
        }
        if operand {
            return Err(message::call_in_command(column, &name));
        }
        let operands = self.operands(&name)?;
        self.call(&name, column, operands, None)
    }

    /// `value | $date.format layout`, `key | $kv.get`
    pub(super) fn pipe_into_root(&mut self, root: &str, column: u32, value: Expr) -> Parsed {
        let Kind::Field(name) = self.token.kind else {
            return Err(Problem::new(column, format!("after | comes a function, and ${root} is none")));
        };
        self.advance()?;
        let full = format!("${root}.{name}");
        let mut operands = self.operands(&full)?;
        if root == "date" {
            return self.call(&full, column, operands, Some(value));
        }
        if name != "get" {
            return Err(Problem::new(column, format!("after | comes a function, and {full} is none")));
        }
        operands.push(value);
        let base = kv_get(operands, column)?;
        self.make(Node::Path(Path::root(base)), column)
    }

    /// The steps that are glued to a value.
    pub(super) fn postfix(&mut self, mut expr: Expr) -> Parsed {
        while !self.token.spaced {
            let step = match self.token.kind {
                Kind::Field(name) => {
                    self.advance()?;
                    Step::Field(name.into())
                }
                Kind::Sign("[") => self.bracket()?,
                Kind::Sign("(") => return Err(message::leftover(&self.token)),
                _ => break,
            };
            let column = expr.column;
            let path = match expr.node {
                Node::Path(mut path) => {
                    path.steps.push(step);
                    path
                }
                node => {
                    Path { base: Base::Value(Box::new(Expr { node, column, height: expr.height })), steps: vec![step] }
                }
            };
            expr = self.make(Node::Path(path), column)?;
        }
        Ok(expr)
    }

    /// `[…]`
    fn bracket(&mut self) -> Parsed<Step> {
        self.advance()?;
        let inner = self.pipeline()?;
        self.expect("]")?;
        let column = inner.column;
        match inner.node {
            Node::Literal(Value::Text(name)) => Ok(Step::Field(name)),
            Node::Literal(Value::Number(position)) => position
                .decimal()
                .filter(|decimal| decimal.fract().is_zero())
                .and_then(|decimal| decimal.to_i64())
                .map(Step::At)
                .ok_or_else(|| Problem::new(column, "a position is a whole number")),
            Node::Literal(_) => Err(Problem::new(column, "brackets hold a position ([0]) or a key ([\"key\"])")),
            _ => Ok(Step::Computed(Box::new(inner))),
        }
    }
}

fn kv_key(key: Value, column: u32) -> Base {
    Base::Kv(Box::new(Expr::new(Node::Literal(key), column)))
}

/// The base of `$kv.get key`.
fn kv_get(operands: Vec<Expr>, column: u32) -> Parsed<Base> {
    match <[Expr; 1]>::try_from(operands) {
        Ok([key]) if matches!(key.node, Node::Literal(ref value) if value.as_str().is_none()) => {
            Err(Problem::new(key.column, "a key is text"))
        }
        Ok([key]) => Ok(Base::Kv(Box::new(key))),
        Err(operands) if operands.is_empty() => {
            Err(Problem::new(column, "$kv.get needs a key: $kv.get \"key\" (a key named get is $kv[\"get\"])"))
        }
        Err(_) => Err(Problem::new(column, "$kv.get takes one key")),
    }
}
