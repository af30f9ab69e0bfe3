//! Any text at all: reading it as a flow ends, what is wrong has a place in it, and what is sound is the same
//! flow when it is written and read again.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8 --lib fuzz`.

use std::collections::BTreeSet;

use engine::plan::Surroundings;
use fuzz::Target;
use model::Value;
use model::value::to_value;
use sdk::Registry;

use super::{API_VERSION, Finding, KIND, read};

/// What belongs into flows, and is not in every flow of the corpus.
const WORDS: [&str; 34] = [
    "\n  - ref: x\n    appId: var\n",
    "    args: {value: 1}\n",
    "    index: 2\n",
    "    dependsOn: [a, b]\n",
    "    retry: {count: 3, delayMs: 1, backoffMultiplier: 2}\n",
    "    needsApproval: {roles: [approver]}\n",
    "    onError: skip\n",
    "    timeout: 5\n",
    "    filters: [{leftValue: 1, operator: eq, rightValue: 2}]\n",
    "concurrency: {limit: 1}\n",
    "variables: {a: 1}\n",
    "appId: iterator",
    "appId: aggregator",
    "appId: router",
    "appId: subflow",
    "appId: wait",
    "appId: rust-script",
    "parallel: 0",
    "{{ $prev.a.value }}",
    "{{ $item.id }}",
    "{{",
    "}}",
    "$secret.",
    "$prev",
    "&a ",
    "*a",
    "? ",
    "!!str ",
    "~",
    ": ",
    "- ",
    "\n",
    "  ",
    "\u{feff}",
];

fn hold(text: &str, around: &Surroundings<'_>) {
    let whole = text.replace("\r\n", "\n");
    let lines: Vec<usize> = whole.split(['\n', '\r']).map(|line| line.chars().count()).collect();
    let found = |findings: Vec<Finding>| {
        assert!(!findings.is_empty(), "refused, and nothing is wrong");
        for finding in findings {
            // The end of a text is the line behind its last one.
            let columns = lines.iter().chain([&0]).nth(finding.line.wrapping_sub(1));
            let is_there = columns.is_some_and(|columns| (1..=columns + 1).contains(&finding.column));
            assert!(is_there, "{finding:?}");
        }
    };
    let flow = match read(text) {
        Ok(flow) => flow,
        Err(findings) => return found(findings),
    };
    if let Err(findings) = flow.compile(around) {
        found(findings);
    }
    let mut whole = to_value(&flow.def).expect("a value").as_map().cloned().expect("an object");
    whole.extend([("apiVersion".into(), Value::from(API_VERSION)), ("kind".into(), KIND.into())]);
    let written = yaml::write(&whole.into());
    let again = read(&written).unwrap_or_else(|findings| panic!("{findings:?}\n{written}"));
    assert_eq!(again.def, flow.def, "{written}");
}

#[test]
fn any_text() {
    let modules = Registry::new(modules::all());
    Target::new(env!("CARGO_MANIFEST_DIR"), "flow-yaml").words(WORDS).holds(move |bytes| {
        let env = BTreeSet::from(["REGION".to_owned()]);
        hold(&String::from_utf8_lossy(bytes), &Surroundings { modules: &modules, env: &env });
    });
}
