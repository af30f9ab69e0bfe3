//! Whether arguments fit their module's schema, as far as that is known before they are evaluated.

use jsonschema::error::ValidationErrorKind;
use model::suggest::nearest;
use model::value::Value;
use sdk::Module;

use super::{Place, Problem};

/// What does not fit. A string with an expression in it may become anything, so nothing is said
/// of it, nor of what holds it.
pub(super) fn check(module: &Module, args: &Value, place: &Place) -> Vec<Problem> {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(&args.to_json()) else {
        return vec![place.problem("are not JSON")];
    };
    let validator = match jsonschema::validator_for(module.args.as_value()) {
        Ok(validator) => validator,
        Err(error) => return vec![place.problem(format!("the schema of {} does not compile: {error}", module.id))],
    };
    validator
        .iter_errors(&json)
        .filter_map(|error| {
            let pointer = error.instance_path().as_str();
            let found = args.pointer(pointer)?;
            let about_keys = matches!(
                error.kind(),
                ValidationErrorKind::Required { .. } | ValidationErrorKind::AdditionalProperties { .. }
            );
            if !about_keys && holds_expression(found) {
                return None;
            }
            Some(place.at(&as_path(pointer)).problem(message(&error, module)))
        })
        .collect()
}

fn message(error: &jsonschema::ValidationError<'_>, module: &Module) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => format!("lacks {}", property.as_str().unwrap_or_default()),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = module.args.get("properties").and_then(|known| known.as_object());
            let is_argument = error.instance_path().as_str().is_empty();
            let near = known.filter(|_| is_argument).into_iter().flat_map(|known| known.keys().map(String::as_str));
            let hint = match unexpected.first().and_then(|name| nearest(name, near)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("see `flow8 modules {}` for what it takes", module.id),
            };
            format!("does not take {}; {hint}", unexpected.join(", "))
        }
        _ => error.to_string(),
    }
}

fn holds_expression(value: &Value) -> bool {
    match value {
        Value::Text(text) => text.contains("{{"),
        Value::List(items) => items.iter().any(holds_expression),
        Value::Map(fields) => fields.values().any(holds_expression),
        _ => false,
    }
}

/// A JSON pointer as people write paths: `/items/0/name` is `items[0].name`.
fn as_path(pointer: &str) -> String {
    let mut path = String::new();
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{name}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&name);
        }
    }
    path
}
