//! [`verify`]: the chain as it stands in the store.

use model::ids::CompanyId;
use store::{AuditEntry, AuditSpan};
use vault::PublicKey;

use crate::chain::{Chain, chain_key, segments, signing_key, stored};
use crate::check::{Broken, Checker, Report};
use crate::segment::SEGMENT_ROWS;
use crate::{AuditError, Log};

/// Segments that are read at once.
const AT_ONCE: usize = 16;

/// How often it is begun anew because what was being read has meanwhile been dropped.
const TRIES: u32 = 5;

/// See [`Log::verify`].
pub(crate) async fn verify(log: &Log, company: CompanyId) -> Result<Report, AuditError> {
    let Some(key) = signing_key(log, company).await? else {
        return Ok(Report { unsealed: rows_behind(log, company, 0).await?, ..Report::default() });
    };
    // The key was opened, not read: without the master key, nobody can have put another in its place.
    let key = key.public();
    for tries in 1.. {
        let chain = chain_of(log, company).await?;
        let report = verify_chain(log, company, key, &chain).await?;
        let is_settled = report.broken.is_none() || tries == TRIES;
        if is_settled || chain_of(log, company).await?.dropped == chain.dropped {
            return Ok(report);
        }
    }
    Ok(Report::default())
}

async fn chain_of(log: &Log, company: CompanyId) -> Result<Chain, AuditError> {
    Ok(stored(&*log.store, &chain_key(company)).await?.thing)
}

async fn verify_chain(log: &Log, company: CompanyId, key: PublicKey, chain: &Chain) -> Result<Report, AuditError> {
    let mut checker = match Checker::begin(company, key, chain.dropped.as_ref()) {
        Ok(checker) => checker,
        Err(broken) => return Ok(Report { public_key: Some(key), broken: Some(broken), ..Report::default() }),
    };
    match follow(log, company, &mut checker, chain).await? {
        Some(broken) => Ok(Report { broken: Some(broken), ..checker.so_far() }),
        None => {
            let unsealed = rows_behind(log, company, checker.last_row).await?;
            Ok(Report { unsealed, ..checker.so_far() })
        }
    }
}

/// Follows the chain to its end, or to the first thing that is broken.
async fn follow(
    log: &Log,
    company: CompanyId,
    checker: &mut Checker,
    chain: &Chain,
) -> Result<Option<Broken>, AuditError> {
    let store = &*log.store;
    let before = AuditSpan { company: Some(company), after: 0, upto: checker.last_row, limit: 1 };
    if let Some(row) = store.audit_log(&before).await?.first() {
        return Ok(Some(Broken::RowAdded { row: row.number, segment: checker.last }));
    }
    // What is sealed while this runs is for the next time.
    while checker.last < chain.segments {
        let left = usize::try_from(chain.segments - checker.last).unwrap_or(AT_ONCE);
        let found = segments(store, company, checker.last, left.min(AT_ONCE)).await?;
        if found.is_empty() {
            break;
        }
        for doc in &found {
            let after = checker.last_row;
            let segment = match checker.segment(doc.read().ok().as_ref()) {
                Ok(segment) => segment,
                Err(broken) => return Ok(Some(broken)),
            };
            let upto = segment.last_number().unwrap_or(after);
            let span = AuditSpan { company: Some(company), after, upto, limit: SEGMENT_ROWS + 1 };
            let rows = store.audit_log(&span).await?;
            // A row that is found by another name than its own is as good as hidden.
            let as_found = |row: &AuditEntry| row.is_found_as_it_says();
            let texts = rows.iter().map(|row| (row.number, if as_found(row) { &*row.text } else { &[] }));
            if let Err(broken) = checker.rows(&segment, texts) {
                return Ok(Some(broken));
            }
        }
    }
    Ok(checker.end(chain.segments).err())
}

/// How many rows there are behind one.
async fn rows_behind(log: &Log, company: CompanyId, mut after: u64) -> Result<u64, AuditError> {
    let mut count = 0;
    loop {
        let span = AuditSpan { company: Some(company), after, upto: u64::MAX, limit: SEGMENT_ROWS };
        let rows = log.store.audit_log(&span).await?;
        let Some(last) = rows.last() else { return Ok(count) };
        (after, count) = (last.number, count + rows.len() as u64);
    }
}
