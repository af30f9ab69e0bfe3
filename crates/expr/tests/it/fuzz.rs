//! Any text at all: reading and evaluating it never panics, prints back the same, and stays
//! within its budget.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-expr fuzz`.

use expr::{Budget, Expr, Template, functions};
use fuzz::Target;
use model::Value;
use proptest::prelude::*;
use proptest::sample::select;

use crate::scope;

/// What texts are put together from: most of it belongs into expressions.
const PIECES: &[&str] = &[
    " ",
    " ",
    " ",
    " ",
    " | ",
    ", ",
    "(",
    ")",
    "[",
    "]",
    " ? ",
    " : ",
    " ?? ",
    " || ",
    " && ",
    " == ",
    " != ",
    " < ",
    " >= ",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    "!",
    "-",
    ".",
    "{{ ",
    " }}",
    "{{",
    "}}",
    "true",
    "null",
    "0",
    "1",
    "2.5",
    "-7",
    "1e3",
    "79228162514264337593543950335",
    "'a'",
    "\"x\\n\"",
    "''",
    "'2026-03-01'",
    "'%d'",
    "'(a)|b'",
    "'day'",
    "'Z'",
    "'",
    "\\",
    "$prev.order",
    "$prev.args",
    "$prev.text",
    "$kv.n",
    "$kv.get 'n'",
    "$kv",
    "$date.now",
    "$item",
    "$index",
    "$secret.token",
    "$flow",
    ".amount",
    ".tags",
    ".in",
    ".x",
    ".items",
    ".price",
    "[0]",
    "[-1]",
    "['name']",
    "ä",
    "😀",
    "\u{0}",
];

/// Any text that looks somewhat like an expression.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let call =
        (select(functions().to_vec()), prop::collection::vec(operand(), 0..4)).prop_map(|(function, operands)| {
            let count = operands.len().clamp(function.least.min(4), function.most.min(4)).min(operands.len());
            format!("{}({})", function.name, operands[..count].join(", "))
        });
    prop_oneof![
        3 => call,
        1 => prop::collection::vec(select(PIECES), 0..12).prop_map(|pieces| pieces.concat()),
        1 => (operand(), select(vec!["+", "-", "*", "/", "%", "==", "<", "??", "&&"]), operand())
            .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
    ]
}

fn operand() -> impl Strategy<Value = String> {
    let words = [
        "1",
        "2.5",
        "-3",
        "'a'",
        "'ab,c'",
        "'2026-03-01'",
        "'day'",
        "null",
        "true",
        "list(3, 1, 2)",
        "list('b', 'a')",
        "dict('a', 1)",
    ];
    let roots =
        ["$prev.order", "$prev.order.items", "$prev.order.total", ".tags", ".name", "$kv.n", "$date.now", "uuid", "."];
    select([words.as_slice(), roots.as_slice()].concat()).prop_map(String::from)
}

/// Everything that is promised of any text.
fn hold(text: &str) {
    let hold_template = |template: &Template| {
        let mut budget = Budget::new(2_000, 50_000);
        let first = template.eval(&scope(), &mut budget);
        assert!(budget.steps_left() <= 2_000 && budget.bytes_left() <= 50_000);
        assert_eq!(template.eval(&scope(), &mut Budget::new(2_000, 50_000)), first, "{text}");
        template.reads().for_each(drop);
    };
    match Expr::parse(text) {
        Ok(expr) => {
            let printed = expr.to_string();
            let back = Expr::parse(&printed).unwrap_or_else(|fault| panic!("{text}\n{}", fault.render()));
            assert_eq!(back, expr, "{text}");
        }
        Err(fault) => {
            assert!(fault.column >= 1 && fault.column <= text.chars().count() + 1, "{text}: {fault}");
            assert!(fault.render().contains('^'));
        }
    }
    for template in [Template::compile_text(text), Template::compile_expr(text)].iter().flatten() {
        hold_template(template);
    }
    let value = Value::map([("a", Value::list([text])), (text, Value::from(format!("{{{{ {text} }}}}")))]);
    match Template::compile(&value) {
        Ok(template) => hold_template(&template),
        Err(faults) => assert!(!faults.is_empty()),
    }
}

#[test]
fn any_expression() {
    let names = functions().iter().map(|function| function.name);
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "expressions").words(names.chain(PIECES.iter().copied()));
    target.at_least(3_000).holds(|bytes| hold(&String::from_utf8_lossy(bytes)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases * 4, ..ProptestConfig::default() })]

    #[test]
    fn any_string(text in ".{0,60}") {
        hold(&text);
    }

    #[test]
    fn anything_in_braces(text in ".{0,20}\\{\\{.{0,40}\\}\\}.{0,10}") {
        hold(&text);
    }

    #[test]
    fn what_looks_like_an_expression(text in any_text()) {
        hold(&text);
    }
}
