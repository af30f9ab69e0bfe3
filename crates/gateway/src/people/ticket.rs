//! [`Ticket`]: something that may be used once, and not for long.

use serde::{Deserialize, Serialize};

/// Something that may be used once, and not for long. It is found by the hash of what its holder shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub(crate) enum Ticket {
    /// A sign-in at a provider that was finished, and is not finished again.
    SignedIn,
}
