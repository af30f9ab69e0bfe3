//! [`clean_up`]: what is not kept any longer goes.

use audit::{AuditError, Keep};
use engine::driver::{Cleared, Clearing};
use engine::kept::kept;
use model::ids::CompanyId;
use store::StoreError;

use crate::app::App;
use crate::erasing;
use crate::error::ApiError;

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

/// What an error of the API is for whoever cleans up.
fn stored(error: ApiError) -> AuditError {
    AuditError::Store(StoreError::Failed(error.message))
}

/// Heeds, at this replica, that companies are being erased.
///
/// # Errors
/// Where the store fails.
pub async fn forget_erased(app: &App) -> Result<(), AuditError> {
    erasing::forget_keys(app).await.map_err(stored)
}

/// Clears away what a company does not keep any longer, or counts it.
///
/// # Errors
/// Where the store fails, or the audit log cannot be read; what was cleared away stays so.
pub async fn clean_up(app: &App, company: CompanyId, clearing: Clearing) -> Result<CleanedUp, AuditError> {
    let (engine, log) = (&app.engine, &app.audit);
    if erasing::is_erasing(app, company).await.map_err(stored)? {
        if clearing == Clearing::Remove && erasing::go_on(app, company).await.map_err(stored)? {
            tracing::info!(%company, "the company is erased");
        }
        return Ok(CleanedUp::default());
    }
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
