//! [`Actor`]: who did something. Every command has one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Id, UserId};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// The id of the user, key, channel, schedule or play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub id: Option<Id>,
    /// For people to read: an address, the name of a key or of a channel.
    pub name: String,
    /// The person behind it: the user, or the owner of an API key. Four eyes are counted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
}

/// What kind of actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ActorKind {
    /// A person who signed in.
    User,
    /// A program with an API key.
    ApiKey,
    /// An HTTP, WebSocket or MCP channel.
    Channel,
    /// A schedule.
    Schedule,
    /// Another play.
    Play,
    /// The command line on the machine itself.
    Cli,
    /// flow8 itself.
    System,
}

impl Actor {
    /// flow8 itself.
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: None, name: "flow8".into(), user: None }
    }

    /// The command line on the machine itself.
    pub fn cli() -> Self {
        Self { kind: ActorKind::Cli, id: None, name: "command line".into(), user: None }
    }

    /// Whether the same person is behind both; where there is no person, whether both are the same actor.
    pub fn is_same_person(&self, other: &Self) -> bool {
        match (self.user, other.user) {
            (None, None) => (self.kind, self.id) == (other.kind, other.id),
            (user, other) => user == other,
        }
    }

    /// Whether a person chose to do it, now.
    pub fn is_person(&self) -> bool {
        matches!(self.kind, ActorKind::User | ActorKind::ApiKey | ActorKind::Cli)
    }
}
