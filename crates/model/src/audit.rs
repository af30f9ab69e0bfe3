//! [`AuditRow`]: who changed what, when and from where. Written in the batch it describes.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::codec::CodecError;
use crate::ids::CompanyId;
use crate::time::Timestamp;
use crate::value::Value;

/// One entry of the audit log, before it is sealed into the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRow {
    /// Whose it is.
    pub company: CompanyId,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done: `flow.create`, `play.cancel` …
    pub action: String,
    /// To what kind of thing.
    pub entity: String,
    /// To which one.
    pub entity_id: String,
    /// What it was before; secrets masked.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What it is now; secrets masked.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
    /// The request that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The address it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

impl AuditRow {
    /// The row as it is stored: JSON. These bytes are what is sealed, so they are kept as they are.
    ///
    /// # Errors
    /// Where it holds a sensitive value that nobody sealed.
    pub fn to_text(&self) -> Result<Vec<u8>, CodecError> {
        Ok(serde_json::to_vec(self)?)
    }

    /// The row that was stored so.
    ///
    /// # Errors
    /// Where the bytes are no such row.
    pub fn from_text(text: &[u8]) -> Result<Self, CodecError> {
        Ok(serde_json::from_slice(text)?)
    }
}
