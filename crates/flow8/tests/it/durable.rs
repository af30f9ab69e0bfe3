//! What was acknowledged is on the disk: as the system calls show, and where the disk is full.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use crate::server::{Start, part, until};

const FLOW: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Keep\nlayers:\n\
    \x20 - {ref: keep, appId: wait-event, args: {key: never}}\n";

/// One call that was traced, by the lines on which it began and ended.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
}

#[test]
fn the_answer_leaves_after_the_log_is_synced() {
    let found = Command::new("strace").arg("--version").stdout(Stdio::null()).status();
    assert!(found.is_ok_and(|status| status.success()), "strace is missing; install it: apt-get install strace");
    let folder = tempfile::tempdir().expect("a folder");
    let (data, lines) = (folder.path().join("data"), folder.path().join("trace"));
    let mut strace = Command::new("strace");
    let calls = "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg";
    // With -D the traced process is the child, which signals and the process id are for.
    strace.args(["-D", "-f", "-y", "-s", "16384", "-e", calls, "-o"]).arg(&lines).arg(env!("CARGO_BIN_EXE_flow8"));
    let server = Start::as_command(strace, &data).serves();
    server.client.import(FLOW);
    // Words that are in no other request, so that the trace shows when they were written.
    let play = server.client.start("keep", r#"{"mark": "a mark of its own"}"#);
    server.stop();
    // It ends a moment after what it traces.
    let trace = until("the trace is whole", || {
        let trace = fs::read(&lines).expect("a trace");
        String::from_utf8_lossy(&trace).trim_end().ends_with("exited with 0 +++").then_some(trace)
    });
    let calls = parse(&String::from_utf8_lossy(&trace));
    let find = |what: &str, from: usize, is: &dyn Fn(&Call) -> bool| {
        let found = calls.iter().enumerate().skip(from).find(|(_, call)| is(call));
        found.unwrap_or_else(|| panic!("the trace has no {what}"))
    };
    let is_on_log = |call: &Call| call.text.contains("flow8.db-wal>");
    let (at, written) = find("write of the arguments to the log", 0, &|call| {
        call.name == "pwrite64" && is_on_log(call) && call.text.contains("a mark of its own")
    });
    let (_, synced) = find("sync of the log after that", at, &|call| {
        call.name.ends_with("sync") && is_on_log(call) && call.began > written.ended
    });
    let (_, answered) = find("answer with the play's id", 0, &|call| {
        matches!(call.name.as_str(), "write" | "writev" | "sendto" | "sendmsg")
            && call.text.contains("HTTP/1.1 202")
            && call.text.contains(&play)
    });
    assert!(answered.began > synced.ended, "the answer left first:\n{written:?}\n{synced:?}\n{answered:?}");
}

/// The calls in the order in which they began. Where others come in between, a call has two
/// lines: `7 fsync(3</f> <unfinished ...>`, and later `7 <... fsync resumed>) = 0`.
fn parse(lines: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in lines.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if text.starts_with("<...") {
            if let Some(call) = unfinished.remove(thread).and_then(|call| calls.get_mut(call)) {
                call.ended = number;
            }
        } else if let Some((name, _)) = text.split_once('(') {
            let is_whole = !text.ends_with("<unfinished ...>");
            if !is_whole {
                unfinished.insert(thread, calls.len());
            }
            let ended = if is_whole { number } else { usize::MAX };
            calls.push(Call { name: name.into(), text: text.into(), began: number, ended });
        }
    }
    calls
}

const ANSWERS: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Answers\nlayers:\n\
    \x20 - {ref: answer, appId: respond, args: {body: taken}}\n\
    \x20 - {ref: wait, appId: wait-event, index: 1, args: {key: go}}\n\
    \x20 - {ref: last, appId: var, index: 2, args: {value: over}}\n";

#[test]
fn a_play_goes_on_behind_its_answer_where_the_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let server = Start::on(&data).serves();
    server.client.import(ANSWERS);
    let answered = server.client.granted("POST", "/flows/answers/run?wait=60", "{}");
    let play = part(&answered, "/playId");
    assert_eq!(part(&answered, "/out/body"), "taken");
    assert!(matches!(part(&answered, "/state").as_str(), "RUN" | "WAIT"), "{}", answered.to_json());
    server.kill();

    let server = Start::on(&data).serves();
    server.client.play_in(&play, "WAIT");
    server.client.granted("POST", "/events", r#"{"key": "go", "data": 1}"#);
    let ended = server.client.play_in(&play, "DONE");
    assert_eq!(part(&ended, "/out/body"), "taken");
    let layers = server.client.granted("GET", &format!("/plays/{play}/layers"), "");
    let states = [0, 1, 2].map(|at| part(&layers, &format!("/data/{at}/state")));
    assert_eq!(states, ["DONE"; 3], "{}", layers.to_json());
    server.stop();
}

/// Files may only grow so far, as if the disk were full then.
#[test]
fn where_nothing_more_can_be_written_nothing_is_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut bash = Command::new("bash");
    // Without the signal, a write beyond the limit is an error, as on a full disk.
    bash.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_flow8")]);
    let server = Start::as_command(bash, &data).serves();
    server.client.import(FLOW);
    let filler = "x".repeat(3_000);
    let mut acknowledged = Vec::new();
    let refusal = loop {
        let body = format!(r#"{{"args": {{"n": {}, "filler": "{filler}"}}}}"#, acknowledged.len());
        let (status, answer) = server.client.ask("POST", "/flows/keep/run", &body);
        if status >= 300 {
            break (status, part(&answer, "/message"));
        }
        acknowledged.push(part(&answer, "/playId"));
        assert!(acknowledged.len() < 20_000, "it never gets full");
    };
    assert!(matches!(refusal.0, 503 | 507) && !acknowledged.is_empty(), "{refusal:?}");
    // It answers all the same.
    assert_eq!(part(&server.client.play(&acknowledged[0]), "/state"), "WAIT");
    server.kill();

    let server = Start::on(&data).serves();
    for play in &acknowledged {
        assert_eq!(part(&server.client.play(play), "/state"), "WAIT");
    }
    let total = part(&server.client.granted("GET", "/plays", ""), "/total");
    assert_eq!(total, acknowledged.len().to_string(), "and there are no others");
    let play = server.client.start("keep", "{}");
    server.client.play_in(&play, "WAIT");
    server.stop();
}
