//! [`Nats`]: a real NATS server with JetStream, for as long as a test needs it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use store_suite::port::Port;

use crate::program::Process;

/// A server with a folder of its own, in which it keeps its streams. Connections are encrypted where they ask for it.
pub struct Nats {
    process: Option<Process>,
    port: Port,
    ca: String,
    /// What lets the test itself in, as fields of `CONNECT`.
    entry: String,
    folder: tempfile::TempDir,
}

impl Nats {
    /// The user who may do everything.
    pub const USER: &'static str = "flow8";
    /// Its password.
    pub const PASSWORD: &'static str = "nats-hush-hush";
    /// The seed of the key of somebody else, who may do everything too.
    pub const SEED: &'static str = "SUAB6UOOQVQF4DIP7JOXWOBYA2ZNQCGWQP7DF46ENKOR2XNNDVB4ZUDLGI";
    /// The public half of that key.
    const PUBLIC: &'static str = "UB2YLDS7LWTOHR6KOW2SQJZVE5FTQJSQT7ZLVPOLRASOJG6RUQBWWAZ6";

    /// Starts a server that knows a user with a password and one with a key, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let (user, password, public) = (Self::USER, Self::PASSWORD, Self::PUBLIC);
        Self::start_with(
            &format!("users: [{{user: {user}, password: \"{password}\"}}, {{nkey: {public}}}]"),
            format!("\"user\":\"{user}\",\"pass\":\"{password}\""),
        )
    }

    /// Starts a server that lets in whoever has a token.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_with_token(token: &str) -> Self {
        Self::start_with(&format!("token: \"{token}\""), format!("\"auth_token\":\"{token}\""))
    }

    fn start_with(authorization: &str, entry: String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let port = Port::find();
        let settings = format!(
            "host: 127.0.0.1\nport: {}\nmax_payload: 32MB\nauthorization {{{authorization}}}\n\
             jetstream {{store_dir: data}}\n\
             tls {{cert_file: server.crt, key_file: server.key}}\nallow_non_tls: true\n",
            port.number()
        );
        for (file, text) in
            [("server.crt", made.cert.pem()), ("server.key", made.signing_key.serialize_pem()), ("nats.conf", settings)]
        {
            fs::write(folder.path().join(file), text).expect("writes");
        }
        let mut server = Self { process: None, port, ca: made.cert.pem(), entry, folder };
        server.restart();
        server
    }

    /// Starts it again after [`Nats::kill`], with its streams, at the same port.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn restart(&mut self) {
        self.process = None;
        let mut command = Command::new("nats-server");
        command.current_dir(self.folder.path()).args(["--config", "nats.conf"]);
        let (process, _) = Process::start(command, "Server is ready", "TERM");
        self.process = Some(process);
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// The port that it listens on, at 127.0.0.1 and localhost.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Makes a stream of one subject.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn stream(&self, name: &str, subject: &str) {
        let wish = format!(r#"{{"name":"{name}","subjects":["{subject}"]}}"#);
        let said = self.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &[], wish.as_bytes());
        assert!(!said.contains("\"error\""), "{said}");
    }

    /// Publishes to a subject of a stream, and waits until the stream has it.
    ///
    /// # Panics
    /// Where no stream takes it.
    pub fn publish(&self, subject: &str, headers: &[(&str, &str)], body: &[u8]) {
        let said = self.ask(subject, headers, body);
        assert!(said.contains("\"seq\""), "{said}");
    }

    /// Sends a request over a connection of its own, and gives the answer.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn ask(&self, subject: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
        self.ask_all(subject, headers, &[body]).remove(0)
    }

    /// Sends requests over one connection, and gives the answers.
    ///
    /// # Panics
    /// Where the server does not answer.
    pub fn ask_all(&self, subject: &str, headers: &[(&str, &str)], bodies: &[&[u8]]) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("it listens");
        let mut said = BufReader::new(stream.try_clone().expect("a handle"));
        let entry = &self.entry;
        let hello = format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,{entry}}}\r\nSUB _INBOX.peers 1\r\n"
        );
        stream.write_all(hello.as_bytes()).expect("it reads");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("NATS/1.0\r\n{lines}\r\n");
        let ask = |body: &&[u8]| {
            let (of_head, of_all) = (head.len(), head.len() + body.len());
            let mut text = format!("HPUB {subject} _INBOX.peers {of_head} {of_all}\r\n{head}").into_bytes();
            text.extend_from_slice(body);
            text.extend_from_slice(b"\r\n");
            stream.write_all(&text).expect("it reads");
            answer(&mut said)
        };
        bodies.iter().map(ask).collect()
    }
}

/// Reads to the next message, and gives what it says.
fn answer(said: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).expect("text") > 0, "the server hung up");
        assert!(!line.starts_with("-ERR"), "{line}");
        if line.starts_with("MSG ") || line.starts_with("HMSG ") {
            let size = line.split_whitespace().next_back().and_then(|size| size.parse::<usize>().ok());
            let mut bytes = vec![0; size.expect("a size") + 2];
            said.read_exact(&mut bytes).expect("bytes");
            return String::from_utf8_lossy(&bytes).trim_end().to_owned();
        }
    }
}
