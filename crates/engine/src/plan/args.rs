//! The arguments of a module, compiled: expressions, raw texts and lazy expressions.

use std::sync::Arc;

use expr::{Budget, Fault, Read, Scope, Stop, Template};
use model::value::{Map, Value};
use sdk::{ArgUse, Module};

/// The arguments of a module, compiled.
#[derive(Debug)]
pub struct ArgsPlan {
    /// What is evaluated before the module runs.
    eager: Template,
    /// What is handed over as it is written: raw texts, and expressions for the module itself.
    verbatim: Vec<(Arc<str>, Value)>,
    /// The expressions among these, compiled so that their faults show at publishing.
    lazy: Vec<(Arc<str>, Template)>,
}

impl ArgsPlan {
    /// Compiles the arguments of a module.
    pub(super) fn compile(module: &Module, args: &Value) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut eager = Map::default();
        let mut verbatim = Vec::new();
        let mut lazy = Vec::new();
        for (name, value) in args.as_map().into_iter().flatten() {
            match module.arg_use(name) {
                None => {
                    eager.insert(name.clone(), value.clone());
                }
                Some(ArgUse::Raw) => verbatim.push((name.clone(), value.clone())),
                Some(ArgUse::Lazy) => {
                    match compile_lazy(value) {
                        Ok(template) => lazy.push((name.clone(), template)),
                        Err(found) => faults.extend(found.into_iter().map(|fault| below(name, fault))),
                    }
                    verbatim.push((name.clone(), value.clone()));
                }
            }
        }
        match Template::compile(&Value::from(eager)) {
            Ok(eager) if faults.is_empty() => Ok(Self { eager, verbatim, lazy }),
            Ok(_) => Err(faults),
            Err(found) => {
                faults.extend(found);
                Err(faults)
            }
        }
    }

    /// The arguments, as the module takes them.
    ///
    /// # Errors
    /// Where an expression fails or needs facts.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, Stop> {
        let value = self.eager.eval(scope, &mut Budget::default())?;
        if self.verbatim.is_empty() {
            return Ok(value);
        }
        let mut args = value.as_map().cloned().unwrap_or_default();
        args.extend(self.verbatim.iter().cloned());
        Ok(args.into())
    }

    /// What is read before the module runs.
    pub fn eager_reads(&self) -> impl Iterator<Item = &Read> {
        self.eager.reads()
    }

    /// What the module's own expressions read, each with the argument it is in.
    pub fn lazy_reads(&self) -> impl Iterator<Item = (&str, &Read)> {
        self.lazy.iter().flat_map(|(name, template)| template.reads().map(|read| (&**name, read)))
    }

    /// The compiled expressions that the module evaluates itself.
    pub fn lazy(&self) -> &[(Arc<str>, Template)] {
        &self.lazy
    }
}

/// A lazy argument: one expression, with or without braces, or JSON with expressions inside.
fn compile_lazy(value: &Value) -> Result<Template, Vec<Fault>> {
    match value {
        Value::Text(text) => Template::compile_expr(text).map_err(|fault| vec![fault]),
        other => Template::compile(other),
    }
}

fn below(name: &str, fault: Fault) -> Fault {
    let path = match fault.path.as_str() {
        "" => name.to_owned(),
        inner if inner.starts_with('[') => format!("{name}{inner}"),
        inner => format!("{name}.{inner}"),
    };
    Fault { path, ..fault }
}
