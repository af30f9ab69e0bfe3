//! The catalogue and the page of a module, as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::Value;
use sdk::{Class, Group, Module, Registry};

use super::schema::{self, Row};
use crate::cli::Paint;

/// All modules, by group.
pub(super) fn list(registry: &Registry, paint: Paint) -> String {
    let mut groups: BTreeMap<Group, Vec<&Module>> = BTreeMap::new();
    for module in registry.iter() {
        groups.entry(module.group).or_default().push(module);
    }
    let width = registry.iter().map(|module| module.id.len()).max().unwrap_or_default();
    let mut out = String::new();
    for (group, modules) in groups {
        let _infallible = writeln!(out, "{}", paint.strong(group_name(group)));
        for module in modules {
            let class = class_name(module.class);
            let _infallible = writeln!(out, "  {:width$}  {class:5}  {}", module.id, module.summary);
        }
        out.push('\n');
    }
    out.push_str("`flow8 modules ID` shows the arguments and the output of one.\n");
    out
}

/// The page of a module: what it takes and gives, and an example to copy.
pub(super) fn of(module: &Module, paint: Paint) -> String {
    let mut out = String::new();
    let about = format!("({}, {})", group_name(module.group), class_name(module.class));
    let _infallible = writeln!(out, "{} {}\n{}", paint.strong(module.id), paint.faint(&about), module.summary);
    section(&mut out, "Arguments", schema::rows(&module.args), paint);
    // What comes out is always there; only what goes in may be left out.
    let given = schema::rows(&module.out).into_iter().map(|row| Row { presence: String::new(), ..row });
    section(&mut out, "Output", given.collect(), paint);
    let _infallible = writeln!(out, "\n{}", paint.strong("Example"));
    indented(&mut out, &yaml::write(&Value::list([flowlet(module)])));
    if let Some(example) = module.example.out.and_then(|text| Value::from_json(text.as_bytes()).ok()) {
        let _infallible = writeln!(out, "\n{}", paint.strong("gives"));
        indented(&mut out, &yaml::write(&example));
    }
    out
}

/// The example as a flowlet.
fn flowlet(module: &Module) -> Value {
    let mut words = module.id.split('-');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_uppercase());
        name.push_str(rest);
    }
    let args = Value::from_json(module.example.args.as_bytes()).unwrap_or_default();
    Value::map([("ref", Value::from(name)), ("appId", module.id.into()), ("args", args)])
}

fn indented(out: &mut String, text: &str) {
    for line in text.lines() {
        let _infallible = writeln!(out, "{}", format!("  {line}").trim_end());
    }
}

fn section(out: &mut String, title: &str, rows: Vec<Row>, paint: Paint) {
    let _infallible = writeln!(out, "\n{}", paint.strong(title));
    if rows.is_empty() {
        out.push_str("  none\n");
    }
    let width = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or_default().min(28);
    let (names, kinds) = (width(|row| &row.name), width(|row| &row.kind));
    for Row { name, kind, presence, about } in &rows {
        let about =
            [presence.as_str(), about].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ");
        let line = format!("  {name:names$}  {kind:kinds$}  {about}");
        let _infallible = writeln!(out, "{}", line.trim_end());
    }
}

fn group_name(group: Group) -> &'static str {
    match group {
        Group::Control => "Control",
        Group::Http => "HTTP",
        Group::Data => "Data",
        Group::Code => "Code",
        Group::Kv => "KV",
        Group::Storage => "Storage",
        Group::Database => "Database",
        Group::Mail => "Mail",
        Group::Crypto => "Crypto",
        Group::Log => "Log",
    }
}

fn class_name(class: Class) -> &'static str {
    match class {
        Class::Pure => "pure",
        Class::Read => "read",
        Class::Write => "write",
    }
}
