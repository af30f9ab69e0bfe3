//! Says where a path broke, and what was probably meant.

use model::Value;
use model::suggest::did_you_mean;

use super::compare::described;
use crate::stop::{Failure, Halt, Reason};
use crate::syntax::{Base, Path, Step};

/// A root that is not there, with the path that names it.
pub(super) fn named(path: &Path, halt: Halt, quiet: bool) -> Halt {
    match halt {
        Halt::Failed(failure) if !quiet => {
            let Failure { message, column, .. } = *failure;
            Halt::failed(Reason::Missing, format!("{path}: {message}")).at(column)
        }
        other => other,
    }
}

/// Why the step at `index` leads nowhere from `at`.
pub(super) fn explain(path: &Path, index: usize, at: &Value) -> String {
    let place = place(path, index);
    let why = match (&path.steps[index], at) {
        (_, Value::Null) => format!("{place} is null"),
        (Step::Field(name), Value::List(_) | Value::Text(_)) if &**name == "length" => {
            format!("{place} has no fields; its length is length({place})")
        }
        (Step::Field(name), Value::List(_)) => {
            format!("{place} is a list; [0] is its first element, and pluck(\"{name}\", …) takes the field of each")
        }
        (Step::Field(name), Value::Map(fields)) => {
            let near = did_you_mean(name, fields.keys().map(|key| &**key));
            let hint =
                if near.is_empty() && name.contains('-') { "; to subtract, put spaces around the -" } else { "" };
            format!("{place} has no field {name}{near}{hint}")
        }
        (Step::At(_) | Step::Computed(_), Value::List(items)) => {
            format!("{place} has {} element{}", items.len(), if items.len() == 1 { "" } else { "s" })
        }
        (Step::Computed(_), Value::Map(_)) => format!("{place} has no such field"),
        (Step::At(_), Value::Map(_)) => format!("{place} is an object, which has no positions"),
        (Step::At(_) | Step::Computed(_), Value::Text(_)) => {
            format!("{place} is a string; substr takes a part of it")
        }
        (_, other) => format!("{place} is {}, which has nothing below it", described(other)),
    };
    format!("{path}: {why}")
}

/// How the value before the step is called: its name, with any positions behind it.
fn place(path: &Path, index: usize) -> String {
    let mut positions = String::new();
    for step in path.steps[..index].iter().rev() {
        match step {
            Step::Field(name) => return format!("{name}{positions}"),
            position => positions = format!("{position}{positions}"),
        }
    }
    let base = match &path.base {
        Base::Value(_) => "the value".to_owned(),
        Base::Dot => "the element".to_owned(),
        Base::Prev(name) => name.to_string(),
        base => Path::root(base.clone()).to_string(),
    };
    format!("{base}{positions}")
}
