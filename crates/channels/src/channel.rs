//! [`Channel`]: an endpoint as it is kept, and what must be true of it.

use std::collections::BTreeSet;

use model::flow::Slug;
use model::ids::Id;
use model::limits::{
    CHANNEL_BODY_BYTES, CHANNEL_BODY_BYTES_MOST, CHANNEL_NAME_CHARS, CHANNEL_ORIGINS, CHANNEL_RATE_MOST, CHANNEL_ROUTES,
};
use model::seal::Sealed;
use model::time::Timestamp;
use model::value::Value;
use schemars::JsonSchema;
use sdk::component::Kind as ComponentKind;
use serde::{Deserialize, Serialize};

use crate::auth::{Auth, AuthMode};
use crate::kind;
use crate::route::Route;

/// A channel, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Which one.
    pub id: Id,
    /// What it is.
    pub definition: Definition,
    /// The secret that whoever comes must know; sealed, and bound to this channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// What a channel is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "NewChannel")]
pub struct Definition {
    /// What people call it.
    pub name: String,
    /// How its paths begin: unique in the whole installation.
    pub slug: Slug,
    /// How it is spoken to.
    pub kind: Kind,
    /// Whether it answers at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Who may come. A channel of kind queue or mailbox leaves it out: nobody comes to it.
    #[serde(default)]
    pub auth_mode: AuthMode,
    /// How they show that they may.
    #[serde(default)]
    pub auth: Auth,
    /// Queue and mailbox: where messages come from. `component` names the component, by its name or its id; what else
    /// is to be said depends on what that speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    /// How many requests, or messages, each replica takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Bytes of one body; 10 MiB when left out. What is not a form with files has 16 MiB at most. Of a mail, its files
    /// count alone; there are no more than the mailbox takes when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 104857600))]
    pub body_limit: Option<u64>,
    /// Which pages of other sites may call.
    #[serde(default)]
    pub cors: Cors,
    /// A port that it has to itself, of the range that the installation gives out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What leads to flows.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub routes: Vec<Route>,
}

fn yes() -> bool {
    true
}

/// How a channel is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChannelKind")]
pub enum Kind {
    /// Requests and answers.
    Http,
    /// Messages over a connection that stays open.
    Websocket,
    /// Tools of a model.
    Mcp,
    /// Messages that wait in a queue.
    Queue,
    /// Mails that come into a mailbox.
    Mailbox,
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Websocket => "websocket",
            Self::Mcp => "mcp",
            Self::Queue => "queue",
            Self::Mailbox => "mailbox",
        }
    }

    /// The kind of component that its messages come from, where it takes in by itself and nobody comes to it.
    pub fn takes_in(self) -> Option<ComponentKind> {
        match self {
            Self::Queue => Some(ComponentKind::Queue),
            Self::Mailbox => Some(ComponentKind::Mailbox),
            Self::Http | Self::Websocket | Self::Mcp => None,
        }
    }
}

/// How many requests each replica takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ChannelRateLimit")]
pub struct RateLimit {
    /// So many a second.
    #[schemars(range(min = 1, max = 100000))]
    pub per_second: u32,
    /// So many at once after a pause; those of ten seconds when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000000))]
    pub burst: Option<u32>,
}

/// Which pages of other sites may call from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "ChannelCors")]
pub struct Cors {
    /// Their origins, such as `https://shop.example.com`; `*` for all.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub origins: Vec<String>,
}

impl Definition {
    /// Bytes of one body.
    pub fn body_limit(&self) -> usize {
        self.body_limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(CHANNEL_BODY_BYTES)
    }

    /// Whether it may be so, but for what must be looked up: slugs, ports, flows.
    ///
    /// # Errors
    /// With the field and what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let name = self.name.trim();
        if name.is_empty() || self.name.chars().count() > CHANNEL_NAME_CHARS || name.chars().any(char::is_control) {
            return Err(format!("name: has 1 to {CHANNEL_NAME_CHARS} characters"));
        }
        if self.kind.takes_in().is_none() {
            if self.auth_mode == AuthMode::None {
                return Err("authMode: is required: public, header_token, hmac or api_key".into());
            }
            if self.source.is_some() {
                return Err(format!("source: is not for a channel of kind {}", self.kind.as_str()));
            }
        }
        self.auth.check(self.auth_mode).map_err(|problem| format!("auth.{problem}"))?;
        if let Some(RateLimit { per_second, burst }) = self.rate_limit {
            if !(1..=CHANNEL_RATE_MOST).contains(&per_second) {
                return Err(format!("rateLimit.perSecond: is from 1 to {CHANNEL_RATE_MOST}"));
            }
            if burst.is_some_and(|burst| !(1..=10 * CHANNEL_RATE_MOST).contains(&burst)) {
                return Err(format!("rateLimit.burst: is from 1 to {}", 10 * CHANNEL_RATE_MOST));
            }
        }
        if self.body_limit.is_some_and(|limit| !(1..=CHANNEL_BODY_BYTES_MOST as u64).contains(&limit)) {
            return Err(format!("bodyLimit: is from 1 to {CHANNEL_BODY_BYTES_MOST} bytes"));
        }
        self.check_origins()?;
        if self.routes.len() > CHANNEL_ROUTES {
            return Err(format!("routes: a channel has at most {CHANNEL_ROUTES}"));
        }
        let mut ids = BTreeSet::new();
        for (at, route) in self.routes.iter().enumerate() {
            route.check(self.kind).map_err(|problem| format!("routes[{at}].{problem}"))?;
            if route.id != Id::default() && !ids.insert(route.id) {
                return Err(format!("routes[{at}].id: another route has it"));
            }
        }
        kind::check(self)
    }

    fn check_origins(&self) -> Result<(), String> {
        if self.cors.origins.len() > CHANNEL_ORIGINS {
            return Err(format!("cors.origins: at most {CHANNEL_ORIGINS}"));
        }
        for (at, origin) in self.cors.origins.iter().enumerate() {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            let is_host = |host: &str| {
                !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
            };
            if origin != "*" && !host.is_some_and(is_host) {
                return Err(format!("cors.origins[{at}]: is like https://shop.example.com, without a path, or *"));
            }
        }
        Ok(())
    }
}
