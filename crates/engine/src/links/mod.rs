//! Links: stored outside credentials. How they are kept, and what they become when a call carries them.
//!
//! What is secret of one is sealed, bound to it alone. A link of a kind that fetches tokens has the
//! token in its document, too, and whose turn it is to fetch the next one ([`Turn`]): so replicas
//! agree on that by the document's revision.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use model::actor::Actor;
use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect, UniqueKey};
use model::failure::Failure;
use model::ids::{CompanyId, Id};
use model::limits::LINK_HOSTS;
use model::payload::Digest;
use model::seal::{Binding, Seal, SealError, Sealed};
use model::time::Timestamp;
use model::value::{Value, from_value};
use schemars::JsonSchema;
use sdk::link::Credential;
use serde::{Deserialize, Serialize};

use crate::driver::ReadError;
use crate::pack::PackError;

pub mod settings;

pub use settings::LinkSettings;

/// The name of the field that secrets are bound to.
const SEALED_FIELD: &str = "link";

/// There is no such link.
pub const LINK_NOT_FOUND: &str = "LINK_NOT_FOUND";

/// The link has no token yet, or none that is still good: somebody must agree.
pub const LINK_NOT_CONNECTED: &str = "LINK_NOT_CONNECTED";

/// How a credential proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// A name and a password.
    Basic,
    /// A token that does not change.
    Bearer,
    /// Tokens that somebody agreed to (OAuth 2.0, authorization code).
    Oauth,
    /// Tokens for a key of one's own (RFC 7523).
    ServiceAccount,
}

/// A link, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredLink {
    /// Which one.
    pub id: Id,
    /// What people call it; unique.
    pub name: String,
    /// How it proves itself.
    pub kind: LinkKind,
    /// Where it may be sent.
    pub hosts: Vec<String>,
    /// Its settings.
    pub config: Value,
    /// The names of its secret settings.
    pub secret_names: Vec<String>,
    /// Its secret settings.
    pub sealed: Sealed,
    /// The token that was fetched last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<StoredToken>,
    /// Who fetches the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Why the last one could not be fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// An agreement that was begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Begun>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When people changed it last.
    pub updated_at: Timestamp,
}

/// A token that was fetched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredToken {
    /// It, and with what the next one is asked for.
    pub sealed: Sealed,
    /// Until when it is good, where the peer says.
    pub expires_at: Option<Timestamp>,
}

/// What is sealed of a token.
#[derive(Serialize, Deserialize)]
pub(crate) struct OpenToken {
    pub(crate) access: String,
    #[serde(default)]
    pub(crate) refresh: Option<String>,
}

/// Somebody fetches a token; until then nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Which turn.
    pub id: Id,
    /// How long it lasts.
    pub until: Timestamp,
}

/// A token could not be fetched; until then nobody tries again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Why.
    pub failure: Failure,
    /// How long that is believed.
    pub until: Timestamp,
}

/// An agreement that somebody began, and that the peer sends them back from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begun {
    /// The hash of what the peer gives back.
    pub state_hash: String,
    /// What proves that whoever began is whoever ends it.
    pub verifier: Sealed,
    /// Where the peer sends them.
    pub redirect_uri: String,
    /// How long it may take.
    pub expires_at: Timestamp,
    /// Who began.
    pub actor: Actor,
}

/// The document of a link.
pub fn doc_key(company: CompanyId, id: Id) -> DocKey {
    DocKey::new(company, DocKind::Link, id)
}

/// By which the link of that name is found.
pub fn name_key(company: CompanyId, name: &str) -> UniqueKey {
    UniqueKey { scope: company, kind: DocKind::Link, text: format!("name:{name}") }
}

/// By which the link is found whose agreement was begun with that.
pub fn state_key(state_hash: &str) -> UniqueKey {
    UniqueKey { scope: CompanyId::INSTALLATION, kind: DocKind::Link, text: format!("state:{state_hash}") }
}

fn binding(company: CompanyId, id: Id) -> Binding<'static> {
    Binding { company, field: SEALED_FIELD, id }
}

/// Seals something of a link.
///
/// # Errors
/// Where it cannot be sealed.
pub fn seal<T: Serialize>(seal: &dyn Seal, company: CompanyId, id: Id, thing: &T) -> Result<Sealed, PackError> {
    Ok(seal.seal(binding(company, id), &model::codec::encode(thing)?)?)
}

/// A write of a link.
pub fn write(company: CompanyId, link: &StoredLink, expect: Expect) -> DocWrite {
    let name = name_key(company, &link.name);
    let write = DocWrite::put(doc_key(company, link.id), expect, link).unique(name.scope, name.text);
    match &link.begun {
        Some(begun) => {
            let state = state_key(&begun.state_hash);
            write.unique(state.scope, state.text)
        }
        None => write,
    }
}

impl StoredLink {
    /// A link in a document.
    ///
    /// # Errors
    /// Where the document was altered.
    pub fn read(doc: &Doc) -> Result<Self, ReadError> {
        // A document that does not read was altered: as such it is told.
        Ok(doc.read().map_err(|_| PackError::from(SealError::Altered))?)
    }

    /// Opens something that was sealed with [`seal`].
    ///
    /// # Errors
    /// Where it does not open.
    pub fn open<T: serde::de::DeserializeOwned>(
        &self,
        company: CompanyId,
        seal: &dyn Seal,
        sealed: &Sealed,
    ) -> Result<T, ReadError> {
        let plain = seal.open(binding(company, self.id), sealed).map_err(PackError::from)?;
        Ok(model::codec::decode(&plain).map_err(PackError::from)?)
    }

    /// Its settings, with what is secret.
    ///
    /// # Errors
    /// Where they do not open.
    pub fn settings(&self, company: CompanyId, seal: &dyn Seal) -> Result<LinkSettings, ReadError> {
        let secret: Value = self.open(company, seal, &self.sealed)?;
        // They were checked before they were kept.
        Ok(LinkSettings::of(self.kind, &self.config, &secret).map_err(|_| PackError::from(SealError::Altered))?)
    }

    /// The token that was fetched, where it is good for a while yet.
    pub(crate) fn fresh_token(&self, now: Timestamp) -> Option<&StoredToken> {
        self.token.as_ref().filter(|token| token.expires_at.is_none_or(|at| at > now.plus(EARLY)))
    }

    pub(crate) fn credential(&self, token: &str) -> Credential {
        Credential {
            authorization: format!("Bearer {token}"),
            hosts: self.hosts.clone(),
            secrets: vec![token.to_owned()],
        }
    }

    pub(crate) fn basic(&self, username: &str, password: &str) -> Credential {
        let pair = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let (authorization, hosts) = (format!("Basic {pair}"), self.hosts.clone());
        Credential { authorization, hosts, secrets: vec![password.to_owned(), pair] }
    }
}

/// A token counts as expired a little before it is, so that it does not expire on its way.
const EARLY: std::time::Duration = std::time::Duration::from_secs(10);

/// The page of a peer where somebody agrees (OAuth 2.0 with PKCE).
pub fn agreement_url(config: &settings::OauthConfig, state: &str, verifier: &str, redirect_uri: &str) -> String {
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(verifier.as_bytes()).0);
    let scope = config.scopes.join(" ");
    let fields = [
        ("response_type", "code"),
        ("client_id", &config.client_id),
        ("redirect_uri", redirect_uri),
        ("scope", &scope),
        ("state", state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let mut url = config.authorization_url.clone();
    for (at, (name, value)) in fields.iter().filter(|(_, value)| !value.is_empty()).enumerate() {
        url.push(if at == 0 && !url.contains('?') { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
                _ => url.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    url
}

/// The hosts that a link may be sent to, in one form.
///
/// # Errors
/// Where there are none, too many, or one of them is none.
pub fn checked_hosts(hosts: &[String]) -> Result<Vec<String>, String> {
    if hosts.is_empty() || hosts.len() > LINK_HOSTS {
        return Err(format!("hosts: names 1 to {LINK_HOSTS} hosts that the credential may be sent to"));
    }
    let is_fine = |host: &str| {
        let name = host.strip_prefix("*.").unwrap_or(host);
        let (name, port) = name.rsplit_once(':').map_or((name, None), |(name, port)| (name, Some(port)));
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let labels = name.split('.').all(|label| !label.is_empty());
        is_port && labels && name.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_'))
    };
    let hosts: Vec<String> = hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
    match hosts.iter().find(|host| !is_fine(host)) {
        Some(host) => {
            Err(format!("hosts: {host:?} is none; write api.example.com, *.example.com or erp.internal:8080"))
        }
        None => Ok(hosts),
    }
}

/// Reads the settings of a link.
fn read<T: serde::de::DeserializeOwned>(what: &str, value: &Value) -> Result<T, String> {
    from_value(value).map_err(|error| match what {
        // What is wrong with a secret may hold the secret.
        "secret" => "secret: holds other settings than this kind has".to_owned(),
        _ => format!("{what}: {error}"),
    })
}
