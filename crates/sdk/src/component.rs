//! [`Component`]: a back end that was set up for modules to work on. [`Backend`]: what stands behind it.
//!
//! A component says where something is and how to get in; it opens nothing. What stands behind its
//! kind keeps the connections.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use model::failure::Failure;
use model::ids::CompanyId;
use model::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::buckets::Buckets;
use crate::db::Database;
use crate::intake::Intake;
use crate::link::{NoTokens, Tokens};
use crate::mail::Mail;
use crate::web::WebPeers;

/// What a component is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Language models.
    Ai,
    /// Where lines for operators go.
    Console,
    /// Databases.
    Db,
    /// Mail that is sent.
    Mail,
    /// Mail that comes in.
    Mailbox,
    /// Messages that come in.
    Queue,
    /// HTTP peers.
    Request,
    /// Files.
    Storage,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::Ai, Self::Console, Self::Db, Self::Mail, Self::Mailbox, Self::Queue, Self::Request, Self::Storage];

    /// The word for it, as flows have it in `componentConfigIds`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ai => "ai",
            Self::Console => "console",
            Self::Db => "db",
            Self::Mail => "mail",
            Self::Mailbox => "mailbox",
            Self::Queue => "queue",
            Self::Request => "request",
            Self::Storage => "storage",
        }
    }

    /// The kind of that word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A back end that was set up, with its secrets open. It is never written anywhere.
#[derive(Clone)]
pub struct Component {
    /// Whose it is.
    pub company: CompanyId,
    /// Which one, within the company.
    pub id: String,
    /// Another number after every change: connections of an older one are not used again.
    pub revision: u64,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it speaks: `postgres`, `smtp`, `s3` …
    pub provider: String,
    /// Its settings, an object.
    pub config: Value,
    /// Its secret settings, an object.
    pub secret: Value,
    /// Whether an administrator made it: it may then be anywhere, else where flows may call.
    pub trusted: bool,
}

/// Without what is secret.
impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A component's settings are not such as its provider takes.
pub const COMPONENT_INVALID: &str = "COMPONENT_INVALID";

/// There is no such component, or none that is named `default`.
pub const COMPONENT_NOT_FOUND: &str = "COMPONENT_NOT_FOUND";

/// What stands behind a kind of components.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The providers it knows, the usual one first.
    fn providers(&self) -> &'static [&'static str];

    /// Looks whether the settings of a component are such as it takes. Nothing is opened.
    ///
    /// # Errors
    /// With what is wrong with them; nothing secret is told.
    fn check(&self, component: &Component) -> Result<(), Failure>;

    /// Opens a real connection, uses it once, and lets it go.
    ///
    /// # Errors
    /// With what stands in the way, for people; nothing secret is told.
    async fn test(&self, component: &Component) -> Result<(), Failure>;
}

/// What stands behind the components of an installation, kind by kind.
#[derive(Clone)]
pub struct Backends {
    /// Databases.
    pub db: Arc<dyn Database>,
    /// Mail servers.
    pub mail: Arc<dyn Mail>,
    /// Mailboxes.
    pub mailbox: Arc<dyn Intake>,
    /// Queues.
    pub queue: Arc<dyn Intake>,
    /// Files that are kept elsewhere.
    pub storage: Arc<dyn Buckets>,
    /// HTTP peers.
    pub request: Arc<dyn WebPeers>,
    /// Language models.
    pub ai: Arc<dyn WebPeers>,
    /// Tokens for stored credentials.
    pub tokens: Arc<dyn Tokens>,
}

impl Default for Backends {
    fn default() -> Self {
        Self {
            db: Arc::new(Nothing),
            mail: Arc::new(Nothing),
            mailbox: Arc::new(Nothing),
            queue: Arc::new(Nothing),
            storage: Arc::new(Nothing),
            request: Arc::new(Nothing),
            ai: Arc::new(Nothing),
            tokens: Arc::new(NoTokens),
        }
    }
}

impl Backends {
    /// What stands behind a kind; none where this installation has nothing for it.
    pub fn of(&self, kind: Kind) -> Option<&dyn Backend> {
        match kind {
            Kind::Db => Some(&*self.db),
            Kind::Mail => Some(&*self.mail),
            Kind::Mailbox => Some(&*self.mailbox),
            Kind::Queue => Some(&*self.queue),
            Kind::Storage => Some(&*self.storage),
            Kind::Request => Some(&*self.request),
            Kind::Ai => Some(&*self.ai),
            Kind::Console => Some(&Console),
        }
    }
}

/// flow8's own log, which is always there: a component of kind `console` gives it a name.
struct Console;

#[async_trait]
impl Backend for Console {
    fn providers(&self) -> &'static [&'static str] {
        &["log"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        let is_empty = |value: &Value| value.as_map().is_some_and(|fields| fields.is_empty());
        if is_empty(&component.config) && is_empty(&component.secret) {
            return Ok(());
        }
        Err(Failure::new(COMPONENT_INVALID, "config, secret: a component of kind console has no settings"))
    }

    async fn test(&self, _: &Component) -> Result<(), Failure> {
        Ok(())
    }
}

/// Stands where an installation has nothing.
pub(crate) struct Nothing;

impl Nothing {
    pub(crate) fn failure(component: &Component) -> Failure {
        Failure::new(
            COMPONENT_INVALID,
            format!("this installation has nothing for components of kind {}", component.kind),
        )
    }
}

#[async_trait]
impl Backend for Nothing {
    fn providers(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        Err(Self::failure(component))
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        Err(Self::failure(component))
    }
}
