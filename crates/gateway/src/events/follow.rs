//! One WebSocket: it is told what happens until it goes, falls silent, or may listen no longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use model::ids::FlowId;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::tell::Teller;
use crate::access::{Caller, Permission};
use crate::app::App;
use crate::goodbye::Ended;
use crate::people::{Shown, caller_who_shows};
use crate::reach::Reach;

/// How often a ping goes out, and the client's right to listen is looked at again.
const PING: Duration = Duration::from_secs(15);

/// How long a pong may be missing, and how long the client may take to read a message.
const PONG: Duration = Duration::from_secs(30);

/// How far back what was missed is told.
const MEMORY: Duration = Duration::from_secs(3600);

/// Commits that are read in one go.
const CHUNKS: usize = 64;

/// Who listens.
pub(super) struct Client {
    pub(super) shown: Shown,
    /// Whom that stood for when it was last looked at.
    pub(super) caller: Arc<Caller>,
}

/// Sends what happens until the client is gone.
pub(super) async fn follow(app: &App, mut client: Client, since: Option<u64>, socket: &mut WebSocket) -> Ended {
    let Err(ended) = tell(app, &mut client, since, socket).await;
    ended
}

async fn tell(
    app: &App,
    client: &mut Client,
    since: Option<u64>,
    socket: &mut WebSocket,
) -> Result<std::convert::Infallible, Ended> {
    let mut feed = app.engine.feed();
    let end = *feed.borrow_and_update();
    let mut at = since.unwrap_or(end);
    if is_beyond_memory(app, client, at, end).await? {
        // The client must look at everything anew.
        send(socket, Message::text(format!("{{\"type\":\"resync\",\"seq\":{end}}}"))).await?;
        at = end;
    }
    let mut stopping = app.stopping.subscribe();
    let mut teller = Teller::new(app.engine.clone());
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    // Whether there may be more to read at once.
    let mut is_behind = true;
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(&mut stopping) => {
                return Err(Ended(Some((close_code::AWAY, "flow8 is shutting down"))));
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_))) | None => return Err(Ended(None)),
                Some(Err(error)) => return Err(Ended::by(error)),
                Some(Ok(_)) => heard = Instant::now(),
            },
            _ = ping.tick() => {
                if heard.elapsed() >= PONG {
                    return Err(Ended(None));
                }
                look_again(app, client).await?;
                send(socket, Message::Ping(bytes::Bytes::new())).await?;
            }
            () = std::future::ready(()), if is_behind => {
                look_again(app, client).await?;
                let next = send_from(app, client, &mut teller, socket, at).await?;
                is_behind = next > at;
                at = next;
            }
            changed = feed.changed() => match changed {
                Ok(()) => is_behind = true,
                Err(_) => return Err(Ended(None)),
            },
        }
    }
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // The switch is part of the app: it is never gone while somebody listens.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Whether what was missed since a place cannot all be told: the place was never given out, or
/// what came next is too old.
async fn is_beyond_memory(app: &App, client: &Client, at: u64, end: u64) -> Result<bool, Ended> {
    if at >= end {
        return Ok(at > end);
    }
    let next = app.engine.store().feed(Some(client.caller.company), at, 1).await.map_err(unreadable)?;
    let oldest =
        next.first().and_then(|chunk| engine::history::entries(&chunk.chunk).ok()?.first().map(|entry| entry.at));
    Ok(oldest.is_some_and(|oldest| app.engine.now().since(oldest) > MEMORY))
}

/// A session may have ended, an API key may have been revoked, a role taken away.
async fn look_again(app: &App, client: &mut Client) -> Result<(), Ended> {
    match caller_who_shows(app, &client.shown).await {
        Ok(Some(caller)) if caller.may_somewhere(Permission::PlaysView) => client.caller = caller,
        // A store that does not answer says nothing about the key.
        Err(error) if error.status.is_server_error() => {}
        Ok(_) | Err(_) => return Err(Ended(Some((close_code::POLICY, "the session or API key has ended")))),
    }
    Ok(())
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Ended> {
    match timeout(PONG, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        // Ended, or too slow to be told.
        Ok(Err(_)) | Err(_) => Err(Ended(None)),
    }
}

fn unreadable(error: store::StoreError) -> Ended {
    tracing::warn!(%error, "events cannot be read");
    Ended(Some((close_code::AGAIN, "events cannot be read now; come back in a moment")))
}

/// Sends what comes after a place; says where that ends.
async fn send_from(
    app: &App,
    client: &Client,
    teller: &mut Teller,
    socket: &mut WebSocket,
    after: u64,
) -> Result<u64, Ended> {
    let chunks = app.engine.store().feed(Some(client.caller.company), after, CHUNKS).await.map_err(unreadable)?;
    let reach = Reach::of(client.caller.clone(), Permission::PlaysView);
    let flows = reach.flows(app).await.map_err(|error| {
        tracing::warn!(error = error.message, "it cannot be told which flows somebody sees");
        Ended(Some((close_code::AGAIN, "events cannot be read now; come back in a moment")))
    })?;
    let flows: Option<BTreeSet<FlowId>> = flows.map(|flows| flows.into_iter().collect());
    let mut at = after;
    for chunk in chunks {
        at = chunk.feed;
        for event in teller.tell(&chunk, flows.as_ref()).await {
            send(socket, Message::text(event.to_json())).await?;
        }
    }
    Ok(at)
}
