//! Schemas of tools: whether one is a schema, and whether arguments are as it says. Nothing is fetched, and patterns
//! take time that grows with the text alone.

use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

/// Problems of arguments that are told.
const PROBLEMS: usize = 5;

/// Makes what checks arguments.
///
/// # Errors
/// Where it is no schema.
fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| format!("at {:?}: {error}", error.instance_path().to_string()))
}

/// Whether a value is a schema that arguments can be checked with.
///
/// # Errors
/// With what is wrong with it.
pub fn check_schema(schema: &model::Value) -> Result<(), String> {
    validator(&crate::result::plain(schema)).map(drop).map_err(|problem| format!("is no JSON Schema: {problem}"))
}

/// What clients are told that a tool gives: what its route says, or where a play stands that has not ended. Clients
/// refuse whatever is not as they were told.
pub(crate) fn shown(schema: Value) -> Map<String, Value> {
    let Value::Object(mut schema) = schema else { return Map::new() };
    let mut shown = Map::from_iter([("type".to_owned(), Value::from("object"))]);
    // What a schema refers to is sought from the root.
    for of_root in ["$schema", "$defs", "definitions"] {
        shown.extend(schema.remove_entry(of_root));
    }
    let text = serde_json::json!({"type": "string"});
    let standing = serde_json::json!({"type": "object", "required": ["playId", "state"],
        "properties": {"playId": text, "state": text}});
    shown.insert("anyOf".to_owned(), Value::from(vec![Value::from(schema), standing]));
    shown
}

/// Whether a value is as a schema says.
///
/// # Errors
/// With what is wrong with it, or with the schema.
pub(crate) fn check(schema: &Value, args: &Value) -> Result<(), String> {
    let validator = validator(schema).map_err(|problem| format!("the schema of this tool is none: {problem}"))?;
    let problems: Vec<String> = validator
        .iter_errors(args)
        .take(PROBLEMS)
        .map(|error| {
            let at = error.instance_path().to_string();
            // What was given may be secret, or large: the message says what is wrong, not with what.
            let message = error.masked_with("the value").to_string();
            if at.is_empty() { message } else { format!("{at}: {message}") }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_checked_and_not_repeated() {
        let schema = json!({"type": "object", "required": ["n"], "additionalProperties": false,
            "properties": {"n": {"type": "integer", "maximum": 3}, "s": {"type": "string", "pattern": "^(a+)+$"}}});
        assert_eq!(check(&schema, &json!({"n": 3})), Ok(()));
        let problem = check(&schema, &json!({"n": "hush"})).expect_err("no integer");
        assert!(problem.starts_with("/n: ") && !problem.contains("hush"), "{problem}");
        assert!(check(&schema, &json!({})).expect_err("missing").contains("\"n\" is a required property"));
        // With an engine that goes back and tries again, this takes for ever.
        assert!(check(&schema, &json!({"n": 1, "s": format!("{}b", "a".repeat(100))})).is_err());
    }

    #[test]
    fn a_schema_that_is_none_or_that_lies_elsewhere_is_told() {
        for schema in [json!({"type": "no"}), json!({"$ref": "http://localhost:1/schema"})] {
            let problem = check(&schema, &json!({})).expect_err("no schema");
            assert!(problem.starts_with("the schema of this tool is none"), "{problem}");
        }
    }
}
