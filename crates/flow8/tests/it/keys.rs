//! `flow8 keys`: from one master key to the next, while plays run.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Flow8;
use crate::server::{Client, Server, Start, json, part};

/// A flow that needs a secret.
const FLOW: &str = r#"
apiVersion: flow8/v1
kind: Flow
name: Signed
layers:
  - {ref: proof, appId: var, args: {value: "{{ $secret.token | size }}"}}
"#;

const SECRET: &str = r#"{"value": "hush-hush"}"#;

/// Runs the flow once; it must find the secret.
#[track_caller]
fn signs(client: &Client) {
    let play = client.granted("POST", "/flows/signed/run?wait=30", "{}");
    assert_eq!((part(&play, "/state"), part(&play, "/out/value")), ("DONE".into(), "9".into()), "{}", play.to_json());
}

/// Does something while plays run, every one of which must end well; says how many there were.
fn meanwhile(client: &Client, work: impl FnOnce()) -> u32 {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut plays = 0;
            while !is_over.load(Ordering::Acquire) || plays == 0 {
                signs(client);
                plays += 1;
            }
            plays
        });
        work();
        is_over.store(true, Ordering::Release);
        load.join().expect("no play fails")
    })
}

fn data(flow8: &Flow8) -> std::path::PathBuf {
    flow8.folder.path().join("data")
}

#[test]
fn the_embedded_store_moves_to_a_new_key_while_plays_run() {
    let flow8 = Flow8::new();
    assert!(flow8.run(&["keys", "new"]).code(2).err.contains("there is no"), "nothing is replaced by nothing");
    let folder = data(&flow8);
    let serve = || Start::on(&folder).serves();
    let server = serve();
    server.client.import(FLOW);
    server.client.granted("PUT", "/secrets/token", SECRET);
    let told = flow8.run(&["keys", "new"]).code(0);
    assert!(told.out.contains("master.key.previous") && told.err.contains("restart"), "{told:?}");
    assert!(flow8.run(&["keys", "new"]).code(1).err.contains("keys rotate"), "else the first key would be lost");
    // One that runs goes on with what it has; whoever took that away now would lose everything.
    let told = flow8.run(&["keys", "rotate"]).code(1);
    assert!(told.err.contains("restart it") && told.out.is_empty(), "{told:?}");
    signs(&server.client);
    server.stop();

    let server = serve();
    let listed = flow8.run(&["keys", "list"]).code(0).out;
    assert!(listed.contains("the one before"), "{listed}");
    let plays = meanwhile(&server.client, || {
        let rotated = flow8.run(&["keys", "rotate", "--json"]).code(0).out;
        assert_eq!((part(&json(&rotated), "/rotated"), part(&json(&rotated), "/total")), ("1".into(), "1".into()));
    });
    assert!(plays > 0);
    let listed = flow8.run(&["keys", "list", "--json"]).code(0).out;
    assert_eq!(part(&json(&listed), "/data/0/isCurrent"), "true");
    let audit = server.client.granted("GET", "/audit?action=dataKey.rotate", "");
    assert_eq!(part(&audit, "/total"), "1");
    assert_ne!(part(&audit, "/data/0/before/master"), part(&audit, "/data/0/after/master"));
    server.stop();

    std::fs::remove_file(folder.join("master.key.previous")).expect("is there");
    let server = serve();
    signs(&server.client);
    server.stop();
}

/// A pair of settings that make a master key.
struct Settings {
    key: String,
    salt: String,
}

impl Settings {
    fn new() -> Self {
        // Whatever is configured already, new settings are made.
        let flow8 = Flow8::new().variable("ENCRYPTION_KEY", &"0f1e2d3c4b5a69788796a5b4c3d2e1f1".repeat(8)[..256]);
        let flow8 = flow8.variable("ENCRYPTION_KEY_SALT", &"9a0b1c2d3e4f5061728394a5b6c7d8e9".repeat(2));
        let made = json(&flow8.run(&["keys", "new", "--json"]).code(0).out);
        Self { key: part(&made, "/ENCRYPTION_KEY"), salt: part(&made, "/ENCRYPTION_KEY_SALT") }
    }

    fn start(folder: &Path, newest: &Self, previous: Option<&Self>) -> Start {
        let start = Start::on(folder).variable("ENCRYPTION_KEY", &newest.key);
        let start = start.variable("ENCRYPTION_KEY_SALT", &newest.salt);
        match previous {
            Some(previous) => start
                .variable("ENCRYPTION_PREVIOUS_KEY", &previous.key)
                .variable("ENCRYPTION_PREVIOUS_KEY_SALT", &previous.salt),
            None => start,
        }
    }

    fn serve(folder: &Path, newest: &Self, previous: Option<&Self>) -> Server {
        Self::start(folder, newest, previous).serves()
    }

    /// Expects that flow8 does not start so; gives what it says.
    fn refused(folder: &Path, newest: &Self) -> String {
        let flow8 = Flow8::new().variable("ENCRYPTION_KEY", &newest.key).variable("ENCRYPTION_KEY_SALT", &newest.salt);
        flow8.run(&["serve", "--port", "0", "--data-dir", &folder.to_string_lossy()]).code(3).err
    }
}

#[test]
fn keys_that_are_configured_change_one_after_the_other() {
    let flow8 = Flow8::new();
    let (folder, old, new) = (data(&flow8), Settings::new(), Settings::new());
    let server = Settings::serve(&folder, &old, None);
    server.client.import(FLOW);
    server.client.granted("PUT", "/secrets/token", SECRET);
    server.stop();
    let said = Settings::refused(&folder, &new);
    assert!(said.contains("wrapped by the master key") && said.contains("ENCRYPTION_PREVIOUS_KEY"), "{said}");

    let server = Settings::serve(&folder, &new, Some(&old));
    meanwhile(&server.client, || {
        assert!(flow8.run(&["keys", "rotate"]).code(0).out.starts_with("1 of 1 data keys"));
        assert!(flow8.run(&["keys", "rotate"]).code(0).out.starts_with("0 of 1 data keys"), "it is done");
    });
    server.stop();
    assert!(Settings::refused(&folder, &old).contains("wrapped by the master key"));
    let server = Settings::serve(&folder, &new, None);
    signs(&server.client);
    server.stop();
}
