//! Clears away what is not kept any longer, again and again.

use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::driver::{Cleared, Policies, Policy};
use model::ids::CompanyId;
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
pub(super) async fn keep_clean(engine: Arc<Engine>, company: CompanyId, policies: Policies, every: Duration) {
    let mut ticks = interval(every.max(Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Of several replicas, one does it for all.
        match engine.store().take_turn("clear away", every / 2).await {
            Ok(true) => {}
            Ok(false) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot ask whose turn it is to clear away what is not kept any longer");
                continue;
            }
        }
        match engine.clear_away(company, policies).await {
            Ok(Cleared { plays, docs, orphans }) if plays + docs + orphans > 0 => {
                tracing::info!(plays, docs, orphans, "cleared away what is not kept any longer");
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "what is not kept any longer could not be cleared away; trying again later");
            }
        }
    }
}
