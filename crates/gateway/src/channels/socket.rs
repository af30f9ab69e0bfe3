//! One WebSocket of a channel: messages in, answers and what flows send out, until it goes, is too slow, or may stay no
//! longer.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use channels::{Channels, Meeting, Said, Sockets};
use model::limits::CHANNEL_SOCKET_IN_FLIGHT;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::goodbye::Ended;

/// How often a ping goes out, and the right to stay is looked at again.
const PING: Duration = Duration::from_secs(15);

/// How long a pong may be missing, and how long the client may take to read a message.
const PONG: Duration = Duration::from_secs(30);

/// Talks until the connection has to end.
pub(super) async fn talk(
    channels: Channels,
    sockets: Arc<Sockets>,
    meeting: Arc<Meeting>,
    mut stopping: watch::Receiver<bool>,
    socket: &mut WebSocket,
) -> Ended {
    let Err(ended) = listen(&channels, &sockets, &meeting, &mut stopping, socket).await;
    ended
}

async fn listen(
    channels: &Channels,
    sockets: &Arc<Sockets>,
    meeting: &Arc<Meeting>,
    stopping: &mut watch::Receiver<bool>,
    socket: &mut WebSocket,
) -> Result<std::convert::Infallible, Ended> {
    let mut seat = sockets.sit(meeting.connection);
    let mut ping = interval_at(Instant::now() + PING, PING);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    let mut changes = channels.changes();
    // Tasks: each goes on while something else is awaited here, and holds up nobody with what it holds.
    let mut answers: JoinSet<String> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = told_to_stop(stopping) => {
                return Err(Ended(Some((close_code::AWAY, "flow8 is shutting down; connect again"))));
            }
            // One that broke has told so in the log.
            Some(Ok(answer)) = answers.join_next(), if !answers.is_empty() => {
                send(socket, Message::text(answer)).await?;
            }
            pushed = seat.pushes.recv() => match pushed {
                Some(text) => {
                    stay(channels, meeting).await?;
                    send(socket, Message::text(&*text)).await?;
                }
                None => return Err(Ended(Some((close_code::POLICY, "you read too slowly")))),
            },
            // Whoever says more than can be heeded waits: nothing more is read of them.
            message = socket.recv(), if answers.len() < CHANNEL_SOCKET_IN_FLIGHT => {
                let said = match message {
                    Some(Ok(Message::Text(text))) => Said::Text(text.to_string()),
                    Some(Ok(Message::Binary(bytes))) => Said::Binary(bytes),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                        heard = Instant::now();
                        continue;
                    }
                    Some(Ok(Message::Close(_))) | None => return Err(Ended(None)),
                    Some(Err(error)) => return Err(Ended::by(error)),
                };
                heard = Instant::now();
                stay(channels, meeting).await?;
                let (channels, meeting) = (channels.clone(), meeting.clone());
                answers.spawn(async move { channels.hear(&meeting, said).await });
            }
            // The sender lives as long as the engine.
            _ = changes.changed() => stay(channels, meeting).await?,
            _ = ping.tick() => {
                if heard.elapsed() >= PONG && answers.len() < CHANNEL_SOCKET_IN_FLIGHT {
                    return Err(Ended(None));
                }
                stay(channels, meeting).await?;
                send(socket, Message::Ping(bytes::Bytes::new())).await?;
            }
        }
    }
}

/// Whether the connection may go on. Asked before anything is heeded or told, so that what was taken away from somebody
/// is gone at once.
async fn stay(channels: &Channels, meeting: &Meeting) -> Result<(), Ended> {
    if channels.may_stay(meeting).await {
        return Ok(());
    }
    Err(Ended(Some((close_code::POLICY, "the channel or what let you in has changed; connect again"))))
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // A switch that is gone is thrown by nobody any more; then there is nobody left to serve for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Ended> {
    match timeout(PONG, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        // Gone, or too slow to be told.
        Ok(Err(_)) | Err(_) => Err(Ended(None)),
    }
}
