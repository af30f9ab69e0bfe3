//! What stands behind components, and those that the configuration declares.

use std::sync::Arc;

use mailbox::Imap;
use model::codec;
use model::ids::CompanyId;
use model::payload::Digest;
use model::value::Value;
use modules::provider::{
    Dialer, EgressPolicy, HttpClient, HttpOptions, Postgres, Smtp, TokenClient, Web, service_client,
};
use objects::S3Components;
use queues::Queues;
use sdk::component::{Backends, Component, Kind};
use sdk::http::Http;

use super::OpenError;
use crate::config::{Config, Declaration};

/// What stands behind each kind.
pub(super) fn backends(options: &HttpOptions, http: Arc<dyn Http>) -> Result<Backends, OpenError> {
    let buckets = service_client(&options.proxy, options.extra_ca.as_deref());
    let buckets = buckets.map_err(|error| OpenError::Egress(error.to_string()))?;
    // Where an administrator says; but metadata services are never reached.
    let egress = |error: String| OpenError::Egress(error);
    let policy = EgressPolicy::new(["*"], []).map_err(|error| egress(error.to_string()))?;
    let anywhere = HttpClient::new(&HttpOptions { policy, ..options.clone() });
    let anywhere: Arc<dyn Http> = Arc::new(anywhere.map_err(|error| egress(error.to_string()))?);
    let dialer = Arc::new(Dialer::new(options).map_err(|error| OpenError::Egress(error.to_string()))?);
    Ok(Backends {
        db: Arc::new(Postgres::new(dialer.clone())),
        mail: Arc::new(Smtp::new(dialer.clone())),
        mailbox: Arc::new(Imap::new(dialer.clone())),
        queue: Arc::new(Queues::new(dialer)),
        storage: Arc::new(S3Components::new(buckets)),
        request: Arc::new(Web::new(Kind::Request, http.clone(), anywhere.clone())),
        ai: Arc::new(Web::new(Kind::Ai, http.clone(), anywhere)),
        tokens: Arc::new(TokenClient::new(http)),
    })
}

/// The components of the configuration. They are the first company's: others do not share its secrets.
///
/// # Errors
/// Where the settings of one are not such as what stands behind it takes.
pub(super) fn declared(config: &Config, company: CompanyId, backends: &Backends) -> Result<Vec<Component>, OpenError> {
    config.integrations.declared.iter().map(|one| component(one, company, backends)).collect()
}

fn component(one: &Declaration, company: CompanyId, backends: &Backends) -> Result<Component, OpenError> {
    let error = |why: String| OpenError::Component { file: one.file.clone(), name: one.name.clone(), why };
    let backend = backends.of(one.kind);
    let providers = backend.map(|backend| backend.providers()).unwrap_or_default();
    let provider = one.provider.as_deref().or(providers.first().copied()).unwrap_or_default();
    let Some(backend) = backend.filter(|_| providers.contains(&provider)) else {
        return Err(error(format!(
            "a component of kind {} has one of the providers: {}",
            one.kind,
            providers.join(", ")
        )));
    };
    let component = Component {
        company,
        id: format!("{}:{}", one.kind, one.name),
        revision: revision(provider, one).map_err(error)?,
        name: one.name.clone(),
        kind: one.kind,
        provider: provider.to_owned(),
        config: one.config.clone(),
        secret: one.secret.clone(),
        trusted: true,
    };
    backend.check(&component).map_err(|failure| error(failure.message))?;
    Ok(component)
}

/// A number that follows from all that is declared. Connections are kept by it: another password is another number.
fn revision(provider: &str, one: &Declaration) -> Result<u64, String> {
    let all = Value::list([Value::from(provider), one.config.clone(), one.secret.clone()]);
    let Digest(bytes) = Digest::of(&codec::encode(&all).map_err(|error| error.to_string())?);
    Ok(bytes.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte)))
}
