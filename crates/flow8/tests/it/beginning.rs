//! Which commands begin an installation, what they tell then, and who may read what they make.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::Flow8;
use crate::server::{Client, Server, Start};

const FLOW: &str = "apiVersion: flow8/v1\nkind: Flow\nname: One\nlayers:\n  - {ref: a, appId: var, args: {value: 1}}\n";

/// What stands behind a word at the beginning of a line.
#[track_caller]
fn told(text: &str, word: &str) -> String {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(word));
    line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("no {word} in {text}")).to_owned()
}

/// Whether somebody signs in so.
fn signs_in(client: &Client, email: &str, password: &str) -> bool {
    let body = format!("{{\"email\": \"{email}\", \"password\": \"{password}\"}}");
    let sent = client.with("").send("POST", "/api/auth/login", &[("content-type", "application/json")], body.into());
    sent.expect("an answer").status().is_success()
}

/// Stops a server that tells nobody's password.
#[track_caller]
fn stops_without_a_password(server: Server) {
    assert!(!server.greeting.iter().any(|line| line.contains("password")), "{:?}", server.greeting);
    server.stop();
}

#[test]
fn an_import_that_begins_an_installation_tells_the_administrator_once() {
    let flow8 = Flow8::new().file("one.yaml", FLOW);
    let first = flow8.run(&["import", "one.yaml", "--json"]).code(0);
    assert!(first.out.starts_with('[') && !first.out.contains("password"), "{first:?}");
    let (email, password) = (told(&first.err, "administrator"), told(&first.err, "password"));
    assert_eq!(email, "admin@localhost");
    assert_eq!(flow8.run(&["import", "one.yaml"]).code(0).err, "", "it is told once");
    let server = Start::on(&flow8.folder.path().join("data")).serves();
    assert!(signs_in(&server.client, &email, &password));
    assert!(!signs_in(&server.client, &email, "another one"));
    stops_without_a_password(server);
}

#[test]
fn an_import_of_no_file_begins_nothing() {
    let flow8 = Flow8::new();
    assert!(flow8.run(&["import", "missing.yaml"]).code(2).err.contains("missing.yaml"));
    assert!(!flow8.folder.path().join("data").exists());
}

#[test]
fn a_first_start_that_fails_tells_the_administrator_or_makes_none() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let odd = "{name: odd, kind: db, config: {hots: x}}";
    let flow8 = Flow8::new().file("odd.yml", odd).variable("INTEGRATIONS_DIR", ".");
    let ended = flow8.run(&["serve", "--port", &port]).code(3);
    assert!(ended.err.contains("odd.yml") && !ended.err.contains("password"), "{ended:?}");

    fs::remove_file(flow8.folder.path().join("odd.yml")).expect("removed");
    let ended = flow8.run(&["serve", "--port", &port]).code(3);
    assert!(ended.err.contains("is in use"), "{ended:?}");
    let (email, password) = (told(&ended.err, "administrator"), told(&ended.err, "password"));
    let server = Start::on(&flow8.folder.path().join("data")).serves();
    assert!(signs_in(&server.client, &email, &password));
    stops_without_a_password(server);
}

#[test]
fn a_password_without_an_address_is_that_of_the_usual_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(&folder.path().join("data"));
    let server = start.variable("FLOW8_BOOTSTRAP_ADMIN_PASSWORD", "correct horse battery").serves();
    assert!(signs_in(&server.client, "admin@localhost", "correct horse battery"));
    stops_without_a_password(server);
}

#[test]
fn where_there_is_no_installation_commands_say_so_and_make_nothing() {
    let commands: [&[&str]; 13] = [
        &["plays", "list"],
        &["plays", "show", "0123456789abcdef01234567"],
        &["components", "list"],
        &["links", "list"],
        &["export", "one"],
        &["run", "one"],
        &["keys", "list"],
        &["keys", "rotate"],
        &["keys", "new"],
        &["audit", "verify"],
        &["audit", "export"],
        &["cleanup", "--dry-run"],
        &["backup"],
    ];
    let flow8 = Flow8::new();
    for args in commands {
        let ended = flow8.run(&[args, &["--data-dir", "above/typo"]].concat()).code(2);
        assert!(ended.err.contains("there is no ") && ended.err.contains("above/typo"), "{args:?}: {ended:?}");
        assert_eq!((&*ended.out, ended.err.lines().count()), ("", 1), "{args:?}: {ended:?}");
        assert_eq!(fs::read_dir(flow8.folder.path()).expect("a folder").count(), 0, "{args:?} made something");
    }
    // A folder that is there, and a store that nobody has begun to use, are no installation either.
    flow8.run(&["migrate", "--data-dir", "there"]).code(0);
    let there = flow8.folder.path().join("there");
    let ended = flow8.run(&["audit", "verify", "--data-dir", "there"]).code(2);
    assert!(ended.err.starts_with("error: there is no installation in there; check --data-dir"), "{ended:?}");
    assert!(!there.join("master.key").exists());
    let flow8 = flow8.file("one.yaml", FLOW);
    told(&flow8.run(&["import", "one.yaml", "--data-dir", "there"]).code(0).err, "password");
    flow8.run(&["audit", "verify", "--data-dir", "there"]).code(0);
}

#[cfg(unix)]
#[test]
fn what_flow8_makes_in_its_folder_is_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    let folder = tempfile::tempdir().expect("a folder");
    let (fresh, known) = (folder.path().join("fresh"), folder.path().join("known"));
    fs::create_dir(&known).expect("a folder");
    fs::set_permissions(&known, fs::Permissions::from_mode(0o755)).expect("is set");
    for (data, expected) in [(&fresh, 0o700), (&known, 0o755)] {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 022; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_flow8")]);
        let server = Start::as_command(command, data).serves();
        assert_eq!(mode(data), expected, "{}", data.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(data).expect("a folder") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path) & 0o077, 0, "others may read {}", path.display());
            names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
        for name in ["flow8.db", "flow8.db-shm", "flow8.db-wal", "flow8.lock", "master.key", "objects", "server.json"] {
            assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
        }
        server.stop();
    }
}
