//! [`clean_up`]: what is not kept any longer goes.

use audit::{AuditError, Keep};
use engine::driver::{Cleared, Clearing};
use engine::kept::kept;
use model::ids::CompanyId;

use crate::app::App;

/// What was cleared away, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CleanedUp {
    /// Plays, documents, objects.
    pub cleared: Cleared,
    /// Rows of the audit log.
    pub audit_rows: u64,
    /// A hold keeps all of the company.
    pub is_held: bool,
}

impl CleanedUp {
    /// Whether it was nothing.
    pub fn is_nothing(&self) -> bool {
        (self.cleared, self.audit_rows) == (Cleared::default(), 0)
    }
}

/// Clears away what a company does not keep any longer, or counts it.
///
/// # Errors
/// Where the store fails, or the audit log cannot be read; what was cleared away stays so.
pub async fn clean_up(app: &App, company: CompanyId, clearing: Clearing) -> Result<CleanedUp, AuditError> {
    let (engine, log) = (&app.engine, &app.audit);
    let kept = kept(&**engine.store(), company, &app.retention()).await?;
    let cleared = engine.clear_away(company, &kept, clearing).await?;
    let now = engine.now();
    let keep = Keep { since: now.minus(kept.audit.kept), at_least: kept.audit.min_entries };
    let audit_rows = match clearing {
        _ if kept.is_held => 0,
        Clearing::Remove => log.drop_old(now, company, keep).await?,
        Clearing::Count => log.count_old(company, keep).await?,
    };
    Ok(CleanedUp { cleared, audit_rows, is_held: kept.is_held })
}
