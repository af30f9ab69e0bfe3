//! [`Watch`]: notes what happens in a schedule, and what must not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::play::{PlayHeader, SlotPlace};
use store::{CommitError, Store};
use tokio::time::Instant;

/// Lines of a trace that are kept.
const LINES: usize = 4_000;

/// What happened in a schedule, and what should not have.
pub(crate) struct Watch {
    begun: Instant,
    lines: Mutex<Vec<String>>,
    broken: Mutex<Vec<String>>,
}

impl Watch {
    pub(crate) fn new(begun: Instant) -> Self {
        Self { begun, lines: Mutex::default(), broken: Mutex::default() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes something that happened.
    pub(crate) fn note(&self, line: impl FnOnce() -> String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < LINES {
            lines.push(format!("{:>10.3} {}", self.begun.elapsed().as_secs_f64(), line()));
        }
    }

    /// Notes something that must not happen.
    pub(crate) fn breach(&self, what: String) {
        self.note(|| format!("BREACH {what}"));
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    pub(crate) fn trace(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// The first thing that must not have happened.
    pub(crate) fn first_breach(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// Looks at a commit: no limit is exceeded by it.
    pub(crate) async fn committed<T>(
        &self,
        store: &dyn Store,
        headers: &[PlayHeader],
        outcome: &Result<T, CommitError>,
    ) {
        for header in headers {
            self.note(|| {
                let slot = header.slot.as_ref().map(|slot| format!(" {:?}", slot.place)).unwrap_or_default();
                let told = outcome.as_ref().err().map(|error| format!(" FAILS: {error}")).unwrap_or_default();
                let owner = if header.owner.is_some() { " in memory" } else { "" };
                let due = header.due.map(|due| format!(" due {}", due.0)).unwrap_or_default();
                format!(
                    "commit {} r{} {} records {}{slot}{owner}{due}{told}",
                    header.key.play.0, header.revision, header.records, header.state
                )
            });
            let Some(slot) = header.slot.as_ref().filter(|slot| slot.place == SlotPlace::Held) else { continue };
            if let Ok(count) = store.limit(header.key.company, slot.key).await
                && count.held > u64::from(slot.limit)
            {
                self.breach(format!("{} slots of {} are held", count.held, slot.limit));
            }
        }
    }
}
