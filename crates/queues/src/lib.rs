//! [`Queues`]: messages that come in from queues, behind the seam of the sdk: NATS JetStream, AMQP, Redis streams.
//!
//! The three protocols are spoken here, over connections that the dialer opened: what is judged by the rules for
//! outgoing calls is what is connected to, and whatever a server says is bounded before it is read. Each way in is a
//! task of its own ([`inlet`]), so that heartbeats go on while nobody waits for a message, and whoever waits may give up.

mod amqp;
mod fault;
mod inlet;
mod line;
mod message;
mod nats;
mod redis;
mod settings;

#[cfg(test)]
mod fuzz;

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use model::failure::Failure;
use model::limits::COMPONENT_TEST;
use model::value::Value;
use modules::provider::Dialer;
use sdk::component::{Backend, COMPONENT_INVALID, Component};
use sdk::intake::{Inbox, Intake};

/// Queues of all providers.
pub struct Queues {
    dialer: Arc<Dialer>,
}

/// What is spoken.
#[derive(Clone, Copy)]
enum Provider {
    Nats,
    Amqp,
    Redis,
}

impl Queues {
    /// Queues that are reached with this dialer.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer }
    }
}

impl Provider {
    fn of(component: &Component) -> Result<Self, Failure> {
        Ok(match component.provider.as_str() {
            "nats" => Self::Nats,
            "amqp" => Self::Amqp,
            "redis" => Self::Redis,
            _ => {
                let message = "provider: a component of kind queue has one of the providers: nats, amqp, redis";
                return Err(Failure::new(COMPONENT_INVALID, message));
            }
        })
    }
}

/// Does what takes a server, in the time that a test may take.
async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let ended = tokio::time::timeout(COMPONENT_TEST, work).await;
    ended.unwrap_or_else(|_| Err(fault::unreachable("the server does not answer in time")))
}

#[async_trait]
impl Backend for Queues {
    fn providers(&self) -> &'static [&'static str] {
        &["nats", "amqp", "redis"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        match Provider::of(component)? {
            Provider::Nats => nats::check(component),
            Provider::Amqp => amqp::check(component),
            Provider::Redis => redis::check(component),
        }
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let provider = Provider::of(component)?;
        in_time(async {
            match provider {
                Provider::Nats => nats::test(&self.dialer, component).await,
                Provider::Amqp => amqp::test(&self.dialer, component).await,
                Provider::Redis => redis::test(&self.dialer, component).await,
            }
        })
        .await
    }
}

#[async_trait]
impl Intake for Queues {
    fn check_source(&self, component: &Component, source: &Value) -> Result<(), Failure> {
        match Provider::of(component)? {
            Provider::Nats => nats::check_source(source),
            Provider::Amqp => amqp::check_source(source),
            Provider::Redis => redis::check_source(source),
        }
    }

    fn is_exclusive(&self, _: &Component) -> bool {
        false
    }

    async fn open(&self, component: &Component, source: &Value, at_once: usize) -> Result<Box<dyn Inbox>, Failure> {
        let provider = Provider::of(component)?;
        let at_once = at_once.max(1);
        let inlet = in_time(async {
            match provider {
                Provider::Nats => nats::open(&self.dialer, component, source, at_once).await,
                Provider::Amqp => amqp::open(&self.dialer, component, source, at_once).await,
                Provider::Redis => redis::open(&self.dialer, component, source, at_once).await,
            }
        });
        Ok(Box::new(inlet.await?))
    }
}
