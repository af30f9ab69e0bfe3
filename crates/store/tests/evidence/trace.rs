//! The answer leaves after the sync, as the system calls show.
//!
//! The test runs itself again under `strace`, as a process that commits and says so on its
//! standard output. Every batch carries words that are in no other, so that the trace shows when
//! it was written to the log, when a sync of the log began and ended after that, and when the
//! answer left.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::Failed;
use store::Store;
use store::sqlite::{SqliteOptions, SqliteStore, Synchronous};

use crate::history::{going_on, marked, play_key};
use crate::{Folder, Test, runtime};

pub(crate) const TESTS: &[Test] = &[
    ("trace::the_answer_leaves_after_the_sync", the_answer_leaves_after_the_sync),
    ("trace::the_folder_is_synced_before_the_first_answer", the_folder_is_synced_before_the_first_answer),
    ("trace::without_sync_the_same_check_fails", without_sync_the_same_check_fails),
];

/// What the process is called with, before the folder and how to sync.
pub(crate) const ROLE: &str = "--commit-and-answer";

/// Batches that are committed one after another, and then at once.
const ALONE: u64 = 10;
const TOGETHER: u64 = 20;

/// The process that is watched: commits, and writes a line for each answer as soon as it has it.
pub(crate) fn commit_and_answer(folder: &str, synchronous: &str) {
    let synchronous = if synchronous == "off" { Synchronous::Off } else { Synchronous::Full };
    let options = SqliteOptions { synchronous, ..SqliteOptions::in_folder(folder) };
    runtime().block_on(async {
        let store = Arc::new(SqliteStore::open(&options).expect("opens"));
        for number in 0..ALONE {
            commit_one(store.clone(), number).await;
        }
        let all: Vec<_> =
            (ALONE..ALONE + TOGETHER).map(|number| tokio::spawn(commit_one(store.clone(), number))).collect();
        for one in all {
            one.await.expect("no panic");
        }
    });
}

async fn commit_one(store: Arc<SqliteStore>, number: u64) {
    let mut batch = marked(number);
    batch.plays.push(going_on(play_key(number), None, words(number).into_bytes()));
    store.commit(batch).await.expect("commits");
    let line = format!("{}\n", answer(number));
    std::io::stdout().write_all(line.as_bytes()).expect("answers");
}

fn words(number: u64) -> String {
    format!("the record of batch {number:03}")
}

fn answer(number: u64) -> String {
    format!("batch {number:03} is durable")
}

fn the_answer_leaves_after_the_sync() -> Result<(), Failed> {
    let calls = trace("full")?;
    for number in 0..ALONE + TOGETHER {
        is_synced_before_its_answer(&calls, number)?;
    }
    Ok(())
}

fn without_sync_the_same_check_fails() -> Result<(), Failed> {
    let calls = trace("off")?;
    match is_synced_before_its_answer(&calls, 0) {
        Err(missing) if missing.message().is_some_and(|text| text.contains("no sync")) => Ok(()),
        Err(other) => Err(other),
        Ok(()) => Err("a store that does not sync passed, so the check cannot see it".into()),
    }
}

/// What is in a folder is lost with its name, and the name is in the folder above.
fn the_folder_is_synced_before_the_first_answer() -> Result<(), Failed> {
    let calls = trace("full")?;
    let answered = find(&calls, "first answer", |call| call.name == "write" && call.text.contains(&answer(0)))?;
    for folder in ["/new>", "/new/data>"] {
        find(&calls[..answered.0], &format!("sync of the folder {folder}"), |call| {
            call.is_sync() && call.is_done && call.text.contains(folder)
        })?;
    }
    Ok(())
}

/// One call that was traced, by the lines on which it began and ended.
#[derive(Debug)]
struct Call {
    name: String,
    text: String,
    began: usize,
    ended: usize,
    is_done: bool,
}

impl Call {
    fn is_sync(&self) -> bool {
        self.name == "fsync" || self.name == "fdatasync"
    }

    fn is_on_log(&self) -> bool {
        self.text.contains("flow8.db-wal>")
    }
}

fn is_synced_before_its_answer(calls: &[Call], number: u64) -> Result<(), Failed> {
    let text = words(number);
    let (at, written) = find(calls, &format!("write of \"{text}\" to the log"), |call| {
        call.name == "pwrite64" && call.is_on_log() && call.text.contains(&text)
    })?;
    let (_, synced) = find(&calls[at..], &format!("sync after \"{text}\""), |call| {
        call.is_sync() && call.is_on_log() && call.is_done && call.began > written.ended
    })?;
    let text = answer(number);
    let (_, answered) =
        find(calls, &format!("answer \"{text}\""), |call| call.name == "write" && call.text.contains(&text))?;
    if answered.began < synced.ended {
        return Err(format!("\"{text}\" left before the sync was done: {answered:?}, {synced:?}").into());
    }
    // The rest of the batch's transaction lies before the same sync: nothing more is written to
    // the log by a batch that was alone.
    let is_late = |call: &&Call| {
        call.name == "pwrite64" && call.is_on_log() && call.began > synced.began && call.began < answered.began
    };
    match calls.iter().find(is_late) {
        Some(late) if number < ALONE => Err(format!("{late:?} was not synced before \"{text}\"").into()),
        _ => Ok(()),
    }
}

fn find<'a>(calls: &'a [Call], what: &str, is: impl Fn(&Call) -> bool) -> Result<(usize, &'a Call), Failed> {
    let found = calls.iter().enumerate().find(|(_, call)| is(call));
    found.ok_or_else(|| format!("the trace has no {what}").into())
}

fn trace(synchronous: &str) -> Result<Vec<Call>, Failed> {
    let folder = Folder::new();
    let lines = folder.path().join("trace");
    let run = Command::new("strace")
        .args(["-f", "-y", "-s", "16384", "-e", "trace=fdatasync,fsync,write,pwrite64", "-o"])
        .arg(&lines)
        .arg(std::env::current_exe()?)
        .args([Path::new(ROLE), &folder.path().join("new/data"), Path::new(synchronous)])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    match run {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err("strace is missing; install it: apt-get install strace".into())
        }
        Err(error) => Err(error.into()),
        Ok(run) if !run.status.success() => {
            Err(format!("strace or what it ran failed: {}", String::from_utf8_lossy(&run.stderr)).into())
        }
        Ok(_) => Ok(parse(&String::from_utf8_lossy(&std::fs::read(lines)?))),
    }
}

/// The calls in the order in which they began. Where others come in between, a call has two
/// lines: `7 fsync(3</f> <unfinished ...>`, and later `7 <... fsync resumed>) = 0`.
fn parse(lines: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in lines.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        let is_done = text.ends_with(" = 0");
        if text.starts_with("<...") {
            if let Some(call) = unfinished.remove(thread).and_then(|call| calls.get_mut(call)) {
                (call.ended, call.is_done) = (number, is_done);
            }
        } else if let Some((name, _)) = text.split_once('(') {
            let (ended, text) = match text.strip_suffix("<unfinished ...>") {
                Some(text) => {
                    unfinished.insert(thread, calls.len());
                    (usize::MAX, text)
                }
                None => (number, text),
            };
            calls.push(Call { name: name.into(), text: text.into(), began: number, ended, is_done });
        }
    }
    calls
}
