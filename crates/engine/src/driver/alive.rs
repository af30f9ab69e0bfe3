//! Among several replicas: says that this one is alive, and takes over from those that are not.

use std::sync::Arc;

use model::time::Timestamp;
use store::Lease;

use super::Engine;

/// Runs until it is aborted: while the engine drains, what is still under way is still its own.
pub(super) async fn run(engine: Arc<Engine>, mut lease: Lease) {
    let world = &engine.parts.world;
    // Since when the store has heard of this replica without a gap.
    let mut heard_since = world.steady();
    let mut heard = heard_since;
    engine.figures.heard(heard);
    loop {
        world.sleep(lease.renew).await;
        match engine.beat().await {
            Ok(Some(renewed)) => lease = renewed,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "cannot say that this replica is alive; others may take its plays");
                continue;
            }
        }
        let now = world.steady();
        if now.saturating_sub(heard) > lease.lasts {
            heard_since = now;
        }
        heard = now;
        engine.figures.heard(heard);
        // Where this replica could not be heard, others could not either: they are given the time to
        // say that they are alive, before they are taken for dead.
        if now.saturating_sub(heard_since) >= lease.lasts {
            take_over(&engine).await;
        }
    }
}

async fn take_over(engine: &Engine) {
    match engine.parts.store.adopt(engine.replica()).await {
        Ok(0) => {}
        Ok(plays) => {
            tracing::info!(plays, "took over from a replica that is gone");
            engine.alarm.set(Timestamp::MIN);
        }
        Err(error) => tracing::warn!(%error, "cannot look for plays of replicas that are gone"),
    }
}
