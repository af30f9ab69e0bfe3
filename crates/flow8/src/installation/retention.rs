//! Clears away what is not kept any longer, again and again.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::companies::companies;
use engine::driver::{Cleared, Policies, Policy};
use store::StoreError;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;

/// What is kept how long.
pub(super) fn policies(config: &Config) -> Policies {
    let policy = |policy: &crate::config::Policy| Policy {
        kept: policy.cadence.duration().max(policy.enforced_minimum.duration()),
        min_entries: policy.min_entries.get(),
    };
    let policies = &config.retention.policies;
    Policies { plays: policy(&policies.plays), filtered: policy(&policies.plays_filtered) }
}

/// Clears away, for as long as the process lives.
pub(super) async fn keep_clean(engine: Arc<Engine>, policies: Policies, every: Duration) {
    let mut ticks = interval(every.max(Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = take_turn(&engine, policies, every).await {
            tracing::warn!(%error, "what is not kept any longer could not be cleared away; trying again later");
        }
    }
}

/// Clears away for all companies, unless another replica does.
async fn take_turn(engine: &Arc<Engine>, policies: Policies, every: Duration) -> Result<(), StoreError> {
    if !engine.store().take_turn("clear away", every / 2).await? {
        return Ok(());
    }
    for company in companies(&**engine.store()).await? {
        let Cleared { plays, docs, orphans } = engine.clear_away(company, policies).await?;
        if plays + docs + orphans > 0 {
            tracing::info!(%company, plays, docs, orphans, "cleared away what is not kept any longer");
        }
    }
    Ok(())
}
