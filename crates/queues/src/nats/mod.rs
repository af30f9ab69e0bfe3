//! NATS JetStream, by a consumer that is asked for messages and lasts: each message is handed to one of those who ask,
//! and comes again unless it is acknowledged in time.

#[cfg(test)]
pub(crate) mod fuzz;
mod key;
mod pull;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use model::failure::Failure;
use model::limits::{QUEUE_ANSWER, QUEUE_LINE_BYTES};
use model::value::Value;
use modules::provider::Dialer;
use sdk::component::Component;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use self::key::Key;
use self::wire::{Lines, Published, Said, publish};
use crate::fault::{Hush, broken, not_found, refused, unreachable};
use crate::inlet::{self, Inlet};
use crate::line::{self, Line, Talk};
use crate::settings::{self, Tls, invalid, odd_source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    host: String,
    #[serde(default = "usual_port")]
    port: u16,
    user: Option<String>,
    #[serde(default)]
    tls: Tls,
}

/// No `Debug`: it is never shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Secret {
    password: Option<String>,
    token: Option<String>,
    nkey_seed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Source {
    stream: String,
    consumer: String,
    subject: Option<String>,
    idle_seconds: Option<u64>,
}

/// Where messages lie.
struct Place {
    stream: String,
    consumer: String,
    subject: Option<String>,
    /// After how long what is not acknowledged comes again.
    idle: Duration,
}

/// What lets somebody in.
enum Entry {
    Nobody,
    Password(String, String),
    Token(String),
    Key(Key),
}

fn usual_port() -> u16 {
    4222
}

fn settings(component: &Component) -> Result<(Config, Entry), Failure> {
    let config: Config = settings::config(component)?;
    let holds = "one of `password`, `token` and `nkeySeed`, texts, or nothing";
    let secret: Secret = settings::secret(component, holds)?;
    settings::place(&config.host, Some(config.port))?;
    settings::one_line("config.user", config.user.as_deref())?;
    for (field, text) in [("secret.password", &secret.password), ("secret.token", &secret.token)] {
        settings::one_line(field, text.as_deref())?;
    }
    let entry = match (config.user.clone(), secret) {
        (Some(user), Secret { password: Some(password), token: None, nkey_seed: None }) => {
            Entry::Password(user, password)
        }
        (None, Secret { password: None, token: Some(token), nkey_seed: None }) => Entry::Token(token),
        (None, Secret { password: None, token: None, nkey_seed: Some(seed) }) => {
            Entry::Key(Key::read(&seed).ok_or_else(|| invalid("secret.nkeySeed: is no seed of a user: SU…"))?)
        }
        (None, Secret { password: None, token: None, nkey_seed: None }) => Entry::Nobody,
        _ => {
            let message = "config.user goes with secret.password; secret.token and secret.nkeySeed stand alone";
            return Err(invalid(message));
        }
    };
    Ok((config, entry))
}

fn place(source: &Value) -> Result<Place, Failure> {
    let Source { stream, consumer, subject, idle_seconds } = settings::source(source)?;
    // They are parts of subjects.
    let never = [' ', '.', '*', '>', '/', '\\'];
    settings::name("stream", &stream, &never)?;
    settings::name("consumer", &consumer, &never)?;
    if let Some(subject) = &subject {
        settings::name("subject", subject, &[' '])?;
        if subject.split('.').any(str::is_empty) {
            return Err(odd_source("source.subject: is words with dots between them: orders.new, orders.*, orders.>"));
        }
    }
    Ok(Place { stream, consumer, subject, idle: settings::idle(idle_seconds)? })
}

pub(crate) fn check(component: &Component) -> Result<(), Failure> {
    settings(component).map(drop)
}

pub(crate) fn check_source(source: &Value) -> Result<(), Failure> {
    place(source).map(drop)
}

pub(crate) async fn test(dialer: &Arc<Dialer>, component: &Component) -> Result<(), Failure> {
    let mut conn = connect(dialer, component).await?;
    conn.api("INFO", &json!({})).await.map(drop)
}

pub(crate) async fn open(
    dialer: &Arc<Dialer>,
    component: &Component,
    source: &Value,
    at_once: usize,
) -> Result<Inlet, Failure> {
    let mut place = place(source)?;
    let mut conn = connect(dialer, component).await?;
    place.idle = consumer(&mut conn, &place).await?;
    Ok(inlet::start(at_once, |feed| pull::work(feed, place, conn)))
}

/// Looks for the consumer, and makes it where there is none. Gives after how long what it handed out comes again.
async fn consumer(conn: &mut Conn, place: &Place) -> Result<Duration, Failure> {
    let Place { stream, consumer, .. } = place;
    let found = conn.api(&format!("CONSUMER.INFO.{stream}.{consumer}"), &json!({})).await?;
    let found = match found {
        Answer::Said(found) => found,
        Answer::Missing(_) => {
            let mut config = json!({
                "durable_name": consumer, "ack_policy": "explicit", "deliver_policy": "all",
                "ack_wait": nanos(place.idle), "max_deliver": -1,
            });
            if let Some(subject) = &place.subject {
                config["filter_subject"] = json!(subject);
            }
            let wish = json!({"stream_name": stream, "config": config});
            match conn.api(&format!("CONSUMER.DURABLE.CREATE.{stream}.{consumer}"), &wish).await? {
                Answer::Said(made) => made,
                Answer::Missing(why) => return Err(not_found(format!("stream {stream}: {why}"))),
            }
        }
    };
    let config = &found["config"];
    let odd = |what: &str| Err(refused(format!("the consumer {consumer} is there already, and {what}")));
    if config["deliver_subject"].as_str().is_some_and(|subject| !subject.is_empty()) {
        return odd("is not one that is asked for messages: give another name, and it is made");
    }
    if config["ack_policy"] != "explicit" {
        return odd("does not wait for each message to be acknowledged (ack_policy explicit)");
    }
    if place.subject.as_ref().is_some_and(|subject| config["filter_subject"] != json!(subject)) {
        return odd("has another subject");
    }
    Ok(config["ack_wait"].as_u64().map_or(place.idle, Duration::from_nanos))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A connection.
struct Conn {
    talk: Talk<Said>,
    /// What the subjects begin with at which answers come.
    inbox: String,
    hush: Hush,
}

/// What the server answers to a request of JetStream.
enum Answer {
    Said(serde_json::Value),
    /// There is none, in its words.
    Missing(String),
}

/// Subscriptions of a connection: for messages, for answers.
const MESSAGES: &str = "1";
const ANSWERS: &str = "2";

/// Connects, encrypts, signs in, and subscribes to answers.
async fn connect(dialer: &Arc<Dialer>, component: &Component) -> Result<Conn, Failure> {
    let (config, entry) = settings(component)?;
    let mut stream = dialer.dial(component, &config.host, config.port).await?;
    let greeting = tokio::time::timeout(QUEUE_ANSWER, greeting(&mut stream)).await;
    let info = wire::json(&greeting.map_err(|_| unreachable("the server does not greet in time"))??)?;
    let line: Line = match config.tls {
        Tls::Off => Box::new(stream),
        Tls::Verify => line::encrypt(dialer, &config.host, stream).await?,
    };
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| broken(error.to_string()))?;
    let inbox = format!("_INBOX.{}", hex::encode(id));
    let mut hello = json!({
        "verbose": false, "pedantic": false, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "flow8",
        "protocol": 1, "headers": true, "no_responders": true, "tls_required": config.tls == Tls::Verify,
    });
    match entry {
        Entry::Nobody => {}
        Entry::Password(user, password) => {
            hello["user"] = json!(user);
            hello["pass"] = json!(password);
        }
        Entry::Token(token) => hello["auth_token"] = json!(token),
        Entry::Key(key) => {
            let nonce = info.get("nonce").and_then(serde_json::Value::as_str);
            let nonce = nonce.ok_or_else(|| unreachable("the server asks for no proof by a key"))?;
            hello["nkey"] = json!(key.public());
            hello["sig"] = json!(key.sign(nonce));
        }
    }
    let mut conn = Conn { talk: Talk::start(line, Lines), inbox, hush: Hush::of(component) };
    let inbox = &conn.inbox;
    let hello = format!("CONNECT {hello}\r\nSUB {inbox}.m.* {MESSAGES}\r\nSUB {inbox}.a.* {ANSWERS}\r\nPING\r\n");
    conn.talk.say(hello.as_bytes()).await.map_err(|failure| unreachable(failure.message))?;
    loop {
        match conn.talk.answer().await.map_err(|failure| unreachable(failure.message))? {
            Said::Pong => return Ok(conn),
            Said::Refused(said) => {
                return Err(unreachable(format!("the server lets nobody in: {}", conn.hush.said(&said))));
            }
            Said::Ping => conn.talk.say(b"PONG\r\n").await?,
            Said::Info(_) | Said::Published(_) => {}
        }
    }
}

/// The greeting comes in the open, and nothing behind it may be read: what follows may be encrypted.
async fn greeting(stream: &mut TcpStream) -> Result<Vec<u8>, Failure> {
    let lost = |error: std::io::Error| unreachable(format!("the connection was lost: {error}"));
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(stream.read_u8().await.map_err(lost)?);
        if line.len() > QUEUE_LINE_BYTES {
            return Err(wire::odd());
        }
    }
    line.strip_prefix(b"INFO ").map(<[u8]>::to_vec).ok_or_else(wire::odd)
}

impl Conn {
    /// The server says no.
    fn refusal(&self, said: &str) -> Failure {
        refused(format!("the server says: {}", self.hush.said(said)))
    }

    /// Asks JetStream for something.
    async fn api(&mut self, subject: &str, wish: &serde_json::Value) -> Result<Answer, Failure> {
        let reply = format!("{}.a.api", self.inbox);
        self.talk.say(&publish(&format!("$JS.API.{subject}"), &reply, wish.to_string().as_bytes())).await?;
        loop {
            match self.talk.answer().await? {
                Said::Published(answer) if answer.subject == reply => return answered(&answer, &self.hush),
                Said::Refused(why) => return Err(self.refusal(&why)),
                Said::Ping => self.talk.say(b"PONG\r\n").await?,
                _ => {}
            }
        }
    }
}

fn answered(answer: &Published, hush: &Hush) -> Result<Answer, Failure> {
    if let Some((503, _)) = answer.status() {
        return Err(refused("the server has no JetStream for this user"));
    }
    let answer: serde_json::Value =
        serde_json::from_slice(answer.body.as_deref().unwrap_or_default()).map_err(|_| wire::odd())?;
    let error = &answer["error"];
    if error.is_null() {
        return Ok(Answer::Said(answer));
    }
    let why = hush.said(error["description"].as_str().unwrap_or("it does not say why"));
    if error["code"] == 404 { Ok(Answer::Missing(why)) } else { Err(refused(format!("the server says: {why}"))) }
}
