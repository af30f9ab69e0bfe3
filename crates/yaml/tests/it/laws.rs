//! What is written reads back as the same, to the digit.

use model::limits::JSON_DEPTH;
use model::{Number, Value};
use proptest::prelude::*;

/// Texts that are easily taken for something else.
const TRICKY: &[&str] = &[
    "",
    " ",
    "~",
    "null",
    "true",
    "False",
    "yes",
    "1",
    "1.10",
    "0x1F",
    "0o7",
    "007",
    ".inf",
    ".nan",
    "1e3",
    "-",
    "--",
    "---",
    "--- a",
    "...",
    "... a",
    "- a",
    "-a",
    "?",
    "? a",
    "?a",
    ":",
    ": a",
    ":a",
    "a:",
    "a: b",
    "a:b",
    "a #b",
    "#",
    "a#b",
    "!a",
    "&a",
    "*a",
    "@a",
    "`a",
    "%a",
    "%YAML 1.2",
    "|",
    ">",
    "'",
    "\"",
    "'a'",
    "\"a\"",
    "a'b\"c",
    "\\",
    "[",
    "]",
    "{",
    "}",
    "{{ a }}",
    ",",
    "a, b",
    "\n",
    "a\n",
    "\na",
    "a\n\nb",
    "a\nb\n",
    "a\nb\n\n\n",
    " a\nb",
    "a\n b\n",
    "a\n\tb",
    "\ta\nb",
    "a \nb",
    "a\n \nb",
    "a\r\nb",
    "a\rb",
    "\u{85}",
    "\u{a0}",
    "a\u{2028}b",
    "\u{feff}a",
    "\0",
    "\u{7f}",
    "\u{1b}",
    "\u{1F600}",
    "<<",
    "=",
    "a\n---\nb",
    "a\n...\nb",
    "#\nb",
    "a: b\nc: d",
    "- a\n- b",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(TRICKY).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "[a-z :#\\-\n\t\"'{}]{0,16}",
        1 => (prop::sample::select(TRICKY), prop::sample::select(TRICKY)).prop_map(|(a, b)| format!("{a}{b}")),
    ]
}

fn number() -> impl Strategy<Value = Number> {
    "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?"
        .prop_filter_map("a JSON number", |text| Number::parse(&text))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..4).prop_map(Value::map),
        ]
    })
}

fn comes_back(value: &Value) {
    let text = yaml::write(value);
    let back = yaml::read(&text).unwrap_or_else(|error| panic!("{value}\n{text}\n{error}"));
    // As text, so that numbers are the same to the digit and keys are in the same order.
    assert_eq!(back.value.to_json(), value.to_json(), "\n{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_reads_back(value in value()) {
        comes_back(&value);
    }
}

#[test]
fn every_tricky_text_comes_back_everywhere() {
    for text in TRICKY {
        let text = Value::from(*text);
        comes_back(&text);
        comes_back(&Value::list([text.clone(), text.clone()]));
        comes_back(&Value::map([("a", text.clone()), ("b", text.clone())]));
        let key = text.as_str().unwrap_or_default();
        comes_back(&Value::map([(key, Value::map([(key, text.clone())]))]));
        comes_back(&Value::list([Value::list([Value::map([(key, Value::list([text.clone()]))])])]));
    }
}

#[test]
fn long_keys_and_deep_values_come_back() {
    for length in [511, 512, 513, 1023, 1024, 5000] {
        let key = "k".repeat(length);
        comes_back(&Value::map([(&*key, Value::map([(&*format!("{key}: #"), Value::list([1, 2]))]))]));
    }
    let deep = (0..JSON_DEPTH)
        .fold(Value::Null, |inner, at| if at % 2 == 0 { Value::list([inner]) } else { Value::map([("a", inner)]) });
    comes_back(&deep);
}
