//! Replicas that share a real MongoDB, each the binary itself in a process and a folder of its own.

use std::path::Path;

use store_suite::mongod::Mongod;

use crate::peer::Peer;
use crate::server::{RUNTIME, Server, Start, part, until};

/// So many hex digits that nobody would guess, the same for all replicas.
pub(crate) fn digits(count: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from_digit((state >> 60) as u32, 16).expect("a digit")
    };
    std::iter::repeat_with(digit).take(count).collect()
}

pub(crate) fn database() -> Mongod {
    let server = Mongod::start();
    RUNTIME.block_on(server.initiate());
    server
}

fn replica(database: &Mongod, folder: &Path, name: &str) -> Server {
    replica_with(database, folder, name, &[])
}

/// A replica with more variables than it needs.
pub(crate) fn replica_with(database: &Mongod, folder: &Path, name: &str, more: &[(&str, String)]) -> Server {
    let start = Start::on(&folder.join(name))
        .variable("MONGODB_URI", &database.uri())
        .variable("ENCRYPTION_KEY", &digits(256))
        .args(&["--set", "server.drain_seconds=1"])
        .variable("ENCRYPTION_KEY_SALT", &digits(64));
    more.iter().fold(start, |start, (name, value)| start.variable(name, value)).serves()
}

#[test]
fn what_a_killed_replica_was_at_goes_on_on_another() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (first, second) = (replica(&database, folder.path(), "first"), replica(&database, folder.path(), "second"));
    let peer = Peer::new();
    first.client.import(&peer.flow("Read", "GET"));
    first.client.import(&peer.flow("Write", "POST"));
    let (read, write) = (first.client.start("read", "{}"), first.client.start("write", "{}"));
    peer.called(2);
    first.kill();
    // The read is repeated. Whether the write took effect nobody knows, so it is not.
    peer.called(3);
    (0..3).for_each(|_| peer.let_go());
    assert_eq!(part(&second.client.play_in(&read, "DONE"), "/out/value"), "here");
    second.client.play_in(&write, "WAIT");
    let inbox = second.client.granted("GET", "/approvals?kind=inDoubt", "");
    assert_eq!((part(&inbox, "/total"), part(&inbox, "/data/0/playId")), ("1".into(), write));
    assert_eq!(peer.calls(), 3);
    second.stop();
}

#[test]
fn any_replica_takes_a_command_for_a_play_that_another_has() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (first, second) = (replica(&database, folder.path(), "first"), replica(&database, folder.path(), "second"));
    let peer = Peer::new();
    first.client.import(&peer.flow("Read", "GET"));
    let play = first.client.start("read", "{}");
    peer.called(1);
    second.client.granted("POST", &format!("/plays/{play}/hold"), "{}");
    let (status, said) = second.client.ask("POST", &format!("/plays/{play}/hold"), "{}");
    assert_eq!((status, part(&said, "/message")), (409, "the play is on hold already".into()));
    // It is still the first that is at work: nobody called the peer again.
    assert_eq!((peer.calls(), part(&second.client.play(&play), "/state")), (1, "RUN".into()));
    peer.let_go();
    second.client.play_in(&play, "ON_HOLD");
    second.client.granted("POST", &format!("/plays/{play}/resume"), "{}");
    assert_eq!(part(&first.client.play_in(&play, "DONE"), "/out/value"), "here");
    assert_eq!(peer.calls(), 1);

    let once = r#"{"args": {}, "idempotencyKey": "once"}"#;
    let (status, told) = first.client.ask("POST", "/flows/read/run", once);
    assert_eq!(status, 202, "{}", told.to_json());
    peer.called(2);
    let (client, path) = (second.client.clone(), "/flows/read/run?wait=50");
    let waiting = std::thread::spawn(move || client.ask("POST", path, once));
    peer.let_go();
    let (status, ended) = waiting.join().expect("no panic");
    assert_eq!((status, part(&ended, "/out/value"), part(&ended, "/replayed")), (200, "here".into(), "true".into()));
    assert_eq!(peer.calls(), 2);
    first.stop();
    second.stop();
}

#[test]
fn a_change_of_a_flow_is_known_everywhere_and_a_replica_that_stops_hands_over() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (first, second) = (replica(&database, folder.path(), "first"), replica(&database, folder.path(), "second"));
    let flow = |value: &str| {
        format!(
            "apiVersion: flow8/v1\nkind: Flow\nname: Says\npermanentId: says\nlayers:\n  - {{ref: says, appId: var, args: {{value: {value}}}}}\n"
        )
    };
    let said = |server: &Server| part(&server.client.granted("POST", "/flows/says/run?wait=30", "{}"), "/out/value");
    first.client.import(&flow("before"));
    assert_eq!((said(&first), said(&second)), ("before".into(), "before".into()));
    first.client.import(&flow("after"));
    assert_eq!(said(&first), "after");
    until("the second knows", || (said(&second) == "after").then_some(()));

    // What does not finish in time is handed over, not left to be missed.
    let peer = Peer::new();
    first.client.import(&peer.flow("Read", "GET"));
    let play = first.client.start("read", "{}");
    peer.called(1);
    first.stop();
    peer.called(2);
    (0..2).for_each(|_| peer.let_go());
    assert_eq!(part(&second.client.play_in(&play, "DONE"), "/out/value"), "here");
    second.stop();
}

#[test]
fn a_play_that_waits_goes_on_wherever_the_event_comes() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (first, second) = (replica(&database, folder.path(), "first"), replica(&database, folder.path(), "second"));
    let event = "apiVersion: flow8/v1\nkind: Flow\nname: Event\nlayers:\n\
        \x20 - {ref: event, appId: wait-event, args: {key: signed}}\n\
        \x20 - {ref: gives, appId: var, index: 1, args: {value: \"{{ $prev.event.data.by }}\"}}\n";
    first.client.import(event);
    let play = first.client.start("event", "{}");
    first.client.play_in(&play, "WAIT");
    second.client.granted("POST", "/events", r#"{"key": "signed", "data": {"by": "Ada"}}"#);
    assert_eq!(part(&first.client.play_in(&play, "DONE"), "/out/value"), "Ada");
    first.stop();
    second.stop();
}
