//! Conditions, comparisons and fallbacks. Those that choose evaluate only what they choose.

use std::cmp::Ordering;

use model::Value;

use super::{Function, Kind, Operands, lazy, strict};
use crate::budget::Budget;
use crate::eval::{Evaluator, compare};
use crate::stop::{Halt, Outcome};
use crate::syntax::Expr;

pub(super) const FUNCTIONS: &[Function] = &[
    lazy(
        Kind::Logic,
        "and(condition, more...)",
        "Whether all conditions hold; stops at the first that does not.",
        "and (gt 2 1) false",
        "false",
        and,
    ),
    lazy(
        Kind::Logic,
        "or(condition, more...)",
        "Whether any condition holds; stops at the first that does.",
        "or (gt 2 1) false",
        "true",
        or,
    ),
    lazy(Kind::Logic, "not(condition)", "Whether the condition does not hold.", "not false", "true", not),
    lazy(
        Kind::Logic,
        "if(condition, then, else)",
        "One of two values; the other is not evaluated.",
        r#"if(2 > 1, "yes", "no")"#,
        r#""yes""#,
        choose,
    ),
    lazy(
        Kind::Logic,
        "default(fallback, value)",
        "The value, or the fallback where it is null, empty or a path that is missing.",
        r#".name | default "none""#,
        r#""none""#,
        default,
    ),
    lazy(
        Kind::Logic,
        "coalesce(value, more...)",
        "The first value that is not null, empty or a path that is missing; else null.",
        r#"coalesce(.a, null, "", 7)"#,
        "7",
        coalesce,
    ),
    lazy(
        Kind::Logic,
        "required(message, value)",
        "The value; an error with this message where it is null, empty or a path that is missing.",
        r#""EUR" | required "a currency is needed""#,
        r#""EUR""#,
        required,
    ),
    strict(
        Kind::Logic,
        "eq(a, b, more...)",
        "Whether a equals b, or any of the values behind it, by value.",
        "eq 1.0 1",
        "true",
        eq,
    ),
    strict(
        Kind::Logic,
        "ne(a, b)",
        "Whether two values differ; values of different types always do.",
        r#"ne "1" 1"#,
        "true",
        ne,
    ),
    strict(
        Kind::Logic,
        "gt(a, b)",
        "Whether a is greater than b: two numbers, or two strings.",
        "gt 2 1.5",
        "true",
        |of, _| ordered(of, Ordering::is_gt),
    ),
    strict(Kind::Logic, "ge(a, b)", "Whether a is greater than b or equal to it.", "ge 2 2.0", "true", |of, _| {
        ordered(of, Ordering::is_ge)
    })
    .alias(&["gte"]),
    strict(
        Kind::Logic,
        "lt(a, b)",
        "Whether a is less than b: two numbers, or two strings.",
        r#"lt "a" "b""#,
        "true",
        |of, _| ordered(of, Ordering::is_lt),
    ),
    strict(Kind::Logic, "le(a, b)", "Whether a is less than b or equal to it.", "le 3 2", "false", |of, _| {
        ordered(of, Ordering::is_le)
    })
    .alias(&["lte"]),
    strict(
        Kind::Logic,
        "isEmpty(value)",
        r#"Whether the value is null, "", an empty list or an empty object."#,
        r#"isEmpty """#,
        "true",
        is_empty,
    )
    .alias(&["empty"]),
    strict(
        Kind::Logic,
        "notEmpty(value)",
        r#"Whether the value is anything but null, "", an empty list or an empty object."#,
        "notEmpty 0",
        "true",
        not_empty,
    ),
];

fn and(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    for operand in operands {
        if !evaluator.truth(operand)? {
            return Ok(false.into());
        }
    }
    Ok(true.into())
}

fn or(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    for operand in operands {
        if evaluator.truth(operand)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn not(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    let [condition] = operands else { return Ok(Value::Null) };
    Ok((!evaluator.truth(condition)?).into())
}

fn choose(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    let [condition, then, other] = operands else { return Ok(Value::Null) };
    if evaluator.truth(condition)? { evaluator.eval(then) } else { evaluator.eval(other) }
}

fn default(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    let [fallback, value] = operands else { return Ok(Value::Null) };
    match evaluator.eval_or_missing(value)? {
        Some(value) if !compare::is_empty(&value) => Ok(value),
        _ => evaluator.eval(fallback),
    }
}

fn coalesce(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    for operand in operands {
        if let Some(value) = evaluator.eval_or_missing(operand)?
            && !compare::is_empty(&value)
        {
            return Ok(value);
        }
    }
    Ok(Value::Null)
}

fn required(evaluator: &mut Evaluator<'_>, operands: &[Expr]) -> Outcome {
    let [message, value] = operands else { return Ok(Value::Null) };
    match evaluator.eval_or_missing(value)? {
        Some(value) if !compare::is_empty(&value) => Ok(value),
        _ => match evaluator.eval(message)? {
            Value::Text(text) if text.is_empty() => Err(Halt::operand("a value is required").at(value.column)),
            Value::Text(text) => Err(Halt::operand(&*text).at(value.column)),
            other => {
                Err(Halt::operand(format!("required: the message is a string, not {}", compare::described(&other)))
                    .at(message.column))
            }
        },
    }
}

fn eq(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    for other in &of.all()[1..] {
        if compare::equal(of.value(0), other, budget)? {
            return Ok(true.into());
        }
    }
    Ok(false.into())
}

fn ne(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    compare::equal(of.value(0), of.value(1), budget).map(|same| (!same).into())
}

fn ordered(of: &Operands<'_>, holds: fn(Ordering) -> bool) -> Outcome {
    compare::order(of.value(0), of.value(1)).map(|order| holds(order).into())
}

fn is_empty(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    Ok(compare::is_empty(of.value(0)).into())
}

fn not_empty(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    Ok((!compare::is_empty(of.value(0))).into())
}
