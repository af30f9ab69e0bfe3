//! The real binary, and a client that speaks to it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use model::Value;

use crate::life::Death;

/// A running flow8.
pub(crate) struct Server {
    process: Child,
    url: String,
    channels: String,
    token: String,
    client: reqwest::Client,
}

/// What answers: a status and JSON; nothing where the server is gone.
pub(crate) type Answer = Option<(u16, Value)>;

impl Server {
    /// Starts flow8 on a data folder and waits until it serves; nothing where it died before.
    pub(crate) fn start(folder: &Path, death: &Death) -> Option<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flow8"));
        command
            .args([
                "serve",
                "--port",
                "0",
                "--set",
                "channels.port=0",
                "--set",
                "mcp.port=0",
                "--log-level",
                "error",
                "--set",
                "egress.allow=127.0.0.0/8",
                "--data-dir",
            ])
            .arg(folder)
            .env_remove("FLOW8_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if let Death::At(point, times) = death {
            command.env("FLOW8_FAILPOINT", format!("{}:{times}", point.name()));
        }
        // Another thread may have chosen already; calls are plain HTTP anyway.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut process = command.spawn().expect("the binary");
        // The greeting ends with this line; until then nothing answers.
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut channels = String::new();
        let is_up = lines.by_ref().map_while(Result::ok).any(|line| {
            let line = line.trim_start();
            if let Some(url) = line.strip_prefix("channels ") {
                channels = url.trim().to_owned();
            }
            line.starts_with("stop ")
        });
        if !is_up {
            process.wait().expect("ends");
            return None;
        }
        let guide = std::fs::read(folder.join("server.json")).expect("server.json");
        let guide = Value::from_json(&guide).expect("JSON");
        let text = |key: &str| guide.get(key).and_then(Value::as_str).expect("a text").to_owned();
        let (url, token) = (text("url"), text("token"));
        Some(Self { process, url, channels, token, client })
    }

    /// A request; nothing where the server is gone.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let method = method.parse().expect("a method");
        let request = self.client.request(method, format!("{}/api{path}", self.url)).bearer_auth(&self.token);
        let response = request.body(body.to_json()).send().await.ok()?;
        let status = response.status().as_u16();
        let bytes = response.bytes().await.ok()?;
        Some((status, if bytes.is_empty() { Value::Null } else { Value::from_json(&bytes).expect("JSON") }))
    }

    /// A request that is granted; nothing where the server is gone.
    pub(crate) async fn granted(&self, method: &str, path: &str, body: &Value) -> Option<Value> {
        let (status, answer) = self.ask(method, path, body).await?;
        assert!(status < 300, "{method} {path}: {status} {}", answer.to_json());
        Some(answer)
    }

    /// What is answered to a hook with an idempotency key; nothing where the server is gone.
    pub(crate) async fn hook(&self, path: &str, key: &str, body: &Value) -> Option<Value> {
        let request = self.client.post(format!("{}{path}", self.channels)).header("x-key", key);
        let response = request.header("content-type", "application/json").body(body.to_json()).send().await.ok()?;
        let status = response.status().as_u16();
        let answer = response.text().await.ok()?;
        assert_eq!(status, 202, "{path}: {answer}");
        Some(Value::from_json(answer.as_bytes()).expect("JSON"))
    }

    /// Kills it, as the machine would.
    pub(crate) fn kill(&mut self) {
        // It may have ended itself a moment before.
        let _ = self.process.kill();
        self.process.wait().expect("ends");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
