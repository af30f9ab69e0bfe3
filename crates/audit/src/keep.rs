//! [`drop_old`]: what is not kept any longer goes, by whole segments, and leaves a signed checkpoint.

use model::batch::Batch;
use model::doc::{Doc, DocWrite, Expect};
use model::ids::CompanyId;
use model::time::Timestamp;
use store::CommitError;
use vault::SigningKey;

use crate::chain::{Chain, Stored, chain_key, segments, signing_key, stored};
use crate::segment::{Checkpoint, Segment, Signed};
use crate::{AuditError, Log};

/// Segments that are read at once.
const AT_ONCE: usize = 16;

/// Which rows are kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Those that were sealed then or later.
    pub since: Timestamp,
    /// And so many in any case.
    pub at_least: u64,
}

impl Keep {
    /// Whether a segment may go, while so many rows are there.
    fn lets_go(self, segment: &Segment, rows: u64) -> bool {
        segment.sealed_at < self.since && rows.saturating_sub(segment.numbers.len() as u64) >= self.at_least
    }
}

/// The next segment that may go, and what leads to it.
struct Oldest {
    chain: Stored<Chain>,
    before: Option<Checkpoint>,
    key: SigningKey,
    doc: Doc,
    signed: Signed,
    segment: Segment,
}

/// See [`Log::drop_old`].
pub(crate) async fn drop_old(log: &Log, now: Timestamp, company: CompanyId, keep: Keep) -> Result<u64, AuditError> {
    let mut dropped = 0;
    while let Some(oldest) = oldest(log, company, keep).await? {
        let Oldest { mut chain, before, key, doc, signed, segment } = oldest;
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
        match log.store.commit(batch).await {
            Ok(_) => dropped += segment.numbers.len() as u64,
            // Another replica seals at the same moment: it is read again.
            Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
    }
    Ok(dropped)
}

/// See [`Log::count_old`].
pub(crate) async fn count_old(log: &Log, company: CompanyId, keep: Keep) -> Result<u64, AuditError> {
    let Some(Oldest { chain, before, key, segment, .. }) = oldest(log, company, keep).await? else { return Ok(0) };
    let mut left = chain.thing.rows - before.map_or(0, |before| before.rows);
    let (mut old, mut last) = (0, segment.number - 1);
    loop {
        let found = segments(&*log.store, company, last, AT_ONCE).await?;
        for doc in &found {
            let segment = doc.read::<Signed>().ok().and_then(|signed| signed.by::<Segment>(&key.public()));
            let Some(segment) = segment.filter(|segment| keep.lets_go(segment, left)) else { return Ok(old) };
            last = segment.number;
            left -= segment.numbers.len() as u64;
            old += segment.numbers.len() as u64;
        }
        if found.len() < AT_ONCE {
            return Ok(old);
        }
    }
}

/// The oldest segment that is there, where it need not be kept.
async fn oldest(log: &Log, company: CompanyId, keep: Keep) -> Result<Option<Oldest>, AuditError> {
    let store = &*log.store;
    let chain = stored::<Chain>(store, &chain_key(company)).await?;
    let Some(key) = signing_key(log, company).await? else { return Ok(None) };
    let before = chain.thing.dropped.as_ref().and_then(|signed| signed.by::<Checkpoint>(&key.public()));
    if chain.thing.dropped.is_some() != before.is_some() {
        // Whoever verifies is told; nothing more is taken away from what they look at.
        tracing::error!(%company, "the checkpoint of the audit log was altered; nothing of the log is dropped");
        return Ok(None);
    }
    let gone = before.as_ref().map_or(0, |before| before.segments);
    let Some(doc) = segments(store, company, gone, 1).await?.into_iter().next() else { return Ok(None) };
    let signed: Signed = doc.read()?;
    let Some(segment) = signed.by::<Segment>(&key.public()).filter(|segment| segment.number == gone + 1) else {
        tracing::error!(%company, segment = gone + 1, "a segment of the audit log was altered; it is not dropped");
        return Ok(None);
    };
    let left = chain.thing.rows.saturating_sub(before.as_ref().map_or(0, |before| before.rows));
    let goes = keep.lets_go(&segment, left);
    Ok(goes.then_some(Oldest { chain, before, key, doc, signed, segment }))
}
