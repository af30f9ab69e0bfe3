//! [`Figures`]: the ticks that came, and what became of them.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    outcome: &'static str,
}

/// What became of a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It started a play.
    Started,
    /// The play before it still goes on.
    Overlap,
    /// flow8 did not run then.
    Missed,
    /// The flow could not be run.
    Refused,
}

/// The ticks that came, and what became of them. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    expected: Counter,
    settled: Family<Of, Counter>,
    lag: Gauge<f64, AtomicU64>,
}

impl Figures {
    /// Shows them in a registry.
    pub fn register(&self, registry: &mut Registry) {
        let expected = "Ticks of schedules whose time has come, counted by the replica that dealt with them";
        registry.register("schedule_ticks_expected", expected, self.expected.clone());
        registry.register("schedule_ticks", "What became of them, by outcome", self.settled.clone());
        let lag = "How late the tick was that was dealt with last";
        registry.register_with_unit("schedule_lag", lag, Unit::Seconds, self.lag.clone());
    }

    pub(crate) fn settled(&self, outcome: Outcome, count: u64, late: std::time::Duration) {
        if count == 0 {
            return;
        }
        let outcome = match outcome {
            Outcome::Started => "started",
            Outcome::Overlap => "overlap",
            Outcome::Missed => "missed",
            Outcome::Refused => "refused",
        };
        self.expected.inc_by(count);
        self.settled.get_or_create(&Of { outcome }).inc_by(count);
        self.lag.set(late.as_secs_f64());
    }
}
