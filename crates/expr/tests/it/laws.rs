//! Laws that hold for all values: of arithmetic, and between the two ways of writing a call.

use expr::{Budget, Given, Stop, Template};
use model::{Number, Value};
use proptest::prelude::*;

use crate::{check, json, scope};

/// What an expression gives for `.a`, `.b` and `.c`.
fn with(text: &str, operands: &[&Value]) -> Result<Value, Stop> {
    let names = ["a", "b", "c"];
    let dot = Value::map(names.into_iter().zip(operands.iter().map(|value| (*value).clone())));
    let template = Template::compile_expr(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    template.eval(&Given { dot: Some(dot), ..scope() }, &mut Budget::default())
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any_amount(),
        any::<i64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    scalar.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec(("[ab]", inner), 0..2).prop_map(Value::map),
        ]
    })
}

/// A number with up to 9 digits and up to 4 places.
fn any_amount() -> impl Strategy<Value = Value> {
    (-999_999_999_i64..=999_999_999, 0_u32..=4).prop_map(|(digits, places)| amount(digits, places))
}

fn digits() -> impl Strategy<Value = i64> {
    -999_999_999_i64..=999_999_999
}

fn amount(digits: i64, places: u32) -> Value {
    let sign = if digits < 0 { "-" } else { "" };
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = places as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - places as usize);
    let text = if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    Number::parse(&text).map(Value::Number).expect("a number")
}

proptest! {
    #[test]
    fn infix_and_prefix_agree(a in any_value(), b in any_value()) {
        for (infix, function) in [
            ("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "div"), ("%", "mod"), ("==", "eq"), ("!=", "ne"),
            ("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge"), ("&&", "and"), ("||", "or"),
        ] {
            let operands = [&a, &b];
            let results = [
                with(&format!(".a {infix} .b"), &operands),
                with(&format!("{function} .a .b"), &operands),
                with(&format!("{function}(.a, .b)"), &operands),
                with(&format!(".b | {function} .a"), &operands),
            ];
            for result in &results {
                match (result, &results[0]) {
                    (Ok(value), Ok(first)) => prop_assert_eq!(value.to_json(), first.to_json()),
                    (Err(Stop::Failed(error)), Err(Stop::Failed(first))) => {
                        prop_assert_eq!(&error.message, &first.message);
                    }
                    _ => prop_assert!(false, "{} {} {}: {:?}", a, infix, b, results),
                }
            }
        }
        prop_assert_eq!(with("!.a", &[&a]).ok(), with("not .a", &[&a]).ok());
        prop_assert_eq!(with("-.a", &[&a]).ok(), with("neg .a", &[&a]).ok());
        prop_assert_eq!(with(".a ? .b : 1", &[&a, &b]).ok(), with("if .a .b 1", &[&a, &b]).ok());
    }

    #[test]
    fn sums_and_products_are_those_of_whole_numbers((a, b, places) in (digits(), digits(), 0_u32..=4)) {
        let (x, y) = (amount(a, places), amount(b, places));
        prop_assert_eq!(with(".a + .b", &[&x, &y]), Ok(amount(a + b, places)));
        prop_assert_eq!(with(".a - .b", &[&x, &y]), Ok(amount(a - b, places)));
        prop_assert_eq!(with(".a * .b", &[&x, &y]), Ok(amount(a * b, places * 2)));
        prop_assert_eq!(with(".a < .b", &[&x, &y]), Ok((a < b).into()));
        prop_assert_eq!(with(".a == .b", &[&x, &y]), Ok((a == b).into()));
    }

    #[test]
    fn arithmetic_obeys_its_laws(a in any_amount(), b in any_amount(), c in any_amount()) {
        for law in [
            ".a + .b == .b + .a",
            ".a * .b == .b * .a",
            "(.a + .b) + .c == .a + (.b + .c)",
            ".a * (.b + .c) == .a * .b + .a * .c",
            ".a - .b == .a + -.b",
            ".a + 0 == .a && .a * 1 == .a && .a - .a == 0",
            ".b == 0 || (.a / .b) * .b - .a < 0.0000000001",
            ".b == 0 || .a == intDiv(.a, .b) * .b + .a % .b",
            ".b == 0 || abs(.a % .b) < abs(.b)",
            "abs(.a) >= 0 && floor(.a) <= .a && .a <= ceil(.a)",
            "abs(roundTo(2, .a) - .a) <= 0.005",
            "number(text(.a)) == .a",
            "sum(list(.a, .b, .c)) == .a + .b + .c",
            "(.a < .b) == (.b > .a) && (.a <= .b) == !(.a > .b)",
            "sign(.a) * abs(.a) == .a",
            "min(.a, .b) <= max(.a, .b)",
        ] {
            prop_assert_eq!(with(law, &[&a, &b, &c]), Ok(true.into()), "{} for {} {} {}", law, a, b, c);
        }
    }

    #[test]
    fn results_have_no_zeros_at_the_end(a in any_amount(), b in any_amount()) {
        for text in [".a + .b", ".a * .b", ".a - .b"] {
            let result = with(text, &[&a, &b]).expect("computes").to_json();
            prop_assert!(!result.contains('.') || !result.ends_with('0'), "{}", result);
            prop_assert!(!result.ends_with('.') && result != "-0");
        }
    }

    #[test]
    fn encodings_are_undone(text in ".{0,40}") {
        let value = Value::from(text.as_str());
        for (there, back) in [
            ("base64", "base64Decode"), ("base64Url", "base64UrlDecode"), ("hex", "hexDecode"),
            ("urlEncode", "urlDecode"), ("htmlEscape", "htmlUnescape"), ("toJson", "fromJson"), ("quote", "fromJson"),
            ("reverse", "reverse"),
        ] {
            prop_assert_eq!(with(&format!(".a | {there} | {back}"), &[&value]), Ok(value.clone()), "{}", there);
        }
        prop_assert_eq!(with("split '' .a | join ''", &[&value]), Ok(value.clone()));
        prop_assert_eq!(with("toQuery (dict 'k' .a) | fromQuery | get 'k'", &[&value]), Ok(value.clone()));
        prop_assert_eq!(with("regexMatch ('^(?s:' + regexEscape(.a) + ')$') .a", &[&value]), Ok(true.into()));
    }

    #[test]
    fn equal_values_have_the_same_canonical_json(a in any_value(), b in any_value()) {
        let same = with(".a == .b", &[&a, &b]);
        prop_assert_eq!(with("canonicalJson(.a) == canonicalJson(.b)", &[&a, &b]), same);
        prop_assert_eq!(with("length(uniq(list(.a, .b))) == 1", &[&a, &b]), with(".a == .b", &[&a, &b]));
        prop_assert_eq!(with("fromJson(toJson(.a)) == .a", &[&a]), Ok(true.into()));
    }

    #[test]
    fn times_move_there_and_back(seconds in -60_000_000_000_i64..=200_000_000_000, days in -1000_i64..=1000) {
        let (time, days) = (Value::from(seconds), Value::from(days));
        for law in [
            "$date.unix($date.fromUnix(.a)) == .a",
            "$date.fromUnix .a | $date.in 'Asia/Tokyo' | $date.unix | eq .a",
            "$date.fromUnix .a | $date.add (text(.b) + 'd') | $date.sub (text(.b) + 'd') | $date.unix | eq .a",
            "$date.diff('days', $date.fromUnix(.a), $date.add(text(.b) + 'd', $date.fromUnix(.a))) == .b",
            "$date.truncate('day', $date.fromUnix(.a)) <= $date.endOf('day', $date.fromUnix(.a))",
            "$date.parse('DateTime', $date.format('DateTime', $date.fromUnix(.a))) == $date.fromUnix(.a)",
            "$date.parse('%s', text(.a)) == $date.fromUnix(.a)",
        ] {
            prop_assert_eq!(with(law, &[&time, &days]), Ok(true.into()), "{} for {} {}", law, time, days);
        }
    }
}

#[test]
fn what_does_not_fit_is_rounded_half_to_even() {
    check(&[
        // Ties at the 28th place.
        ("1 / 536870912", "0.0000000018626451492309570312"),
        ("3 / 536870912", "0.0000000055879354476928710938"),
        ("0.5 * 1e-28", "0"),
        ("1.5 * 1e-28", "0.0000000000000000000000000002"),
        ("2.5 * 1e-28", "0.0000000000000000000000000002"),
        ("3.5 * 1e-28", "0.0000000000000000000000000004"),
        ("-2.5 * 1e-28", "-0.0000000000000000000000000002"),
        // Ties before the point.
        ("10000000000000000000000000000 + 0.5", "10000000000000000000000000000"),
        ("70000000000000000000000000000 + 1.5", "70000000000000000000000000002"),
        ("70000000000000000000000000000 + 2.5", "70000000000000000000000000002"),
    ]);
    assert_eq!(json("1.0"), json("1"));
}
