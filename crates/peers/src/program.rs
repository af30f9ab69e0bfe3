//! Where programs are, and how they are started and ended.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Where the scripts lie that say where a program is.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts");

/// What a script prints: where the program is that it knows.
///
/// # Panics
/// Where there is none, with what the script says.
pub fn place(script: &str) -> PathBuf {
    let found = Command::new(format!("{SCRIPTS}/{script}")).stderr(Stdio::inherit()).output();
    let found = found.unwrap_or_else(|error| panic!("scripts/{script}: {error}"));
    assert!(found.status.success(), "scripts/{script} says above what is missing");
    PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
}

/// A process. It is told to end when this is dropped, and waited for.
pub(crate) struct Process {
    child: Child,
    /// The signal on which it ends at once and cleans up.
    ends_on: &'static str,
}

impl Process {
    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts a program, and waits until it says a line that has `greeting` in it; gives that line.
    pub(crate) fn start(mut command: Command, greeting: &str, ends_on: &'static str) -> (Self, String) {
        let (said, out) = std::io::pipe().expect("a pipe");
        let errors = out.try_clone().expect("a pipe");
        let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}; `scripts/needs` installs it"));
        // It holds the other ends, which would keep the pipe open.
        drop(command);
        let process = Self { child, ends_on };
        let mut lines = BufReader::new(said);
        let mut before = String::new();
        loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).expect("text") > 0, "the program does not serve:\n{before}");
            if line.contains(greeting) {
                // Whoever does not read what it says makes it stop one day.
                thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
                return (process, line);
            }
            before.push_str(&line);
        }
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; its number may then be somebody else's.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let told = Command::new("kill").arg(format!("-{}", self.ends_on)).arg(self.child.id().to_string()).status();
        if !told.is_ok_and(|told| told.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
