//! `flow8 serve`: how it starts, how it stops, and what it says where it cannot.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::peer::Peer;
use crate::server::{Start, json, part, until};
use crate::{Ended, Flow8};

/// Serving where it is refused.
#[track_caller]
fn refused(flow8: &Flow8, folder: &Path, args: &[&str]) -> Ended {
    let mut all = vec![
        "serve",
        "--port",
        "0",
        "--set",
        "channels.port=0",
        "--set",
        "mcp.port=0",
        "--data-dir",
        folder.to_str().expect("UTF-8"),
    ];
    all.extend(args);
    flow8.run(&all)
}

const EVENT: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Event\nlayers:\n\
    \x20 - {ref: event, appId: wait-event, args: {key: signed}}\n\
    \x20 - {ref: gives, appId: var, index: 1, args: {value: \"{{ $prev.event.data.by }}\"}}\n";

#[test]
fn the_ready_file_tells_the_addresses_and_leaves_with_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, ready) = (folder.path().join("data"), folder.path().join("ready.json"));
    let ready_file = ready.to_str().expect("UTF-8");
    let server = Start::on(&data).args(&["--ready-file", ready_file, "--set", "metrics.port=0"]).serves();
    let told = json(&fs::read_to_string(&ready).expect("the ready file"));
    assert_eq!(part(&told, "/api"), server.client.url);
    assert_eq!(part(&told, "/pid"), server.pid().to_string());
    assert_eq!(part(&told, "/peers"), "null");
    let metrics = crate::server::Client { url: part(&told, "/metrics"), token: String::new() };
    assert_eq!(metrics.send("GET", "/metrics", &[], Vec::new()).expect("an answer").status(), 200);
    let health = server.client.with("");
    assert_eq!(health.send("GET", "/health/ready", &[], Vec::new()).expect("an answer").status(), 200);
    server.stop();
    assert!(!ready.exists() && !data.join("server.json").exists());
}

#[test]
fn an_attempt_that_is_under_way_finishes_and_the_play_goes_on_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut server = Start::on(&data).serves();
    let peer = Peer::new();
    server.client.import(&peer.flow("Call", "POST"));
    let client = server.client.clone();
    let waiting = std::thread::spawn(move || client.ask("POST", "/flows/call/run?wait=50", "{}"));
    peer.called(1);
    server.terminate();
    let health = server.client.with("");
    until("it is not ready", || {
        let answer = health.send("GET", "/health/ready", &[], Vec::new());
        answer.is_none_or(|answer| answer.status() == 503).then_some(())
    });
    peer.let_go();
    // Whoever waits is answered, and learns which play it is.
    let (status, answer) = waiting.join().expect("no panic");
    assert_eq!((status, part(&answer, "/state")), (202, "RUN".into()));
    assert_eq!(server.ended().code(), Some(0));
    let server = Start::on(&data).serves();
    let play = server.client.play_in(&part(&answer, "/playId"), "DONE");
    assert_eq!((part(&play, "/out/value"), peer.calls()), ("here".into(), 1));
    server.stop();
}

#[test]
fn a_play_that_waits_is_left_for_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Start::on(&data).serves();
    server.client.import(EVENT);
    let play = server.client.start("event", "{}");
    server.client.play_in(&play, "WAIT");
    server.stop();
    let server = Start::on(&data).serves();
    server.client.granted("POST", "/events", r#"{"key": "signed", "data": {"by": "Ada"}}"#);
    assert_eq!(part(&server.client.play_in(&play, "DONE"), "/out/value"), "Ada");
    server.stop();
}

#[test]
fn what_does_not_finish_in_time_is_left_for_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Start::on(&data).args(&["--set", "server.drain_seconds=0"]).serves();
    let peer = Peer::new();
    server.client.import(&peer.flow("Read", "GET"));
    server.client.import(&peer.flow("Write", "POST"));
    let (read, write) = (server.client.start("read", "{}"), server.client.start("write", "{}"));
    peer.called(2);
    server.stop();
    let server = Start::on(&data).serves();
    // The read is repeated. Whether the write took effect nobody knows, so it is not.
    peer.called(3);
    (0..3).for_each(|_| peer.let_go());
    assert_eq!(part(&server.client.play_in(&read, "DONE"), "/out/value"), "here");
    server.client.play_in(&write, "WAIT");
    let inbox = server.client.granted("GET", "/approvals?kind=inDoubt", "");
    assert_eq!((part(&inbox, "/total"), part(&inbox, "/data/0/playId")), ("1".into(), write));
    assert_eq!(peer.calls(), 3);
    server.stop();
}

#[test]
fn a_folder_has_one_server_and_a_port_too() {
    let (flow8, folder) = (Flow8::new(), tempfile::tempdir().expect("a folder"));
    let data = folder.path().join("data");
    let server = Start::on(&data).serves();
    let ended = refused(&flow8, &data, &[]).code(3);
    assert!(ended.err.contains(&server.pid().to_string()) && ended.err.contains("data"), "{}", ended.err);
    // Nothing of the first was touched: the command line still finds it.
    flow8.run(&["plays", "list", "--data-dir", data.to_str().expect("UTF-8")]).code(0);
    server.stop();

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let flow8 = flow8.variable("SERVER_PORT", &port);
    let ended = flow8.run(&["serve", "--data-dir", data.to_str().expect("UTF-8")]).code(3);
    let expected = format!("error: server.port: port {port} is in use");
    assert!(ended.err.starts_with(&expected) && ended.err.contains("SERVER_PORT"), "{}", ended.err);
    let ended = refused(&flow8, &data, &["--demo", "--demo-port", &port]).code(3);
    assert!(ended.err.contains(&port) && ended.err.contains("--demo-port"), "{}", ended.err);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let flow8 = Flow8::new().file("file", "");
    for folder in ["file", "file/below", "/proc/flow8/data"] {
        let ended = refused(&flow8, Path::new(folder), &[]).code(3);
        assert!(ended.err.starts_with("error: ") && ended.err.contains(folder), "{folder}: {}", ended.err);
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}

#[test]
fn a_store_of_a_newer_flow8_or_a_damaged_one_is_left_as_it_is() {
    let (flow8, folder) = (Flow8::new(), tempfile::tempdir().expect("a folder"));
    let data = folder.path().join("data");
    // What a log beside the store holds would count first. It stays where somebody still reads
    // when the store is closed; the next start takes it over.
    until("the store is one file", || {
        Start::on(&data).serves().stop();
        (!data.join("flow8.db-wal").exists()).then_some(())
    });
    let file = data.join("flow8.db");
    let sound = fs::read(&file).expect("the store");
    // The version of its form stands in the file's head, where SQLite keeps a number of ours.
    let mut newer = sound.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    let damaged = vec![0x5a; sound.len()];
    for (bytes, words) in [(newer, "99"), (damaged, "damaged")] {
        fs::write(&file, &bytes).expect("written");
        let ended = refused(&flow8, &data, &[]).code(3);
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
        assert!(fs::read(&file).expect("the store") == bytes, "{words}: it was changed");
    }
    fs::write(&file, sound).expect("written");
    Start::on(&data).serves().stop();
}

#[test]
fn another_key_than_the_stores_own_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    // Neither is well known, and neither is used anywhere else.
    let key = |seed: u64| (0..16).map(|n| format!("{:016x}", (seed + n).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let (first, second): (String, String) = (key(1), key(100));
    let salt = &key(1_000)[..64];
    let start = Start::on(&data).variable("ENCRYPTION_KEY", &first).variable("ENCRYPTION_KEY_SALT", salt);
    start.serves().stop();
    let flow8 = Flow8::new().variable("ENCRYPTION_KEY", &second).variable("ENCRYPTION_KEY_SALT", salt);
    for flow8 in [flow8, Flow8::new()] {
        let ended = refused(&flow8, &data, &[]);
        assert!(matches!(ended.code, Some(2 | 3)), "{ended:?}");
        assert!(ended.err.contains("ENCRYPTION_KEY"), "{}", ended.err);
    }
    let start = Start::on(&data).variable("ENCRYPTION_KEY", &first).variable("ENCRYPTION_KEY_SALT", salt);
    start.serves().stop();
}
