//! Functions beyond their examples: edges, optional operands, odd values.

use crate::{check, eval};

#[test]
fn numbers() {
    check(&[
        ("add 1 2 3", "6"),
        ("add 'a' 'b' 'c'", "\"abc\""),
        ("mul 2 3 4", "24"),
        ("intDiv 7 2", "3"),
        ("intDiv 7.9 -2", "-3"),
        ("round -2.5", "-3"),
        ("round 2.4", "2"),
        ("roundTo 2 2.345", "2.35"),
        ("roundHalfEven 2 2.345", "2.34"),
        ("roundTo 0 1.5", "2"),
        ("floor 1.9", "1"),
        ("ceil -1.1", "-1"),
        ("min 'b' 'a'", "\"a\""),
        ("max 5", "5"),
        ("pow 2 10", "1024"),
        ("pow 2 -2", "0.25"),
        ("pow 0 0", "1"),
        ("pow 1 1000000000000", "1"),
        ("sum (list)", "0"),
        ("median (list 4 1 3 2)", "2.5"),
        ("fixed 2 -0.001", "\"0.00\""),
        ("fixed 0 2.5", "\"3\""),
        ("fixed 28 1", "\"1.0000000000000000000000000000\""),
        ("money 2 1234.5", "\"1,234.50\""),
        ("money 2 ' ' 1234567.891", "\"1 234 567.89\""),
        ("money 0 999", "\"999\""),
        ("money 2 -1000", "\"-1,000.00\""),
        ("sign 0", "0"),
        ("neg -0.0", "0"),
        ("clamp 1 5 0", "1"),
    ]);
    for text in
        ["avg (list)", "min (list)", "pow 0 -1", "pow 2 0.5", "clamp 5 1 3", "min 1 'a'", "max null", "fixed 29 1"]
    {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn casts() {
    check(&[
        ("int '-12.7'", "-12"),
        ("int 3.0", "3"),
        ("int true", "1"),
        ("number '1.10'", "1.10"),
        ("text null", "\"\""),
        ("text (list 1)", "\"[1]\""),
        ("bool 0", "false"),
        ("bool 'False'", "false"),
        ("isNumeric '1e5'", "true"),
        ("isNumeric 'x'", "false"),
        ("isInteger 2.5", "false"),
        ("type null", "\"null\""),
        ("type (dict)", "\"object\""),
    ]);
    for text in ["number ''", "number null", "number (list)", "bool 'yes'", "bool 2", "bool (list)", "int 'x'"] {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn texts() {
    check(&[
        ("trimPrefix 'x' 'abc'", "\"abc\""),
        ("split '' 'añb'", r#"["a","ñ","b"]"#),
        ("split ',' ''", r#"[""]"#),
        ("join '' (list)", "\"\""),
        ("join ',' (list null 1 (list 2))", "\",1,[2]\""),
        ("contains '' 'abc'", "true"),
        ("indexOf 'ü' 'äü'", "1"),
        ("indexOf 'x' 'abc'", "-1"),
        ("indexOf 2 (list 1 2)", "1"),
        ("padLeft 2 'abc'", "\"abc\""),
        ("padLeft 6 'ab' 'x'", "\"ababax\""),
        ("padRight 4 '-' 'ü'", "\"ü---\""),
        ("repeat 0 'x'", "\"\""),
        ("truncate 2 'äöü'", "\"äö\""),
        ("abbreviate 10 'short'", "\"short\""),
        ("abbreviate 0 'short'", "\"\""),
        ("mask 2 'a'", "\"a\""),
        ("mask 0 'abc'", "\"***\""),
        ("slug 'Ünï  Côdé!'", "\"ünï-côdé\""),
        ("title 'élan vital'", "\"Élan Vital\""),
        ("capitalize ''", "\"\""),
        ("lines ''", "[]"),
        ("camelCase 'HTTP server-error'", "\"httpServerError\""),
        ("replace 'aa' 'b' 'aaaa'", "\"bb\""),
        ("substr 1 3 'äöüß'", "\"öü\""),
        ("slice -2 'invoice'", "\"ce\""),
        ("take -2 (list 1 2 3)", "[2,3]"),
        ("drop -1 'abc'", "\"ab\""),
        ("reverse 'añb'", "\"bña\""),
        (
            "format '%5.1f|%-5s|%05d|%+d|%x|%q|%t' 3.14159 'ab' -42 7 255 'q' true",
            "\"  3.1|ab   |-0042|+7|ff|\\\"q\\\"|true\"",
        ),
        ("format '%.3s' 'abcdef'", "\"abc\""),
        ("format '%.40f' 1", "\"1.0000000000000000000000000000000000000000\""),
    ]);
    for text in [
        "format '%d' 1.5",
        "format '%s'",
        "format 'x' 1",
        "format '%z' 1",
        "format '%'",
        "replace '' 'x' 'abc'",
        "padLeft 5 '' 'x'",
    ] {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn patterns() {
    check(&[
        ("regexMatch 'a.c' 'xabcx'", "true"),
        ("regexMatch (lower 'A.C') 'abc'", "true"),
        ("regexFind '\\\\d' 'x'", "null"),
        ("regexFindAll 'a*' 'baa'", r#"["","aa"]"#),
        ("regexGroups '(a)|(b)' 'b'", r#"["b",null,"b"]"#),
        ("regexReplace 'x' 'y' 'abc'", "\"abc\""),
        ("regexReplace '(?<a>b)' '[${a}$$$9]' 'abc'", "\"a[b$]c\""),
        ("regexReplace '' '-' 'ab'", "\"-a-b-\""),
        ("regexSplit ',' ''", r#"[""]"#),
        ("regexMatch (regexEscape 'a.b') 'a.b'", "true"),
    ]);
}

#[test]
fn lists_and_objects() {
    check(&[
        ("range 3", "[0,1,2]"),
        ("range 5 1 -2", "[5,3]"),
        ("range 5 1", "[]"),
        ("slice 1 1 (list 1 2)", "[]"),
        ("slice -9 9 (list 1 2)", "[1,2]"),
        ("rest (list)", "[]"),
        ("chunk 5 (list 1)", "[[1]]"),
        ("flatten 2 (list 1 (list 2 (list 3)))", "[1,2,3]"),
        ("flatten 0 (list 1 (list 2))", "[1,[2]]"),
        ("sort (list 'b' 'a')", r#"["a","b"]"#),
        ("sort (list)", "[]"),
        ("concat", "[]"),
        ("zip (list 1) (list)", "[]"),
        ("uniq (list 1 '1' 1.00 (list 1) (list 1.0))", r#"[1,"1",[1]]"#),
        ("intersect (list 1 2 3) (list 3.0 1)", "[1,3]"),
        ("merge", "{}"),
        ("has 1 (list 1)", "true"),
        ("hasKey 'x' (dict 'a' 1)", "false"),
        ("rename 'a' 'b' (dict 'b' 1 'a' 2 'c' 3)", r#"{"b":2,"c":3}"#),
        ("rename 'x' 'b' (dict 'b' 1)", r#"{"b":1}"#),
        ("omit 'a' 'z' (dict 'a' 1 'b' 2)", r#"{"b":2}"#),
        ("dict 'a' 1 'a' 2", r#"{"a":2}"#),
        ("fromEntries (entries (dict 'a' 1))", r#"{"a":1}"#),
        ("mergeDeep (dict 'a' 1) (dict 'a' (dict 'x' 1))", r#"{"a":{"x":1}}"#),
        ("groupBy 'n' (list (dict 'n' 1) (dict 'n' 1.0) (dict))", r#"{"1":[{"n":1},{"n":1.0}],"null":[{}]}"#),
        ("all (list)", "true"),
        ("any (list)", "false"),
        ("pointer '' 5", "5"),
    ]);
    for text in [
        "range 1 5 0",
        "chunk 0 (list)",
        "sort (list 1 'a')",
        "sort (list null)",
        "pluck 'a' (list 1)",
        "fromEntries (list 1)",
        "any (list 1)",
    ] {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn json_and_encodings() {
    check(&[
        ("fromJson '{\\\"a\\\": 1.10}'", r#"{"a":1.10}"#),
        ("toJson null", "\"null\""),
        ("base64Decode 'aGk'", "\"hi\""),
        ("base64Decode 'aGk='", "\"hi\""),
        ("base64UrlDecode 'aGk='", "\"hi\""),
        ("hexToBase64 (hmacSha256 'k' 'v') | length", "44"),
        ("toQuery (dict 'a' (list 1 2) 'b' null 'c' 'ä')", "\"a=1&a=2&c=%C3%A4\""),
        ("fromQuery '?x=1&x=2&x=3&y'", r#"{"x":["1","2","3"],"y":""}"#),
        ("urlDecode 'a+b%20c'", "\"a+b c\""),
        ("htmlEscape 'a\\\"b'", "\"a&quot;b\""),
    ]);
    for text in ["fromJson '{'", "base64Decode '!'", "base64Decode '/w=='", "hexDecode 'f'", "urlDecode '%ff'"] {
        assert!(eval(text).is_err(), "{text}");
    }
}

#[test]
fn dates() {
    check(&[
        ("$date.add '36h' '2026-03-01T09:30:00Z'", "\"2026-03-02T21:30:00Z\""),
        ("$date.add '1h30m' '2026-03-01'", "\"2026-03-01T01:30:00Z\""),
        ("$date.add 'P1Y2M' '2026-03-01'", "\"2027-05-01T00:00:00Z\""),
        ("$date.add '-2d' '2026-03-01'", "\"2026-02-27T00:00:00Z\""),
        ("$date.add '2 days' '2026-03-01'", "\"2026-03-03T00:00:00Z\""),
        // Clocks go forward in Berlin on 2026-03-29.
        ("$date.add '1d' 'Europe/Berlin' '2026-03-28T12:00:00+01:00'", "\"2026-03-29T12:00:00+02:00\""),
        ("$date.add '24h' 'Europe/Berlin' '2026-03-28T12:00:00+01:00'", "\"2026-03-29T13:00:00+02:00\""),
        ("$date.format '15:04 MST' 'Europe/Berlin' '2026-07-01T10:00:00Z'", "\"12:00 CEST\""),
        ("$date.diff '2026-03-01' '2026-03-01T00:01:30Z'", "90"),
        ("$date.diff 'hours' '2026-03-01T00:00:00Z' '2026-03-01T00:20:00Z'", "0.3333333333333333333333333333"),
        ("$date.diff 'months' '2026-01-31' '2026-03-30'", "1"),
        ("$date.diff 'years' '2000-02-29' '2026-02-28'", "25"),
        ("$date.diff 'days' '2026-03-04' '2026-03-01'", "-3"),
        ("$date.truncate 'week' '2026-03-01T09:30:00Z'", "\"2026-02-23T00:00:00Z\""),
        ("$date.truncate 'quarter' '2026-12-31'", "\"2026-10-01T00:00:00Z\""),
        ("$date.truncate 'hour' '2026-03-01T09:59:59.9+05:30'", "\"2026-03-01T09:00:00+05:30\""),
        ("$date.truncate 'day' 'Europe/Berlin' '2026-03-01T23:30:00Z'", "\"2026-03-02T00:00:00+01:00\""),
        ("$date.endOf 'day' 'Europe/Berlin' '2026-03-29T12:00:00Z'", "\"2026-03-29T23:59:59.999+02:00\""),
        ("$date.endOf 'hour' '2026-03-01T09:30:00Z'", "\"2026-03-01T09:59:59.999Z\""),
        ("$date.endOf 'year' '2026-03-01'", "\"2026-12-31T23:59:59.999Z\""),
        ("$date.in '+05:30' '2026-03-01T00:00:00Z'", "\"2026-03-01T05:30:00+05:30\""),
        ("$date.in 'america/new_york' '2026-03-01T00:00:00Z'", "\"2026-02-28T19:00:00-05:00\""),
        ("$date.parse 'Sat, 28 Feb 2026 10:00:00 GMT'", "\"2026-02-28T10:00:00Z\""),
        ("$date.parse '%d/%m/%y %H:%M' '28/02/26 10:30'", "\"2026-02-28T10:30:00Z\""),
        ("$date.parse '2006-01-02 15:04' 'Europe/Berlin' '2026-07-01 08:00'", "\"2026-07-01T08:00:00+02:00\""),
        ("$date.unix '2026-03-01T09:30:00.5Z'", "1772357400"),
        ("$date.fromUnix -1", "\"1969-12-31T23:59:59Z\""),
        ("$date.now | $date.weekday", "\"Sunday\""),
        ("$date.week '2027-01-01'", "53"),
        ("$date.hour '2026-03-01T23:30:00+05:00'", "23"),
        ("$date.of 2026 2 28 23 59 59", "\"2026-02-28T23:59:59Z\""),
        ("$date.addWorkdays -1 '2026-03-02T08:00:00Z'", "\"2026-02-27T08:00:00Z\""),
        ("$date.isTime 5", "false"),
    ]);
    for text in [
        "$date.add '1 fortnight' $date.now",
        "$date.add '1d' 'nowhere' $date.now",
        "$date.add '9999y' $date.now",
        "$date.add 'd' 5",
        "$date.truncate 'eon' $date.now",
        "$date.of 2026 2 30",
        "$date.fromUnix 99999999999999",
        "$date.in 'Europe/Berlin2' $date.now",
        "$date.year 1772357400",
        "$date.format '%!' $date.now",
        "$date.format '2026-03-05' '2006-01-02'",
        "$date.parse '2026-03-05' '2006-01-02'",
    ] {
        assert!(eval(text).is_err(), "{text}");
    }
}
