//! What is said of expressions that are not written right.

use expr::{Budget, Expr, Fault, Template};
use model::Value;

use crate::{json, scope};

fn fault(text: &str) -> Fault {
    match Expr::parse(text) {
        Ok(expr) => panic!("{text} is taken as {expr}"),
        Err(fault) => fault,
    }
}

/// Checks a table of texts, the column of the fault, and words that its message has.
fn check(table: &[(&str, usize, &str)]) {
    for (text, column, words) in table {
        let fault = fault(text);
        assert!(fault.message.contains(words), "{text}: {}", fault.message);
        assert_eq!(fault.column, *column, "{text}: {}", fault.message);
    }
}

#[test]
fn operators_inside_a_command_need_parentheses() {
    check(&[
        ("add 1 2 + 3", 9, "use parentheses"),
        ("gt .a 1 && true", 9, "use parentheses"),
        ("add 1 - 2", 7, "use parentheses"),
        ("upper .a ?? 1", 10, "use parentheses"),
        ("gt .a 1 ? 1 : 2", 9, "use parentheses"),
        ("add 1 -.x", 7, "use parentheses"),
        ("not !.x", 5, "use parentheses"),
        ("add 1 add 2 3", 7, "use parentheses around a call inside a command: (add …)"),
        ("add 1 $date.unix .x", 7, "use parentheses"),
        ("add $kv.get 'n' 1", 5, "use parentheses"),
        (".x | add 1 + 2", 12, "use parentheses"),
        (".x | upper == 'A'", 12, "use parentheses"),
        (".x | first.y", 11, "use parentheses"),
        ("$kv.get 'n' + 1", 13, "use parentheses"),
    ]);
}

#[test]
fn names_that_are_not_known() {
    check(&[
        ("uper .x", 1, "there is no function uper; did you mean upper?"),
        (".x | uper", 6, "did you mean upper?"),
        ("hello", 1, "where this is text, quote it"),
        ("$date.fromat .x .y", 1, "did you mean $date.format?"),
        ("$prve.x", 1, "there is no $prve; did you mean $prev?"),
        ("$json.x", 1, "the roots are $prev $kv"),
        ("upper", 1, "upper takes 1 operand, not 0: upper(text)"),
        ("upper .a .b", 1, "upper takes 1 operand, not 2"),
        ("slice .a", 1, "slice takes 2 to 3 operands"),
        ("dict 'a'", 1, "in twos"),
        ("uuid 1", 1, "uuid takes no operands"),
        ("regexMatch '(' .x", 12, "this is not a regular expression: unclosed group"),
    ]);
}

#[test]
fn roots_are_complete_and_static() {
    check(&[
        ("$prev", 1, "$prev alone is no value"),
        ("$prev .x", 1, "$prev alone is no value"),
        ("$prev[.x]", 1, "written out"),
        ("$prev[0]", 1, "written out"),
        ("$prev.order-total", 6, "put spaces around the -"),
        ("$prev[\"a b\"]", 6, "a ref is a letter"),
        ("$secret", 1, "$secret.<name>"),
        ("$secret[.x]", 1, "written out"),
        ("$env", 1, "$env.<name>"),
        ("$kv", 1, "name a key"),
        ("$kv[1]", 1, "a key is text"),
        ("$kv.get", 1, "$kv.get needs a key"),
        ("$kv.get 1", 9, "a key is text"),
        ("$kv.get 'a' 'b'", 1, "takes one key"),
        ("$date", 1, "$date alone is no value"),
        ("$date.now(1)", 1, "takes no operands"),
        ("$", 2, "a name must follow $"),
    ]);
}

#[test]
fn what_other_languages_write() {
    check(&[
        (".x and .y", 4, "write a && b"),
        (".x or .y", 4, "write a || b"),
        (".x in .y", 4, "comes first"),
        (".x = 1", 4, "write =="),
        (".x === 1", 4, "only == and !="),
        ("[1, 2]", 1, "list(a, b)"),
        ("{\"a\": 1}", 1, "dict(\"key\", value)"),
        (".name.toUpperCase()", 18, "no methods"),
        ("upper (.x, .y)", 10, "right behind the function's name"),
        (".items.0.price", 8, "brackets"),
        ("1 < 2 < 3", 7, "compare two values at a time"),
        ("1 == 1 == 1", 8, "compare two values at a time"),
        ("'a' 'b'", 5, "an operator or a | is missing"),
        (".x[1.5]", 4, "a whole number"),
        (".x[true]", 4, "brackets hold"),
        (".x | 5", 6, "after | comes a function"),
        (".x | $prev.y", 6, "after | comes a function"),
        (".x | $kv.n", 6, "after | comes a function"),
        ("007", 1, "no zeros in front"),
        (".5", 2, "0.5"),
    ]);
}

#[test]
fn what_is_not_complete() {
    check(&[
        ("", 1, "empty"),
        ("   ", 4, "empty"),
        ("1 +", 4, "ends where a value is missing"),
        ("(1", 3, ") is missing"),
        ("f(1", 4, ") is missing"),
        (".x[1", 5, "] is missing"),
        ("1)", 2, "nothing is open that ) closes"),
        (".a ? 1", 7, ": is missing"),
        ("1 : 2", 3, "no ? that this : belongs to"),
        ("1, 2", 2, "a comma"),
        ("'open", 1, "not closed"),
        ("* 2", 1, "a value is missing before *"),
        ("list(1 2)", 8, "a comma or ) is missing"),
        ("list(1,)", 8, "a value is missing before )"),
        ("true ? .x | upper : 1", 11, "parentheses"),
    ]);
}

#[test]
fn braces() {
    let fault = |text: &str| Template::compile_text(text).expect_err("refused").to_string();
    assert_eq!(fault("a {{ }}"), "the expression is empty (column 6)");
    assert_eq!(fault("äö {{ .x"), "the expression is not closed: }} is missing (column 9)");
    assert_eq!(fault("{{ .x } }}"), "an expression ends with two braces: }} (column 7)");
    assert!(fault("{{- .x }}").contains("does not trim"));
    assert!(fault("{{ .x -}}").contains("a value is missing"));
    assert!(fault("{{{ .x }}}").contains("dict"));
    assert!(fault("{{ .a }} {{ uper .b }}").ends_with("did you mean upper? (column 13)"));
}

#[test]
fn every_fault_of_a_value_is_told_with_its_path() {
    let value = json(
        r#"{"url": "https://x/{{ $prev }}", "body": {"items": ["ok {{ 1 }}", "{{ uper .x }} {{ lowr .y }}"]},
            "headers": {"a b": "{{ 1 + }}"}, "fine": "{{ 1 }}"}"#,
    );
    let faults = Template::compile(&value).expect_err("refused");
    let told: Vec<String> = faults.iter().map(|fault| format!("{}@{}", fault.path, fault.column)).collect();
    assert_eq!(told, ["url@14", "body.items[1]@4", "body.items[1]@18", "headers[\"a b\"]@8"]);
    assert_eq!(faults[1].to_string(), "body.items[1]: there is no function uper; did you mean upper? (column 4)");
    assert_eq!(faults[1].render(), "{{ uper .x }} {{ lowr .y }}\n   ^ there is no function uper; did you mean upper?");
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        "(".repeat(10_000),
        "!".repeat(10_000) + "true",
        "- ".repeat(10_000) + "1",
        vec!["1"; 10_000].join(" + "),
        vec!["1"; 10_000].join(" ?? "),
        format!("1{}", " | abs".repeat(10_000)),
        "list(".repeat(10_000),
        "true ? ".repeat(10_000),
        "1 : ".repeat(10_000),
        format!("1{}", "[2".repeat(10_000)),
    ] {
        assert!(Expr::parse(&text).is_err());
    }
    assert!(fault(&format!("'{}'", "x".repeat(1 << 20))).message.contains("at most 65536 bytes"));
    // What people write is far from the bounds.
    assert!(Expr::parse(&vec!["1"; 100].join(" + ")).is_ok());
    assert!(Expr::parse(&format!("{}1{}", "(".repeat(60), ")".repeat(60))).is_ok());
}

#[test]
fn what_one_value_may_hold_is_bounded() {
    let told = |value: Value| Template::compile(&value).expect_err("refused");
    let many = |text: &str, count: usize| Value::list(vec![text; count]);
    assert_eq!(told(many("{{ uper .x }}", 1000)).len(), 100);
    assert!(told(Value::from("{{ uper .x }}".repeat(1000))).len() <= 100);
    assert!(told(Value::from(format!("{{{{ list({}) }}}}", vec!["f(1)"; 5000].join(",")))).len() <= 100);
    assert!(told(many("{{ . }}", 10_001))[0].message.contains("at most 10000 expressions"));
    assert!(told(Value::from("{{ . }}".repeat(10_001)))[0].message.contains("at most 10000 expressions"));
    assert!(told(many("{{ regexMatch 'a' . }}", 201))[0].message.contains("at most 200 regular expressions"));
    assert!(Template::compile(&many("{{ . }}", 10_000)).is_ok());
    assert!(Template::compile(&many("{{ regexMatch 'a' . }}", 200)).is_ok());
}

#[test]
fn the_deepest_expressions_are_printed_and_evaluated() {
    let chain = |piece: &str, end: &str| {
        let texts = (1..=130).rev().map(|count| format!("{}{end}", piece.repeat(count)));
        texts.filter(|text| Expr::parse(text).is_ok()).max_by_key(String::len).expect("some depth is taken")
    };
    let nested = |open: &str, close: &str| {
        let texts = (1..=130).rev().map(|count| format!("{}1{}", open.repeat(count), close.repeat(count)));
        texts.filter(|text| Expr::parse(text).is_ok()).max_by_key(String::len).expect("some depth is taken")
    };
    for text in [
        chain("1 + ", "1"),
        chain("1 - -", "1"),
        chain("null ?? ", "1"),
        chain("false ? 1 : ", "1"),
        chain("!", "true"),
        nested("list(", ")"),
        nested("(list(", "))[0]"),
        nested("(1 + (", "))"),
        nested("-(", ")"),
        format!("1{}", " | list".repeat(127)),
        format!("1{}", " | list 1".repeat(127)),
    ] {
        let expr = Expr::parse(&text).expect("parses");
        assert_eq!(Expr::parse(&expr.to_string()), Ok(expr), "{text}");
        let template = Template::compile_expr(&text).expect("compiles");
        let value = template.eval(&scope(), &mut Budget::default());
        assert!(value.is_ok(), "{text}: {value:?}");
    }
}

#[test]
fn a_value_that_nests_too_deep_is_refused() {
    let mut value = Value::from("{{ 1 }}");
    for _ in 0..200 {
        value = Value::list([value]);
    }
    let faults = Template::compile(&value).expect_err("refused");
    assert!(faults[0].message.contains("nests deeper"));
}
