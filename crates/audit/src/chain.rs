//! What is stored of chains: how far all rows are sealed, where each company's chain begins and ends, its
//! segments, and the key that signs them.

use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::ids::CompanyId;
use model::payload::Digest;
use model::seal::{Binding, Sealed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::keys::bring_keys;
use store::{DocQuery, Store};
use vault::{PublicKey, SigningKey};

use crate::segment::Signed;
use crate::{AuditError, Log};

/// Up to which number all rows are sealed, over all companies.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    pub(crate) number: u64,
}

/// The two ends of a company's chain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chain {
    /// Segments that were ever sealed.
    pub(crate) segments: u64,
    /// Rows that were ever sealed.
    pub(crate) rows: u64,
    /// The digest of the last segment; zeros where there is none.
    pub(crate) digest: Digest,
    /// The [`crate::Checkpoint`] of what was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dropped: Option<Signed>,
}

/// Something that is stored, and what its next write must expect.
pub(crate) struct Stored<T> {
    pub(crate) thing: T,
    pub(crate) expect: Expect,
}

pub(crate) fn position_key() -> DocKey {
    DocKey::new(CompanyId::INSTALLATION, DocKind::AuditChain, "position")
}

pub(crate) fn chain_key(company: CompanyId) -> DocKey {
    DocKey::new(company, DocKind::AuditChain, "chain")
}

/// Segments sort by number.
pub(crate) fn segment_key(company: CompanyId, number: u64) -> DocKey {
    DocKey::new(company, DocKind::AuditSegment, format_args!("{number:012}"))
}

/// What is stored under a key, or the beginning of it.
pub(crate) async fn stored<T: DeserializeOwned + Default>(
    store: &dyn Store,
    key: &DocKey,
) -> Result<Stored<T>, AuditError> {
    match store.doc(key).await? {
        Some(doc) => Ok(Stored { thing: doc.read()?, expect: Expect::Revision(doc.revision) }),
        None => Ok(Stored { thing: T::default(), expect: Expect::Absent }),
    }
}

/// The segments behind a number, the first first.
pub(crate) async fn segments(
    store: &dyn Store,
    company: CompanyId,
    after: u64,
    limit: usize,
) -> Result<Vec<Doc>, AuditError> {
    let after = segment_key(company, after).id;
    let query = DocQuery { after: Some(after), ..DocQuery::all(company, DocKind::AuditSegment, limit) };
    Ok(store.docs(&query).await?)
}

/// The signing key as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredKey {
    /// For people to read; what counts is in the sealed part.
    public: PublicKey,
    secret: Sealed,
}

fn key_key(company: CompanyId) -> DocKey {
    DocKey::new(company, DocKind::AuditKey, "1")
}

fn binding(company: CompanyId) -> Binding<'static> {
    Binding { company, field: "auditKey", id: company.0 }
}

/// The key that signs for a company; none where nothing of it was ever sealed.
pub(crate) async fn signing_key(log: &Log, company: CompanyId) -> Result<Option<SigningKey>, AuditError> {
    let Some(doc) = log.store.doc(&key_key(company)).await? else { return Ok(None) };
    let stored: StoredKey = doc.read()?;
    bring_keys(&*log.store, &*log.seal, company).await?;
    let secret = log.seal.open(binding(company), &stored.secret)?;
    Ok(Some(SigningKey::from_bytes(&secret)?))
}

/// A fresh key, and how it is stored.
pub(crate) async fn make_key(log: &Log, company: CompanyId) -> Result<(SigningKey, DocWrite), AuditError> {
    bring_keys(&*log.store, &*log.seal, company).await?;
    let key = SigningKey::fresh()?;
    let secret = log.seal.seal(binding(company), &*key.to_bytes())?;
    let stored = StoredKey { public: key.public(), secret };
    Ok((key, DocWrite::put(key_key(company), Expect::Absent, &stored)))
}
