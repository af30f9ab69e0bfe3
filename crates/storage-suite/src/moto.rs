//! [`Moto`]: a real S3 endpoint over HTTP, for as long as a test needs it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

/// Where the script lies that says where `moto_server` is, and fetches one where there is none.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/moto");

/// What its greeting says before its address.
const RUNNING: &str = "Running on http://";

/// A server. It ends, with all that it keeps, when this is dropped.
pub struct Moto {
    process: Child,
    address: String,
}

/// Where the program is.
fn program() -> PathBuf {
    let found = Command::new(SCRIPT).stderr(Stdio::inherit()).output().expect("scripts/moto runs");
    assert!(found.status.success(), "there is no moto_server; scripts/moto says above how to get one");
    PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
}

impl Moto {
    /// Starts a server that takes any key, and waits until it answers.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that takes no key, after as many requests as it is to take from anybody.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_strict(free_requests: u32) -> Self {
        Self::start_with(&[("INITIAL_NO_AUTH_ACTION_COUNT", &free_requests.to_string())])
    }

    fn start_with(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program());
        command.args(["-H", "127.0.0.1", "-p", "0"]).envs(variables.iter().copied());
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("moto starts");
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            if lines.read_line(&mut line).expect("text") == 0 {
                panic!("moto_server does not serve:\n{said}");
            }
            if let Some((_, rest)) = line.split_once(RUNNING) {
                break rest.split_whitespace().next().expect("an address").to_owned();
            }
            said.push_str(&line);
        };
        // Whoever does not read what it says makes it stop one day.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process, address }
    }

    /// Where it answers: `http://127.0.0.1:…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn make_bucket(&self, name: &str) {
        let mut peer = TcpStream::connect(&self.address).expect("connects");
        let address = &self.address;
        write!(peer, "PUT /{name} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .expect("sends");
        let mut answer = String::new();
        peer.read_to_string(&mut answer).expect("answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
