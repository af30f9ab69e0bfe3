//! Rounds: what a scope does not have is asked for, all at once where it can be.

use std::cell::RefCell;
use std::collections::HashMap;

use expr::{Budget, Element, Found, Need, Root, Scope, Stop, Template};
use model::Value;

use crate::json;

/// A scope that has nothing until it is told.
#[derive(Default)]
struct Lacking {
    told: HashMap<Need, Value>,
    asked: RefCell<usize>,
}

impl Scope for Lacking {
    fn find(&self, root: &Root<'_>) -> Found {
        *self.asked.borrow_mut() += 1;
        let need = match root {
            Root::Prev("skipped") => return Found::NotRun,
            Root::Prev(name) => Need::Output((*name).to_owned()),
            Root::Kv(key) => Need::Kv((*key).to_owned()),
            Root::Secret(name) => Need::Secret((*name).to_owned()),
            Root::Now => Need::Now,
            Root::Seed => Need::Seed,
            // Wrongly: there is nobody to ask for it.
            Root::Env(_) => return Found::Need,
            _ => return Found::Missing("not here".to_owned()),
        };
        self.told.get(&need).map_or(Found::Need, |value| Found::Value(value.clone()))
    }
}

fn needs(template: &Template, scope: &Lacking) -> Vec<Need> {
    match template.eval(scope, &mut Budget::default()) {
        Err(Stop::Need(needs)) => needs,
        other => panic!("needs nothing: {other:?}"),
    }
}

fn kv(key: &str) -> Need {
    Need::Kv(key.to_owned())
}

#[test]
fn one_round_asks_for_all_it_can() {
    let value = json(
        r#"{"a": "{{ add $kv.a $kv.b }}", "b": ["x {{ $secret.s }} {{ $kv.a }}"], "c": "{{ $date.now }}",
            "d": "{{ uuid }}", "e": "{{ $prev.big.x }}", "f": "{{ list($kv.c, upper($kv.d)) }}"}"#,
    );
    let template = Template::compile(&value).expect("compiles");
    let mut scope = Lacking::default();
    assert_eq!(
        needs(&template, &scope),
        [
            kv("a"),
            kv("b"),
            Need::Secret("s".to_owned()),
            Need::Now,
            Need::Seed,
            Need::Output("big".to_owned()),
            kv("c"),
            kv("d"),
        ]
    );
    for (need, value) in [
        (kv("a"), Value::from(1)),
        (kv("b"), Value::from(2)),
        (kv("c"), Value::from(3)),
        (kv("d"), Value::from("d")),
        (Need::Secret("s".to_owned()), Value::from("secret")),
        (Need::Now, Value::from("2026-03-01T09:30:00Z")),
        (Need::Seed, Value::from("00")),
        (Need::Output("big".to_owned()), json(r#"{"x": 5}"#)),
    ] {
        scope.told.insert(need, value);
    }
    let result = template.eval(&scope, &mut Budget::default()).expect("has all");
    assert_eq!(result.pointer("/a"), Some(&Value::from(3)));
    assert_eq!(result.pointer("/b/0"), Some(&Value::from("x secret 1")));
    assert_eq!(result.pointer("/f"), Some(&json(r#"[3,"D"]"#)));
}

#[test]
fn only_what_is_used_is_asked_for() {
    let template = Template::compile_expr("$kv.a == null && $kv.b == 1 ? $kv.c : ($kv.d ?? $kv.e)").expect("compiles");
    let mut scope = Lacking::default();
    assert_eq!(needs(&template, &scope), [kv("a")]);
    scope.told.insert(kv("a"), Value::from(1));
    assert_eq!(needs(&template, &scope), [kv("d")]);
    scope.told.insert(kv("d"), Value::Null);
    assert_eq!(needs(&template, &scope), [kv("e")]);
    scope.told.insert(kv("e"), Value::from(9));
    assert_eq!(template.eval(&scope, &mut Budget::default()), Ok(Value::from(9)));
}

#[test]
fn a_failure_counts_only_when_nothing_before_it_is_needed() {
    let fails_first = Template::compile_expr("list(1 / 0, $kv.a)").expect("compiles");
    assert!(matches!(fails_first.eval(&Lacking::default(), &mut Budget::default()), Err(Stop::Failed(_))));
    let needs_first = Template::compile_expr("list($kv.a, 1 / 0, $kv.b)").expect("compiles");
    assert_eq!(needs(&needs_first, &Lacking::default()), [kv("a"), kv("b")]);
    let text = Template::compile_text("{{ $kv.a }} {{ 1 / 0 }}").expect("compiles");
    assert_eq!(needs(&text, &Lacking::default()), [kv("a")]);
}

#[test]
fn a_need_is_not_forgotten_by_a_fallback() {
    let template = Template::compile_expr("list($kv.a, $prev.skipped.x, .gone) ?? 1").expect("compiles");
    assert_eq!(needs(&template, &Lacking::default()), [kv("a")]);
}

#[test]
fn a_flowlet_that_did_not_run_is_null_all_the_way_down() {
    for (text, expected) in [
        ("$prev.skipped", "null"),
        ("$prev.skipped.a.b[3]", "null"),
        ("$prev.skipped.a ?? 7", "7"),
        ("$prev.skipped.a == null", "true"),
    ] {
        let template = Template::compile_expr(text).expect("compiles");
        let value = template.eval(&Lacking::default(), &mut Budget::default()).expect("evaluates");
        assert_eq!(value.to_json(), expected, "{text}");
    }
}

#[test]
fn what_nobody_can_be_asked_for_is_missing() {
    let template = Template::compile_expr("$env.X").expect("compiles");
    match template.eval(&Lacking::default(), &mut Budget::default()) {
        Err(Stop::Failed(error)) => assert_eq!(error.message, "$env.X: it is not at hand here"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_element_is_dot_item_and_index() {
    let scope = Lacking {
        told: HashMap::from([(kv("n"), Value::from(1)), (Need::Seed, Value::from("5eed"))]),
        ..Lacking::default()
    };
    let element = |index: usize| Element { outer: &scope, dot: json(r#"{"x": 5}"#), index };
    let eval = |text: &str, index: usize| {
        let template = Template::compile_expr(text).expect("compiles");
        template.eval(&element(index), &mut Budget::default()).expect("evaluates")
    };
    assert_eq!(eval("list(.x, $item.x, $index, $kv.n)", 3), json("[5,5,3,1]"));
    assert_ne!(eval("uuid", 0), eval("uuid", 1));
    assert_eq!(eval("uuid", 1), eval("uuid", 1));
    let inner = Element { outer: &element(1), dot: Value::from("in"), index: 0 };
    let template = Template::compile_expr("list(., $index)").expect("compiles");
    assert_eq!(template.eval(&inner, &mut Budget::default()), Ok(json(r#"["in",0]"#)));
}
