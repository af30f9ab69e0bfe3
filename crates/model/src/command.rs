//! [`Command`]: what somebody wants of a play.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::ids::LayerId;
use crate::payload::Digest;
use crate::record::Resolution;
use crate::value::Value;

/// What somebody wants of a play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// To decide on an approval.
    Approve {
        /// Which step's.
        layer: LayerId,
        /// Yes or no.
        approved: bool,
        /// The digest of what was shown to whoever decides, where they say; another than what waits is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Digest>,
        /// Why.
        note: Option<String>,
        /// Who.
        actor: Actor,
        /// The roles that person has.
        roles: Vec<String>,
    },
    /// To say what became of an attempt in doubt.
    Resolve {
        /// Which step's.
        layer: LayerId,
        /// What became of it.
        decision: Resolution,
        /// The output to go on with, where it happened.
        out: Option<Value>,
        /// Why.
        note: Option<String>,
        /// Who.
        actor: Actor,
    },
    /// To end the play.
    Cancel {
        /// Whether to undo what was done.
        compensate: bool,
        /// Why.
        reason: Option<String>,
        /// Who.
        actor: Actor,
    },
    /// To pause it.
    Hold {
        /// Who.
        actor: Actor,
    },
    /// To let it go on.
    Resume {
        /// Who.
        actor: Actor,
    },
}
