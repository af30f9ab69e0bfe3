//! A company is erased: its data key goes first, in the commit that says so, and with it whatever is sealed. The rest
//! follows in batches; the company's document says that it is being erased, so that whoever cleans up goes on.

use std::time::Duration;

use engine::driver::RequestInfo;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::doc::{DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::value::Value;
use store::{CommitError, DocQuery};

use crate::app::App;
use crate::error::ApiError;
use crate::people::Company;

/// How long the document of a company stays at least after it began to be erased. A request or a play that was under
/// way may write something until then; the last round removes that, too.
const STAYS: Duration = Duration::from_secs(600);

/// Whether a company is being erased.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn is_erasing(app: &App, company: CompanyId) -> Result<bool, ApiError> {
    let Some(doc) = app.engine.store().doc(&Company::key(company)).await? else { return Ok(false) };
    Ok(doc.read::<Company>()?.erasing.is_some())
}

/// Removes what is left of a company; says whether nothing is, and the company itself is gone.
///
/// # Errors
/// Where the store fails; whoever asks again goes on.
pub(crate) async fn go_on(app: &App, company: CompanyId) -> Result<bool, ApiError> {
    app.ring.forget(company);
    let gone = app.engine.erase_rest(company).await?;
    let Some(doc) = app.engine.store().doc(&Company::key(company)).await? else { return Ok(true) };
    let since = doc.read::<Company>()?.erasing;
    if gone > 0 || since.is_none_or(|since| app.engine.now().since(since) < STAYS) {
        return Ok(false);
    }
    let RequestInfo { id, ip, .. } = RequestInfo::default();
    let audit = AuditRow {
        company: app.company,
        at: app.engine.now(),
        actor: Actor::system(),
        action: "company.erased".into(),
        entity: "company".into(),
        entity_id: company.to_string(),
        before: Value::Null,
        after: Value::Null,
        request_id: id,
        ip,
    };
    let write = DocWrite::remove(doc.key, Expect::Revision(doc.revision));
    match app.engine.store().commit(Batch::of_docs(vec![write], audit)).await {
        Ok(_) => Ok(true),
        // Another replica did it.
        Err(CommitError::Conflict(_)) => Ok(false),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

/// Forgets the keys of companies that are being erased, at another replica.
///
/// # Errors
/// Where the store fails.
pub(crate) async fn forget_keys(app: &App) -> Result<(), ApiError> {
    let query = DocQuery::all(CompanyId::INSTALLATION, DocKind::Company, engine::companies::COMPANIES);
    for doc in app.engine.store().docs(&query).await? {
        let company: Company = doc.read()?;
        if company.erasing.is_some() {
            app.ring.forget(company.id);
        }
    }
    Ok(())
}
