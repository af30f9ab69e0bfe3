//! Among several replicas: says that this one is alive, and takes over from those that are not.

use std::sync::Arc;
use std::time::Duration;

use model::time::Timestamp;

use super::Engine;

/// Runs until it is aborted: while the engine drains, what is still under way is still its own.
pub(super) async fn run(engine: Arc<Engine>, mut pause: Duration) {
    loop {
        engine.parts.world.sleep(pause).await;
        match engine.beat().await {
            Ok(Some(next)) => pause = next,
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "cannot say that this replica is alive; others may take its plays"),
        }
        match engine.parts.store.adopt(engine.replica()).await {
            Ok(0) => {}
            Ok(plays) => {
                tracing::info!(plays, "took over from a replica that is gone");
                engine.alarm.set(Timestamp::MIN);
            }
            Err(error) => tracing::warn!(%error, "cannot look for plays of replicas that are gone"),
        }
    }
}
