//! The OpenAPI document, held against the binary that serves: schemathesis asks whatever the document allows, and
//! much that it does not, and looks whether each answer is one that the document knows.
//!
//! A short run is part of every test run: `FLOW8_EXAMPLES=200` asks each operation so often, and then goes on with
//! the edges of every schema, and with chains of operations. The inputs follow from a seed, which is told;
//! `FLOW8_SEED=n` is another one. Which checks there are, and why some are not, is in `schemathesis.toml`.

#[expect(dead_code, reason = "the tests of the binary ask for more")]
#[path = "../it/people.rs"]
mod people;
#[expect(dead_code, reason = "the tests of the binary ask for more")]
#[path = "../it/server.rs"]
mod server;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::server::{Client, Start, part};

/// Where the script lies that says where schemathesis is, and fetches it where it is not.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/schemathesis");

/// Its configuration, and its hooks.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi");

/// Times that each operation is asked where nobody says.
const EXAMPLES: u64 = 2;

/// From so many on, what takes longer is done, too.
const THOROUGH: u64 = 100;

/// Seconds after which it is given up.
const PATIENCE: &str = "2400";

const PASSWORD: &str = "long enough for anybody";

const FLOW: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Waits\nlayers:\n\
    \x20 - {ref: first, appId: var, args: {value: 1}}\n\
    \x20 - {ref: second, appId: var, index: 1, args: {value: 2}, needsApproval: {roles: [owner, admin]}}\n";

const COMPONENT: &str = r#"{"name": "web", "kind": "request", "config": {"baseUrl": "http://127.0.0.1:9"}}"#;

const LINK: &str = r#"{"name": "peer", "kind": "bearer", "hosts": ["api.example.com"], "secret": {"token": "hidden"}}"#;

#[expect(clippy::disallowed_methods, reason = "the one place where this test is told what to run")]
fn told(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn program() -> String {
    let found = Command::new(SCRIPT).stderr(Stdio::inherit()).output().expect("scripts/schemathesis runs");
    assert!(found.status.success(), "there is no schemathesis; scripts/schemathesis says above how to get one");
    String::from_utf8_lossy(&found.stdout).trim().to_owned()
}

/// What requests are made to name, as JSON: see `hooks.py`.
struct Names {
    /// In place of the run's own.
    stand_ins: String,
    /// Something that is there, by the first part of the path.
    known: String,
}

/// Makes one of whatever there is, for the run to find.
fn furnish(admin: &Client) -> Names {
    let id = |answer| part(&answer, "/id");
    let person = format!(r#"{{"email": "other@example.com", "roles": ["admin"], "password": "{PASSWORD}"}}"#);
    let other = id(admin.granted("POST", "/users", &person));
    let keys = admin.granted("GET", "/auth/api-keys", "");
    let (me, key) = (part(&keys, "/data/0/ownerId"), part(&keys, "/data/0/id"));
    let other_key = id(admin.granted("POST", "/auth/api-keys", r#"{"name": "another"}"#));
    let company = part(&admin.granted("GET", "/auth/me", ""), "/companyId");
    let owner = format!(r#"{{"email": "owner@example.com", "password": "{PASSWORD}"}}"#);
    let other_company = format!(r#"{{"name": "Another", "owner": {owner}}}"#);
    let other_company = id(admin.granted("POST", "/companies", &other_company));
    admin.import(FLOW);
    let flow = id(admin.granted("GET", "/flows/waits", ""));
    let play = admin.start("waits", "{}");
    let make = |path: &str, body: &str| id(admin.granted("POST", path, body));
    let group = make("/groups", r#"{"name": "A group"}"#);
    let component = make("/components", COMPONENT);
    let link = make("/links", LINK);
    admin.granted("POST", "/kv", r#"{"key": "a-key", "value": [1, "two"]}"#);
    admin.granted("POST", "/files?path=folder/a.txt", "text");
    admin.granted("PUT", "/secrets/a-secret", r#"{"value": "hidden"}"#);
    Names {
        stand_ins: format!(r#"{{"{me}": "{other}", "{key}": "{other_key}", "{company}": "{other_company}"}}"#),
        known: format!(
            r#"{{"flows": "{flow}", "plays": "{play}", "groups": "{group}", "components": "{component}",
                "links": "{link}", "users": "{other}", "companies": "{other_company}", "modules": "curl"}}"#
        ),
    }
}

/// Runs it; whether it found nothing, and what it says.
#[expect(clippy::print_stdout, reason = "whoever looks for the fault needs the seed")]
fn asks(client: &Client, names: &Names, folder: &Path) -> (bool, String) {
    let (examples, seed) = (told("FLOW8_EXAMPLES").unwrap_or(EXAMPLES), told("FLOW8_SEED").unwrap_or(4454));
    let phases = if examples < THOROUGH { "fuzzing" } else { "coverage,fuzzing,stateful" };
    println!("{examples} examples an operation, FLOW8_SEED={seed}");
    let told = folder.join("told");
    let out = File::create(&told).expect("a file");
    let mut command = Command::new("timeout");
    command.args(["-k", "10", PATIENCE, &program(), "--config-file", &format!("{FOLDER}/schemathesis.toml")]);
    command.args(["run", &format!("{}/api/openapi.json", client.url), "--no-color", "--phases", phases]);
    command.args(["--max-examples", &examples.to_string(), "--seed", &seed.to_string()]);
    command.args(["--header", &format!("Authorization: Bearer {}", client.token)]);
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", FOLDER).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("FLOW8_STAND_INS", &names.stand_ins).env("FLOW8_KNOWN", &names.known);
    command.current_dir(folder).stdin(Stdio::null()).stderr(out.try_clone().expect("a file")).stdout(out);
    let ended = command.status().expect("timeout runs");
    (ended.success(), fs::read_to_string(told).expect("UTF-8"))
}

#[test]
fn every_answer_is_one_that_the_document_knows() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let start = Start::on(&data)
        .variable("FLOW8_BOOTSTRAP_ADMIN_EMAIL", "admin@example.com")
        .variable("FLOW8_BOOTSTRAP_ADMIN_PASSWORD", PASSWORD)
        .args(&["--set", "limits.requests_per_address=0", "--set", "limits.requests_per_key=0"]);
    let server = start.serves();
    let admin = server.client.with(&people::api_key(&server.client, "admin@example.com", PASSWORD));
    let (is_fine, text) = asks(&admin, &furnish(&admin), folder.path());
    assert!(is_fine, "{text}");
    let summary = text.rsplit_once("= SUMMARY =").map_or(text.as_str(), |(_, summary)| summary);
    println!("{}", summary.trim_start_matches('='));
    // Else it was told no, all the way, by a server that knew it no more.
    admin.granted("GET", "/auth/me", "");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    server.stop();
}
