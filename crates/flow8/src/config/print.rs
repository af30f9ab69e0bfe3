//! A configuration for people and programs: as YAML with where everything comes from, as JSON, and
//! the table of settings for the docs.

use std::fmt::Write as _;

use model::Value;
use serde_json::{Map, json};

use super::{Loaded, SETTINGS, Setting};

/// The configuration as a config.yml, secrets masked; behind each setting, where it was given.
pub fn to_yaml(loaded: &Loaded) -> String {
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        let mut sections: Vec<&str> = setting.key.split('.').collect();
        let name = sections.pop().unwrap_or_default();
        let shared = open.iter().zip(&sections).take_while(|(one, other)| one == other).count();
        for (depth, section) in sections.iter().enumerate().skip(shared) {
            let _infallible = writeln!(out, "{}{section}:", "  ".repeat(depth));
        }
        let indent = "  ".repeat(sections.len());
        let value = inline(&setting.shown(&loaded.config));
        let _infallible = writeln!(out, "{indent}{name}: {value}  # {}", loaded.source(setting));
        open = sections;
    }
    out
}

/// A value on one line, as YAML.
fn inline(value: &Value) -> String {
    let block = yaml::write(value);
    let block = block.trim_end();
    // JSON is YAML, too.
    if matches!(value, Value::List(_)) || block.contains('\n') { value.to_json() } else { block.to_owned() }
}

/// The configuration as JSON: the settings as in config.yml, secrets masked; and by key, where they
/// were given.
pub fn to_json(loaded: &Loaded) -> serde_json::Value {
    let mut config = Map::new();
    let mut sources = Map::new();
    for setting in SETTINGS {
        insert(&mut config, setting.key, json!(setting.shown(&loaded.config)));
        sources.insert(setting.key.to_owned(), json!(loaded.source(setting)));
    }
    json!({"config": config, "sources": sources})
}

/// Puts a value below its sections.
fn insert(config: &mut Map<String, serde_json::Value>, key: &str, value: serde_json::Value) {
    match key.split_once('.') {
        None => {
            config.insert(key.to_owned(), value);
        }
        Some((section, key)) => {
            if let Some(below) = config.entry(section).or_insert_with(|| json!({})).as_object_mut() {
                insert(below, key, value);
            }
        }
    }
}

/// The table of settings, as Markdown.
pub fn reference() -> String {
    let mut out =
        String::from("| config.yml | environment | flag | default | takes | what it is |\n|---|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let Setting { key, env, flag, default, summary, live, .. } = setting;
        let env = env.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let flag = flag.map_or_else(String::new, |flag| format!("`--{flag}`"));
        let default = if default.is_empty() { "unset".to_owned() } else { format!("`{default}`") };
        let mut notes = (*summary).to_owned();
        if setting.is_secret() {
            notes.push_str(" Secret.");
        }
        if *live {
            notes.push_str(" Taken over while flow8 runs.");
        }
        let takes = setting.expected();
        let _infallible = writeln!(out, "| `{key}` | {env} | {flag} | {default} | {takes} | {notes} |");
    }
    out
}
