//! A flow8 that serves, in a process of its own, and a client that speaks to it.
//!
//! Ports are free ones, and told by the server. Whatever is waited for is polled, within
//! [`PATIENCE`]. A server that a test leaves behind is killed, by its id.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use model::Value;
use tokio::runtime::Runtime;

/// How long anything may take that a test waits for. Only a test that fails takes so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// What the requests of all tests run on, and the peers of some.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
});

/// Asks until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if let Some(answer) = ask() {
            return answer;
        }
        RUNTIME.block_on(async { tokio::time::sleep(LOOK).await });
    }
    panic!("in vain: {what}");
}

/// JSON, as it is written in a test.
#[track_caller]
pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A part of an answer, as text.
#[track_caller]
pub(crate) fn part(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(Value::Text(text)) => text.to_string(),
        Some(other) => other.to_json(),
        None => panic!("no {pointer} in {}", value.to_json()),
    }
}

/// How a server is to be started.
pub(crate) struct Start {
    command: Command,
    folder: PathBuf,
}

impl Start {
    /// On a data folder, with the binary under test.
    pub(crate) fn on(folder: &Path) -> Self {
        Self::as_command(Command::new(env!("CARGO_BIN_EXE_flow8")), folder)
    }

    /// On a data folder, by a command that runs the binary under test with the arguments it gets.
    pub(crate) fn as_command(mut command: Command, folder: &Path) -> Self {
        command.env_clear().env("LOG_LEVEL", "warn").arg("serve").arg("--data-dir").arg(folder);
        command.args([
            "--port",
            "0",
            "--set",
            "channels.port=0",
            "--set",
            "mcp.port=0",
            "--set",
            "egress.allow=127.0.0.0/8",
        ]);
        Self { command, folder: folder.to_owned() }
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it, and waits for nothing: it is to end by itself.
    pub(crate) fn begins(mut self) -> Dying {
        let log = File::create(self.folder.with_extension("log")).expect("a log");
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Dying(self.command.spawn().expect("the binary"))
    }

    /// Starts it, and waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn dies(self) {
        let mut dying = self.begins();
        until("it dies", || dying.has_ended().then_some(()));
    }

    /// Starts it, and waits until it serves.
    #[track_caller]
    pub(crate) fn serves(mut self) -> Server {
        let log = self.folder.with_extension("log");
        self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log).expect("a log"));
        let mut process = self.command.spawn().expect("the binary");
        let mut out = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut greeting = Vec::new();
        loop {
            let mut line = String::new();
            if out.read_line(&mut line).expect("UTF-8") == 0 {
                let ended = process.wait().expect("ends");
                panic!("it does not serve: {ended}\n{}", fs::read_to_string(log).unwrap_or_default());
            }
            greeting.push(line.trim_end().to_owned());
            // The greeting ends with this line; until then nothing answers.
            if line.trim_start().starts_with("stop ") {
                break;
            }
        }
        let guide = json(&fs::read_to_string(self.folder.join("server.json")).expect("server.json"));
        let client = Client { url: part(&guide, "/url"), token: part(&guide, "/token") };
        Server { process, client, greeting, log, _out: out }
    }
}

/// A flow8 that is to end by itself.
pub(crate) struct Dying(Child);

impl Dying {
    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("can be asked").is_some_and(|status| {
            assert!(!status.success(), "it ended in peace");
            true
        })
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        // It has ended, but where a test fails.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A flow8 that serves.
pub(crate) struct Server {
    process: Child,
    /// As the command line on this machine.
    pub(crate) client: Client,
    /// What it printed.
    pub(crate) greeting: Vec<String>,
    log: PathBuf,
    // Whoever closes it makes the next line that is printed fail.
    _out: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it said on stderr.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }

    /// Tells it to stop.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let told = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status();
        assert!(told.expect("sh").success());
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        until("the server ends", || self.process.try_wait().expect("can be asked"))
    }

    /// Tells it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.terminate();
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Kills it, as the machine would.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("killed");
        self.process.wait().expect("ends");
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "what it said is why the test failed")]
    fn drop(&mut self) {
        // It may have ended, as most do.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.log.display(), fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Somebody who speaks to a server.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Client {
    /// Somebody else, by a token.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A request as it is; nothing where nobody answers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Option<reqwest::Response> {
        static HTTP: OnceLock<reqwest::Client> = OnceLock::new();
        let http = HTTP.get_or_init(|| {
            // The binary chooses in its own process; calls of tests are plain HTTP anyway.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client")
        });
        let mut request = http.request(method.parse().expect("a method"), format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        RUNTIME.block_on(async { request.send().await }).ok()
    }

    /// A request below `/api`, and its answer.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let sent = self.send(method, &format!("/api{path}"), &[], body.as_bytes().to_vec());
        let response = sent.unwrap_or_else(|| panic!("{method} {path}: nobody answers"));
        let status = response.status().as_u16();
        let text = RUNTIME.block_on(response.text()).expect("a body");
        (status, if text.is_empty() { Value::Null } else { json(&text) })
    }

    /// A request below `/api` that is granted.
    #[track_caller]
    pub(crate) fn granted(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {}", answer.to_json());
        answer
    }

    /// Brings a flow in that publishes.
    #[track_caller]
    pub(crate) fn import(&self, flow: &str) {
        let sent = self.send("POST", "/api/flows/import", &[("content-type", "application/yaml")], flow.into());
        let response = sent.expect("an answer");
        let text = RUNTIME.block_on(response.text()).expect("a body");
        assert_eq!(part(&json(&text), "/published"), "true", "{text}");
    }

    /// Starts a play; says its id.
    #[track_caller]
    pub(crate) fn start(&self, flow: &str, args: &str) -> String {
        part(&self.granted("POST", &format!("/flows/{flow}/run"), &format!("{{\"args\": {args}}}")), "/playId")
    }

    /// A play.
    #[track_caller]
    pub(crate) fn play(&self, id: &str) -> Value {
        self.granted("GET", &format!("/plays/{id}"), "")
    }

    /// Waits until a play is in a state.
    #[track_caller]
    pub(crate) fn play_in(&self, id: &str, state: &str) -> Value {
        until(&format!("{id} is {state}"), || {
            let play = self.play(id);
            let now = part(&play, "/state");
            let has_ended = matches!(now.as_str(), "DONE" | "FAIL" | "CANCELED");
            assert!(now == state || !has_ended, "{} where {state} is expected", play.to_json());
            (now == state).then_some(play)
        })
    }
}
