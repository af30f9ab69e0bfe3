//! Settings that say where something is in a network: addresses, networks, URLs, origins, rules.

use std::net::IpAddr;

use ipnet::IpNet;
use model::Value;
use modules::provider::EgressPolicy;
use url::Url;

use super::{Kind, scalar, unfit};

impl Kind for IpAddr {
    fn expected() -> String {
        "an IP address: 127.0.0.1, 0.0.0.0 or ::".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        scalar(given).and_then(|text| text.parse().ok()).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

/// A network; an address alone is the network of that one address.
impl Kind for IpNet {
    fn expected() -> String {
        "an IP address or a network such as 10.0.0.0/8".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let net = |text: String| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from));
        scalar(given).and_then(net).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.to_string().into()
    }
}

/// Where something answers: http or https, without name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl(Url);

impl WebUrl {
    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether what is sent there is encrypted on its way.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

/// A URL of http or https with a host, and nothing secret in it.
fn web(given: &Value) -> Option<Url> {
    let url = Url::parse(&scalar(given)?).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && url.has_host() && plain).then_some(url)
}

impl Kind for WebUrl {
    fn expected() -> String {
        "a URL of http or https, without name and password, such as https://flow8.example.com".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        web(given).map(Self).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.as_str().trim_end_matches('/').into()
    }
}

/// Where a page of another site comes from: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// As browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind for Origin {
    fn expected() -> String {
        "the origin of a page, without a path, such as https://app.example.com".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let bare = web(given).filter(|url| url.path() == "/" && url.query().is_none());
        bare.map(|url| Self(url.origin().ascii_serialization())).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.as_str().into()
    }
}

/// A rule for outgoing calls, as [`EgressPolicy`] takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRule(String);

impl EgressRule {
    /// The rule.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind for EgressRule {
    fn expected() -> String {
        "a network, an address, a host name, *.example.com or *, with :443 behind it for one port alone".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let rule = scalar(given).filter(|rule| !rule.is_empty()).ok_or_else(|| unfit::<Self>(given))?;
        match EgressPolicy::new([rule.as_str()], []) {
            Ok(_) => Ok(Self(rule)),
            Err(bad) => Err(format!("{}: {}", unfit::<Self>(given), bad.why)),
        }
    }

    fn show(&self) -> Value {
        self.0.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_network_or_a_host() {
        for good in [
            "10.0.0.0/8",
            "10.0.0.7",
            "::1",
            "fd12::/16",
            "[fd12::/16]:443",
            "[::1]",
            "erp.example.com",
            "erp.example.com:443",
            "*.example.com",
            "*",
            "*:443",
        ] {
            assert!(EgressRule::read(&good.into()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "a*.example.com",
            "erp:0",
            "erp:https",
            "http://erp",
            "[::1",
            "a b",
            "[::1]x",
        ] {
            assert!(EgressRule::read(&bad.into()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        let read = |text: &str| Origin::read(&text.into()).map(|origin| origin.0).ok();
        assert_eq!(read("https://App.example.com/").as_deref(), Some("https://app.example.com"));
        assert_eq!(read("http://localhost:5173").as_deref(), Some("http://localhost:5173"));
        for bad in ["https://app.example.com/x", "app.example.com", "*", "ftp://x", "https://u:p@x"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
