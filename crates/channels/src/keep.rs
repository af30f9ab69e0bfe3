//! How channels are kept: their documents, by which second keys they are found, how their secrets are sealed.

use model::doc::{Doc, DocError, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::ids::{CompanyId, Id};
use model::limits::CHANNELS;
use model::seal::{Binding, Seal, SealError, Sealed};
use store::{DocQuery, Store, StoreError};

use crate::auth::Secret;
use crate::channel::Channel;

/// What stands where a secret is.
pub const MASK: &str = "***";

/// The name of the field that secrets are bound to.
const SEALED_FIELD: &str = "channel";

/// The document of a channel.
pub fn doc_key(company: CompanyId, id: Id) -> DocKey {
    DocKey::new(company, DocKind::Channel, id)
}

/// The second key by which the channel of a slug is found: there is one in the whole installation.
pub fn slug_key(slug: &str) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::Channel, text: format!("slug:{slug}") }
}

/// The second key by which the channel is found that has a port to itself.
pub fn port_key(port: u16) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::Channel, text: format!("port:{port}") }
}

/// A write of a channel.
pub fn write(company: CompanyId, channel: &Channel, expect: Expect) -> DocWrite {
    let slug = slug_key(&channel.definition.slug);
    let write = DocWrite::put(doc_key(company, channel.id), expect, channel).unique(slug.scope, slug.text);
    match channel.definition.port.map(port_key) {
        Some(port) => write.unique(port.scope, port.text),
        None => write,
    }
}

/// Seals the secret of a channel.
///
/// # Errors
/// Where no key is at hand.
pub fn seal(seal: &dyn Seal, company: CompanyId, id: Id, secret: &Secret) -> Result<Sealed, SealError> {
    seal.seal(Binding { company, field: SEALED_FIELD, id }, secret.0.as_bytes())
}

/// The secret of a channel.
pub(crate) fn open(seal: &dyn Seal, company: CompanyId, channel: &Channel) -> Result<Option<Vec<u8>>, SealError> {
    let binding = Binding { company, field: SEALED_FIELD, id: channel.id };
    channel.sealed.as_ref().map(|sealed| seal.open(binding, sealed)).transpose()
}

/// The channels of a company, and the revisions they stand at.
///
/// # Errors
/// Where the store fails.
pub async fn of_company(store: &dyn Store, company: CompanyId) -> Result<Vec<(Channel, u64)>, StoreError> {
    let docs = store.docs(&DocQuery::all(company, DocKind::Channel, CHANNELS)).await?;
    docs.iter().map(|doc| Ok((read(doc)?, doc.revision))).collect()
}

/// The channel of a slug, and whose it is.
///
/// # Errors
/// Where the store fails.
pub async fn by_slug(store: &dyn Store, slug: &str) -> Result<Option<(CompanyId, Channel)>, StoreError> {
    let doc = store.doc_by(&slug_key(slug)).await?;
    doc.map(|doc| Ok((doc.key.company, read(&doc)?))).transpose()
}

/// A channel in a document.
pub(crate) fn read(doc: &Doc) -> Result<Channel, StoreError> {
    doc.read().map_err(|error: DocError| StoreError::Damaged(error.to_string()))
}
