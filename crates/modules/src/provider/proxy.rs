//! Proxies for outgoing calls: which requests go through one.
//!
//! The settings are handed in; the environment is not read here.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use url::{Host, Url};

use super::egress::{EgressPolicy, Named, Refused};
use super::http::HttpSetupError;

/// Proxies for outgoing calls. A URL may hold the name and the password for the proxy.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// For `http` URLs.
    pub http: Option<String>,
    /// For `https` URLs, by CONNECT.
    pub https: Option<String>,
    /// What is reached without a proxy: names, endings of names, addresses, networks, `*`; by commas.
    pub no_proxy: String,
}

impl fmt::Debug for ProxyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyOptions").field("no_proxy", &self.no_proxy).finish_non_exhaustive()
    }
}

/// The proxies, read.
#[derive(Debug)]
pub(super) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    matcher: Matcher,
}

/// How long the address of a peer is looked for that the proxy looks up itself.
const LOOK_UP: Duration = Duration::from_secs(2);

impl Proxies {
    pub(super) fn new(options: &ProxyOptions) -> Result<Self, HttpSetupError> {
        let read = |name: &'static str, given: &Option<String>| {
            let given = given.as_deref().map(str::trim).filter(|url| !url.is_empty());
            given.map(|url| parse(url).ok_or(HttpSetupError::Proxy(name))).transpose()
        };
        let (http, https) = (read("HTTP", &options.http)?, read("HTTPS", &options.https)?);
        let text = |url: &Option<Url>| url.as_ref().map_or(String::new(), Url::to_string);
        let matcher = Matcher::builder().http(text(&http)).https(text(&https)).no(options.no_proxy.as_str()).build();
        Ok(Self { http, https, matcher })
    }

    /// The proxy through which a URL is reached.
    pub(super) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        let uri: http::Uri = url.as_str().parse().ok()?;
        self.matcher.intercept(&uri).map(|_| proxy)
    }
}

/// `proxy:3128` is taken for `http://proxy:3128`.
fn parse(text: &str) -> Option<Url> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
    url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Judges a peer whose address the proxy looks up itself. Where this machine knows its addresses
/// and none of them is allowed, it is refused; where it knows none, the proxy decides.
pub(super) async fn judge_behind(policy: &EgressPolicy, host: &Host<&str>, port: u16) -> Result<(), Refused> {
    let Host::Domain(name) = host else { return Ok(()) };
    let named = policy.judge_name(name, port)?;
    let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((*name, port))).await;
    let Ok(Ok(found)) = found else { return Ok(()) };
    any_allowed(policy, found.map(|address| address.ip()), port, named).map(drop)
}

/// Those addresses that may be reached; the first refusal where that is none of them.
pub(super) fn any_allowed(
    policy: &EgressPolicy,
    found: impl Iterator<Item = IpAddr>,
    port: u16,
    named: Named,
) -> Result<Vec<IpAddr>, Refused> {
    let mut refused = None;
    let mut allowed = Vec::new();
    for address in found {
        match policy.judge_address(address, port, named) {
            Ok(()) => allowed.push(address),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    match refused {
        Some(why) if allowed.is_empty() => Err(why),
        _ => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(no_proxy: &str) -> Proxies {
        let options = ProxyOptions {
            http: None,
            https: Some("ada:pass@proxy.example:3128".to_owned()),
            no_proxy: no_proxy.to_owned(),
        };
        Proxies::new(&options).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn no_proxy_names_what_is_reached_directly() {
        for (no_proxy, url, is_proxied) in [
            ("", "https://example.com/", true),
            ("", "http://example.com/", false),
            ("example.com", "https://example.com/", false),
            ("example.com", "https://a.example.com/", false),
            (".example.com", "https://a.example.com/", false),
            ("example.com", "https://notexample.com/", true),
            ("10.0.0.0/8, 127.0.0.1", "https://10.2.3.4/", false),
            ("*", "https://example.com/", false),
        ] {
            let url = Url::parse(url).expect("a URL");
            assert_eq!(proxies(no_proxy).of(&url).is_some(), is_proxied, "{no_proxy}: {url}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_told_without_its_password() {
        for url in ["socks5://ada:s3cr3t@proxy", "http://", "::"] {
            let options = ProxyOptions { https: Some(url.to_owned()), ..ProxyOptions::default() };
            let error = Proxies::new(&options).expect_err(url).to_string();
            assert!(error.contains("HTTPS proxy") && !error.contains("s3cr3t"), "{error}");
            assert!(!format!("{options:?}").contains("s3cr3t"));
        }
    }
}
