//! [`Session`]: somebody's sign-in, however they proved who they are.

use engine::driver::RequestInfo;
use model::audit::AuditRow;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::time::Timestamp;
use model::value::Value;
use serde::{Deserialize, Serialize};
use store::DocQuery;
use vault::{Token, TokenHash};

use super::{COOKIE, User, caller_for, token_key};
use crate::app::App;
use crate::error::ApiError;

/// Sessions of one company that are looked at.
const SESSIONS: usize = 100_000;

/// Somebody's sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) created_at: Timestamp,
}

/// A session that begins, once what is written here is committed.
pub(crate) struct Begun {
    pub(crate) write: DocWrite,
    pub(crate) audit: AuditRow,
    /// The header that gives it to the browser.
    pub(crate) cookie: String,
}

impl Session {
    /// Where it is kept.
    pub(crate) fn key(company: CompanyId, hash: &TokenHash) -> DocKey {
        DocKey::new(company, DocKind::Session, &hash.0)
    }

    /// Begins one for a person. `how` tells the audit log by what they proved who they are.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub(crate) fn begin(
        app: &App,
        (company, user): (CompanyId, &User),
        request: &RequestInfo,
        how: Value,
    ) -> Result<Begun, ApiError> {
        let token = Token::fresh("").map_err(|error| ApiError::internal(error.to_string()))?;
        let (hash, now, ttl) = (token.hash(), app.engine.now(), app.settings.session_ttl);
        let session = Self { user: user.id, created_at: now };
        let write = DocWrite::put(Self::key(company, &hash), Expect::Absent, &session)
            .unique(CompanyId::INSTALLATION, token_key(&hash))
            .expiring(now.plus(ttl));
        let audit = AuditRow {
            company,
            at: now,
            actor: caller_for(company, user).actor,
            action: "auth.login".into(),
            entity: "user".into(),
            entity_id: user.id.to_string(),
            before: Value::Null,
            after: how,
            request_id: request.id.clone(),
            ip: request.ip.clone(),
        };
        Ok(Begun { write, audit, cookie: cookie(app, token.reveal(), ttl.as_secs()) })
    }

    /// What ends all of a person's sessions but one, at once and everywhere.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn end_all(
        app: &App,
        company: CompanyId,
        user: UserId,
        but: Option<&TokenHash>,
    ) -> Result<Vec<DocWrite>, ApiError> {
        let mut ends = Vec::new();
        for doc in app.engine.store().docs(&DocQuery::all(company, DocKind::Session, SESSIONS)).await? {
            if doc.read::<Self>()?.user == user && but.is_none_or(|kept| doc.key.id != kept.0) {
                ends.push(DocWrite::remove(doc.key, Expect::Anything));
            }
        }
        Ok(ends)
    }
}

/// The cookie of a session; one of no seconds ends it in the browser.
pub(crate) fn cookie(app: &App, value: &str, seconds: u64) -> String {
    let secure = if app.settings.cookie_secure { "; Secure" } else { "" };
    let same_site = app.settings.cookie_same_site;
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}")
}
