//! Among several replicas: heeds what the store tells of the others.

use std::sync::Arc;

use model::time::Timestamp;
use store::Signal;
use tokio::sync::mpsc::Receiver;

use super::Engine;
use super::play::Note;

/// Runs until the engine drains or the store says no more.
pub(super) async fn run(engine: Arc<Engine>, mut signals: Receiver<Signal>) {
    let mut draining = engine.draining.subscribe();
    loop {
        let signal = tokio::select! {
            signal = signals.recv() => signal,
            // The sender lives as long as the engine.
            _ = draining.wait_for(|draining| *draining) => return,
        };
        match signal {
            None => return,
            Some(Signal::Mail(play)) if engine.plays.has(play) || engine.permits.awaited_by(play) => {
                engine.note(play, Note::Mail);
            }
            // Whoever has it is told the same; if nobody has it, it is due.
            Some(Signal::Mail(_)) => {}
            Some(Signal::Due(at)) => engine.alarm.hear(at, engine.now()),
            Some(Signal::Feed(place)) => engine.has_fed(place),
            Some(Signal::Flow(company, flow)) => engine.forget_flow(company, flow),
            Some(Signal::Access) => engine.access_has_changed(),
            Some(Signal::WayIn) => engine.ways_in_have_changed(),
            Some(Signal::Unknown) => {
                engine.ways_in_have_changed();
                engine.access_has_changed();
                engine.forget_flows();
                engine.alarm.set(Timestamp::MIN);
                for play in engine.plays.all() {
                    engine.note(play, Note::Mail);
                }
                match engine.parts.store.feed_end().await {
                    Ok(end) => engine.has_fed(end),
                    Err(error) => tracing::warn!(%error, "cannot read how far the feed goes"),
                }
            }
        }
    }
}
