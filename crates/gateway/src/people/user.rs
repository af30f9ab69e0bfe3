//! [`User`]: a person, and how one is found.

use std::collections::BTreeMap;

use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::ids::{CompanyId, GroupId, UserId};
use model::limits::PEOPLE;
use model::time::Timestamp;
use model::value::Value;
use serde::{Deserialize, Serialize};
use store::DocQuery;
use vault::{Token, TokenHash};

use super::{SecondFactor, unique};
use crate::access::{Role, Share, permissions_of};
use crate::app::App;
use crate::error::ApiError;

/// How a token begins with which somebody chooses a password.
const ONE_TIME: &str = "f8once_";

/// A person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) email: String,
    pub(crate) name: String,
    /// What they are, whatever it is about; nothing, for somebody who has shares alone.
    pub(crate) roles: Vec<Role>,
    /// What they are in single groups of flows, beside that.
    #[serde(default)]
    pub(crate) shares: BTreeMap<GroupId, Vec<Role>>,
    /// Argon2id; none for somebody who cannot sign in with a password.
    pub(crate) password: Option<String>,
    /// The password was made by flow8 and should be changed.
    #[serde(default)]
    pub(crate) must_change_password: bool,
    /// Who they are at the providers that they sign in through.
    #[serde(default)]
    pub(crate) identities: Vec<Identity>,
    /// How often all of their sessions were ended.
    #[serde(default)]
    pub(crate) sessions: u64,
    /// With what they may choose a password, once.
    #[serde(default)]
    pub(crate) one_time: Option<OneTime>,
    /// What they show beside the password.
    #[serde(default)]
    pub(crate) second_factor: Option<SecondFactor>,
    pub(crate) created_at: Timestamp,
}

/// Who somebody is at a sign-in provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

impl Identity {
    /// The unique key by which whoever has it is found.
    fn key(&self) -> String {
        format!("identity:{}", TokenHash::of(&format!("{}\n{}", self.issuer, self.subject)).0)
    }
}

/// What somebody shows to choose a password: they were invited, or an administrator reset the one they had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OneTime {
    pub(crate) hash: TokenHash,
    pub(crate) until: Timestamp,
}

impl OneTime {
    /// A fresh one, and the token that goes with it.
    ///
    /// # Errors
    /// Where the system has no randomness.
    pub(crate) fn fresh(until: Timestamp) -> Result<(Self, Token), ApiError> {
        let token = Token::fresh(ONE_TIME).map_err(|error| ApiError::internal(error.to_string()))?;
        Ok((Self { hash: token.hash(), until }, token))
    }
}

impl User {
    /// The user as the store keeps them.
    pub(crate) fn write(&self, company: CompanyId, expect: Expect) -> DocWrite {
        let write = DocWrite::put(DocKey::new(company, DocKind::User, self.id), expect, self)
            .unique(CompanyId::INSTALLATION, email_key(&self.email));
        let keys =
            self.identities.iter().map(Identity::key).chain(self.one_time.iter().map(|one| one_time_key(&one.hash)));
        keys.fold(write, |write, key| write.unique(CompanyId::INSTALLATION, key))
    }

    /// Ends all of their sessions, once this is stored: at once, and at every replica.
    pub(crate) fn end_sessions(&mut self) {
        self.sessions = self.sessions.saturating_add(1);
    }

    /// What they may do in single groups of flows.
    pub(crate) fn caller_shares(&self) -> BTreeMap<GroupId, Share> {
        let share = |roles: &Vec<Role>| Share { roles: roles.clone(), permissions: permissions_of(roles) };
        self.shares.iter().map(|(group, roles)| (*group, share(roles))).collect()
    }

    /// Whether a code is asked for beside the password.
    pub(crate) fn has_second_factor(&self) -> bool {
        self.second_factor.as_ref().is_some_and(|factor| factor.is_on)
    }

    /// The user as the audit log shows them.
    pub(crate) fn shown(&self) -> Value {
        let roles: Vec<Value> = self.roles.iter().map(|role| role.as_str().into()).collect();
        let mut shown = vec![
            ("email", Value::from(self.email.as_str())),
            ("name", self.name.as_str().into()),
            ("roles", roles.into()),
        ];
        if self.has_second_factor() {
            shown.push(("secondFactor", true.into()));
        }
        if !self.identities.is_empty() {
            shown.push(("providers", Value::list(self.identities.iter().map(|identity| identity.issuer.as_str()))));
        }
        Value::map(shown)
    }
}

/// The unique key by which a user is found, whatever the company.
fn email_key(email: &str) -> String {
    format!("email:{}", email.trim().to_lowercase())
}

fn one_time_key(hash: &TokenHash) -> String {
    format!("once:{}", hash.0)
}

/// A person of a company.
pub(crate) async fn user(app: &App, company: CompanyId, id: UserId) -> Result<Option<User>, ApiError> {
    match app.engine.store().doc(&DocKey::new(company, DocKind::User, id)).await? {
        Some(doc) => Ok(Some(doc.read()?)),
        None => Ok(None),
    }
}

/// Makes sure that a company has room for one more person.
///
/// # Errors
/// Where it has not.
pub(crate) async fn room(app: &App, company: CompanyId) -> Result<(), ApiError> {
    let people = app.engine.store().docs(&DocQuery::all(company, DocKind::User, PEOPLE)).await?;
    if people.len() < PEOPLE {
        return Ok(());
    }
    Err(ApiError::conflict("TOO_MANY_PEOPLE", format!("a company has at most {PEOPLE} people")))
}

/// The person of that address, the company they belong to, and the revision they stand at.
pub(crate) async fn user_by_email(app: &App, email: &str) -> Result<Option<(CompanyId, u64, User)>, ApiError> {
    read(app.engine.store().doc_by(&unique(DocKind::User, email_key(email))).await?)
}

/// The person who is that at a provider, and the company they belong to.
pub(crate) async fn user_by_identity(
    app: &App,
    identity: &Identity,
) -> Result<Option<(CompanyId, u64, User)>, ApiError> {
    read(app.engine.store().doc_by(&unique(DocKind::User, identity.key())).await?)
}

/// The person who may choose a password with a token of that hash, the company they belong to, and the
/// revision they stand at.
pub(crate) async fn user_by_one_time(app: &App, hash: &TokenHash) -> Result<Option<(CompanyId, u64, User)>, ApiError> {
    read(app.engine.store().doc_by(&unique(DocKind::User, one_time_key(hash))).await?)
}

/// Whose a document is, the revision it stands at, and the person in it.
fn read(doc: Option<Doc>) -> Result<Option<(CompanyId, u64, User)>, ApiError> {
    doc.map(|doc| Ok((doc.key.company, doc.revision, doc.read()?))).transpose()
}
