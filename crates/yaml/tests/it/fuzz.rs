//! Any text at all: reading never panics, never hangs, and what it takes can be written again.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-yaml fuzz`.

use fuzz::Target;
use yaml::Position;

use crate::json;

/// What texts are put together from: most of it belongs into YAML.
const PIECES: &[&str] = &[
    "a",
    "b",
    "1",
    "-1.5",
    "true",
    "~",
    " ",
    "  ",
    "    ",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\t",
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    ", ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "\\x",
    "\\u00e9",
    "#",
    " # c",
    "|",
    "|-",
    "|+2",
    ">",
    ">-\n",
    "&a ",
    "*a",
    "*a ",
    "!",
    "!!str ",
    "!<x> ",
    "%YAML 1.2\n",
    "%TAG ! x\n",
    "---",
    "---\n",
    "...",
    "\n---\n",
    "<<",
    "@",
    "`",
    "\u{e4}",
    "\u{1F600}",
    "\0",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
];

fn holds(text: &str) {
    match yaml::read(text) {
        Ok(document) => {
            let Position { line, column } = document.position("a[0].b");
            assert!(is_in(text, line, column), "{line}:{column} in {text:?}");
            let written = yaml::write(&document.value);
            let back = yaml::read(&written).unwrap_or_else(|error| panic!("{text:?}\n{written}\n{error}"));
            assert_eq!(back.value.to_json(), document.value.to_json(), "{text:?}");
        }
        Err(error) => assert!(is_in(text, error.line, error.column), "{error} in {text:?}"),
    }
}

/// The end of a line, and of the text, is in it.
fn is_in(text: &str, line: usize, column: usize) -> bool {
    let text = text.replace("\r\n", "\n");
    let columns = text.split(['\n', '\r']).map(|line| line.chars().count()).chain([0]).nth(line.wrapping_sub(1));
    columns.is_some_and(|columns| (1..=columns + 1).contains(&column))
}

#[test]
fn any_yaml() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "yaml").words(PIECES.iter().copied());
    target.at_least(2_000).holds(|bytes| holds(&String::from_utf8_lossy(bytes)));
}

/// Texts that make careless readers slow: each is read, or refused, in one sweep.
#[test]
fn long_texts_of_one_kind_end() {
    for piece in PIECES {
        let text = piece.repeat(20_000);
        if let Ok(document) = yaml::read(&text) {
            assert_ne!(document.value.to_json(), "");
        }
    }
    let rows: String = (0..20_000).map(|row| format!("- {{id: {row}, name: \"n\", tags: [a, b]}}\n")).collect();
    assert_eq!(yaml::read(&rows).expect("YAML").value.as_list().map(<[_]>::len), Some(20_000));
    assert_eq!(yaml::read("[1]").expect("YAML").value, json("[1]"));
}
