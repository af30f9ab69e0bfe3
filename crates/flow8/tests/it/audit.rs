//! `flow8 audit`: the log is sealed while flow8 runs, and whoever changes it afterwards is found out. `flow8 cleanup`:
//! what is old goes.

use std::fs;
use std::path::Path;
use std::process::Command;

use store::sqlite::FILE_NAME;

use crate::Flow8;
use crate::server::{Server, Start, json, part, until};

const FLOW: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Paid
layers:
  - {ref: pay, appId: var, args: {value: 1}}
"#;

/// A server with a few rows in its log, all of them sealed.
fn sealed(folder: &Path) -> Server {
    let server = Start::on(folder).serves();
    server.client.import(FLOW);
    all_is_sealed(&server);
    server
}

fn all_is_sealed(server: &Server) {
    until("all is sealed", || {
        let found = server.client.granted("GET", "/audit/verify", "");
        (part(&found, "/unsealed") == "0").then_some(())
    });
}

#[test]
fn one_row_is_one_row() {
    let flow8 = Flow8::new();
    let server = Start::on(&flow8.folder.path().join("data")).serves();
    all_is_sealed(&server);
    let told = flow8.run(&["audit", "verify"]).code(0).out;
    assert!(told.starts_with("1 row in 1 segment is as it was sealed\n"), "{told}");
    server.stop();
}

#[test]
fn an_export_is_proved_where_there_is_nothing_else() {
    let flow8 = Flow8::new();
    let server = sealed(&flow8.folder.path().join("data"));
    let told = flow8.run(&["audit", "verify"]).code(0).out;
    assert!(told.contains("are as they were sealed") && !told.contains("not sealed"), "{told}");
    let key = told.lines().find_map(|line| line.strip_prefix("public key  ")).expect("a key").to_owned();
    flow8.run(&["audit", "export", "--output", "audit.jsonl"]).code(0);
    let table = flow8.run(&["audit", "export", "--format", "csv"]).code(0).out;
    assert!(table.contains("flow.create"), "{table}");
    server.stop();

    // A folder that has never seen the installation.
    let (elsewhere, name) = (Flow8::new(), "audit.jsonl");
    let (from, to) = (flow8.folder.path().join(name), elsewhere.folder.path().join(name));
    fs::copy(from, &to).expect("copies");
    let told = elsewhere.run(&["audit", "verify", name]).code(0);
    assert!(told.out.contains(&key) && told.err.contains("--public-key"), "{told:?}");
    assert_eq!(elsewhere.run(&["audit", "verify", name, "--public-key", &key]).code(0).err, "");
    let other = "00".repeat(32);
    let told = elsewhere.run(&["audit", "verify", name, "--public-key", &other]).code(1);
    assert!(told.err.contains(&other), "{told:?}");
    assert!(elsewhere.run(&["audit", "verify", name, "--public-key", "12"]).code(2).err.contains("64 hex digits"));
    assert!(elsewhere.run(&["audit", "verify", "missing"]).code(2).err.contains("missing"));
    assert_eq!(python(&to), Ok(()));

    let export = fs::read_to_string(&to).expect("reads");
    let altered = export.replacen("\"name\":\"Paid\"", "\"name\":\"Said\"", 1);
    assert_ne!(altered, export);
    fs::write(&to, altered).expect("writes");
    let told = elsewhere.run(&["audit", "verify", name]).code(1);
    assert!(told.err.starts_with("error: row ") && told.err.contains("it was altered"), "{told:?}");
    assert!(python(&to).expect_err("it was altered").contains("was altered"));
    fs::write(&to, &export[..export.len() / 2]).expect("writes");
    assert!(elsewhere.run(&["audit", "verify", name]).code(1).err.contains("cut off"));
    fs::write(&to, "hello\n").expect("writes");
    assert!(elsewhere.run(&["audit", "verify", name]).code(2).err.contains("no export"));
}

/// Runs what docs/audit.md says to check an export with, without flow8.
fn python(export: &Path) -> Result<(), String> {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/audit.md");
    let docs = fs::read_to_string(docs).expect("reads");
    let (_, code) = docs.split_once("```python\n").expect("a program");
    let (code, _) = code.split_once("```").expect("its end");
    let ran = Command::new("python3").args(["-c", code]).current_dir(export.parent().expect("a folder")).output();
    let ran = ran.expect("python3 runs");
    if ran.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ran.stderr).into_owned()) }
}

#[test]
fn what_was_altered_in_the_store_is_found() {
    let flow8 = Flow8::new();
    let data = flow8.folder.path().join("data");
    sealed(&data).stop();
    let file = || rusqlite::Connection::open(data.join(FILE_NAME)).expect("opens");
    let find = "SELECT number, row FROM audit WHERE action = 'flow.create'";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (number, row): (u64, Vec<u8>) = file().query_row(find, (), read).expect("reads");
    for change in [
        "row = CAST(replace(CAST(row AS TEXT), 'Paid', 'Said') AS BLOB)",
        // No blob any more.
        "row = replace(CAST(row AS TEXT), 'Paid', 'Said')",
        "row = 7",
        // By what it is found.
        "action = 'flow.list'",
        "entity_id = 'another'",
    ] {
        flow8.run(&["audit", "verify"]).code(0);
        let change = format!("UPDATE audit SET {change} WHERE number = {number}");
        assert_eq!(file().execute(&change, ()).expect("changes"), 1);
        let told = flow8.run(&["audit", "verify"]).code(1);
        assert!(told.err.starts_with(&format!("error: row {number} is not what segment")), "{change}: {told:?}");
        let told = flow8.run(&["audit", "verify", "--json"]).code(1);
        assert!(told.out.contains("\"rowAltered\""), "{change}: {told:?}");
        let id = model::audit::AuditRow::from_text(&row).expect("a row").entity_id;
        let back = "UPDATE audit SET row = ?, action = 'flow.create', entity_id = ? WHERE number = ?";
        assert_eq!(file().execute(back, (&row, id, number)).expect("changes"), 1);
    }
}

#[test]
fn cleanup_tells_what_goes_and_what_is_held() {
    let flow8 = Flow8::new()
        .variable("RETENTION_POLICIES_PLAYS_CADENCE", "0")
        .variable("RETENTION_POLICIES_PLAYS_MIN_ENTRIES", "1");
    let flow8 = flow8.file("paid.yaml", FLOW);
    flow8.run(&["import", "paid.yaml"]).code(0);
    for _ in 0..3 {
        flow8.run(&["run", "paid"]).code(0);
    }
    let told = flow8.run(&["cleanup", "--dry-run"]).code(0);
    assert_eq!((&*told.out, &*told.err), ("would clear away 2 plays and 0 rows of the audit log\n", ""));
    let told = flow8.run(&["cleanup", "--json"]).code(0);
    assert_eq!(part(&json(&told.out), "/plays"), "2");
    assert_eq!(flow8.run(&["cleanup"]).code(0).out, "cleared away 0 plays and 0 rows of the audit log\n");
}
