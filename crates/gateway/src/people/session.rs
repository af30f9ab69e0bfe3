//! [`Session`]: somebody's sign-in, however they proved who they are.

use engine::driver::RequestInfo;
use model::audit::AuditRow;
use model::doc::{DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, UserId};
use model::time::Timestamp;
use model::value::Value;
use serde::{Deserialize, Serialize};
use vault::{Token, TokenHash};

use super::{COOKIE, User, caller_for, token_key};
use crate::app::App;
use crate::error::ApiError;

/// Somebody's sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) user: UserId,
    pub(crate) created_at: Timestamp,
    /// The person's [`User::sessions`] as it was read when they proved who they are. Where it has risen
    /// since, the session is over, even one that was stored a moment later.
    #[serde(default)]
    pub(crate) epoch: u64,
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
        let session = Self { user: user.id, created_at: now, epoch: user.sessions };
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

    /// What keeps one where all others of a person end, because of [`User::end_sessions`]. None where it
    /// is over.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn keep(
        app: &App,
        (company, user): (CompanyId, &User),
        hash: &TokenHash,
    ) -> Result<Option<DocWrite>, ApiError> {
        let key = Self::key(company, hash);
        let Some(doc) = app.engine.store().doc(&key).await? else { return Ok(None) };
        let kept = Self { epoch: user.sessions, ..doc.read()? };
        let write =
            DocWrite::put(key, Expect::Revision(doc.revision), &kept).unique(CompanyId::INSTALLATION, token_key(hash));
        Ok(Some(match doc.expires_at {
            Some(at) => write.expiring(at),
            None => write,
        }))
    }
}

/// The cookie of a session; one of no seconds ends it in the browser.
pub(crate) fn cookie(app: &App, value: &str, seconds: u64) -> String {
    let secure = if app.settings.cookie_secure { "; Secure" } else { "" };
    let same_site = app.settings.cookie_same_site;
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite={same_site}; Max-Age={seconds}{secure}")
}
