//! Every function with every kind of operand: it gives a value or a reason, and never panics.

use expr::{Budget, Given, Stop, Template, functions};
use model::Value;

use crate::{json, scope};

/// One of each kind, and the odd ones.
const OPERANDS: &[&str] = &[
    "null",
    "true",
    "0",
    "-3",
    "2.50",
    "9223372036854775807",
    "79228162514264337593543950335",
    "123456789012345678901234567890123456789",
    "1e-28",
    "\"\"",
    "\"äb c\"",
    "\"%zq7xv({\"",
    "\"2026-03-01T09:30:00+01:00\"",
    "\"day\"",
    "\"-1d\"",
    "[]",
    "[3,1,2]",
    "[\"b\",\"a\"]",
    "[{\"a\":1},{\"a\":\"x\"}]",
    "[[\"k\",1],[]]",
    "{}",
    "{\"key\":\"k\",\"value\":{\"a\":[1]}}",
];

/// A scope whose element has the operands as fields.
fn with(operands: &[&Value]) -> Given {
    let fields = operands.iter().enumerate().map(|(at, value)| (format!("v{at}"), (*value).clone()));
    Given { dot: Some(Value::map(fields)), ..scope() }
}

/// Calls a function and checks what it says.
fn call(name: &str, template: &Template, operands: &[&Value]) {
    let scope = with(operands);
    let mut budget = Budget::new(5_000, 100_000);
    match template.eval(&scope, &mut budget) {
        Ok(value) => {
            // Evaluating again gives the same, and costs the same.
            let spent = 5_000 - budget.steps_left();
            let mut exact = Budget::new(spent, 100_000);
            assert_eq!(template.eval(&scope, &mut exact), Ok(value), "{name} {operands:?}");
            assert_eq!((exact.steps_left(), exact.bytes_left()), (0, budget.bytes_left()), "{name} {operands:?}");
        }
        Err(Stop::Failed(error)) => {
            assert!(!error.message.is_empty() && error.column >= 1, "{name} {operands:?}: {error}");
            // Messages are read by people who may not read the data; only `required` says what it is given.
            assert!(!error.message.contains("zq7xv") || name == "required", "{name} {operands:?}: {error}");
        }
        Err(Stop::Need(needs)) => panic!("{name} needs {needs:?}"),
    }
}

#[test]
fn every_function_takes_or_refuses_every_operand() {
    let pool: Vec<Value> = OPERANDS.iter().map(|text| json(text)).collect();
    for function in functions() {
        for count in function.least..=function.most.min(function.least + 2).min(3) {
            let names: Vec<String> = (0..count).map(|at| format!(".v{at}")).collect();
            let text = format!("{}({})", function.name, names.join(", "));
            let Ok(template) = Template::compile_expr(&text) else { continue };
            // All combinations, or every so many: the operands are the digits of a number.
            let combinations = pool.len().pow(u32::try_from(count).expect("few"));
            for number in (0..combinations).step_by(if count > 2 { 23 } else { 1 }) {
                let digits = (0..count).scan(number, |rest, _| {
                    let digit = *rest % pool.len();
                    *rest /= pool.len();
                    Some(&pool[digit])
                });
                call(function.name, &template, &digits.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn every_function_takes_or_refuses_many_operands() {
    let pool: Vec<Value> = OPERANDS.iter().map(|text| json(text)).collect();
    for function in functions().iter().filter(|function| function.most > 3) {
        let count = function.most.min(6);
        let names: Vec<String> = (0..count).map(|at| format!(".v{at}")).collect();
        let text = format!("{}({})", function.name, names.join(", "));
        let Ok(template) = Template::compile_expr(&text) else { continue };
        for number in 0..500 {
            let digits: Vec<&Value> =
                (0..count).map(|at| &pool[(number * 7 + at * (number + 3)) % pool.len()]).collect();
            call(function.name, &template, &digits);
        }
    }
}

#[test]
fn the_table_is_sorted_and_large() {
    let names: Vec<&str> = functions().iter().map(|function| function.name).collect();
    assert!(names.is_sorted());
    assert!(names.len() > 150, "{}", names.len());
    for name in ["eq", "add", "upper", "first", "dict", "toJson", "$date.format", "base64", "sha256", "uuid", "type"] {
        assert!(names.contains(&name), "{name}");
    }
}
