//! The real binary on MongoDB, and a client that speaks to it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::Value;

/// After that long whoever asks asks another.
const ANSWER: Duration = Duration::from_secs(4);

/// After that long whoever sends a webhook tries again, as the large senders do.
const HOOK: Duration = Duration::from_secs(10);

/// A running flow8.
pub(crate) struct Server {
    process: Mutex<Child>,
    id: u32,
    url: String,
    /// Where channels answer.
    channels: String,
    token: String,
    client: reqwest::Client,
    log: PathBuf,
    // Whoever closes it makes the next line that is printed fail.
    _out: BufReader<ChildStdout>,
}

/// What answers: a status and JSON; nothing where the server is gone.
pub(crate) type Answer = Option<(u16, Value)>;

/// The same hex digits for all replicas.
fn digits(count: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let digit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from_digit((state >> 60) as u32, 16).expect("a digit")
    };
    std::iter::repeat_with(digit).take(count).collect()
}

impl Server {
    /// Starts flow8 on a data folder and a database, and waits until it serves.
    ///
    /// Its clock is wrong by so many milliseconds. At `halt` it stands still.
    pub(crate) fn start(folder: &Path, uri: &str, database: &str, skew: i64, halt: Option<&str>) -> Self {
        let log = folder.with_extension("log");
        let mut process = Command::new(env!("CARGO_BIN_EXE_flow8"))
            .args([
                "serve",
                "--port",
                "0",
                "--set",
                "channels.port=0",
                "--set",
                "mcp.port=0",
                "--log-level",
                "info",
                "--set",
                "egress.allow=127.0.0.0/8",
            ])
            .args(["--set", "server.drain_seconds=5", "--data-dir"])
            .arg(folder)
            .env_clear()
            .env("MONGODB_URI", uri)
            .env("MONGODB_DB", database)
            .env("FLOW8_CLOCK_SKEW", skew.to_string())
            .envs(halt.map(|point| ("FLOW8_FAILPOINT", point)))
            .env("ENCRYPTION_KEY", digits(256))
            .env("ENCRYPTION_KEY_SALT", digits(64))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log).expect("a log"))
            .spawn()
            .expect("the binary");
        // Another thread may have chosen already; calls are plain HTTP anyway.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().expect("a client");
        // The greeting ends with this line; until then nothing answers.
        let mut out = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut channels = String::new();
        let is_up = out.by_ref().lines().map_while(Result::ok).any(|line| {
            if let Some(at) = line.trim_start().strip_prefix("channels ") {
                channels = at.trim().to_owned();
            }
            line.trim_start().starts_with("stop ")
        });
        assert!(is_up, "it does not start: {}", std::fs::read_to_string(&log).unwrap_or_default());
        let guide = std::fs::read(folder.join("server.json")).expect("server.json");
        let guide = Value::from_json(&guide).expect("JSON");
        let text = |key: &str| guide.get(key).and_then(Value::as_str).expect("a text").to_owned();
        let (url, token) = (text("url"), text("token"));
        Self { id: process.id(), process: Mutex::new(process), url, channels, token, client, log, _out: out }
    }

    /// A request; nothing where nobody answers.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}/api{path}", self.url)).bearer_auth(&self.token);
        let response = request.body(body.to_json()).send().await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.ok()?;
        Some((status, if bytes.is_empty() { Value::Null } else { Value::from_json(&bytes).expect("JSON") }))
    }

    /// A request that is granted; nothing where the server is gone, or cannot answer now.
    pub(crate) async fn granted(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let (status, answer) = self.ask(method, path, body).await?;
        assert!(!(300..500).contains(&status), "{method} {path}: {status} {}", answer.to_json());
        (status < 300).then_some(answer)
    }

    /// Whether it says that requests may come.
    pub(crate) async fn is_ready(&self) -> bool {
        let sent = self.client.get(format!("{}/health/ready", self.url)).send().await;
        sent.is_ok_and(|response| response.status().is_success())
    }

    /// A request to a channel: its status and its play, or why there was no answer.
    pub(crate) async fn hook(
        &self,
        path: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> Result<(u16, String), &'static str> {
        let why = |error: reqwest::Error| match error {
            error if error.is_timeout() => "too slow",
            error if error.is_connect() => "refused",
            _ => "broken off",
        };
        let mut request = self.client.post(format!("{}{path}", self.channels)).timeout(HOOK).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.map_err(why)?;
        let play = response.headers().get("x-play-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        // One that breaks off in the middle is none.
        response.bytes().await.map_err(why)?;
        Ok((status, play))
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        let told = Command::new("kill").arg(format!("-{name}")).arg(self.id.to_string()).status();
        assert!(told.expect("kill runs").success(), "kill -{name}");
    }

    /// Whether it has ended, and well.
    pub(crate) fn has_ended(&self) -> Option<bool> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.try_wait().expect("can be asked").map(|status| status.success())
    }

    /// What it said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        // As the machine would. It may have ended by itself.
        let _ = process.kill();
        let _ = process.wait();
    }
}
