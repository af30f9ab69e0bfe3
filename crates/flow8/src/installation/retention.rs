//! Clears away what is not kept any longer, again and again.

use std::sync::Arc;
use std::time::Duration;

use audit::AuditError;
use engine::Engine;
use engine::companies::companies;
use engine::driver::Clearing;
use engine::kept::{Policies, Policy};
use gateway::{App, clean_up, forget_erased};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;

/// What is kept how long.
pub(super) fn policies(config: &Config) -> Policies {
    let policy = |policy: &crate::config::Policy| Policy {
        kept: policy.cadence.duration(),
        min_entries: policy.min_entries.get(),
        enforced: policy.enforced_minimum.duration(),
    };
    let policies = &config.retention.policies;
    Policies {
        plays: policy(&policies.plays),
        filtered: policy(&policies.plays_filtered),
        audit: policy(&policies.audit_logs),
    }
}

/// Clears away, for as long as the process lives.
pub(super) async fn keep_clean(engine: Arc<Engine>, app: App, every: Duration) {
    let mut ticks = interval(every.max(Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = forget_erased(&app).await {
            tracing::warn!(%error, "it cannot be told which companies are being erased; trying again later");
        }
        if let Err(error) = take_turn(&engine, &app, every).await {
            tracing::warn!(%error, "what is not kept any longer could not be cleared away; trying again later");
        }
    }
}

/// Clears away for all companies, unless another replica does.
async fn take_turn(engine: &Engine, app: &App, every: Duration) -> Result<(), AuditError> {
    if !engine.store().take_turn("clear away", every / 2).await? {
        return Ok(());
    }
    for company in companies(&**engine.store()).await? {
        let done = clean_up(app, company, Clearing::Remove).await?;
        if !done.is_nothing() {
            let (plays, audit, docs) = (done.cleared.plays, done.audit_rows, done.cleared.docs);
            tracing::info!(%company, plays, audit, docs, "cleared away what is not kept any longer");
        }
    }
    Ok(())
}
