//! No expression works or grows beyond its budget, whatever it is given.

use expr::{Budget, Given, Reason, Stop, Template};
use model::Value;
use proptest::prelude::*;

use crate::fuzz::any_text;
use crate::{json, scope};

/// A value that is small to hold and endless to write: every level holds the one below twice.
fn endless() -> Value {
    let mut value = Value::list(["x"]);
    for _ in 0..100 {
        value = Value::list([value.clone(), value]);
    }
    value
}

/// Whether an evaluation was stopped by its budget.
fn is_limit(outcome: &Result<Value, Stop>) -> bool {
    matches!(outcome, Err(Stop::Failed(error)) if error.reason == Reason::Limit)
}

fn limited(text: &str, dot: Value, mut budget: Budget) {
    let template = Template::compile_expr(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let scope = Given { dot: Some(dot), ..scope() };
    match template.eval(&scope, &mut budget) {
        Err(Stop::Failed(error)) => assert_eq!(error.reason, Reason::Limit, "{text}: {error}"),
        Ok(_) => panic!("{text} ends"),
        Err(stop) => panic!("{text}: {stop}"),
    }
}

#[test]
fn what_would_grow_without_end_is_stopped() {
    for text in [
        "repeat 1000000000000 'x'",
        "padLeft 1000000000000 'x'",
        "padRight 99999999 'ä' 'x'",
        "repeat 60000 'x' | repeat 60000",
        "repeat 8000 'x' | replace 'x' (repeat 60000 'y')",
        "repeat 8000 'x' | regexReplace 'x' (repeat 60000 'y')",
        "repeat 8000 'x' | regexReplace 'x+' (repeat 60000 '$0')",
        "repeat 60000 'x' | split '' | join (repeat 60000 'y')",
        "range 0 9223372036854775807",
        "range -9223372036854775808 9223372036854775807",
        "range 3000000",
        "format '%1000d' 1 | repeat 99999999",
        "indent 99999999 (repeat 99999 '\\n')",
        "money 2 (repeat 9999999 ',') 1000000",
        "repeat 60000000 '&' | htmlEscape",
        "repeat 60000000 'x' | upper",
        "$date.format (repeat 9999999 '%A') $date.now",
        "repeat 30000000 '[1],' | fromJson",
        "repeat 9999999 ',' | split ','",
        "repeat 9999999 'a=b&' | fromQuery",
    ] {
        limited(text, Value::Null, Budget::default());
    }
}

#[test]
fn what_is_shared_is_paid_for_each_time_it_is_looked_at() {
    for text in [
        "toJson .",
        "prettyJson .",
        "canonicalJson .",
        "text .",
        "format '%v' .",
        "flatten 1000 .",
        "uniq (list . .)",
        "join ',' .",
        "groupBy 'a' (list (dict 'a' .))",
        "toQuery (dict 'a' .)",
        "'' + text(.)",
    ] {
        limited(text, endless(), Budget::new(10_000, 10_000_000));
    }
    let two = Value::map([("a", endless()), ("b", endless())]);
    for text in
        [".a == .b", ".a != .b", "eq .a .b", "contains .a (list .b)", "indexOf .a (list .b)", "without .a (list .b)"]
    {
        limited(text, two.clone(), Budget::new(10_000, 10_000_000));
    }
    assert!(Template::compile_text("x {{ . }}").is_ok_and(|template| {
        let scope = Given { dot: Some(endless()), ..Given::default() };
        is_limit(&template.eval(&scope, &mut Budget::default()))
    }));
}

#[test]
fn long_lists_are_within_the_default_budget() {
    let rows: Vec<Value> = (0..100_000)
        .map(|at| Value::map([("n", Value::from(at)), ("s", Value::from(format!("s{}", at % 7)))]))
        .collect();
    let scope = Given { dot: Some(rows.into()), ..Given::default() };
    for (text, expected) in [
        ("pluck 'n' . | sum", "4999950000"),
        ("sortBy 's' . | first | get 'n'", "0"),
        ("groupBy 's' . | keys | length", "7"),
        ("where 's' 's3' . | length", "14286"),
        ("pluck 's' . | uniq | sort | join ','", "\"s0,s1,s2,s3,s4,s5,s6\""),
        ("toJson . | length", "2088891"),
        ("pluck 'n' . | sort | last", "99999"),
    ] {
        let template = Template::compile_expr(text).expect("compiles");
        match template.eval(&scope, &mut Budget::default()) {
            Ok(value) => assert_eq!(value.to_json(), expected, "{text}"),
            Err(stop) => panic!("{text}: {stop}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 8, ..ProptestConfig::default() })]

    /// What an evaluation spends is what it needs: with that much it ends the same way, with one
    /// less it is stopped.
    #[test]
    fn the_budget_is_exact_and_never_passed(text in any_text()) {
        let Ok(template) = Template::compile_expr(&text) else { return Ok(()) };
        let granted = (2_000, 20_000);
        let mut budget = Budget::new(granted.0, granted.1);
        let Ok(value) = template.eval(&scope(), &mut budget) else { return Ok(()) };
        let spent = (granted.0 - budget.steps_left(), granted.1 - budget.bytes_left());
        prop_assert_eq!(template.eval(&scope(), &mut Budget::new(spent.0, spent.1)), Ok(value.clone()));
        if spent.0 > 0 {
            prop_assert!(is_limit(&template.eval(&scope(), &mut Budget::new(spent.0 - 1, spent.1))), "{} steps", text);
        }
        if spent.1 > 0 {
            prop_assert!(is_limit(&template.eval(&scope(), &mut Budget::new(spent.0, spent.1 - 1))), "{} bytes", text);
        }
        // What was not built was there before: in the scope, or in the expression.
        if let Value::Text(built) = &value {
            prop_assert!(built.len() as u64 <= spent.1 + 64 + text.len() as u64, "{} bytes for {}", spent.1, built);
        }
    }
}

#[test]
fn an_empty_budget_evaluates_nothing() {
    let template = Template::compile(&json(r#"["{{ 1 }}"]"#)).expect("compiles");
    assert!(template.eval(&scope(), &mut Budget::new(0, 1000)).is_err());
    assert!(template.eval(&scope(), &mut Budget::new(1000, 0)).is_err());
}
