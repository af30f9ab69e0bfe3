//! Values with expressions in them: types, text, sharing, and what is read.

use expr::{Budget, ReadRoot, Template};
use model::Value;

use crate::{json, scope};

fn render(value: &str) -> String {
    let template = Template::compile(&json(value)).expect("compiles");
    template.eval(&scope(), &mut Budget::default()).expect("evaluates").to_json()
}

#[test]
fn a_string_that_is_one_expression_keeps_the_type() {
    for (value, expected) in [
        (r#""{{ $prev.order.total }}""#, "120.50"),
        (r#""{{$prev.order.tags}}""#, r#"["x","y"]"#),
        (r#""{{ $prev.order.nothing }}""#, "null"),
        (r#"" {{ $prev.order.total }}""#, r#"" 120.50""#),
        (r#""{{ 1 }}{{ 2 }}""#, r#""12""#),
        (r#""{{ \"{{\" }}""#, r#""{{""#),
        (r#""a }} b""#, r#""a }} b""#),
        (r#""{{ '}}' }}""#, r#""}}""#),
        (r#""{{ \"{{\" }} and }}""#, r#""{{ and }}""#),
        (r#""""#, r#""""#),
    ] {
        assert_eq!(render(value), expected, "{value}");
    }
}

#[test]
fn inside_a_longer_string_a_value_is_text() {
    for (value, expected) in [
        (r#""n={{ $prev.order.total }}""#, r#""n=120.50""#),
        (r#""[{{ $prev.order.nothing }}]""#, r#""[]""#),
        (r#""{{ $prev.order.paid }}!""#, r#""true!""#),
        (r#""tags {{ $prev.order.tags }}""#, r#""tags [\"x\",\"y\"]""#),
        (r#""{{ $prev.order.headers }} ""#, r#""{\"x-request-id\":\"r-1\",\"a b\":1} ""#),
        (r#""https://x/{{ $prev.args.invoiceId }}?a={{ $env.REGION }}""#, r#""https://x/INV-17?a=eu""#),
    ] {
        assert_eq!(render(value), expected, "{value}");
    }
}

#[test]
fn every_string_inside_a_value_is_an_expression_but_no_key() {
    let value = r#"{"{{ 1 }}": {"b": ["{{ .amount }}", 2, null, {"c": "x{{ $index }}"}]}, "d": "plain"}"#;
    assert_eq!(render(value), r#"{"{{ 1 }}":{"b":[5,2,null,{"c":"x2"}]},"d":"plain"}"#);
}

#[test]
fn what_holds_no_expression_is_shared() {
    let value = json(r#"{"big": {"list": [1, 2, 3]}, "n": "{{ 1 }}"}"#);
    let template = Template::compile(&value).expect("compiles");
    assert!(!template.is_constant());
    let result = template.eval(&scope(), &mut Budget::default()).expect("evaluates");
    assert_eq!(result.get("big").and_then(Value::address), value.get("big").and_then(Value::address));

    let constant = Template::compile(value.get("big").expect("big")).expect("compiles");
    assert!(constant.is_constant());
    let mut nothing = Budget::new(0, 0);
    assert_eq!(
        constant.eval(&scope(), &mut nothing).expect("costs nothing").address(),
        value.get("big").and_then(Value::address)
    );
}

#[test]
fn a_path_shares_what_it_finds() {
    let scope = scope();
    let template = Template::compile_text("{{ $prev.order.items[0] }}").expect("compiles");
    let found = template.eval(&scope, &mut Budget::default()).expect("evaluates");
    let source = scope.prev["order"].pointer("/items/0").and_then(Value::address);
    assert_eq!(found.address(), source);
    // One step for the expression, and one for each step of the path; nothing is built.
    let mut budget = Budget::new(3, 0);
    assert!(template.eval(&scope, &mut budget).is_ok());
    assert_eq!(budget.steps_left(), 0);
}

#[test]
fn bare_expressions_are_taken_with_and_without_braces() {
    let eval = |text: &str| {
        let template = Template::compile_expr(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        template.eval(&scope(), &mut Budget::default()).expect("evaluates").to_json()
    };
    assert_eq!(eval(".amount > 3"), "true");
    assert_eq!(eval("{{ .amount > 3 }}"), "true");
    assert_eq!(eval("\n  {{ .amount > 3 }}\n"), "true");
    assert_eq!(eval("No. {{ .amount }}"), "\"No. 5\"");
    assert_eq!(eval("{{ .amount }}{{ .name }}"), "\"5dot\"");
    assert_eq!(eval("contains \"{{\" \"a {{ b\""), "true");
    assert_eq!(eval("\"{{ .amount }}\""), "\"{{ .amount }}\"");
    assert!(Template::compile_expr("a b {{ c }}").is_err());
    assert_eq!(Template::compile_expr("lenght .x").expect_err("refused").column, 1);
}

#[test]
fn reads_are_known_without_evaluating() {
    let value = json(
        r#"{"a": "{{ $prev.order.items.first[0] }}", "b": ["id {{ $kv.n }}{{ $kv[.x] }}"],
            "c": "{{ false ? $secret.token : add $date.now uuid }}", "d": "{{ $prev.input.q | upper }}"}"#,
    );
    let template = Template::compile(&value).expect("compiles");
    let reads: Vec<String> = template
        .reads()
        .map(|read| {
            let root = match &read.root {
                ReadRoot::Prev(name) => format!("prev {name}"),
                ReadRoot::Kv(Some(key)) => format!("kv {key}"),
                ReadRoot::Secret(name) => format!("secret {name}"),
                other => format!("{other:?}"),
            };
            format!("{}:{} {root} {}", read.path, read.column, read.fields.join("."))
        })
        .collect();
    assert_eq!(
        reads,
        [
            "a:4 prev order items.first",
            "b[0]:7 kv n ",
            "b[0]:18 Kv(None) ",
            "b[0]:22 Dot x",
            "c:12 secret token ",
            "c:32 Now ",
            "c:42 Uuid ",
            "d:4 Args q",
        ]
    );
}

#[test]
fn uuids_are_many_and_always_the_same() {
    let template =
        Template::compile(&json(r#"["{{ uuid }}", "{{ uuid }}", "{{ uuidFrom('a') }}"]"#)).expect("compiles");
    let draw = || template.eval(&scope(), &mut Budget::default()).expect("evaluates");
    let first = draw();
    let [a, b, c] = first.as_list().expect("a list") else { panic!("three") };
    assert_ne!(a, b);
    assert_eq!(c.as_str(), Some("ca978112-ca1b-8dca-bac2-31b39a23dc4d"));
    assert_eq!(a.as_str().map(|uuid| &uuid[14..15]), Some("4"));
    assert_eq!(draw(), first);
}
