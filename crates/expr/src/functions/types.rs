//! What a value is.

use model::Value;

use super::{Function, Kind, Operands, casts, strict};
use crate::budget::Budget;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Type,
        "type(value)",
        "The type: null, boolean, number, string, list or object.",
        "type 1.5",
        r#""number""#,
        type_of,
    )
    .alias(&["kindOf", "typeOf"]),
    strict(Kind::Type, "isNull(value)", "Whether the value is null.", "isNull null", "true", |of, _| {
        is(of, Value::is_null)
    }),
    strict(
        Kind::Type,
        "isBoolean(value)",
        "Whether the value is true or false.",
        r#"isBoolean "true""#,
        "false",
        |of, _| is(of, |value| matches!(value, Value::Bool(_))),
    )
    .alias(&["isBool"]),
    strict(Kind::Type, "isNumber(value)", "Whether the value is a number.", r#"isNumber "1""#, "false", |of, _| {
        is(of, |value| matches!(value, Value::Number(_)))
    }),
    strict(
        Kind::Type,
        "isInteger(value)",
        "Whether the value is a number without a fraction.",
        "isInteger 2.0",
        "true",
        |of, _| is(of, is_integer),
    )
    .alias(&["isInt"]),
    strict(
        Kind::Type,
        "isNumeric(value)",
        "Whether the value is a number, or a string that number(…) reads.",
        r#"isNumeric " 1.5 ""#,
        "true",
        is_numeric,
    ),
    strict(Kind::Type, "isString(value)", "Whether the value is a string.", r#"isString "1""#, "true", |of, _| {
        is(of, |value| matches!(value, Value::Text(_)))
    })
    .alias(&["isText"]),
    strict(Kind::Type, "isList(value)", "Whether the value is a list.", "isList (list 1 2)", "true", |of, _| {
        is(of, super::is_list)
    })
    .alias(&["isArray"]),
    strict(
        Kind::Type,
        "isObject(value)",
        "Whether the value is an object.",
        "isObject (list 1 2)",
        "false",
        |of, _| is(of, super::is_map),
    )
    .alias(&["isMap"]),
];

fn type_of(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    Ok(of.value(0).type_name().into())
}

fn is(of: &Operands<'_>, holds: impl Fn(&Value) -> bool) -> Outcome {
    Ok(holds(of.value(0)).into())
}

fn is_integer(value: &Value) -> bool {
    value.as_number().and_then(model::Number::decimal).is_some_and(|decimal| decimal.fract().is_zero())
}

fn is_numeric(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    Ok(match of.value(0) {
        Value::Number(_) => true,
        Value::Text(text) => {
            budget.scan(text.len())?;
            casts::read_number(text).is_some()
        }
        _ => false,
    }
    .into())
}
