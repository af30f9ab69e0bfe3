//! [`Report`]: what whoever waits for a play is told.

use model::play::PlayHeader;
use model::value::Value;

/// Where a play stands, and what it gave.
#[derive(Debug, Clone)]
pub struct Report {
    /// The play.
    pub header: PlayHeader,
    /// What it gave, where it has ended, or what it has answered; with a mask for what is sensitive.
    pub out: Option<Value>,
    /// Whether this is an earlier play, found by its idempotency key.
    pub replayed: bool,
}
