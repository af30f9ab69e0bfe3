//! The last requests that came through a channel, for people to look at and to send again, and the last that were
//! refused.
//!
//! What a request said is the arguments of the play that it started; here stand only its head and the ids of its plays.
//! An entry is part of the play's own commit. There is room for so many of a channel, in rings that each replica
//! goes around by itself; whoever comes later takes the place of an older one. What is refused has a ring of its own,
//! so that strangers push out nobody who was let in.

use std::sync::atomic::{AtomicU32, Ordering};

use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, Id, PlayId};
use model::limits::{
    CHANNEL_REFUSALS, CHANNEL_REFUSALS_BURST, CHANNEL_REFUSALS_LOGGED, CHANNEL_REQUESTS, CHANNEL_REQUESTS_KEPT,
    CHANNEL_REQUESTS_LOGGED,
};
use model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{DocQuery, Store, StoreError};
use tokio::time::Instant;

use crate::pace::Pace;

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
    /// Bytes of its body; 0 where it was refused before that was read.
    pub bytes: u64,
    /// The id in the server's log.
    pub request_id: String,
    /// The plays that it started.
    pub play_ids: Vec<PlayId>,
    /// The status that refused it, where it started none and somebody waited for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it started none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Characters of a path that are written down.
const PATH_CHARS: usize = 1_024;

/// Where a replica writes what came through a channel.
#[derive(Debug, Default)]
pub(crate) struct Log {
    taken: Ring,
    refused: Ring,
}

impl Log {
    /// A write of an entry, in the place of the oldest of its kind; none where too many came.
    pub(crate) fn write(&self, company: CompanyId, channel: Id, mut entry: Logged) -> Option<DocWrite> {
        let place = if entry.play_ids.is_empty() {
            let slot = self.refused.next(CHANNEL_REFUSALS, CHANNEL_REFUSALS_LOGGED, CHANNEL_REFUSALS_BURST)?;
            format!("refused/{slot:06}")
        } else {
            let slot = self.taken.next(CHANNEL_REQUESTS, CHANNEL_REQUESTS_LOGGED, CHANNEL_REQUESTS_LOGGED)?;
            format!("{slot:06}")
        };
        if entry.path.len() > PATH_CHARS {
            entry.path = entry.path.chars().take(PATH_CHARS).collect();
        }
        let key = DocKey::new(company, DocKind::ChannelRequest, format!("{}{place}", prefix(channel)));
        let until = entry.at.plus(CHANNEL_REQUESTS_KEPT);
        Some(DocWrite::put(key, Expect::Anything, &entry).expiring(until))
    }
}

/// Which place is next, and how soon.
#[derive(Debug)]
struct Ring {
    next: AtomicU32,
    pace: Pace,
}

impl Default for Ring {
    fn default() -> Self {
        // Each replica begins elsewhere. Where there is no randomness, all begin at the same place, which does no harm.
        let next = AtomicU32::new(u32::from_le_bytes(vault::random().unwrap_or_default()));
        Self { next, pace: Pace::default() }
    }
}

impl Ring {
    fn next(&self, places: u32, per_second: u32, burst: u32) -> Option<u32> {
        self.pace.take(per_second, burst, Instant::now()).ok()?;
        Some(self.next.fetch_add(1, Ordering::Relaxed) % places)
    }
}

fn prefix(channel: Id) -> String {
    format!("log/{channel}/")
}

/// The last requests through a channel, taken and refused, the newest first.
///
/// # Errors
/// Where the store fails.
pub async fn requests(
    store: &dyn Store,
    company: CompanyId,
    channel: Id,
    now: Timestamp,
) -> Result<Vec<Logged>, StoreError> {
    let limit = (CHANNEL_REQUESTS + CHANNEL_REFUSALS) as usize;
    let kind = DocKind::ChannelRequest;
    let docs = store.docs(&DocQuery { prefix: prefix(channel), ..DocQuery::all(company, kind, limit) }).await?;
    let live = docs.iter().filter(|doc| doc.expires_at.is_none_or(|at| at > now));
    let read = live.map(|doc| doc.read().map_err(|error| StoreError::Damaged(error.to_string())));
    let mut entries = read.collect::<Result<Vec<Logged>, StoreError>>()?;
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.at, entry.id)));
    Ok(entries)
}
