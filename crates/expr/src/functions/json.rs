//! Values as JSON text, and back.

use model::Value;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::write;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Json,
        "toJson(value)",
        "The value as JSON in one line, numbers as they were written.",
        r#"toJson (dict "a" 1.50)"#,
        r#""{\"a\":1.50}""#,
        |of, budget| to_json(of, None, budget),
    ),
    strict(
        Kind::Json,
        "prettyJson(value)",
        "The value as JSON in indented lines.",
        "prettyJson (list 1)",
        r#""[\n  1\n]""#,
        |of, budget| to_json(of, Some(2), budget),
    )
    .alias(&["toPrettyJson"]),
    strict(
        Kind::Json,
        "canonicalJson(value)",
        "The value as JSON that is the same for equal values: keys sorted, numbers in their shortest form.",
        r#"canonicalJson (dict "b" 1.50 "a" 1)"#,
        r#""{\"a\":1,\"b\":1.5}""#,
        canonical,
    ),
    strict(
        Kind::Json,
        "fromJson(text)",
        "The value of a JSON text.",
        r#"fromJson "[1.50, true]""#,
        "[1.50,true]",
        from_json,
    )
    .alias(&["parseJson"]),
];

/// Bytes that one value or key counts when JSON is read.
const VALUE_BYTES: usize = 64;

fn to_json(of: &Operands<'_>, indent: Option<usize>, budget: &mut Budget) -> Outcome {
    write::json_of(of.value(0), indent, budget).map(Value::from)
}

fn canonical(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let length = write::json_length(of.value(0), budget)?;
    budget.text(length)?;
    Ok(of.value(0).to_canonical_json().into())
}

fn from_json(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    // Every value but the first has one of these before it.
    let values = 1 + text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    budget.go_through(values)?;
    budget.build(values.saturating_mul(VALUE_BYTES))?;
    Value::from_json(text.as_bytes()).map_err(|error| of.refuse(0, &format!("must be JSON: {error}")))
}
