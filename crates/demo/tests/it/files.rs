//! The files of the examples: what holds for all of them.

use std::fs;
use std::path::PathBuf;

use demo::examples;
use model::Value;

use crate::stage::{Stage, flow, json};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[tokio::test]
async fn every_example_publishes() {
    let stage = Stage::new().await;
    for example in examples() {
        let def = flow(example.yaml);
        assert_eq!(def.permanent_id.as_deref(), Some(example.name));
        assert!(def.description.is_some(), "{}", example.name);
        stage.publish(example.yaml).await;
    }
}

#[test]
fn every_file_is_embedded_and_in_the_table() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    let mut expected = vec!["README.md".to_owned()];
    for example in examples() {
        expected.extend([format!("{}.args.json", example.name), format!("{}.yaml", example.name)]);
    }
    expected.sort();
    assert_eq!(names, expected);
    let readme = fs::read_to_string(folder().join("README.md")).expect("reads");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| [")).collect();
    for (row, example) in rows.iter().zip(examples()) {
        let (yaml, args) =
            (format!("{0}]({0})", format_args!("{}.yaml", example.name)), format!("{}.args.json", example.name));
        assert!(row.contains(&yaml) && row.contains(&args), "{row}");
    }
    assert_eq!(rows.len(), examples().len());
}

#[test]
fn every_file_is_tidy() {
    for entry in fs::read_dir(folder()).expect("the folder") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("UTF-8");
        let name = path.display();
        assert!(!text.contains(['\r', '\t']), "{name}: lines end in LF, and nothing is indented by tabs");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{name}: ends in one line end");
        assert!(text.lines().all(|line| line.trim_end() == line), "{name}: no line ends in blanks");
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
        assert!(!is_yaml || text.lines().all(|line| line.chars().count() <= 120), "{name}: lines of at most 120");
        assert!(!is_yaml || text.starts_with("# "), "{name}: opens with what it is for");
    }
}

#[test]
fn arguments_are_objects_that_leave_the_peers_to_the_default() {
    for example in examples() {
        let args = json(example.args);
        assert!(args.as_map().is_some() && args.get("peers").is_none(), "{}", example.name);
        let first = &flow(example.yaml).layers[0];
        let peers = first.args.pointer("/value/peers").and_then(Value::as_str);
        assert_eq!(peers, Some("{{ $prev.args.peers ?? 'http://127.0.0.1:4460' }}"), "{}", example.name);
    }
}
