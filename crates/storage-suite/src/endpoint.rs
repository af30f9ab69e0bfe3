//! [`Endpoint`]: a server of somebody else's, in a process of its own, on a free port of this machine.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Where the scripts lie that say where a program is, and fetch it where there is none.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts");

/// A server. It ends when this is dropped.
pub(crate) struct Endpoint {
    process: Child,
    /// Host and port.
    pub(crate) address: String,
}

/// Where the program is that a script knows.
fn program(script: &str) -> PathBuf {
    let found = Command::new(format!("{SCRIPTS}/{script}")).stderr(Stdio::inherit()).output();
    let found = found.unwrap_or_else(|error| panic!("scripts/{script}: {error}"));
    assert!(found.status.success(), "scripts/{script} says above what is missing");
    PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
}

impl Endpoint {
    /// Starts the program of a script, and waits until a line of what it says has `greeting` and
    /// its address behind it.
    pub(crate) fn start(script: &str, args: &[&str], variables: &[(&str, &str)], greeting: &str) -> Self {
        let mut command = Command::new(program(script));
        command.args(args).envs(variables.iter().copied()).stdin(Stdio::null());
        let (said, out) = std::io::pipe().expect("a pipe");
        let errors = out.try_clone().expect("a pipe");
        let process = command.stdout(out).stderr(errors).spawn().expect("the program starts");
        // It holds the other ends, which would keep the pipe open.
        drop(command);
        let mut lines = BufReader::new(said);
        let mut before = String::new();
        let address = loop {
            let mut line = String::new();
            if lines.read_line(&mut line).expect("text") == 0 {
                panic!("{script} does not serve:\n{before}");
            }
            if let Some((_, rest)) = line.split_once(greeting) {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
            before.push_str(&line);
        };
        // Whoever does not read what it says makes it stop one day.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, address }
    }

    /// Sends a PUT without a body, which is to be granted.
    pub(crate) fn put(&self, path: &str, headers: &[(&str, &str)]) {
        let mut peer = TcpStream::connect(&self.address).expect("connects");
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let address = &self.address;
        write!(
            peer,
            "PUT {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .expect("sends");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("answers");
        assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
