//! Replicas that share a real MongoDB, each the binary itself in a process and a folder of its own.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use futures::StreamExt as _;
use store_suite::mongod::Mongod;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::Flow8;
use crate::peer::Peer;
use crate::server::{Client, PATIENCE, RUNTIME, Server, Start, json, part, until};

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
    let start = to_start(database, folder, name);
    more.iter().fold(start, |start, (name, value)| start.variable(name, value)).serves()
}

pub(crate) fn to_start(database: &Mongod, folder: &Path, name: &str) -> Start {
    Start::on(&folder.join(name))
        .variable("MONGODB_URI", &database.uri())
        .variable("ENCRYPTION_KEY", &digits(256))
        .args(&["--set", "server.drain_seconds=1"])
        .variable("ENCRYPTION_KEY_SALT", &digits(64))
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
fn where_replicas_must_not_change_the_schema_migrate_does() {
    let database = database();
    let flow8 = Flow8::new()
        .variable("MONGODB_URI", &database.uri())
        .variable("MONGODB_AUTO_MIGRATE", "false")
        .variable("ENCRYPTION_KEY", &digits(256))
        .variable("ENCRYPTION_KEY_SALT", &digits(64));
    let refused = flow8.run(&["serve", "--port", "0"]).code(3);
    assert!(refused.err.contains("run flow8 migrate"), "{}", refused.err);
    let told = flow8.run(&["migrate", "--dry-run"]).code(1);
    assert!(
        told.out.contains("to do  collections and indexes") && told.out.contains("nothing was changed"),
        "{}",
        told.out
    );
    let done = flow8.run(&["migrate", "--json"]).code(0);
    assert_eq!(part(&json(&done.out), "/steps/0/pending"), "true");
    let again = flow8.run(&["migrate"]).code(0);
    assert!(again.out.ends_with("the schema is up to date\n"), "{}", again.out);
    flow8.run(&["migrate", "--dry-run"]).code(0);
    to_start(&database, flow8.folder.path(), "first").variable("MONGODB_AUTO_MIGRATE", "false").serves().stop();
}

#[test]
fn the_embedded_store_is_migrated_too() {
    let flow8 = Flow8::new();
    assert!(flow8.run(&["migrate", "--dry-run"]).code(1).out.contains("to do"));
    assert!(flow8.run(&["migrate"]).code(0).out.ends_with("the schema is up to date now\n"));
    assert!(flow8.run(&["migrate", "--dry-run"]).code(0).out.ends_with("the schema is up to date\n"));
}

#[test]
fn a_replica_that_was_paused_does_nothing_more_of_what_others_took_over() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let second = replica(&database, folder.path(), "second");
    let peer = Peer::new();
    second.client.import(&peer.flow("Read", "GET"));
    // It is paused after its intent to call the peer is committed, and before the call.
    let first =
        to_start(&database, folder.path(), "first").variable("FLOW8_FAILPOINT", "before_effect:1:stop").serves();
    let asking = first.client.clone();
    let asked = std::thread::spawn(move || asking.start("read", "{}"));
    peer.called(1);
    peer.let_go();
    let play = until("the play is there", || {
        let plays = second.client.granted("GET", "/plays", "");
        (part(&plays, "/total") == "1").then(|| part(&plays, "/data/0/id"))
    });
    assert_eq!(part(&second.client.play_in(&play, "DONE"), "/out/value"), "here");
    first.signal("CONT");
    until("it learns of it", || first.log().contains("was given up while it was at it").then_some(()));
    assert_eq!((asked.join().expect("no panic"), peer.calls()), (play, 1));
    // It is of use again, under another name.
    let next = first.client.start("read", "{}");
    peer.called(2);
    peer.let_go();
    assert_eq!(part(&second.client.play_in(&next, "DONE"), "/out/value"), "here");
    first.stop();
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

/// What a socket says of a play, as it says it, until the play has ended.
fn told_by(server: &Client, play: &str) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    let (host, token) = (server.url.trim_start_matches("http://").to_owned(), server.token.clone());
    let play = play.to_owned();
    RUNTIME.spawn(async move {
        let stream = TcpStream::connect(&host).await.expect("connects");
        let asked = format!("ws://{host}/api/ws?token={token}&since=0");
        let (mut socket, _) = tokio_tungstenite::client_async(asked, stream).await.expect("opens");
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message.expect("a message") else { continue };
            let event = json(&text);
            // Whoever listens may have heard enough.
            if part(&event, "/playId") == play && tell.send(part(&event, "/type")).is_err() {
                return;
            }
        }
    });
    told
}

#[test]
fn events_come_from_whichever_replica_runs_the_play() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let (first, second) = (replica(&database, folder.path(), "first"), replica(&database, folder.path(), "second"));
    let peer = Peer::new();
    first.client.import(&peer.flow("Read", "GET"));
    let play = first.client.start("read", "{}");
    peer.called(1);
    // The play is under way at the first. Who listens at the second hears what has been, then what comes.
    let told = told_by(&second.client, &play);
    assert_eq!(told.recv_timeout(PATIENCE).expect("an event"), "play:started");
    peer.let_go();
    let mut layers = 0;
    loop {
        match told.recv_timeout(PATIENCE).expect("an event").as_str() {
            "play:layer:completed" => layers += 1,
            "play:completed" => break,
            _ => {}
        }
    }
    assert_eq!(layers, 2);
    first.stop();
    second.stop();
}
