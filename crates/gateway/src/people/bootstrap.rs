//! The first start: a company, its data key, and one administrator. Every later start: the data
//! keys, brought to hand.

use std::collections::BTreeMap;

use engine::companies::companies;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::ids::{CompanyId, Id, UserId};
use model::time::Timestamp;
use model::value::Value;
use store::keys::{KeysError, learn_keys};
use store::{CommitError, Store, StoreError};
use vault::{KeyError, KeyRing, PasswordError, Token, hash_password};

use super::{Company, User, founding};
use crate::access::Role;

/// The key that only the first company has: of replicas that start at once, one makes it.
const FIRST: &str = "company:first";

/// The administrator that the first start makes.
#[derive(Debug, Clone)]
pub struct FirstAdmin {
    /// The address to sign in with.
    pub email: String,
    /// The password; where there is none, one is made and told once.
    pub password: Option<String>,
}

/// What a start found or made.
#[derive(Debug)]
pub struct Bootstrap {
    /// The first company.
    pub company: CompanyId,
    /// The administrator that was made, and the password, if flow8 made that too.
    pub made: Option<(String, Option<Token>)>,
}

/// Why there is no first company.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A stored data key cannot be brought to hand.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// No data key can be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The password cannot be one.
    #[error("FLOW8_BOOTSTRAP_ADMIN_PASSWORD: {0}")]
    Password(#[from] PasswordError),
}

impl Bootstrap {
    /// Makes the first company where there is none, and brings all data keys to hand.
    ///
    /// # Errors
    /// Where the store fails, or another master key wrapped the data keys.
    pub async fn prepare(
        store: &dyn Store,
        ring: &KeyRing,
        first: FirstAdmin,
        now: Timestamp,
        new_id: impl Fn() -> Id,
    ) -> Result<Self, BootstrapError> {
        if let Some(company) = found(store, ring).await? {
            return Ok(Self { company, made: None });
        }
        match make(store, ring, first, now, new_id).await {
            Err(BootstrapError::Commit(CommitError::Conflict(conflict))) => {
                // Another replica started at the same moment, and was faster.
                let made = found(store, ring).await?;
                let company = made.ok_or(BootstrapError::Commit(CommitError::Conflict(conflict)))?;
                Ok(Self { company, made: None })
            }
            outcome => outcome,
        }
    }
}

/// The first company, if there is any, with the data keys of all brought to hand.
async fn found(store: &dyn Store, ring: &KeyRing) -> Result<Option<CompanyId>, BootstrapError> {
    let companies = companies(store).await?;
    for company in &companies {
        learn_keys(store, ring, *company).await?;
    }
    Ok(companies.first().copied())
}

async fn make(
    store: &dyn Store,
    ring: &KeyRing,
    first: FirstAdmin,
    now: Timestamp,
    new_id: impl Fn() -> Id,
) -> Result<Bootstrap, BootstrapError> {
    let company = Company { id: CompanyId(new_id()), name: "Default".into(), erasing: None };
    let one_time = first.password.is_none().then(|| Token::fresh("")).transpose()?;
    let password = first.password.as_deref().or(one_time.as_ref().map(Token::reveal)).unwrap_or_default();
    let user = User {
        id: UserId(new_id()),
        email: first.email,
        name: "Administrator".into(),
        roles: vec![Role::Owner],
        password: Some(hash_password(password)?),
        shares: BTreeMap::new(),
        must_change_password: one_time.is_some(),
        identities: Vec::new(),
        sessions: 0,
        one_time: None,
        second_factor: None,
        created_at: now,
    };
    let [itself, key, owner] = founding(ring, &company, &user, new_id())?;
    let docs = vec![itself.unique(CompanyId::INSTALLATION, FIRST), key, owner];
    let audit = AuditRow {
        company: company.id,
        at: now,
        actor: Actor::system(),
        action: "company.create".into(),
        entity: "company".into(),
        entity_id: company.id.to_string(),
        before: Value::Null,
        after: Value::map([("name", company.name.as_str()), ("administrator", &user.email)]),
        request_id: None,
        ip: None,
    };
    store.commit(Batch::of_docs(docs, audit)).await?;
    Ok(Bootstrap { company: company.id, made: Some((user.email, one_time)) })
}
