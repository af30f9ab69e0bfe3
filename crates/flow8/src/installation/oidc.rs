//! Signing in through an OpenID provider, as it is configured.

use std::sync::Arc;

use gateway::OidcSettings;
use modules::provider::{EgressPolicy, HttpClient, HttpOptions};

use super::{OpenError, egress_ca};
use crate::config::Config;

/// How people sign in through a provider; none where none is configured.
///
/// # Errors
/// Where the way to it cannot be set up.
pub(super) fn settings(config: &Config) -> Result<Option<OidcSettings>, OpenError> {
    let (oauth2, server) = (&config.oauth2, &config.server);
    let (Some(issuer), Some(client_id), Some(public_url)) = (&oauth2.issuer, &oauth2.client_id, &server.public_url)
    else {
        return Ok(None);
    };
    // An administrator named the provider, and flows cannot: it may be a private address. Proxies,
    // the private authorities and the refusal of metadata services hold as for all that goes out.
    let setup = |error: &dyn std::fmt::Display| OpenError::Egress(error.to_string());
    let policy = EgressPolicy::new(["*"], []).map_err(|error| setup(&error))?;
    let options = HttpOptions { policy, proxy: config.egress.proxy(), extra_ca: egress_ca(config)? };
    let http = HttpClient::new(&options).map_err(|error| setup(&error))?;
    Ok(Some(OidcSettings {
        issuer: issuer.url().to_string(),
        client_id: client_id.clone(),
        client_secret: oauth2.client_secret.as_ref().map(|secret| secret.reveal().to_owned()),
        redirect_uri: format!("{}/api/auth/callback", public_url.url().as_str().trim_end_matches('/')),
        scopes: oauth2.scopes.clone(),
        roles_claim: oauth2.roles_claim.clone(),
        roles: oauth2.roles.iter().map(|rule| (rule.group.clone(), rule.role.0)).collect(),
        default_roles: oauth2.default_roles.iter().map(|role| role.0).collect(),
        creates_people: oauth2.create_people,
        http: Arc::new(http),
    }))
}
