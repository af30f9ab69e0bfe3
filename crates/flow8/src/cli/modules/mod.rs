//! `flow8 modules`: the catalogue, and the page of one module.

mod page;
mod schema;

use model::Value;
use schemars::Schema;
use sdk::{Class, Group, Module, Registry};
use serde::Serialize;

use super::{Answer, CommandError, Exit, Session};

/// List the modules that flowlets can run, or show one of them
#[derive(Debug, clap::Args)]
pub(super) struct Modules {
    /// The module to show
    id: Option<String>,
}

impl Modules {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let registry = Registry::new(modules::all());
        let paint = session.console.paint_out();
        let module = match &self.id {
            None => None,
            Some(id) => Some(registry.get(id).ok_or_else(|| unknown(id, &registry))?),
        };
        match (module, session.globals.json) {
            (None, true) => session.console.json(&registry.iter().map(|module| Entry::of(module)).collect::<Vec<_>>()),
            (Some(module), true) => session.console.json(&Entry::of(module)),
            (None, false) => write!(session.console.out, "{}", page::list(&registry, paint)),
            (Some(module), false) => write!(session.console.out, "{}", page::of(module, paint)),
        }?;
        Ok(Exit::Ok)
    }
}

fn unknown(id: &str, registry: &Registry) -> CommandError {
    let near = registry.suggest(id);
    let hint = if near.is_empty() {
        "list them with `flow8 modules`".into()
    } else {
        format!("did you mean {}?", near.join(" or "))
    };
    CommandError::negative(format!("there is no module {id:?}; {hint}"))
}

/// A module in the catalogue. Its example keeps the digits of its numbers.
#[derive(Serialize)]
struct Entry<'m> {
    id: &'m str,
    group: Group,
    summary: &'m str,
    class: Class,
    args: &'m Schema,
    out: &'m Schema,
    example: Example,
}

#[derive(Serialize)]
struct Example {
    args: Option<Value>,
    /// None where the output depends on the world.
    out: Option<Value>,
}

impl<'m> Entry<'m> {
    fn of(module: &'m Module) -> Self {
        let Module { id, group, summary, class, args, out, example, .. } = module;
        let read = |text: &str| Value::from_json(text.as_bytes()).ok();
        let example = Example { args: read(example.args), out: example.out.and_then(read) };
        Self { id, group: *group, summary, class: *class, args, out, example }
    }
}
