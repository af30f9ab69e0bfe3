//! Server-sent events: what happens in one play, from its beginning to its end.

use axum::body::Body;
use bytes::Bytes;
use channels::{Channels, Streamed};
use model::limits::CHANNEL_EVENTS_WAITING;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::app::App;
use crate::events::Teller;

/// How often something is sent, so that whoever stands between does not take the connection for dead.
const BEAT: std::time::Duration = std::time::Duration::from_secs(15);

/// Commits that are read in one go.
const CHUNKS: usize = 64;

/// The events of a play, as a body that is made while it is sent.
pub(super) fn body(app: &App, channels: Channels, of: Streamed, stopping: watch::Receiver<bool>) -> Body {
    let (sender, receiver) = mpsc::channel(CHANNEL_EVENTS_WAITING);
    tokio::spawn(tell(app.clone(), channels, of, stopping, sender));
    let pieces = futures::stream::unfold(receiver, async |mut receiver| {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    });
    Body::from_stream(pieces)
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // A switch that is gone is thrown by nobody any more; then there is nobody left to serve for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Whoever reads is gone.
struct Gone;

async fn tell(
    app: App,
    channels: Channels,
    of: Streamed,
    mut stopping: watch::Receiver<bool>,
    sender: mpsc::Sender<Bytes>,
) {
    // One that was started before may be long over: its end is all there is to tell.
    let goes_on = !of.is_old || channels.standing(of.play).await.1;
    if goes_on && follow(&app, &channels, of, &mut stopping, &sender).await.is_err() {
        return;
    }
    let (outcome, _) = channels.standing(of.play).await;
    // Whoever reads may have gone away.
    let _ = sender.send(event("outcome", &outcome)).await;
}

/// Sends what happens until the play has ended or waits for a person, time is over, or flow8 stops.
async fn follow(
    app: &App,
    channels: &Channels,
    of: Streamed,
    stopping: &mut watch::Receiver<bool>,
    sender: &mpsc::Sender<Bytes>,
) -> Result<(), Gone> {
    let over = sleep_until(Instant::now() + of.timeout);
    tokio::pin!(over);
    let mut feed = app.engine.feed();
    let mut teller = Teller::new(app.engine.clone());
    let mut beat = interval_at(Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut after = of.after;
    loop {
        feed.mark_unchanged();
        if send_from(app, channels, &mut teller, of, &mut after, sender).await? {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = told_to_stop(stopping) => return Ok(()),
            () = sender.closed() => return Err(Gone),
            () = &mut over => return Ok(()),
            changed = feed.changed() => if changed.is_err() { return Ok(()) },
            _ = beat.tick() => sender.send(Bytes::from_static(b":\n\n")).await.map_err(|_| Gone)?,
        }
    }
}

/// Sends what happened in the play after a place; says whether it has ended, or waits for a person.
async fn send_from(
    app: &App,
    channels: &Channels,
    teller: &mut Teller,
    of: Streamed,
    after: &mut u64,
    sender: &mpsc::Sender<Bytes>,
) -> Result<bool, Gone> {
    loop {
        let chunks = app.engine.store().feed(Some(of.play.company), *after, CHUNKS).await.map_err(|error| {
            tracing::warn!(%error, "the events of a play cannot be read");
            Gone
        })?;
        let Some(last) = chunks.last() else { return Ok(false) };
        *after = last.feed;
        let mut has_news = false;
        for chunk in chunks.iter().filter(|chunk| chunk.play == of.play) {
            has_news = true;
            for told in teller.tell(chunk, None).await {
                let kind = told.get("type").and_then(model::Value::as_str).unwrap_or_default().to_owned();
                sender.send(event(&kind, &told)).await.map_err(|_| Gone)?;
            }
        }
        if has_news && !channels.standing(of.play).await.1 {
            return Ok(true);
        }
    }
}

/// One event. JSON has no line breaks, so it is one line.
fn event(kind: &str, data: &model::Value) -> Bytes {
    format!("event: {kind}\ndata: {}\n\n", data.to_json()).into()
}
