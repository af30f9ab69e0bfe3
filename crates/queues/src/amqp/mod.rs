//! AMQP 0-9-1: RabbitMQ, and what speaks as it does. A queue hands each message to one consumer, and has it back
//! where the connection ends before it is acknowledged.

mod conn;
mod consume;
#[cfg(test)]
pub(crate) mod fuzz;
mod given;
pub(crate) mod wire;

use std::sync::Arc;

use model::failure::Failure;
use model::value::Value;
use modules::provider::Dialer;
use sdk::component::Component;
use serde::Deserialize;

use self::conn::{CHANNEL, connect, name};
use self::wire::short;
use crate::inlet::{self, Inlet};
use crate::settings::{self, Tls};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    host: String,
    port: Option<u16>,
    #[serde(default = "usual_vhost")]
    vhost: String,
    user: String,
    #[serde(default)]
    tls: Tls,
}

/// No `Debug`: it is never shown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    queue: String,
}

impl Config {
    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == Tls::Off { 5672 } else { 5671 })
    }
}

fn usual_vhost() -> String {
    "/".to_owned()
}

fn settings(component: &Component) -> Result<(Config, Secret), Failure> {
    let config: Config = settings::config(component)?;
    let secret: Secret = settings::secret(component, "`password`, a text")?;
    settings::place(&config.host, config.port)?;
    settings::one_line("config.user", Some(&config.user))?;
    settings::one_line("config.vhost", Some(&config.vhost))?;
    settings::one_line("secret.password", Some(&secret.password))?;
    if config.vhost.len() > 255 {
        return Err(settings::invalid("config.vhost: has 255 bytes at most"));
    }
    Ok((config, secret))
}

fn queue(source: &Value) -> Result<String, Failure> {
    let Source { queue } = settings::source(source)?;
    settings::name("queue", &queue, &[])?;
    if queue.len() > 255 { Err(settings::odd_source("source.queue: has 255 bytes at most")) } else { Ok(queue) }
}

pub(crate) fn check(component: &Component) -> Result<(), Failure> {
    settings(component).map(drop)
}

pub(crate) fn check_source(source: &Value) -> Result<(), Failure> {
    queue(source).map(drop)
}

pub(crate) async fn test(dialer: &Arc<Dialer>, component: &Component) -> Result<(), Failure> {
    let conn = connect(dialer, component).await?;
    // The server let us in; how it says farewell is of no matter.
    let _ = conn.close().await;
    Ok(())
}

pub(crate) async fn open(
    dialer: &Arc<Dialer>,
    component: &Component,
    source: &Value,
    at_once: usize,
) -> Result<Inlet, Failure> {
    let queue = queue(source)?;
    let mut conn = connect(dialer, component).await?;
    // Passive: it is looked at, and never made.
    conn.say(CHANNEL, name::DECLARE, &[&[0, 0][..], &short(&queue), &[1], &[0; 4]].concat()).await?;
    conn.expect(CHANNEL, name::DECLARE_OK).await?;
    let at_once = at_once.min(usize::from(u16::MAX));
    let most = u16::try_from(at_once).unwrap_or(u16::MAX);
    conn.say(CHANNEL, name::QOS, &[&[0; 4][..], &most.to_be_bytes(), &[0]].concat()).await?;
    conn.expect(CHANNEL, name::QOS_OK).await?;
    conn.say(CHANNEL, name::CONSUME, &[&[0, 0][..], &short(&queue), &short(""), &[0], &[0; 4]].concat()).await?;
    conn.expect(CHANNEL, name::CONSUME_OK).await?;
    Ok(inlet::start(at_once, |feed| consume::work(feed, queue, conn)))
}
