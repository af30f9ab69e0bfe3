//! What is said when an expression fails.

use expr::{Budget, EvalError, Reason, Stop, Template};

use crate::{json, scope};

fn error(text: &str) -> EvalError {
    let template = Template::compile_expr(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    match template.eval(&scope(), &mut Budget::default()) {
        Err(Stop::Failed(error)) => error,
        other => panic!("{text} gives {other:?}"),
    }
}

fn check(table: &[(&str, usize, &str)]) {
    for (text, column, message) in table {
        let error = error(text);
        assert_eq!((&*error.message, error.column), (*message, *column), "{text}");
    }
}

#[test]
fn a_missing_path_says_where_it_broke() {
    check(&[
        ("$prev.order.items[2].price", 1, "$prev.order.items[2].price: items has 2 elements"),
        ("$prev.order.items[-3]", 1, "$prev.order.items[-3]: items has 2 elements"),
        ("1 + $prev.order.totl", 5, "$prev.order.totl: order has no field totl; did you mean total?"),
        ("$prev.order.total-5", 1, "$prev.order.total-5: order has no field total-5; did you mean total?"),
        (
            "$prev.order.name-5x",
            1,
            "$prev.order.name-5x: order has no field name-5x; to subtract, put spaces around the -",
        ),
        ("$prev.order.nothing.x", 1, "$prev.order.nothing.x: nothing is null"),
        ("$prev.order.name.first", 1, "$prev.order.name.first: name is a string, which has nothing below it"),
        ("$prev.order.total[0]", 1, "$prev.order.total[0]: total is a number, which has nothing below it"),
        (
            "$prev.order.items.price",
            1,
            "$prev.order.items.price: items is a list; [0] is its first element, and pluck(\"price\", …) takes the field of each",
        ),
        ("$prev.order.items.length", 1, "$prev.order.items.length: items has no fields; its length is length(items)"),
        ("$prev.order[0]", 1, "$prev.order[0]: order is an object, which has no positions"),
        ("$prev.order.name[0]", 1, "$prev.order.name[0]: name is a string; substr takes a part of it"),
        ("$prev.order.items[0].sku.x", 1, "$prev.order.items[0].sku.x: sku is a string, which has nothing below it"),
        ("$prev.order.items[0].x.y", 1, "$prev.order.items[0].x.y: items[0] has no field x"),
        ("$prev.order[.name]", 1, "$prev.order[.name]: order has no such field"),
        (".amonut", 1, ".amonut: the element has no field amonut; did you mean amount?"),
        ("$prev.nowhere.x", 1, "$prev.nowhere.x: no output is given for this flowlet"),
        ("$kv.nope", 1, "$kv.nope: there is no such key"),
        ("(dict 'a' 1).b", 2, "(dict(\"a\", 1)).b: the value has no field b"),
        ("get 'b' (dict 'abc' 1)", 1, "there is no field \"b\""),
        ("index (list 1) 5", 1, "there is no item 5; the list has 1"),
    ]);
    for text in ["$prev.order.x", "get 'b' .", "index (list 1) 5", "first (list)", "pointer '/x' ."] {
        assert_eq!(error(text).reason, Reason::Missing, "{text}");
    }
}

#[test]
fn a_wrong_operand_is_named_with_its_place_and_type() {
    check(&[
        ("upper 5", 7, "upper: operand 1 (text) must be a string, not a number; text(…) makes one"),
        (
            "add 1 .name",
            1,
            "+ adds two numbers or joins two strings, not one of each: text(…) or number(…) turns one into the other",
        ),
        ("1 - .tags", 3, "- needs two numbers, not a number and a list"),
        ("- .name", 1, "- needs a number, not a string"),
        (
            "1 < \"2\"",
            3,
            "only two numbers or two strings have an order, not a number and a string; number(…) reads a string",
        ),
        ("slice 0.5 .name", 7, "slice: operand 1 (from) must be a whole number"),
        ("slice 0 null .name", 9, "slice: operand 2 (to) must be a number, not null"),
        ("slice .name null", 13, "slice: operand 2 (from) must be a number, not null"),
        ("repeat -1 'x'", 8, "repeat: operand 1 (count) must not be negative"),
        ("keys .tags", 6, "keys: operand 1 (object) must be an object, not a list"),
        ("money 2 5 1.5", 9, "money: operand 2 (thousands) must be a string, not a number; text(…) makes one"),
        ("concat (list 1) 5", 17, "concat: operand 2 (lists) must be a list, not a number"),
        ("sum (list 1 'a')", 6, "sum: operand 1 (list) must hold numbers only; [1] is a string"),
        (
            "number 'abc'",
            8,
            "number: operand 1 (value) must say a number, such as \"12.50\" (no spaces, commas or units inside)",
        ),
        ("1 / 0", 3, "/ cannot divide by zero"),
        ("roundTo 2.345 2", 9, "roundTo: operand 1 (places) must be a whole number"),
        (".in[.tags]", 5, "brackets hold a position or a key, not a list"),
        ("$kv[.amount]", 5, "a key of $kv is text, not a number"),
        (
            "$date.year 'x'",
            12,
            "$date.year: operand 1 (time) must be a time such as \"2026-01-31T08:00:00Z\" or \"2026-01-31\"; $date.parse reads other layouts",
        ),
        ("required 'a name is needed' .zilch", 29, "a name is needed"),
    ]);
}

#[test]
fn no_message_shows_data() {
    for text in [
        "$secret.token | number",
        "$secret.token | bool",
        "$secret.token + 1",
        "$secret.token.x",
        "$secret.token | $date.year",
        "$secret.token | $date.parse '2006'",
        "$secret.token | fromJson",
        "$secret.token | hexDecode",
        "regexMatch ($secret.token + '(') 'x'",
        "$secret.token ? 1 : 2",
        "keys $secret.token",
        "$secret.token | padLeft 5 ''",
        "get $secret.token .",
        "pointer ('/' + $secret.token) .",
        "$date.format ($secret.token + '%') $date.now",
        "$date.parse 'January' $secret.token",
        "$date.in $secret.token $date.now",
        "$date.truncate $secret.token $date.now",
        "format ('%' + $secret.token)",
        "roundTo $secret.token 1",
    ] {
        let error = error(text);
        assert!(!error.message.contains("s3cr3t"), "{text}: {error}");
    }
}

#[test]
fn limits_are_told() {
    for (text, words) in [
        ("79228162514264337593543950335 + 1", "28 digits"),
        ("pow 10 30", "28 digits"),
        ("sum (list 79228162514264337593543950335 1)", "28 digits"),
        ("12345678901234567890123456789012345 + 1", "28 digits"),
        ("repeat 100000000 'x'", "bytes"),
        ("range 100000000", "steps"),
    ] {
        let error = error(text);
        assert_eq!(error.reason, Reason::Limit, "{text}: {error}");
        assert!(error.message.contains(words), "{text}: {error}");
    }
}

#[test]
fn an_error_names_the_string_that_it_is_in() {
    let template = Template::compile(&json(r#"{"a": ["x", "id {{ 1 }} {{ .zilch }}"]}"#)).expect("compiles");
    let stop = template.eval(&scope(), &mut Budget::default()).expect_err("fails");
    assert_eq!(stop.to_string(), "a[1]: .zilch: the element has no field zilch (column 15)");
}
