//! [`seal`]: new rows join their companies' chains.

use std::collections::BTreeMap;

use model::batch::Batch;
use model::doc::{DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::payload::Digest;
use model::time::Timestamp;
use store::{AuditEntry, AuditSpan, CommitError, DocQuery};

use crate::chain::{Chain, Position, chain_key, make_key, position_key, segment_key, signing_key, stored};
use crate::segment::{SEGMENT_ROWS, Segment, Signed};
use crate::{AuditError, Log};

/// See [`Log::is_behind`].
pub(crate) async fn is_behind(log: &Log) -> Result<bool, AuditError> {
    let position = stored::<Position>(&*log.store, &position_key()).await?;
    Ok(log.store.audit_end().await? > position.thing.number)
}

/// See [`Log::seal`]. Of several replicas that do so at once, one is heard: how far all rows are sealed is written
/// with each segment, and must be as it was read.
pub(crate) async fn seal(log: &Log, now: Timestamp) -> Result<u64, AuditError> {
    let store = &*log.store;
    let mut sealed = 0;
    loop {
        let position = stored::<Position>(store, &position_key()).await?;
        let upto = store.audit_end().await?;
        let span = AuditSpan { company: None, after: position.thing.number, upto, limit: SEGMENT_ROWS };
        let entries = store.audit_log(&span).await?;
        let count = entries.len();
        let number = match entries.last() {
            Some(last) if count == SEGMENT_ROWS => last.number,
            // There are no others up to there, and none will come.
            _ => upto,
        };
        if number <= position.thing.number {
            return Ok(sealed);
        }
        let next = Position { number };
        let mut docs = vec![DocWrite::put(position_key(), position.expect, &next)];
        let mut by_company: BTreeMap<CompanyId, Vec<AuditEntry>> = BTreeMap::new();
        for entry in entries {
            by_company.entry(entry.company).or_default().push(entry);
        }
        for (company, entries) in by_company {
            match link(log, now, company, &entries).await {
                Ok(linked) => docs.extend(linked),
                // The company was erased, and somebody wrote this at that very moment: it goes with all else. The
                // logs of the others do not wait for it.
                Err(error) if has_no_key(log, company).await? => {
                    tracing::warn!(%error, %company, "rows of a company without a key are not sealed");
                }
                Err(error) => return Err(error),
            }
        }
        match store.commit(Batch { docs, ..Batch::default() }).await {
            Ok(_) => sealed += count as u64,
            // Another replica was faster, and goes on.
            Err(CommitError::Conflict(_)) => return Ok(sealed),
            Err(CommitError::Store(error)) => return Err(error.into()),
        }
        if count < SEGMENT_ROWS {
            return Ok(sealed);
        }
    }
}

async fn has_no_key(log: &Log, company: CompanyId) -> Result<bool, AuditError> {
    Ok(log.store.docs(&DocQuery::all(company, DocKind::DataKey, 1)).await?.is_empty())
}

/// What makes rows the next segment of their company's chain.
async fn link(
    log: &Log,
    now: Timestamp,
    company: CompanyId,
    entries: &[AuditEntry],
) -> Result<Vec<DocWrite>, AuditError> {
    let mut docs = Vec::new();
    let key = match signing_key(log, company).await? {
        Some(key) => key,
        None => {
            let (key, write) = make_key(log, company).await?;
            docs.push(write);
            key
        }
    };
    let mut chain = stored::<Chain>(&*log.store, &chain_key(company)).await?;
    let rows = entries.iter().map(|entry| (entry.number, Digest::of(&entry.text)));
    let segment = Segment::new(company, (chain.thing.segments + 1, chain.thing.digest), now, rows);
    let signed = Signed::new(&segment, &key);
    chain.thing.segments = segment.number;
    chain.thing.rows += entries.len() as u64;
    chain.thing.digest = signed.digest();
    docs.push(DocWrite::put(segment_key(company, segment.number), Expect::Absent, &signed));
    docs.push(DocWrite::put(chain_key(company), chain.expect, &chain.thing));
    Ok(docs)
}
