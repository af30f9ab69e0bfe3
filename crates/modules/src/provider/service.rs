//! A client for services of flow8's own, which an administrator names and flows do not: the rules for outgoing
//! calls do not hold for them, the roots and the proxies do.

use std::sync::Arc;

use model::limits::{HTTP_CONNECT, OBJECT_REQUEST};

use super::http::{HttpSetupError, root_cause};
use super::proxy::{Proxies, ProxyOptions};
use super::tls;

/// A client for a service of flow8's own, with the roots of a PEM bundle beside those of the web.
///
/// # Errors
/// Where a proxy or the bundle is not one.
pub fn service_client(proxy: &ProxyOptions, extra_ca: Option<&[u8]>) -> Result<reqwest::Client, HttpSetupError> {
    let proxies = Arc::new(Proxies::new(proxy)?);
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(extra_ca)?)
        .proxy(reqwest::Proxy::custom(move |url| proxies.of(url).cloned()))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .connect_timeout(HTTP_CONNECT)
        .timeout(OBJECT_REQUEST)
        .user_agent(concat!("flow8/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| HttpSetupError::Client(root_cause(&error)))
}
