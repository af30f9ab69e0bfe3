//! What expressions mean: the contract's own examples first.

use crate::{check, eval};

#[test]
fn the_examples_of_the_contract() {
    check(&[
        ("gt $prev.order.total 100", "true"),
        ("add ($kv.get 'n') 1", "42"),
        ("add ($kv.get \"n\") 1", "42"),
        ("$prev.order.name | upper | default \"none\"", "\"ADA\""),
        ("$prev.order.total > 100 && $prev.order.currency == \"EUR\"", "true"),
        ("$prev.order.headers.x-request-id", "\"r-1\""),
        ("$prev.order.missing ?? \"other\"", "\"other\""),
        ("$step.idempotencyKey", "\"k-1\""),
        ("$date.now", "\"2026-03-01T09:30:00Z\""),
        ("$date.format \"2006-01-02\" $date.now", "\"2026-03-01\""),
        ("$date.format $date.now \"2006-01-02\"", "\"2026-03-01\""),
        ("$date.format($date.now, \"%Y/%m\")", "\"2026/03\""),
        ("$date.now | $date.format \"%H:%M\"", "\"09:30\""),
        ("\"{{\"", "\"{{\""),
    ]);
}

#[test]
fn roots() {
    check(&[
        ("$prev.text", "\"plain\""),
        ("$prev[\"text\"]", "\"plain\""),
        ("$prev.args.invoiceId", "\"INV-17\""),
        ("$prev.input.invoiceId", "\"INV-17\""),
        ("$prev[\"args\"].zero", "0"),
        ("$kv.n", "41"),
        ("$kv[\"n\"]", "41"),
        ("$kv[\"a key\"][0]", "1"),
        ("$kv[\"get\"]", "\"got\""),
        ("$kv.get('get')", "\"got\""),
        ("$kv.get('a key')[0]", "1"),
        ("$kv.get (lower \"N\")", "41"),
        ("$kv[lower \"N\"]", "41"),
        ("\"n\" | $kv.get", "41"),
        ("$secret.token", "\"s3cr3t\""),
        ("$env.REGION", "\"eu\""),
        ("$flow.version", "3"),
        ("$flowId", "\"f1\""),
        ("$flow", r#"{"id":"f1","permanentId":"invoice","version":3,"name":"Invoice"}"#),
        ("$play.id", "\"p1\""),
        ("$item.id", "7"),
        ("$index", "2"),
        (".amount", "5"),
        (".[\"amount\"]", "5"),
        (". | keys", r#"["amount","tags","name","in"]"#),
        ("$date.now()", "\"2026-03-01T09:30:00Z\""),
    ]);
}

#[test]
fn paths() {
    check(&[
        ("$prev.order.items[0].price", "10.25"),
        ("$prev.order.items[-1].sku", "\"B\""),
        ("$prev.order.items[1 - 1].sku", "\"A\""),
        ("$prev.order.items[$index - 1].sku", "\"B\""),
        ("$prev.order.headers[\"a b\"]", "1"),
        ("$prev.order.headers['x-request-id']", "\"r-1\""),
        ("$prev.order[\"cur\" + \"rency\"]", "\"EUR\""),
        ("(dict \"a\" (list 1 2)).a[1]", "2"),
        ("list(5, 6)[1]", "6"),
        ("($prev.order).items[0].qty", "2"),
        (".in.x", "1"),
        ("$prev.order.items[1.0].sku", "\"B\""),
    ]);
}

#[test]
fn literals_and_types() {
    check(&[
        ("1.50", "1.50"),
        ("-5", "-5"),
        ("1e3", "1e3"),
        ("'it\\'s'", "\"it's\""),
        ("\"tab\\tand \\u00e9\"", "\"tab\\tand é\""),
        ("true", "true"),
        ("nil", "null"),
        ("$prev.order.total", "120.50"),
        ("$prev.order.tags", r#"["x","y"]"#),
    ]);
}

#[test]
fn precedence() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("2 * 7 % 4", "2"),
        ("-2 * 3", "-6"),
        ("- 2 * 3", "-6"),
        ("!true || true", "true"),
        ("true || false && false", "true"),
        ("1 + 1 == 2 && 3 > 2", "true"),
        ("1 < 2 == true", "true"),
        ("null ?? 1 + 1", "2"),
        ("null ?? null ?? 3", "3"),
        ("null ?? true || false", "true"),
        ("true ? 1 : false ? 2 : 3", "1"),
        ("false ? 1 : false ? 2 : 3", "3"),
        ("null ?? false ? 1 : 2", "2"),
        ("1 + 1 | add 1", "3"),
        ("true ? 1 : 2 | add 10", "11"),
        ("5 -3", "2"),
        ("5 - -3", "8"),
        ("!(1 > 2)", "true"),
    ]);
}

#[test]
fn commands_and_calls() {
    check(&[
        ("add 1 2", "3"),
        ("add(1, 2)", "3"),
        ("add 5 -3", "2"),
        ("add (mul 2 3) (sub 5 1)", "10"),
        ("add mul(2, 3) sub(5, 1)", "10"),
        ("list .amount .name", r#"[5,"dot"]"#),
        ("list $prev.order.items[0].qty .tags[0]", r#"[2,"p"]"#),
        ("1 + add 1 1", "3"),
        ("true ? add 1 1 : add 2 2", "2"),
        ("list(add 1 2, upper \"x\")", r#"[3,"X"]"#),
        ("list(1 | add 1, 2)", "[2,2]"),
        ("length (upper \"abc\")", "3"),
        ("uuid | length", "36"),
        ("length uuid", "36"),
        ("length(uuid())", "36"),
        ("add 1\n  2", "3"),
    ]);
}

#[test]
fn pipes_pass_the_last_operand() {
    check(&[
        ("\"a,b\" | split \",\"", r#"["a","b"]"#),
        ("\"a-b\" | replace \"-\" \"+\"", "\"a+b\""),
        ("\"x\" | upper | repeat 3", "\"XXX\""),
        (".tags | join \", \" | upper", "\"P, Q\""),
        ("3 | sub 10", "7"),
        ("$prev.order.items | pluck \"price\" | sum", "110.25"),
    ]);
}

#[test]
fn conditions_are_booleans_or_null() {
    check(&[
        ("true && null", "false"),
        ("null || true", "true"),
        ("!null", "true"),
        ("null ? 1 : 2", "2"),
        ("and true true false", "false"),
        ("or false null true", "true"),
        ("not false", "true"),
        ("if(true, 1, 2)", "1"),
        ("if true 1 2", "1"),
    ]);
    for text in
        ["1 && true", "\"false\" || true", "!0", "\"\" ? 1 : 2", "and (list) true", "not \"x\"", "if(.tags, 1, 2)"]
    {
        let error = eval(text).expect_err("refused");
        assert!(error.contains("a condition is true or false"), "{text}: {error}");
    }
}

#[test]
fn conditions_stop_early() {
    check(&[
        ("false && $prev.order.missing", "false"),
        ("true || 1 / 0", "true"),
        ("true ? 1 : 1 / 0", "1"),
        ("and false (div 1 0)", "false"),
        ("or true (div 1 0)", "true"),
        ("if(false, 1 / 0, 2)", "2"),
        ("1 ?? 1 / 0", "1"),
    ]);
}

#[test]
fn fallbacks_catch_what_is_missing_or_null() {
    check(&[
        ("$prev.order.nothing ?? 1", "1"),
        ("$prev.order.nothing.below ?? 1", "1"),
        ("$prev.order.total.below ?? 1", "1"),
        ("$prev.order.items[9].price ?? 1", "1"),
        ("$prev.order.items.price ?? 1", "1"),
        ("$prev.nowhere ?? 1", "1"),
        ("$kv.nope ?? 1", "1"),
        ("($prev.order.missing + 1) ?? 2", "2"),
        ("$prev.order.missing + 1 ?? 2", "2"),
        ("(get \"z\" .) ?? 1", "1"),
        ("first(list()) ?? 1", "1"),
        ("$prev.order.empty ?? 1", "\"\""),
        ("false ?? 1", "false"),
        ("$prev.order.empty | default \"none\"", "\"none\""),
        ("$prev.order.missing | default \"none\"", "\"none\""),
        ("$prev.order.missing | upper | default \"none\"", "\"none\""),
        ("default \"none\" .zilch.x", "\"none\""),
        ("default 5 0", "0"),
        ("default true false", "false"),
        ("coalesce .zilch \"\" null 0", "0"),
        ("coalesce(null, list())", "null"),
    ]);
    // Nothing but a missing path is caught.
    for text in ["1 / 0 ?? 1", "upper 1 | default 2", "(1 < \"a\") ?? 1", "coalesce (1 / 0) 1"] {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn comparisons_are_by_value() {
    check(&[
        ("1.0 == 1", "true"),
        ("\"1\" == 1", "false"),
        ("\"1\" != 1", "true"),
        ("null == false", "false"),
        ("list(1, 2) == list(1.0, 2)", "true"),
        ("dict(\"a\", 1, \"b\", 2) == dict(\"b\", 2, \"a\", 1)", "true"),
        ("\"a\" < \"b\"", "true"),
        ("2 >= 2.0", "true"),
        ("eq 1 2 1", "true"),
        ("eq \"a\" \"b\" \"c\"", "false"),
    ]);
}

#[test]
fn numbers_are_exact() {
    check(&[
        ("0.1 + 0.2", "0.3"),
        ("0.1 + 0.2 == 0.3", "true"),
        ("1.10 * 3", "3.3"),
        ("$prev.order.total * 1.19", "143.395"),
        ("10 / 4", "2.5"),
        ("2 / 3", "0.6666666666666666666666666667"),
        ("1 / 3 * 3", "0.9999999999999999999999999999"),
        ("9007199254740993 + 0", "9007199254740993"),
        ("9223372036854775807 + 1", "9223372036854775808"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("\"a\" + \"b\"", "\"ab\""),
        ("number($prev.args.amount) + 0.10", "100"),
    ]);
}

#[test]
fn the_subject_may_come_first_where_it_is_told_by_its_type() {
    check(&[
        ("slice (list 1 2 3) 1", "[2,3]"),
        ("slice(\"invoice\", 0, 3)", "\"inv\""),
        ("get (dict \"a\" 1) \"a\"", "1"),
        ("set (dict \"a\" 1) \"b\" 2", r#"{"a":1,"b":2}"#),
        ("append (list 1) 2", "[1,2]"),
        ("append 2 (list 1)", "[1,2]"),
        ("join (list 1 2) \"-\"", "\"1-2\""),
        ("join \"-\" (list 1 2)", "\"1-2\""),
        ("pick (dict \"a\" 1 \"b\" 2) \"b\"", r#"{"b":2}"#),
        ("hasKey (dict \"a\" 1) \"a\"", "true"),
        ("contains (list 1 2) 2", "true"),
        ("repeat \"ab\" 2", "\"abab\""),
        ("$date.add $date.now \"1d\"", "\"2026-03-02T09:30:00Z\""),
        // Both are lists: the subject is the last.
        ("append (list 1) (list 2)", "[2,[1]]"),
    ]);
}
