//! [`Redis`]: a real Redis server, with and without TLS, for as long as a test needs it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use store_suite::port::Port;

use crate::program::Process;

/// A server with a folder of its own, in which it keeps what it holds.
pub struct Redis {
    process: Option<Process>,
    port: Port,
    tls_port: Port,
    ca: String,
    folder: tempfile::TempDir,
}

impl Redis {
    /// The password of the user `default`, who may do everything.
    pub const PASSWORD: &'static str = "redis-hush-hush";

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        fs::write(folder.path().join("server.crt"), made.cert.pem()).expect("writes");
        fs::write(folder.path().join("server.key"), made.signing_key.serialize_pem()).expect("writes");
        let mut server =
            Self { process: None, port: Port::find(), tls_port: Port::find(), ca: made.cert.pem(), folder };
        server.restart();
        server
    }

    /// Starts it again after [`Redis::kill`], with what it held, at the same ports.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn restart(&mut self) {
        self.process = None;
        let mut command = Command::new("redis-server");
        command.current_dir(self.folder.path());
        for (name, value) in [
            ("--bind", "127.0.0.1"),
            ("--port", &self.port.number().to_string()),
            ("--tls-port", &self.tls_port.number().to_string()),
            ("--tls-cert-file", "server.crt"),
            ("--tls-key-file", "server.key"),
            ("--tls-auth-clients", "no"),
            ("--requirepass", Self::PASSWORD),
            // What it was told outlives the process; a power cut is not what is tested.
            ("--appendonly", "yes"),
            ("--appendfsync", "no"),
            ("--save", ""),
        ] {
            command.args([name, value]);
        }
        let (process, _) = Process::start(command, "Ready to accept connections", "TERM");
        self.process = Some(process);
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// The port for connections in the open, at 127.0.0.1 and localhost.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port for encrypted connections.
    pub fn tls_port(&self) -> u16 {
        self.tls_port.number()
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Runs a command over a connection of its own, and gives the answer: an error begins with `-`, a list is its
    /// items in `[]`.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn ask<W: AsRef<[u8]>>(&self, words: &[W]) -> String {
        self.ask_all(&[words]).remove(0)
    }

    /// Runs commands over one connection, and gives the answers.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn ask_all<W: AsRef<[u8]>>(&self, commands: &[&[W]]) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("it listens");
        let mut said = BufReader::new(stream.try_clone().expect("a handle"));
        let mut ask = |words: &[&[u8]]| {
            let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
            for word in words {
                bytes.extend_from_slice(&[format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
            }
            stream.write_all(&bytes).expect("it reads");
            answer(&mut said)
        };
        assert_eq!(ask(&[b"AUTH", Self::PASSWORD.as_bytes()]), "OK");
        commands.iter().map(|words| ask(&words.iter().map(AsRef::as_ref).collect::<Vec<_>>())).collect()
    }
}

fn answer(said: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    said.read_line(&mut line).expect("text");
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).expect("an answer");
    let count = || rest.parse::<usize>().ok();
    match kind {
        "$" | "*" if count().is_none() => "nil".to_owned(),
        "$" => {
            let mut bytes = vec![0; count().expect("a length") + 2];
            said.read_exact(&mut bytes).expect("bytes");
            bytes.truncate(bytes.len() - 2);
            String::from_utf8_lossy(&bytes).into_owned()
        }
        "*" => {
            let items: Vec<_> = (0..count().expect("a count")).map(|_| answer(said)).collect();
            format!("[{}]", items.join(","))
        }
        "-" => line.to_owned(),
        _ => rest.to_owned(),
    }
}
