//! Seals the audit logs, again and again.

use std::sync::Arc;
use std::time::Duration;

use audit::{AuditError, Log};
use engine::Engine;
use tokio::time::{MissedTickBehavior, interval};

/// How long a row of an audit log may stand there unsealed, about; a second is promised.
const EVERY: Duration = Duration::from_millis(500);

/// Seals, for as long as the process lives.
pub(super) async fn keep_sealed(log: Log, engine: Arc<Engine>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        ticks.tick().await;
        match take_turn(&log, &engine).await {
            Ok(()) => failing = false,
            Err(error) => {
                // Once is enough for as long as it lasts.
                if !failing {
                    tracing::warn!(%error, "the audit log could not be sealed; trying again");
                }
                failing = true;
            }
        }
    }
}

/// Seals what is not sealed, unless another replica does.
async fn take_turn(log: &Log, engine: &Engine) -> Result<(), AuditError> {
    if log.is_behind().await? && engine.store().take_turn("seal the audit log", EVERY / 2).await? {
        log.seal(engine.now()).await?;
    }
    Ok(())
}
