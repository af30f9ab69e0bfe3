//! The rules of the house that no compiler holds: who depends on whom, how long files are, how
//! they open, which lists are sorted, what must not stand in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Lines of one source file.
const LINES: usize = 700;

/// Lines of one file of tests.
const TEST_LINES: usize = 800;

/// What unfinished work looks like. In two parts, so that this file has none of it.
const UNFINISHED: [(&str, &str); 5] =
    [("to", "do!("), ("unimpl", "emented!("), ("#[ig", "nore"), ("TO", "DO"), ("FIX", "ME")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the workspace").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of these endings in the folders that are ours.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["bench", "crates", "examples", "scripts"].iter().map(|name| root().join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|is| endings.iter().any(|ending| is == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).expect("inside").display().to_string()
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// The rows of the table of crates in ARCHITECTURE.md: crate, and what it depends on.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let table = text.split("| crate | role | depends on |").nth(1).expect("the table of crates");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let words =
            |cell: &str| cell.split(',').map(str::trim).filter(|word| *word != "–").map(str::to_owned).collect();
        (cells[0].trim_matches('`').to_owned(), words(cells[2]))
    })
    .collect()
}

#[test]
fn crates_depend_as_the_table_says() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["metadata", "--no-deps", "--format-version", "1"]);
    let output = cargo.output().expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let short = |name: &Value| name.as_str().expect("a name").trim_start_matches("flow8-").to_owned();
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<String> = packages.iter().map(|package| short(&package["name"])).collect();
    let found: BTreeMap<String, BTreeSet<String>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().expect("dependencies");
            let normal = dependencies.iter().filter(|dependency| dependency["kind"].is_null());
            let names = normal.map(|dependency| short(&dependency["name"])).filter(|name| ours.contains(name));
            (short(&package["name"]), names.collect())
        })
        .collect();
    assert_eq!(found, allowed(), "left: what is; right: the table in ARCHITECTURE.md");
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let (mut long, mut silent) = (Vec::new(), Vec::new());
    for path in files(&["rs"]) {
        let text = read(&path);
        let lines = text.lines().count();
        let name = name_of(&path);
        let limit = if name.contains("/tests/") || name.contains("store-suite") { TEST_LINES } else { LINES };
        if lines > limit {
            long.push(format!("{name}: {lines}, at most {limit}"));
        }
        if !text.starts_with("//!") {
            silent.push(name);
        }
    }
    none("too long; is there a second room inside?", &long);
    none("does not open with //! and what it is", &silent);
}

#[test]
fn nothing_is_unfinished_and_nothing_is_ignored() {
    let words: Vec<String> = UNFINISHED.iter().map(|(first, second)| format!("{first}{second}")).collect();
    let mut found = Vec::new();
    for path in files(&["rs", "toml", "yaml", "sh"]) {
        for (number, line) in read(&path).lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) {
                found.push(format!("{}:{}: {}", name_of(&path), number + 1, line.trim()));
            }
        }
    }
    none("reads like unfinished work", &found);
}

#[test]
fn dependencies_are_sorted() {
    let mut unsorted = Vec::new();
    let manifests = files(&["toml"]).into_iter().chain([root().join("Cargo.toml")]);
    for path in manifests.filter(|path| path.ends_with("Cargo.toml")) {
        for section in read(&path).split("\n[").filter(|section| section.contains("dependencies]")) {
            // A blank line begins a list of its own.
            for block in section.split("\n\n") {
                let lines = block.lines().filter(|line| !line.contains("dependencies]") && !line.starts_with('#'));
                let names: Vec<&str> = lines
                    .filter_map(|line| line.split([' ', '.', '=']).next())
                    .filter(|name| !name.is_empty())
                    .collect();
                if !names.is_sorted() {
                    unsorted.push(format!("{}: {names:?}", name_of(&path)));
                }
            }
        }
    }
    none("not sorted", &unsorted);
}

#[test]
fn make_has_the_targets_that_the_documents_name() {
    let makefile = read(&root().join("Makefile"));
    for document in ["README.md", "CONTRIBUTING.md"] {
        for word in read(&root().join(document)).split('`').chain(read(&root().join(document)).split('$')) {
            let Some(target) = word.trim().strip_prefix("make ") else { continue };
            let target = target.split_whitespace().next().unwrap_or_default();
            assert!(makefile.contains(&format!("\n{target}:")), "{document} names `make {target}`");
        }
    }
}
