//! The last requests that came through a channel, for people to look at and to send again.
//!
//! What a request said is the arguments of the play that it started; here stand only its head and the ids of its plays.
//! An entry is part of the play's own commit. There is room for so many of a channel, in a ring that each replica
//! goes around by itself; whoever comes later takes the place of an older one.

use std::sync::atomic::{AtomicU32, Ordering};

use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, Id, PlayId};
use model::limits::{CHANNEL_REQUESTS, CHANNEL_REQUESTS_KEPT};
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{DocQuery, Store, StoreError};

/// A request that came through a channel.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ChannelRequest")]
pub struct Logged {
    /// Which one.
    #[schemars(with = "String")]
    pub id: Id,
    /// When it came.
    pub at: Timestamp,
    /// The route that it took.
    #[schemars(with = "String")]
    pub route_id: Id,
    /// What that is called.
    pub route_name: String,
    /// Its method; `MESSAGE` for one over a WebSocket or from a queue, `MAIL` for a mail.
    pub method: String,
    /// Its path below the channel; of a message from a queue, and of a mail, its key.
    pub path: String,
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Bytes of its body.
    pub bytes: u64,
    /// The id in the server's log.
    pub request_id: String,
    /// The plays that it started.
    pub play_ids: Vec<PlayId>,
    /// Why it started none: of a message that can never be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Characters of a path that are written down.
const PATH_CHARS: usize = 1_024;

/// Which place in the ring is next.
#[derive(Debug)]
pub(crate) struct Slots(AtomicU32);

impl Default for Slots {
    fn default() -> Self {
        // Each replica begins elsewhere. Where there is no randomness, all begin at the same place, which does no harm.
        Self(AtomicU32::new(u32::from_le_bytes(vault::random().unwrap_or_default())))
    }
}

impl Slots {
    /// A write of an entry, in the place of the oldest.
    pub(crate) fn write(&self, company: CompanyId, channel: Id, mut entry: Logged) -> DocWrite {
        let slot = self.0.fetch_add(1, Ordering::Relaxed) % CHANNEL_REQUESTS;
        if entry.path.len() > PATH_CHARS {
            entry.path = entry.path.chars().take(PATH_CHARS).collect();
        }
        let key = DocKey::new(company, DocKind::ChannelRequest, format!("{}{slot:06}", prefix(channel)));
        let until = entry.at.plus(CHANNEL_REQUESTS_KEPT);
        DocWrite::put(key, Expect::Anything, &entry).expiring(until)
    }
}

fn prefix(channel: Id) -> String {
    format!("log/{channel}/")
}

/// The last requests through a channel, the newest first.
///
/// # Errors
/// Where the store fails.
pub async fn requests(
    store: &dyn Store,
    company: CompanyId,
    channel: Id,
    now: Timestamp,
) -> Result<Vec<Logged>, StoreError> {
    let limit = CHANNEL_REQUESTS as usize;
    let kind = DocKind::ChannelRequest;
    let docs = store.docs(&DocQuery { prefix: prefix(channel), ..DocQuery::all(company, kind, limit) }).await?;
    let live = docs.iter().filter(|doc| doc.expires_at.is_none_or(|at| at > now));
    let read = live.map(|doc| doc.read().map_err(|error| StoreError::Damaged(error.to_string())));
    let mut entries = read.collect::<Result<Vec<Logged>, StoreError>>()?;
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
    Ok(entries)
}
