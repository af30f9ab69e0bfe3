//! Progress: how many flowlets of a play have ended, told as it happens.

use std::sync::Arc;

use engine::Engine;
use model::play::PlayKey;
use model::record::{Record, StepEnd};
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};

/// Commits that are read in one go.
const CHUNKS: usize = 64;

/// Tells a client how far a play is, for as long as it is asked to. It never returns.
pub(crate) async fn tell(engine: &Arc<Engine>, play: PlayKey, mut after: u64, to: (&Peer<RoleServer>, ProgressToken)) {
    let mut feed = engine.feed();
    let (mut done, mut told, mut total) = (0_u32, None, None);
    let (peer, token) = to;
    loop {
        feed.mark_unchanged();
        while let Ok(chunks) = engine.store().feed(Some(play.company), after, CHUNKS).await {
            let Some(last) = chunks.last() else { break };
            after = last.feed;
            let mut last_name = None;
            let mut has_news = false;
            for chunk in chunks.iter().filter(|chunk| chunk.play == play) {
                has_news = true;
                if total.is_none() {
                    total = count(engine, play).await;
                }
                for entry in engine::history::entries(&chunk.chunk).unwrap_or_default() {
                    if let Record::StepEnded(end) = &entry.record
                        && counts(end)
                    {
                        done += 1;
                        last_name = Some(end.state);
                    }
                }
            }
            // It rises with each that is told.
            if has_news && told.is_none_or(|told| told < done) {
                told = Some(done);
                let mut param = ProgressNotificationParam::new(token.clone(), f64::from(done));
                param.total = total.map(f64::from);
                param.message = last_name.map(|state| format!("{done} flowlets ended, the last {}", state.as_str()));
                if peer.notify_progress(param).await.is_err() {
                    return std::future::pending().await;
                }
            }
        }
        if feed.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Whether it is a flowlet of the flow itself: how often a loop goes round is not known beforehand.
fn counts(end: &StepEnd) -> bool {
    !end.step.undo && end.step.items.is_empty()
}

/// How many flowlets the flow itself has.
async fn count(engine: &Arc<Engine>, play: PlayKey) -> Option<u32> {
    let header = engine.store().header(play).await.ok()??;
    let plan = engine.plan_for(&header).await.ok()?;
    u32::try_from(plan.bodies.first()?.layers.len()).ok()
}
