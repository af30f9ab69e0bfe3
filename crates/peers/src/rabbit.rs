//! [`Rabbit`]: a real RabbitMQ server, with and without TLS, for as long as a test needs it. It takes some seconds to
//! start: let tests share one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use store_suite::port::Port;

use crate::program::Process;

/// Where Debian keeps what starts it; the command of that name there wants to be somebody else's.
const DEBIAN: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A server with a folder of its own, in which it keeps its queues.
pub struct Rabbit {
    process: Option<Process>,
    ports: Ports,
    ca: String,
    folder: tempfile::TempDir,
    /// Tells the server's own programs where they are. Ends last.
    _names: Process,
}

struct Ports {
    plain: Port,
    tls: Port,
    http: Port,
    names: Port,
    nodes: Port,
}

impl Rabbit {
    /// The user who may do everything.
    pub const USER: &'static str = "flow8";
    /// Its password.
    pub const PASSWORD: &'static str = "rabbit-hush-hush";

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let [plain, tls, http, names, nodes] = std::array::from_fn(|_| Port::find());
        let ports = Ports { plain, tls, http, names, nodes };
        let at = folder.path().display();
        // What its API takes at once is counted in bits: 32 MiB.
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\nlisteners.ssl.1 = 127.0.0.1:{}\n\
             ssl_options.certfile = {at}/server.crt\nssl_options.keyfile = {at}/server.key\n\
             ssl_options.verify = verify_none\n\
             management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\n\
             management.http.max_body_size = 268435456\n\
             default_user = {}\ndefault_pass = {}\nlog.console = true\n",
            ports.plain.number(),
            ports.tls.number(),
            ports.http.number(),
            Self::USER,
            Self::PASSWORD,
        );
        for (file, text) in [
            ("server.crt", made.cert.pem()),
            ("server.key", made.signing_key.serialize_pem()),
            ("rabbitmq.conf", settings),
            ("env.conf", String::new()),
            ("plugins", "[rabbitmq_management].\n".to_owned()),
        ] {
            fs::write(folder.path().join(file), text).expect("writes");
        }
        let names = names_server(ports.names.number());
        let mut server = Self { process: None, ports, ca: made.cert.pem(), folder, _names: names };
        server.restart();
        server
    }

    /// Starts it again after [`Rabbit::kill`], with its queues, at the same ports.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn restart(&mut self) {
        self.process = None;
        let at = |name: &str| self.folder.path().join(name).into_os_string();
        let port = |port: &Port| port.number().to_string();
        let mut command = Command::new(if Path::new(DEBIAN).exists() { DEBIAN } else { "rabbitmq-server" });
        command
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("ERL_EPMD_PORT", port(&self.ports.names))
            .env("RABBITMQ_DIST_PORT", port(&self.ports.nodes))
            .env("RABBITMQ_NODENAME", format!("flow8-{}@localhost", port(&self.ports.plain)))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_CONF_ENV_FILE", at("env.conf"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("plugins"))
            // Becomes the server, rather than to wait for it: what is ended is the server.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput -kernel inet_dist_use_interface {127,0,0,1} +sbwt none +S 2:2",
            );
        // What it is told to do before it ends takes as long as its start; nobody reads what it keeps.
        let (process, _) = Process::start(command, "Server startup complete", "KILL");
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
        self.ports.plain.number()
    }

    /// The port for encrypted connections.
    pub fn tls_port(&self) -> u16 {
        self.ports.tls.number()
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Makes a queue that outlives the server, with arguments as JSON.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn queue(&self, name: &str, arguments: &str) {
        let wish = format!(r#"{{"durable":true,"arguments":{arguments}}}"#);
        let said = self.ask("PUT", &format!("queues/%2F/{name}"), &wish);
        assert!(said.starts_with("HTTP/1.1 20"), "{said}");
    }

    /// Publishes to a queue, with properties as JSON, and waits until the queue has it.
    ///
    /// # Panics
    /// Where there is no such queue.
    pub fn publish(&self, queue: &str, properties: &str, body: &[u8]) {
        let body = BASE64_STANDARD.encode(body);
        let wish = format!(
            r#"{{"properties":{properties},"routing_key":"{queue}","payload":"{body}","payload_encoding":"base64"}}"#
        );
        let said = self.ask("POST", "exchanges/%2F/amq.default/publish", &wish);
        assert!(said.contains(r#""routed":true"#), "{said}");
    }

    /// Takes what is ready in a queue, as JSON: a list of `{payload, properties, …}`.
    ///
    /// # Panics
    /// Where there is no such queue.
    pub fn take(&self, queue: &str) -> String {
        let wish = r#"{"count":100,"ackmode":"ack_requeue_false","encoding":"auto"}"#;
        let said = self.ask("POST", &format!("queues/%2F/{queue}/get"), wish);
        let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 200"), "{said}");
        body.to_owned()
    }

    /// Asks the management API, below `/api/`, and gives the whole answer.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.ports.http.number())).expect("it listens");
        let proof = BASE64_STANDARD.encode(format!("{}:{}", Self::USER, Self::PASSWORD));
        let size = body.len();
        let wish = format!(
            "{method} /api/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Basic {proof}\r\n\
             Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n{body}"
        );
        stream.write_all(wish.as_bytes()).expect("it reads");
        let mut said = Vec::new();
        stream.read_to_end(&mut said).expect("it answers");
        String::from_utf8_lossy(&said).into_owned()
    }
}

/// Starts what tells programs of Erlang where others are. Left to themselves they start one that outlives them.
fn names_server(port: u16) -> Process {
    let mut command = Command::new("epmd");
    command.args(["-d", "-d", "-address", "127.0.0.1", "-port", &port.to_string()]);
    let (process, _) = Process::start(command, "entering the main select() loop", "TERM");
    process
}
