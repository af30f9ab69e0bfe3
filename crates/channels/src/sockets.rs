//! [`Sockets`]: the connections that are open at this replica, and what flows send to them.
//!
//! What a flow sends (`ws-send`) is part of its records. So it is sent when it is committed and never before, and every
//! replica hears of it the way it hears of all that happens: through the feed. Nothing is kept for connections that are not
//! there. Whoever reads too slowly is let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::Engine;
use model::ids::{CompanyId, Id};
use model::limits::CHANNEL_SOCKET_WAITING;
use model::record::Record;
use model::value::Value;
use store::{FeedChunk, StoreError};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::watch;

use crate::keep;

/// Commits that are read in one go.
const CHUNKS: usize = 256;

/// How long until the feed is read again where it could not be.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// A connection that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Which one.
    pub id: Id,
    /// Whose.
    pub company: CompanyId,
    /// Through which channel.
    pub channel: Id,
}

/// Connections by their ids, and the way to each.
type Open = HashMap<Id, (Connection, Sender<Arc<str>>)>;

/// The connections that are open here.
#[derive(Debug, Default)]
pub struct Sockets {
    open: Mutex<Open>,
    count: watch::Sender<usize>,
}

/// A connection for as long as this is held.
#[derive(Debug)]
pub struct Seat {
    sockets: Arc<Sockets>,
    id: Id,
    /// What is sent to it; at an end where it reads too slowly.
    pub pushes: Receiver<Arc<str>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.sockets.open();
        open.remove(&self.id);
        self.sockets.count.send_replace(open.len());
    }
}

impl Sockets {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection among those that are open.
    pub fn sit(self: &Arc<Self>, connection: Connection) -> Seat {
        let (sender, pushes) = channel(CHANNEL_SOCKET_WAITING);
        let mut open = self.open();
        open.insert(connection.id, (connection, sender));
        self.count.send_replace(open.len());
        drop(open);
        Seat { sockets: self.clone(), id: connection.id, pushes }
    }

    /// Sends something to those that are meant.
    fn push(&self, text: &Arc<str>, is_meant: impl Fn(&Connection) -> bool) {
        self.open().retain(|_, (connection, sender)| {
            // Whoever has so much to read still is let go: its seat hears of no more.
            !is_meant(connection) || sender.try_send(text.clone()).is_ok()
        });
    }

    fn has_of(&self, company: CompanyId) -> bool {
        self.open().values().any(|(connection, _)| connection.company == company)
    }
}

/// Passes on what flows send, for as long as there is an engine.
pub(crate) async fn run(engine: std::sync::Weak<Engine>, sockets: std::sync::Weak<Sockets>) {
    let Some(mut count) = sockets.upgrade().map(|sockets| sockets.count.subscribe()) else { return };
    loop {
        // Where nobody is connected, nothing is read.
        if count.wait_for(|count| *count > 0).await.is_err() {
            return;
        }
        let Some(mut feed) = engine.upgrade().map(|engine| engine.feed()) else { return };
        let mut at = *feed.borrow_and_update();
        while *count.borrow() > 0 {
            let (Some(engine), Some(sockets)) = (engine.upgrade(), sockets.upgrade()) else { return };
            match pass_on(&engine, &sockets, at).await {
                Ok(next) if next > at => {
                    at = next;
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "what flows send to connections cannot be read for a moment");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            }
            drop((engine, sockets));
            tokio::select! {
                changed = feed.changed() => if changed.is_err() { return },
                changed = count.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// Passes on what comes after a place; says where that ends.
async fn pass_on(engine: &Arc<Engine>, sockets: &Sockets, after: u64) -> Result<u64, StoreError> {
    let chunks = engine.store().feed(None, after, CHUNKS).await?;
    for chunk in &chunks {
        if sockets.has_of(chunk.play.company) {
            send(engine, sockets, chunk).await?;
        }
    }
    Ok(chunks.last().map_or(after, |chunk| chunk.feed))
}

/// What a flow sends, as its flowlet gives it.
async fn send(engine: &Arc<Engine>, sockets: &Sockets, chunk: &FeedChunk) -> Result<(), StoreError> {
    let company = chunk.play.company;
    let Ok(entries) = engine::history::entries(&chunk.chunk) else { return Ok(()) };
    for entry in entries {
        let Record::StepEnded(end) = entry.record else { continue };
        let Some(out) = end.out else { continue };
        // Few flowlets give such a thing; the others are not looked at further.
        let Some(to) = out.part("webSocket").and_then(|part| part.plain().cloned()) else { continue };
        let Ok(out) = engine.shown(chunk.play, &out).await else { continue };
        let Some(name) = to.get("channel").and_then(Value::as_str) else { continue };
        let channel = match keep::by_slug(&**engine.store(), name).await? {
            Some((owner, channel)) if owner == company => channel.id,
            _ => continue,
        };
        let one = to.get("connectionId").and_then(Value::as_str).map(str::parse::<Id>);
        let text: Arc<str> = match out.get("message") {
            Some(Value::Text(text)) => text.clone(),
            Some(other) => other.to_json().into(),
            None => continue,
        };
        sockets.push(&text, |connection| {
            let is_one = match &one {
                None => true,
                Some(id) => id.as_ref().is_ok_and(|id| *id == connection.id),
            };
            connection.company == company && connection.channel == channel && is_one
        });
    }
    Ok(())
}
