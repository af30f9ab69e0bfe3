//! Redis streams, read by a group: each message is handed to one consumer, and is pending until it is acknowledged.

mod entry;
#[cfg(test)]
pub(crate) mod fuzz;
mod stream;
pub(crate) mod wire;

use std::sync::Arc;
use std::time::Duration;

use model::failure::Failure;
use model::limits::QUEUE_MESSAGE_BYTES;
use model::value::Value;
use modules::provider::Dialer;
use sdk::component::Component;
use serde::Deserialize;

use self::wire::{List, Replies, Reply, command};
use crate::fault::{Hush, broken, not_found, refused, unreachable};
use crate::inlet::{self, Inlet};
use crate::line::{self, Talk};
use crate::settings::{self, Tls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    host: String,
    #[serde(default = "usual_port")]
    port: u16,
    user: Option<String>,
    #[serde(default)]
    database: u16,
    #[serde(default)]
    tls: Tls,
}

/// No `Debug`: it is never shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Source {
    stream: String,
    group: String,
    idle_seconds: Option<u64>,
}

/// Where messages lie.
struct Place {
    stream: String,
    group: String,
    idle: Duration,
}

fn usual_port() -> u16 {
    6379
}

fn settings(component: &Component) -> Result<(Config, Secret), Failure> {
    let config: Config = settings::config(component)?;
    let secret: Secret = settings::secret(component, "`password`, a text, or nothing")?;
    settings::place(&config.host, Some(config.port))?;
    settings::one_line("config.user", config.user.as_deref())?;
    settings::one_line("secret.password", secret.password.as_deref())?;
    if config.user.is_some() && secret.password.is_none() {
        return Err(settings::invalid("secret.password: is missing: config.user names a user"));
    }
    Ok((config, secret))
}

fn place(source: &Value) -> Result<Place, Failure> {
    let Source { stream, group, idle_seconds } = settings::source(source)?;
    settings::name("stream", &stream, &[])?;
    settings::name("group", &group, &[])?;
    Ok(Place { stream, group, idle: settings::idle(idle_seconds)? })
}

pub(crate) fn check(component: &Component) -> Result<(), Failure> {
    settings(component).map(drop)
}

pub(crate) fn check_source(source: &Value) -> Result<(), Failure> {
    place(source).map(drop)
}

pub(crate) async fn test(dialer: &Arc<Dialer>, component: &Component) -> Result<(), Failure> {
    connect(dialer, component, 1).await?.ask(&[b"PING"]).await.map(drop)
}

pub(crate) async fn open(
    dialer: &Arc<Dialer>,
    component: &Component,
    source: &Value,
    at_once: usize,
) -> Result<Inlet, Failure> {
    let place = place(source)?;
    // One waits for what is new; with the other one is said what became of what came.
    let waits = connect(dialer, component, at_once).await?;
    let mut tells = connect(dialer, component, at_once).await?;
    let (stream, group) = (place.stream.as_bytes(), place.group.as_bytes());
    let made = tells.reply(&[b"XGROUP", b"CREATE", stream, group, b"0", b"MKSTREAM"]).await?;
    match made {
        Reply::Error(said) if !said.starts_with("BUSYGROUP") => return Err(told(&said, &tells.hush)),
        _ => {}
    }
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| broken(error.to_string()))?;
    let consumer = format!("{}{}", stream::CONSUMERS, hex::encode(id));
    Ok(inlet::start(at_once, |feed| stream::work(feed, place, consumer, waits, tells)))
}

/// A connection.
pub(super) struct Conn {
    talk: Talk<Reply>,
    hush: Hush,
}

/// Connects, and signs in.
async fn connect(dialer: &Arc<Dialer>, component: &Component, at_once: usize) -> Result<Conn, Failure> {
    let (config, secret) = settings(component)?;
    let line = line::open(dialer, component, (&config.host, config.port, config.tls)).await?;
    let most = at_once.saturating_mul(2 * QUEUE_MESSAGE_BYTES);
    let mut conn = Conn { talk: Talk::start(line, Replies { most }), hush: Hush::of(component) };
    let entry: Vec<Vec<u8>> = match (config.user, secret.password) {
        (Some(user), Some(password)) => vec![b"AUTH".into(), user.into(), password.into()],
        (None, Some(password)) => vec![b"AUTH".into(), password.into()],
        _ => vec![b"PING".into()],
    };
    let entry: Vec<&[u8]> = entry.iter().map(Vec::as_slice).collect();
    let let_in = |failure: Failure| unreachable(format!("the server lets nobody in: {}", failure.message));
    conn.ask(&entry).await.map_err(let_in)?;
    if config.database > 0 {
        conn.ask(&[b"SELECT", config.database.to_string().as_bytes()]).await?;
    }
    Ok(conn)
}

impl Conn {
    async fn send(&mut self, words: &[&[u8]]) -> Result<(), Failure> {
        self.talk.say(&command(words)).await
    }

    /// What the server answers, be it an error.
    async fn reply(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        self.send(words).await?;
        self.talk.answer().await
    }

    /// What the server answers.
    async fn ask(&mut self, words: &[&[u8]]) -> Result<Reply, Failure> {
        match self.reply(words).await? {
            Reply::Error(said) => Err(told(&said, &self.hush)),
            reply => Ok(reply),
        }
    }

    /// The list that the server answers.
    async fn list(&mut self, words: &[&[u8]]) -> Result<List, Failure> {
        listed(self.ask(words).await?, &self.hush)
    }
}

fn listed(reply: Reply, hush: &Hush) -> Result<List, Failure> {
    match reply {
        Reply::List(list) => Ok(list),
        Reply::Nil => Ok(List::default()),
        Reply::Error(said) => Err(told(&said, hush)),
        _ => Err(broken("the server answers something else than a list")),
    }
}

fn told(said: &str, hush: &Hush) -> Failure {
    let message = format!("the server says: {}", hush.said(said));
    if said.starts_with("NOGROUP") { not_found(message) } else { refused(message) }
}
