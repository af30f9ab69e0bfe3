//! The commands, as the binary itself runs them.
//!
//! Each test gets a folder of its own and an environment of its own; nothing is read from this
//! process's.

mod audit;
mod backup;
mod beginning;
mod check;
#[expect(dead_code, reason = "the gateway's own tests ask for more")]
#[path = "../../../gateway/tests/it/client.rs"]
mod client;
mod completions;
mod components;
mod config;
mod dashboard;
mod demo;
mod durable;
mod help;
mod intakes;
mod keys;
mod limits;
mod live;
mod mcp;
mod modules;
mod mongo;
mod objects;
mod peer;
mod people;
mod plays;
#[expect(dead_code, reason = "the gateway's own tests ask for more")]
#[path = "../../../gateway/tests/it/provider.rs"]
mod provider;
mod run;
mod schedules;
mod serve;
mod server;
mod sign_in;
mod tour;
mod traces;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use server::PATIENCE;

/// The binary, in a folder of its own.
struct Flow8 {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// How a run ended, and what it printed.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Flow8 {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), variables: Vec::new() }
    }

    /// Sets a variable for the runs that follow.
    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the folder.
    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).expect("written");
        self
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flow8"));
        command.args(args).current_dir(self.folder.path()).env_clear();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let process = started.expect("the binary runs");
        let pid = process.id();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(process.wait_with_output()));
        let Ok(output) = told.recv_timeout(PATIENCE) else {
            let _ = Command::new("sh").args(["-c", &format!("kill -9 {pid}")]).status();
            panic!("flow8 {args:?} does not end");
        };
        let Output { status, stdout, stderr } = output.expect("ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ended { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Ended {
    /// Expects an exit code.
    #[track_caller]
    fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}
