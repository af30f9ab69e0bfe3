//! [`Figures`]: what the engine counts of itself, for whoever shows it. Labels are bounded: modules are
//! those that there are, and of flows only the first so many have figures of their own.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use model::ids::FlowId;
use model::limits::FLOWS_MEASURED;
use model::play::{PlayHeader, PlayState};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::decide::AttemptEnd;

/// Upper bounds of the buckets of what takes part of a second, in seconds.
const SHORT: [f64; 10] = [0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0];

/// Upper bounds of the buckets of what may take long, in seconds.
const LONG: [f64; 10] = [0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0, 60.0, 600.0, 3600.0];

/// A flow, or all those that came when there was no room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FlowLabel(Option<FlowId>);

impl EncodeLabelValue for FlowLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        match self.0 {
            // Its id tells nothing to whoever does not know the flow.
            Some(flow) => write!(encoder, "{flow}"),
            None => encoder.write_str("others"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFlow {
    flow: FlowLabel,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    flow: FlowLabel,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfModule {
    module: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempted {
    module: &'static str,
    outcome: &'static str,
}

type Long = fn() -> Histogram;

/// What the engine counts of itself.
#[derive(Debug)]
pub struct Figures {
    admitted: Counter,
    ended: Family<Ended, Counter>,
    lasted: Family<OfFlow, Histogram, Long>,
    attempts: Family<Attempted, Counter>,
    took: Family<OfModule, Histogram, Long>,
    commits: Histogram,
    failed_commits: Counter,
    dropped_spans: Counter,
    /// How long ago the store heard that this replica is alive, in seconds.
    lease_age: Gauge<f64, AtomicU64>,
    /// When it last heard, in milliseconds of the steady clock; 0 where nobody else is to know.
    heard: AtomicU64,
    measured: RwLock<HashSet<FlowId>>,
}

impl Default for Figures {
    fn default() -> Self {
        let long: Long = || Histogram::new(LONG);
        Self {
            admitted: Counter::default(),
            ended: Family::default(),
            lasted: Family::new_with_constructor(long),
            attempts: Family::default(),
            took: Family::new_with_constructor(long),
            commits: Histogram::new(SHORT),
            failed_commits: Counter::default(),
            dropped_spans: Counter::default(),
            lease_age: Gauge::default(),
            heard: AtomicU64::default(),
            measured: RwLock::default(),
        }
    }
}

impl Figures {
    /// Shows them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("plays_admitted", "Plays that began their life here", self.admitted.clone());
        registry.register("plays_ended", "Plays that ended here, by flow and state", self.ended.clone());
        let lasted = self.lasted.clone();
        registry.register_with_unit("play_duration", "How long plays took, by flow", Unit::Seconds, lasted);
        registry.register("attempts", "Attempts of modules that reach outside, by outcome", self.attempts.clone());
        registry.register_with_unit("attempt_duration", "How long attempts took", Unit::Seconds, self.took.clone());
        let commits = self.commits.clone();
        registry.register_with_unit("commit_duration", "How long the store took to commit", Unit::Seconds, commits);
        registry.register("commits_failed", "Commits that the store did not take", self.failed_commits.clone());
        registry.register("spans_dropped", "Spans that nobody took in time", self.dropped_spans.clone());
        registry.register_with_unit(
            "lease_age",
            "How long ago the store last heard that this replica is alive; 0 where it is the only one",
            Unit::Seconds,
            self.lease_age.clone(),
        );
    }

    /// The store has heard that this replica is alive, at that moment of the steady clock.
    pub(super) fn heard(&self, at: Duration) {
        self.heard.store(u64::try_from(at.as_millis()).unwrap_or(u64::MAX).max(1), Ordering::Release);
    }

    /// A commit of a play.
    pub(super) fn committed(&self, took: Duration, is_taken: bool) {
        self.commits.observe(took.as_secs_f64());
        if !is_taken {
            self.failed_commits.inc();
        }
    }

    pub(super) fn span_was_dropped(&self) {
        self.dropped_spans.inc();
    }

    pub(super) fn admitted(&self) {
        self.admitted.inc();
    }

    /// A play has ended.
    pub(super) fn ended(&self, header: &PlayHeader) {
        let flow = self.label(header.flow.id);
        self.ended.get_or_create(&Ended { flow, state: header.state.as_str() }).inc();
        if let (Some(ended), true) = (header.ended_at, header.state != PlayState::Skip) {
            let began = header.started_at.unwrap_or(header.created_at);
            self.lasted.get_or_create(&OfFlow { flow }).observe(ended.since(began).as_secs_f64());
        }
    }

    /// An attempt has ended.
    pub(super) fn attempted(&self, module: &'static str, took: Duration, end: &AttemptEnd) {
        let outcome = match end {
            AttemptEnd::Ok(_) => "ok",
            AttemptEnd::Failed(_) => "failed",
            AttemptEnd::Unknown(_) => "unknown",
        };
        self.attempts.get_or_create(&Attempted { module, outcome }).inc();
        self.took.get_or_create(&OfModule { module }).observe(took.as_secs_f64());
    }

    fn label(&self, flow: FlowId) -> FlowLabel {
        if self.measured.read().unwrap_or_else(PoisonError::into_inner).contains(&flow) {
            return FlowLabel(Some(flow));
        }
        let mut measured = self.measured.write().unwrap_or_else(PoisonError::into_inner);
        let has_room = measured.len() < FLOWS_MEASURED && measured.insert(flow);
        FlowLabel((has_room || measured.contains(&flow)).then_some(flow))
    }
}

impl super::Engine {
    /// What it counts of itself.
    pub fn figures(&self) -> &Figures {
        let heard = self.figures.heard.load(Ordering::Acquire);
        let age = self.parts.world.steady().saturating_sub(Duration::from_millis(heard));
        self.figures.lease_age.set(if heard == 0 { 0.0 } else { age.as_secs_f64() });
        &self.figures
    }

    /// Attempts that wait until others have ended.
    pub fn attempts_waiting(&self) -> usize {
        self.permits.waiting()
    }
}

#[cfg(test)]
mod tests {
    use model::ids::Id;

    use super::*;

    #[test]
    fn only_so_many_flows_have_a_label_of_their_own() {
        let figures = Figures::default();
        let flow = |number: u64| FlowId(Id::from_parts(1, number));
        let labels: HashSet<FlowLabel> = (0..3 * FLOWS_MEASURED as u64).map(|at| figures.label(flow(at))).collect();
        assert_eq!(labels.len(), FLOWS_MEASURED + 1);
        assert_eq!(figures.label(flow(0)), FlowLabel(Some(flow(0))), "the first ones keep theirs");
        assert_eq!(figures.label(flow(3 * FLOWS_MEASURED as u64 - 1)), FlowLabel(None));
    }
}
