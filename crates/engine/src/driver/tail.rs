//! [`Tail`]: when a play's state is written down.

use model::limits::SNAPSHOT_RECORDS;
use store::Loaded;

/// What the store holds of a play's state: how it was last written down, and the records since.
#[derive(Default)]
pub(super) struct Tail {
    /// Records before it.
    pub(super) from: u64,
    /// Bytes of its records, as they are stored.
    pub(super) bytes: usize,
    /// Bytes of the state that was written down before it, as it is stored.
    pub(super) snapshot: usize,
}

impl Tail {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let snapshot = loaded.snapshot.as_ref();
        Self {
            from: snapshot.map_or(0, |snapshot| snapshot.records),
            bytes: loaded.tail.iter().map(|chunk| chunk.bytes.len()).sum(),
            snapshot: snapshot.map_or(0, |snapshot| snapshot.bytes.len()),
        }
    }

    /// Whether the state should be written down anew. A state that grows is written down ever more
    /// rarely: all its writings together are no more work than the records were, and whoever brings
    /// the play back still reads no more than about twice its state.
    pub(super) fn is_long(&self, records: u64) -> bool {
        records - self.from >= SNAPSHOT_RECORDS && self.bytes >= self.snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_grows_is_written_down_in_linear_work() {
        let work = |count: u64| {
            let (mut tail, mut written) = (Tail::default(), 0);
            for records in 1..=count {
                tail.bytes += 50;
                if tail.is_long(records) {
                    let snapshot = 20 * records as usize;
                    written += snapshot;
                    tail = Tail { from: records, bytes: 0, snapshot };
                }
            }
            written
        };
        assert!(work(10_000) > 0);
        assert!(work(1_000_000) < 12 * work(100_000), "{} {}", work(1_000_000), work(100_000));
        assert!(work(1_000_000) < 2 * 50 * 1_000_000);
    }
}
