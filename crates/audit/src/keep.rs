//! [`drop_old`]: what is not kept any longer goes, by whole segments, and leaves a signed checkpoint.

use model::batch::Batch;
use model::doc::{DocWrite, Expect};
use model::ids::CompanyId;
use model::time::Timestamp;
use store::CommitError;

use crate::chain::{Chain, chain_key, segments, signing_key, stored};
use crate::segment::{Checkpoint, Segment, Signed};
use crate::{AuditError, Log};

/// Which rows are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Those that were sealed then or later.
    pub since: Timestamp,
    /// And so many in any case.
    pub at_least: u64,
}

/// See [`Log::drop_old`].
pub(crate) async fn drop_old(log: &Log, now: Timestamp, company: CompanyId, keep: Keep) -> Result<u64, AuditError> {
    let store = &*log.store;
    let mut dropped = 0;
    loop {
        let mut chain = stored::<Chain>(store, &chain_key(company)).await?;
        let Some(key) = signing_key(log, company).await? else { return Ok(dropped) };
        let before = chain.thing.dropped.as_ref().and_then(|signed| signed.by::<Checkpoint>(&key.public()));
        if chain.thing.dropped.is_some() != before.is_some() {
            // Whoever verifies is told; nothing more is taken away from what they look at.
            tracing::error!(%company, "the checkpoint of the audit log was altered; nothing of the log is dropped");
            return Ok(dropped);
        }
        let gone = before.as_ref().map_or(0, |before| before.segments);
        let Some(doc) = segments(store, company, gone, 1).await?.into_iter().next() else { return Ok(dropped) };
        let signed: Signed = doc.read()?;
        let Some(segment) = signed.by::<Segment>(&key.public()).filter(|segment| segment.number == gone + 1) else {
            tracing::error!(%company, segment = gone + 1, "a segment of the audit log was altered; it is not dropped");
            return Ok(dropped);
        };
        let rows = segment.numbers.len() as u64;
        let left = chain.thing.rows - before.as_ref().map_or(0, |before| before.rows) - rows;
        if segment.sealed_at >= keep.since || left < keep.at_least {
            return Ok(dropped);
        }
        let checkpoint = Checkpoint::after(before.as_ref(), &segment, signed.digest(), now);
        chain.thing.dropped = Some(Signed::new(&checkpoint, &key));
        let batch = Batch {
            docs: vec![
                DocWrite::put(chain_key(company), chain.expect, &chain.thing),
                DocWrite::remove(doc.key, Expect::Revision(doc.revision)),
            ],
            drop_audit: Some((company, checkpoint.last_number)),
            ..Batch::default()
        };
        match store.commit(batch).await {
            Ok(_) => dropped += rows,
            // Another replica seals at the same moment: it is read again.
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
}
