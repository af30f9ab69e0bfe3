//! [`Caller`]: what the server knows of whoever asks, and what it asks the API for in their name.

use async_trait::async_trait;
use channels::Guest;
use model::actor::Actor;
use model::ids::CompanyId;
use model::value::Value;

/// Something that a token may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To call the tools of channels.
    Tools,
    /// To call the tools with which flows are looked after.
    Manage,
    /// To read plays.
    Plays,
}

impl Right {
    /// The scope of a token that has it.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Tools => "mcp",
            Self::Manage => "mcp:manage",
            Self::Plays => "plays:view",
        }
    }
}

/// A request to the API.
#[derive(Debug, Clone)]
pub struct ApiCall {
    /// Its method.
    pub method: http::Method,
    /// Its path below `/api`, with its query.
    pub path: String,
    /// Its body, where it has one.
    pub body: Option<Value>,
}

/// What the API answers.
#[derive(Debug, Clone)]
pub struct ApiAnswer {
    /// Whether it was granted.
    pub is_granted: bool,
    /// What it says.
    pub body: Value,
}

/// Whoever asks.
#[async_trait]
pub trait Caller: Send + Sync + 'static {
    /// The company that the token belongs to.
    fn company(&self) -> CompanyId;

    /// Who they are, for the records.
    fn actor(&self) -> Actor;

    /// The same, for a channel.
    fn guest(&self) -> Guest;

    /// Whether the token is good for that.
    fn may(&self, right: Right) -> bool;

    /// Asks the API in their name: what they may not, is refused there.
    async fn api(&self, call: ApiCall) -> ApiAnswer;
}
