//! A JSON schema as rows for people: names, types, defaults, what they are for.

use schemars::Schema;
use serde_json::Value;

/// A property.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name.
    pub(super) name: String,
    /// Its type, in words.
    pub(super) kind: String,
    /// Whether it must be given, or what it is otherwise.
    pub(super) presence: String,
    /// What it is for.
    pub(super) about: String,
}

/// The properties of an object's schema: the required ones first.
pub(super) fn rows(schema: &Schema) -> Vec<Row> {
    let root = schema.as_value();
    let object = resolved(root, root);
    let required: Vec<&str> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let Some(properties) = object["properties"].as_object() else { return Vec::new() };
    let mut rows: Vec<(bool, Row)> = properties
        .iter()
        .map(|(name, property)| {
            let is_required = required.contains(&name.as_str());
            let default = &property["default"];
            let presence = match (is_required, default) {
                (true, _) => "(required)".to_owned(),
                (false, Value::Null) => String::new(),
                (false, default) => format!("(default {default})"),
            };
            let about = property["description"].as_str().unwrap_or_default().replace('\n', " ");
            (is_required, Row { name: name.clone(), kind: kind(property, root, DEPTH), presence, about })
        })
        .collect();
    rows.sort_by_key(|(is_required, _)| !is_required);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The schema that a reference leads to.
fn resolved<'s>(schema: &'s Value, root: &'s Value) -> &'s Value {
    let pointer = schema["$ref"].as_str().and_then(|to| to.strip_prefix('#'));
    pointer.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// How deep a type is told: a list of lists of lists says enough, and a type may be part of itself.
const DEPTH: usize = 3;

/// A type in words. What is below an object is not told.
fn kind(schema: &Value, root: &Value, depth: usize) -> String {
    let schema = resolved(schema, root);
    let Some(below) = depth.checked_sub(1) else { return "any".into() };
    if let Some(constant) = schema.get("const") {
        return word(constant);
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().filter(|choice| !choice.is_null()).map(word).collect::<Vec<_>>().join(" | ");
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[key].as_array() {
            let mut kinds: Vec<String> =
                choices.iter().map(|choice| kind(choice, root, below)).filter(|kind| kind != "null").collect();
            kinds.dedup();
            return kinds.join(" | ");
        }
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => match schema.get("items") {
            Some(items) => match kind(items, root, below).as_str() {
                "any" => "list".into(),
                items => format!("list of {items}"),
            },
            None => "list".into(),
        },
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect::<Vec<_>>().join(" | ")
        }
        _ => "any".into(),
    }
}

fn word(constant: &Value) -> String {
    constant.as_str().map_or_else(|| constant.to_string(), str::to_owned)
}
