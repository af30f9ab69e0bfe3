//! [`Template`]: a JSON value whose strings may hold expressions.
//!
//! Compiling finds every fault; evaluating shares whatever holds no expression.

use std::fmt;
use std::sync::Arc;

use model::limits::JSON_DEPTH;
use model::{Map, Value};

use crate::budget::Budget;
use crate::eval::{Evaluator, write};
use crate::fault::{Fault, MOST_FAULTS, Notes, Problem};
use crate::reads::{self, Read};
use crate::scope::Scope;
use crate::stop::{EvalError, Halt, Stop};
use crate::syntax::{self, Expr, Part};

/// A JSON value whose strings may hold `{{ }}`: compiled once, evaluated often, cheap to clone.
///
/// A string that is one expression and nothing else takes the expression's value with its type;
/// in a longer string, values are written as text. Keys of objects are not expressions.
#[derive(Clone)]
pub struct Template(Arc<Compiled>);

struct Compiled {
    root: Node,
    reads: Vec<Read>,
}

/// A part of the value, as it is evaluated.
enum Node {
    /// No expression in it.
    Fixed(Value),
    List(Vec<Node>),
    Map(Vec<(Arc<str>, Node)>),
    /// A string that is one expression.
    Whole {
        path: Arc<str>,
        expr: Expr,
    },
    /// A string with expressions in it.
    Text {
        path: Arc<str>,
        parts: Vec<Part>,
    },
}

impl Template {
    /// Compiles every string inside a value.
    ///
    /// # Errors
    /// Every fault in every string, up to a hundred.
    pub fn compile(value: &Value) -> Result<Self, Vec<Fault>> {
        let mut compiler = Compiler::default();
        let root = compiler.node(value, "", JSON_DEPTH);
        compiler.finish(root)
    }

    /// Compiles one string.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn compile_text(text: &str) -> Result<Self, Fault> {
        let source: Arc<str> = text.into();
        let mut compiler = Compiler::default();
        let root = compiler.text(&source, "");
        compiler.finish(root).map_err(|faults| first(faults, &source))
    }

    /// Compiles an expression that is written without braces; one in braces is taken, too, and
    /// so is text with expressions in it.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn compile_expr(text: &str) -> Result<Self, Fault> {
        let bare = match Expr::parse(text) {
            Ok(expr) => {
                let mut compiler = Compiler::default();
                let root = compiler.whole("", expr);
                let source: Arc<str> = text.into();
                return compiler.finish(root).map_err(|faults| first(faults, &source));
            }
            Err(fault) => fault,
        };
        if !text.contains("{{") {
            return Err(bare);
        }
        let template = Self::compile_text(text)?;
        // White space around the braces, as YAML likes to add, does not make it text.
        if let Node::Text { path, parts } = &template.0.root
            && let Some(expr) = lone_expression(parts)
        {
            let root = Node::Whole { path: path.clone(), expr: expr.clone() };
            return Ok(Self(Arc::new(Compiled { root, reads: template.0.reads.clone() })));
        }
        Ok(template)
    }

    /// Whether it holds no expression at all, so that evaluating gives the same value at no cost.
    pub fn is_constant(&self) -> bool {
        matches!(self.0.root, Node::Fixed(_))
    }

    /// What it reads, or may read, when it is evaluated, in the order in which it is written.
    pub fn reads(&self) -> impl Iterator<Item = &Read> {
        self.0.reads.iter()
    }

    /// The value, with every expression evaluated.
    ///
    /// # Errors
    /// [`Stop::Need`] where the scope lacks something: everything that could be found out to be
    /// needed in one go. [`Stop::Failed`] with the first failure otherwise.
    pub fn eval(&self, scope: &dyn Scope, budget: &mut Budget) -> Result<Value, Stop> {
        if let Node::Fixed(value) = &self.0.root {
            return Ok(value.clone());
        }
        let mut evaluator = Evaluator::new(scope, budget);
        match evaluate(&self.0.root, &mut evaluator) {
            Err(Interrupt::Failed(error)) => Err(Stop::Failed(*error)),
            Ok(value) if !evaluator.is_short() => Ok(value),
            Ok(_) | Err(Interrupt::Need) => Err(Stop::Need(evaluator.into_needs())),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").field("reads", &self.0.reads).finish_non_exhaustive()
    }
}

/// Why a part of a template has no value.
enum Interrupt {
    Need,
    Failed(Box<EvalError>),
}

fn evaluate(node: &Node, evaluator: &mut Evaluator<'_>) -> Result<Value, Interrupt> {
    match node {
        Node::Fixed(value) => Ok(value.clone()),
        Node::Whole { path, expr } => evaluator.eval(expr).map_err(|halt| interrupt(halt, path)),
        Node::Text { path, parts } => text(parts, evaluator).map_err(|halt| interrupt(halt, path)),
        Node::List(nodes) => {
            evaluator.budget.list(nodes.len()).map_err(|halt| interrupt(halt, ""))?;
            all(nodes, evaluator).map(Value::from)
        }
        Node::Map(fields) => {
            evaluator.budget.map(fields.len()).map_err(|halt| interrupt(halt, ""))?;
            let values = all(fields.iter().map(|(_, node)| node), evaluator)?;
            let map: Map = fields.iter().map(|(key, _)| key.clone()).zip(values).collect();
            Ok(map.into())
        }
    }
}

/// The values of all nodes. Goes on behind one that needs something, to learn what else is needed.
fn all<'n>(nodes: impl IntoIterator<Item = &'n Node>, evaluator: &mut Evaluator<'_>) -> Result<Vec<Value>, Interrupt> {
    let nodes = nodes.into_iter();
    let mut values = Vec::with_capacity(nodes.size_hint().0);
    let mut is_short = false;
    for node in nodes {
        match evaluate(node, evaluator) {
            Ok(value) => values.push(value),
            Err(Interrupt::Need) => is_short = true,
            Err(_) if is_short => {}
            Err(failed) => return Err(failed),
        }
    }
    if is_short { Err(Interrupt::Need) } else { Ok(values) }
}

/// The text of a string with expressions in it.
fn text(parts: &[Part], evaluator: &mut Evaluator<'_>) -> Result<Value, Halt> {
    let mut out = String::new();
    let mut is_short = false;
    for part in parts {
        let written = match part {
            Part::Text(text) => write::push(text, &mut out, evaluator.budget),
            Part::Expr(expr) => evaluator.eval(expr).and_then(|value| {
                write::write_text(&value, &mut out, evaluator.budget).map_err(|halt| halt.at(expr.column))
            }),
        };
        match written {
            Ok(()) => {}
            Err(Halt::Need) => is_short = true,
            Err(_) if is_short => {}
            Err(failed) => return Err(failed),
        }
    }
    if is_short { Err(Halt::Need) } else { Ok(out.into()) }
}

fn interrupt(halt: Halt, path: &str) -> Interrupt {
    match halt {
        Halt::Need => Interrupt::Need,
        Halt::Failed(failure) => Interrupt::Failed(Box::new(failure.into_error(path))),
    }
}

/// The only expression, where there is nothing but white space around it.
fn lone_expression(parts: &[Part]) -> Option<&Expr> {
    let mut found = None;
    for part in parts {
        match part {
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Expr(expr) if found.is_none() => found = Some(expr),
            _ => return None,
        }
    }
    found
}

fn first(mut faults: Vec<Fault>, source: &Arc<str>) -> Fault {
    faults.sort_by_key(|fault| fault.column);
    let none = || Fault::new(Problem::new(1, "this is no expression"), "", source);
    faults.into_iter().next().unwrap_or_else(none)
}

/// Walks a value and compiles its strings.
#[derive(Default)]
struct Compiler {
    notes: Notes,
    faults: Vec<Fault>,
    reads: Vec<Read>,
}

impl Compiler {
    fn finish(self, root: Node) -> Result<Template, Vec<Fault>> {
        if self.faults.is_empty() {
            Ok(Template(Arc::new(Compiled { root, reads: self.reads })))
        } else {
            Err(self.faults)
        }
    }

    fn node(&mut self, value: &Value, path: &str, depth: usize) -> Node {
        if depth == 0 && matches!(value, Value::List(_) | Value::Map(_)) {
            let problem = Problem::new(1, format!("the value nests deeper than {JSON_DEPTH} levels"));
            self.faults.push(Fault::new(problem, path, &"".into()));
            return Node::Fixed(Value::Null);
        }
        match value {
            Value::Text(text) => self.text(text, path),
            Value::List(items) => {
                let nodes: Vec<Node> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.node(item, &format!("{path}[{at}]"), depth - 1))
                    .collect();
                if nodes.iter().all(Node::is_fixed) { Node::Fixed(value.clone()) } else { Node::List(nodes) }
            }
            Value::Map(fields) => {
                let nodes: Vec<(Arc<str>, Node)> = fields
                    .iter()
                    .map(|(key, field)| (key.clone(), self.node(field, &field_path(path, key), depth - 1)))
                    .collect();
                if nodes.iter().all(|(_, node)| node.is_fixed()) {
                    Node::Fixed(value.clone())
                } else {
                    Node::Map(nodes)
                }
            }
            scalar => Node::Fixed(scalar.clone()),
        }
    }

    fn text(&mut self, source: &Arc<str>, path: &str) -> Node {
        if !source.contains("{{") || self.faults.len() >= MOST_FAULTS {
            return Node::Fixed(Value::Text(source.clone()));
        }
        let mut parts = syntax::split(source, &mut self.notes);
        let problems = self.notes.take();
        if !problems.is_empty() {
            self.faults.extend(problems.into_iter().map(|problem| Fault::new(problem, path, source)));
            return Node::Fixed(Value::Null);
        }
        if parts.len() == 1
            && let Some(Part::Expr(expr)) = parts.pop_if(|part| matches!(part, Part::Expr(_)))
        {
            return self.whole(path, expr);
        }
        let path: Arc<str> = path.into();
        for part in &parts {
            if let Part::Expr(expr) = part {
                reads::collect(expr, &path, &mut self.reads);
            }
        }
        Node::Text { path, parts }
    }

    fn whole(&mut self, path: &str, expr: Expr) -> Node {
        let path: Arc<str> = path.into();
        reads::collect(&expr, &path, &mut self.reads);
        Node::Whole { path, expr }
    }
}

impl Node {
    fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }
}

/// The path of a field: `body.items`, `headers["x y"]`.
fn field_path(path: &str, key: &str) -> String {
    if !syntax::is_field_name(key) {
        format!("{path}[{}]", Value::from(key))
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
