//! [`Rules`]: what is kept how long, and what a legal hold keeps beyond that: of a company, a group or a flow.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::ids::{FlowId, GroupId};
use crate::span::Span;
use crate::time::Timestamp;

/// Of what something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Of all of the company.
    Company,
    /// Of the flows in a group.
    Group(GroupId),
    /// Of a flow.
    Flow(FlowId),
}

/// As it is a document's id.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Company => f.write_str("company"),
            Self::Group(group) => write!(f, "group/{group}"),
            Self::Flow(flow) => write!(f, "flow/{flow}"),
        }
    }
}

/// A text is no [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no scope of retention")]
pub struct NoScope;

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        match text.split_once('/') {
            None if text == "company" => Ok(Self::Company),
            Some(("group", id)) => id.parse().map(|id| Self::Group(GroupId(id))).map_err(|_| NoScope),
            Some(("flow", id)) => id.parse().map(|id| Self::Flow(FlowId(id))).map_err(|_| NoScope),
            _ => Err(NoScope),
        }
    }
}

/// What holds for a scope; what is left out is as for the next wider one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Plays that ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plays: Option<Rule>,
    /// Plays whose flowlets were all filtered out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plays_filtered: Option<Rule>,
    /// The audit log; of a company alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_logs: Option<Rule>,
    /// While it is there, nothing of the scope goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// How long one kind of thing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// How long at least: `90d`.
    pub cadence: Span,
    /// How many at least, however old.
    #[serde(default)]
    pub min_entries: u64,
}

/// Somebody must be able to look at what there is: nothing goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// Why.
    pub reason: String,
    /// Who said so.
    pub by: Actor,
    /// Since when.
    pub since: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Id;

    #[test]
    fn a_scope_comes_back_from_its_text() {
        let id = Id::from_parts(1, 2);
        for scope in [Scope::Company, Scope::Group(GroupId(id)), Scope::Flow(FlowId(id))] {
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        for text in ["", "company/", "flow", "flow/1", "play/000000000001000000000002"] {
            assert_eq!(text.parse::<Scope>(), Err(NoScope), "{text}");
        }
    }
}
