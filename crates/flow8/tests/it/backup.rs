//! `flow8 backup`, `restore` and `verify-backup`: an installation moves to MongoDB and back, and what
//! waited there goes on; what is not sound is refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::Value;
use tempfile::TempDir;

use crate::mongo::database;
use crate::peer::Peer;
use crate::server::{Client, Server, Start, json, part};
use crate::{Ended, Flow8};

/// Folders, files and variables of a test.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs flow8 on a data folder of this place; files are those of this place, too.
    fn run(&self, data: &str, variables: &[(&str, &str)], args: &[&str]) -> Ended {
        let mut flow8 = Flow8::new();
        for (name, value) in variables {
            flow8 = flow8.variable(name, value);
        }
        let (data, file) = (self.at(data), |word: &&str| match word.strip_prefix('@') {
            Some(name) => self.at(name).to_str().expect("UTF-8").to_owned(),
            None => (*word).to_owned(),
        });
        let mut words: Vec<String> = args.iter().map(file).collect();
        words.extend(["--data-dir".to_owned(), data.to_str().expect("UTF-8").to_owned()]);
        flow8.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The key that the embedded store in a data folder has made.
    fn key(&self, data: &str) -> String {
        fs::read_to_string(self.at(data).join("master.key")).expect("a key").trim().to_owned()
    }
}

/// What a command says is in a backup: counts and hashes.
#[track_caller]
fn totals(ended: Ended) -> Value {
    let told = json(&ended.code(0).out);
    told.get("totals").expect("totals").clone()
}

#[track_caller]
fn count(totals: &Value, kind: &str) -> u64 {
    part(totals, &format!("/{kind}/count")).parse().expect("a number")
}

fn flow(name: &str, more: &str, layers: &[&str]) -> String {
    let layers: String = layers.iter().map(|layer| format!("  - {layer}\n")).collect();
    format!("apiVersion: flow8/v1\nkind: Flow\nname: {name}\n{more}layers:\n{layers}")
}

/// Text that does not compress.
fn noise(length: usize) -> String {
    let mut state = 7_u64;
    let letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state >> 58) as usize])
    };
    std::iter::repeat_with(letter).take(length).collect()
}

/// Plays of all sorts, in the middle of things.
struct Plays {
    peer: Peer,
    event: String,
    approval: String,
    nap: String,
    large: String,
    read: String,
    write: String,
    limited: [String; 3],
}

impl Plays {
    fn begin(client: &Client, large: &str) -> Self {
        let peer = Peer::new();
        for flow in [
            flow(
                "Event",
                "",
                &[
                    "{ref: event, appId: wait-event, args: {key: \"{{ $prev.args.key }}\"}}",
                    "{ref: gives, appId: var, index: 1, args: {value: \"{{ $prev.event.data.by }}\"}}",
                ],
            ),
            flow("Approved", "", &["{ref: pay, appId: var, needsApproval: {roles: [owner]}, args: {value: paid}}"]),
            flow(
                "Nap",
                "",
                &[
                    "{ref: nap, appId: delay, args: {seconds: 3}}",
                    "{ref: gives, appId: var, index: 1, args: {value: awake}}",
                ],
            ),
            flow(
                "Large",
                "",
                &[
                    "{ref: file, appId: storage-write, args: {path: notes/large.txt, content: \"{{ $prev.args.text }}\"}}",
                    "{ref: gives, appId: var, index: 1, args: {value: \"{{ $prev.args.text }}!\"}}",
                ],
            ),
            flow("Reads File", "", &["{ref: file, appId: storage-read, args: {path: notes/large.txt}}"]),
            flow("Limited", "concurrency: {limit: 1}\n", &["{ref: go, appId: wait-event, args: {key: go}}"]),
            peer.flow("Read", "GET"),
            peer.flow("Write", "POST"),
        ] {
            client.import(&flow);
        }
        client.granted("POST", "/kv", r#"{"scope": "global", "key": "secret", "value": "sealed"}"#);
        client.granted("POST", "/events", r#"{"key": "early", "data": {"by": "Bea"}}"#);
        let once = r#"{"args": {"key": "signed"}, "idempotencyKey": "once"}"#;
        let event = part(&client.granted("POST", "/flows/event/run", once), "/playId");
        let large = client.start("large", &format!("{{\"text\": \"{large}\"}}"));
        client.play_in(&large, "DONE");
        let (read, write) = (client.start("read", "{}"), client.start("write", "{}"));
        peer.called(2);
        let limited = [(); 3].map(|()| client.start("limited", "{}"));
        let (approval, nap) = (client.start("approved", "{}"), client.start("nap", "{}"));
        for play in [&event, &approval, &nap, &limited[0]] {
            client.play_in(play, "WAIT");
        }
        client.play_in(&limited[1], "DEFERRED");
        client.play_in(&limited[2], "DEFERRED");
        Self { peer, event, approval, nap, large, read, write, limited }
    }

    /// What was there before is there, and what was under way goes on and ends.
    fn go_on(&self, client: &Client, text: &str) {
        // What the process that is gone was at: a read is repeated; of a write nobody knows.
        self.peer.called(3);
        (0..3).for_each(|_| self.peer.let_go());
        assert_eq!(part(&client.play_in(&self.read, "DONE"), "/out/value"), "here");
        client.play_in(&self.write, "WAIT");
        let inbox = client.granted("GET", "/approvals?kind=inDoubt", "");
        assert_eq!((part(&inbox, "/total"), part(&inbox, "/data/0/playId")), ("1".into(), self.write.clone()));
        assert_eq!(self.peer.calls(), 3, "the write is not repeated");

        client.granted("POST", "/events", r#"{"key": "signed", "data": {"by": "Ada"}}"#);
        assert_eq!(part(&client.play_in(&self.event, "DONE"), "/out/value"), "Ada");
        let once = r#"{"args": {"key": "signed"}, "idempotencyKey": "once"}"#;
        let again = client.granted("POST", "/flows/event/run", once);
        assert_eq!((part(&again, "/playId"), part(&again, "/replayed")), (self.event.clone(), "true".into()));
        let early = client.start("event", r#"{"key": "early"}"#);
        assert_eq!(part(&client.play_in(&early, "DONE"), "/out/value"), "Bea");

        let inbox = client.granted("GET", "/approvals", "");
        let layer = part(&inbox, "/data/0/layerId");
        let decision = format!(r#"{{"layerId": "{layer}", "decision": "approved"}}"#);
        client.granted("POST", &format!("/plays/{}/approve", self.approval), &decision);
        assert_eq!(part(&client.play_in(&self.approval, "DONE"), "/out/value"), "paid");
        assert_eq!(part(&client.play_in(&self.nap, "DONE"), "/out/value"), "awake");

        // One after the other, as before.
        client.play_in(&self.limited[0], "WAIT");
        client.play_in(&self.limited[1], "DEFERRED");
        for play in &self.limited {
            client.play_in(play, "WAIT");
            client.granted("POST", "/events", r#"{"key": "go"}"#);
            client.play_in(play, "DONE");
        }
        self.is_readable(client, text);
    }

    /// Files, large values and sealed values can be read.
    fn is_readable(&self, client: &Client, text: &str) {
        assert!(part(&client.play(&self.large), "/out/value") == format!("{text}!"));
        let read = client.granted("POST", "/flows/reads-file/run?wait=30", "{}");
        assert!(part(&read, "/out/content") == text, "{}", part(&read, "/state"));
        assert_eq!(part(&client.granted("GET", "/kv/value?scope=global&key=secret", ""), "/value"), "sealed");
    }
}

/// Starts plays and sees them end, until it is told to stop; says how many.
fn load(client: &Client) -> (Arc<AtomicBool>, std::thread::JoinHandle<u64>) {
    let (stop, client) = (Arc::new(AtomicBool::new(false)), client.clone());
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        let mut done = 0;
        while !stopped.load(Ordering::Acquire) {
            let answer = client.granted("POST", "/flows/quick/run?wait=30", "{}");
            assert_eq!(part(&answer, "/state"), "DONE");
            done += 1;
        }
        done
    });
    (stop, thread)
}

#[test]
fn an_installation_moves_to_mongodb_and_back_and_its_plays_go_on() {
    let (place, mongod, text) = (Place::new(), database(), noise(700_000));
    let server = Start::on(&place.at("one")).serves();
    server.client.import(&flow("Quick", "", &["{ref: a, appId: var, args: {value: 1}}"]));
    let plays = Plays::begin(&server.client, &text);

    // While it serves, and plays come and go.
    let (stop, loading) = load(&server.client);
    let first = totals(place.run("one", &[], &["backup", "--to", "@first.backup", "--json"]));
    assert!(count(&first, "plays") >= 9 && count(&first, "flows") == 9 && count(&first, "objects") >= 2, "{first:?}");
    assert_eq!(totals(place.run("one", &[], &["verify-backup", "@first.backup", "--json"])), first);
    stop.store(true, Ordering::Release);
    let done = loading.join().expect("no panic");
    assert!(done > 0);
    // The machine dies: what was under way is in the store alone.
    server.kill();

    let moved = totals(place.run("one", &[], &["backup", "--to", "@moved.backup", "--json"]));
    assert!(count(&moved, "plays") >= 9 + done);
    let (uri, key) = (mongod.uri(), place.key("one"));
    let mongo = [("MONGODB_URI", uri.as_str()), ("ENCRYPTION_MASTER_KEY", key.as_str())];
    place.run("two", &mongo, &["restore", "@moved.backup", "--dry-run"]).code(0);
    assert_eq!(totals(place.run("two", &mongo, &["restore", "@moved.backup", "--json"])), moved);
    assert_eq!(totals(place.run("two", &mongo, &["backup", "--to", "@same.backup", "--json"])), moved);
    let elsewhere = [mongo[0], mongo[1], ("MONGODB_DB", "elsewhere")];
    let refused = place.run("two", &elsewhere, &["backup", "--to", "@none.backup"]).code(3);
    assert!(refused.err.contains("there is no store in MongoDB, database elsewhere"), "{}", refused.err);
    let refused = place.run("two", &mongo, &["restore", "@moved.backup"]).code(2);
    assert!(refused.err.contains("is not empty"), "{}", refused.err);

    let on_mongo = |name: &str| {
        let start = Start::on(&place.at(name)).variable(mongo[0].0, mongo[0].1).variable(mongo[1].0, mongo[1].1);
        start.serves()
    };
    let server = on_mongo("two");
    plays.go_on(&server.client, &text);
    // From MongoDB, too, while it serves.
    let (stop, loading) = load(&server.client);
    totals(place.run("two", &mongo, &["backup", "--to", "@serving.backup", "--json"]));
    stop.store(true, Ordering::Release);
    assert!(loading.join().expect("no panic") > 0);
    server.stop();

    // And back.
    let back = totals(place.run("two", &mongo, &["backup", "--to", "@back.backup", "--json"]));
    fs::create_dir(place.at("three")).expect("a folder");
    fs::copy(place.at("one").join("master.key"), place.at("three").join("master.key")).expect("copied");
    assert_eq!(totals(place.run("three", &[], &["restore", "@back.backup", "--json"])), back);
    assert_eq!(totals(place.run("three", &[], &["backup", "--to", "@last.backup", "--json"])), back);
    let server = Start::on(&place.at("three")).serves();
    plays.is_readable(&server.client, &text);
    assert_eq!(part(&server.client.play(&plays.event), "/out/value"), "Ada");
    let waiting = server.client.start("event", r#"{"key": "more"}"#);
    server.client.granted("POST", "/events", r#"{"key": "more", "data": {"by": "Eve"}}"#);
    assert_eq!(part(&server.client.play_in(&waiting, "DONE"), "/out/value"), "Eve");
    server.stop();
}

/// An installation with a few plays, and a backup of it.
fn small(place: &Place) {
    let server = Start::on(&place.at("one")).serves();
    server.client.import(&flow("Quick", "", &["{ref: a, appId: var, args: {value: 1}}"]));
    for _ in 0..20 {
        server.client.granted("POST", "/flows/quick/run?wait=30", "{}");
    }
    server.stop();
    place.run("one", &[], &["backup", "--to", "@a.backup"]).code(0);
}

/// Makes a data folder with a key and nothing else.
fn with_key(place: &Place, data: &str, key: &str) {
    fs::create_dir(place.at(data)).expect("a folder");
    fs::write(place.at(data).join("master.key"), key).expect("is written");
}

#[test]
fn what_is_not_sound_is_refused_before_anything_is_written() {
    let place = Place::new();
    small(&place);
    let key = place.key("one");
    with_key(&place, "two", &key);
    let bytes = fs::read(place.at("a.backup")).expect("a backup");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let mut newer = bytes.clone();
    newer[8] = 9;
    for (name, content, code, verified, expected) in [
        ("torn", &bytes[..bytes.len() - 1], 2, 1, "is cut off after"),
        ("flipped", &flipped[..], 2, 1, "was altered"),
        ("longer", &[&bytes[..], b"x"].concat()[..], 2, 1, "stands behind its end"),
        ("newer", &newer[..], 2, 2, "use a newer flow8"),
        ("other", b"kind: Flow\n", 2, 2, "is no backup of flow8"),
        ("empty", b"", 2, 2, "is no backup of flow8"),
    ] {
        fs::write(place.at(name), content).expect("is written");
        let file = format!("@{name}");
        for (command, code) in [("restore", code), ("verify-backup", verified)] {
            let ended = place.run("two", &[], &[command, &file]).code(code);
            assert!(ended.err.contains(expected), "{command} {name}: {}", ended.err);
        }
    }
    for command in ["restore", "verify-backup"] {
        let ended = place.run("two", &[], &[command, "@missing"]).code(2);
        assert!(ended.err.contains("missing: No such file"), "{}", ended.err);
        let other = format!("{}{}", &key[32..], &key[..32]);
        let ended = place.run("two", &[("ENCRYPTION_MASTER_KEY", &other)], &[command, "@a.backup"]).code(2);
        assert!(ended.err.contains("was sealed with the master key"), "{}", ended.err);
    }
    let ended = place.run("none", &[], &["restore", "@a.backup"]).code(2);
    assert!(ended.err.contains("master.key") && !place.at("none").exists(), "{}", ended.err);
    place.run("two", &[], &["restore", "@a.backup", "--dry-run"]).code(0);
    let names: Vec<_> =
        fs::read_dir(place.at("two")).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names, ["master.key"], "nothing was written");

    let told = place.run("two", &[], &["restore", "@a.backup"]).code(0);
    assert!(told.out.contains("is restored, and the same was read back"), "{}", told.out);
    let plays = told.out.lines().find(|line| line.trim_start().starts_with("plays")).expect("a row");
    assert_eq!(plays.split_whitespace().nth(1), Some("20"), "{}", told.out);
    for data in ["one", "two"] {
        let ended = place.run(data, &[], &["restore", "@a.backup"]).code(2);
        assert!(ended.err.contains("is not empty"), "{}", ended.err);
    }
    // A key that is only set is not made anew where it is missing.
    place.run("four", &[("ENCRYPTION_MASTER_KEY", &key)], &["restore", "@a.backup"]).code(0);
    let ended = place.run("four", &[], &["serve", "--port", "0"]).code(3);
    assert!(ended.err.contains("four/master.key, the key of all that is sealed"), "{}", ended.err);
    assert!(!place.at("four").join("master.key").exists());
    Start::on(&place.at("four")).variable("ENCRYPTION_MASTER_KEY", &key).serves().stop();
    let ended = place.run("two", &[], &["backup", "--to", "@a.backup"]).code(2);
    assert!(ended.err.contains("is there already"), "{}", ended.err);
    let ended = place.run("none", &[("ENCRYPTION_MASTER_KEY", &key)], &["backup", "--to", "@b.backup"]).code(3);
    assert!(ended.err.contains("there is no store at"), "{}", ended.err);
}

/// Runs flow8 where files may only grow so far, as if the disk were full then.
fn on_a_small_disk(blocks: u32, data: &Path, args: &[&str]) -> (Option<i32>, String) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut bash = Command::new("bash");
    bash.args(["-c", &script, env!("CARGO_BIN_EXE_flow8")]).args(args).arg("--data-dir").arg(data).env_clear();
    let output = bash.output().expect("bash");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[test]
fn a_full_disk_leaves_no_half_backup_and_no_store_that_serves() {
    let place = Place::new();
    let server = Start::on(&place.at("one")).serves();
    server.client.import(&flow("Keep", "", &["{ref: a, appId: wait-event, args: {key: never}}"]));
    let filler = noise(100_000);
    for _ in 0..40 {
        server.client.start("keep", &format!("{{\"filler\": \"{filler}\"}}"));
    }
    // Beside the server, too.
    let to = place.at("full.backup");
    let (code, err) = on_a_small_disk(1_000, &place.at("one"), &["backup", "--to", to.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("full.backup: the backup cannot be written: File too large"), "{err}");
    let left = |name: &str| place.at(name).exists();
    assert!(!left("full.backup") && !left("full.backup.part"));
    let whole = totals(place.run("one", &[], &["backup", "--to", "@whole.backup", "--json"]));
    server.stop();

    with_key(&place, "two", &place.key("one"));
    let file = place.at("whole.backup");
    let (code, err) = on_a_small_disk(1_000, &place.at("two"), &["restore", file.to_str().expect("UTF-8")]);
    assert_eq!(code, Some(3), "{err}");
    let refused = |args: &[&str], code: i32| {
        let ended = place.run("two", &[], args).code(code);
        assert!(ended.err.contains("has not finished"), "{args:?}: {}", ended.err);
    };
    refused(&["serve", "--port", "0"], 3);
    refused(&["restore", "@whole.backup"], 2);
    refused(&["backup", "--to", "@half.backup"], 2);
    assert_eq!(totals(place.run("two", &[], &["restore", "@whole.backup", "--over-unfinished", "--json"])), whole);
    let server: Server = Start::on(&place.at("two")).serves();
    assert_eq!(part(&server.client.granted("GET", "/plays", ""), "/total"), "40");
    server.stop();
}
