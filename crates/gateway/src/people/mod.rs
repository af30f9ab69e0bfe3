//! People and programs: users, their sessions, their API keys, and how a request proves whose
//! it is.
//!
//! Tokens are stored as hashes, passwords as Argon2id. What a request's token stands for is
//! remembered for a few seconds, and forgotten at once when anything here changes.

mod bootstrap;
mod company;
mod known;
pub(crate) mod lockout;
mod second_factor;
mod session;
mod ticket;
mod user;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use model::actor::{Actor, ActorKind};
use model::doc::{DocKind, UniqueKey};
use model::ids::{CompanyId, Id, UserId};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use vault::TokenHash;

pub use bootstrap::{Bootstrap, BootstrapError, FirstAdmin};
pub(crate) use company::{Company, founding};
pub(crate) use known::Known;
pub(crate) use second_factor::SecondFactor;
pub(crate) use session::{Session, cookie as session_cookie};
pub(crate) use ticket::Ticket;
pub(crate) use user::{Identity, OneTime, User, room, user, user_by_email, user_by_identity, user_by_one_time};

use crate::access::{Caller, Permission, permissions_of};
use crate::app::App;
use crate::error::ApiError;
use crate::request::{bearer, cookie};

/// How long it is remembered what a token stands for.
const REMEMBERED: Duration = Duration::from_secs(5);

/// The name of the session's cookie.
pub(crate) const COOKIE: &str = "sid";

/// A key with which a program calls the API in somebody's name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKey {
    pub(crate) id: Id,
    pub(crate) name: String,
    /// In whose name; it can do no more than its owner.
    pub(crate) owner: UserId,
    pub(crate) scopes: Vec<Permission>,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

/// The unique key by which a session or an API key is found.
pub(crate) fn token_key(hash: &TokenHash) -> String {
    format!("token:{}", hash.0)
}

fn unique(kind: DocKind, text: String) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind, text }
}

/// Whom a request comes from; none where it shows nothing.
///
/// # Errors
/// Where it shows an API key that does not hold.
pub(crate) async fn caller_of(app: &App, headers: &HeaderMap) -> Result<Option<Arc<Caller>>, ApiError> {
    match shown_by(headers) {
        Some(shown) => caller_who_shows(app, &shown).await,
        None => Ok(None),
    }
}

/// What a request shows to prove whose it is.
#[derive(Clone)]
pub(crate) enum Shown {
    /// An API key.
    Token(String),
    /// The cookie of a session.
    Session(String),
}

/// What a request shows; a token counts before a cookie.
pub(crate) fn shown_by(headers: &HeaderMap) -> Option<Shown> {
    match bearer(headers) {
        Some(token) => Some(Shown::Token(token.to_owned())),
        None => cookie(headers, COOKIE).map(|sid| Shown::Session(sid.to_owned())),
    }
}

/// Whom that stands for; none for a session that is over.
///
/// # Errors
/// Where it is an API key that does not hold.
pub(crate) async fn caller_who_shows(app: &App, shown: &Shown) -> Result<Option<Arc<Caller>>, ApiError> {
    match shown {
        Shown::Token(token) => caller_of_token(app, token).await.map(Some),
        Shown::Session(sid) => caller_of_session(app, sid).await,
    }
}

/// Whom a token stands for: an API key, or the command line on this machine.
///
/// # Errors
/// Where it does not hold.
async fn caller_of_token(app: &App, token: &str) -> Result<Arc<Caller>, ApiError> {
    let (hash, now) = (TokenHash::of(token), app.engine.now());
    if app.cli_token.as_ref().is_some_and(|cli| cli.matches(&hash)) {
        return Ok(Arc::new(Caller::cli(app.company)));
    }
    let refused = || ApiError::unauthorized("the API key is not known, or has expired");
    let since = match app.known.get(&hash, now, app.engine.access()) {
        Ok(caller) if caller.session.is_none() => return Ok(caller),
        // The token of a session is no API key.
        Ok(_) => return Err(refused()),
        Err(since) => since,
    };
    let doc = app.engine.store().doc_by(&unique(DocKind::ApiKey, token_key(&hash))).await?.ok_or_else(refused)?;
    let key: ApiKey = doc.read()?;
    if key.expires_at.is_some_and(|at| at <= now) {
        return Err(refused());
    }
    app.engine.bring_keys(doc.key.company).await?;
    let owner = user(app, doc.key.company, key.owner).await?.ok_or_else(refused)?;
    let within = |permissions: &mut Vec<Permission>| permissions.retain(|permission| key.scopes.contains(permission));
    let (mut permissions, mut shares) = (permissions_of(&owner.roles), owner.caller_shares());
    let mut all = permissions.iter().chain(shares.values().flat_map(|share| &share.permissions));
    let is_narrowed = all.any(|permission| !key.scopes.contains(permission));
    within(&mut permissions);
    shares.values_mut().for_each(|share| within(&mut share.permissions));
    let actor = Actor { kind: ActorKind::ApiKey, id: Some(key.id), name: key.name, user: Some(owner.id) };
    let caller = Caller {
        company: doc.key.company,
        actor,
        user: Some(owner.id),
        roles: owner.roles,
        permissions,
        shares,
        session: None,
        is_narrowed,
    };
    let until = now.plus(REMEMBERED).min(key.expires_at.unwrap_or(Timestamp(i64::MAX)));
    Ok(remember(app, since, hash, caller, until))
}

async fn caller_of_session(app: &App, sid: &str) -> Result<Option<Arc<Caller>>, ApiError> {
    let (hash, now) = (TokenHash::of(sid), app.engine.now());
    let since = match app.known.get(&hash, now, app.engine.access()) {
        Ok(caller) => return Ok(Some(caller).filter(|caller| caller.session.is_some())),
        Err(since) => since,
    };
    let Some(doc) = app.engine.store().doc_by(&unique(DocKind::Session, token_key(&hash))).await? else {
        return Ok(None);
    };
    if doc.expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    let session: Session = doc.read()?;
    app.engine.bring_keys(doc.key.company).await?;
    let user = user(app, doc.key.company, session.user).await?;
    let Some(user) = user.filter(|user| user.sessions == session.epoch) else { return Ok(None) };
    let until = now.plus(REMEMBERED).min(doc.expires_at.unwrap_or(Timestamp(i64::MAX)));
    let caller = Caller { session: Some(hash.clone()), ..caller_for(doc.key.company, &user) };
    Ok(Some(remember(app, since, hash, caller, until)))
}

/// A person who is signed in.
pub(crate) fn caller_for(company: CompanyId, user: &User) -> Caller {
    Caller {
        company,
        actor: Actor { kind: ActorKind::User, id: Some(user.id.0), name: user.email.clone(), user: Some(user.id) },
        user: Some(user.id),
        roles: user.roles.clone(),
        permissions: permissions_of(&user.roles),
        shares: user.caller_shares(),
        session: None,
        is_narrowed: false,
    }
}

fn remember(app: &App, since: known::Since, hash: TokenHash, caller: Caller, until: Timestamp) -> Arc<Caller> {
    let caller = Arc::new(caller);
    app.known.put(since, hash, caller.clone(), until);
    caller
}
