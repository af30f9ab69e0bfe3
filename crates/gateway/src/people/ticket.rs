//! [`Ticket`]: what is kept of somebody's way in, and not for long.

use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What is kept of somebody's way in, and not for long. It is found by a hash of what they show.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Ticket {
    /// A sign-in at a provider that was finished, and is not finished again.
    SignedIn,
    /// Sign-ins that failed, by whoever may be guessing.
    Guesses { failures: u32, until: Timestamp },
}
