//! [`EgressPolicy`]: where outgoing calls may go.
//!
//! Without any rule, what is public may be reached and nothing else. `allow` opens what is inside;
//! `deny` beats `allow`; metadata services and link-local addresses are never reached. It judges
//! names and addresses; it resolves nothing and connects to nothing.

use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{self, Kind};

/// Names under which clouds offer their metadata service.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.azure.com",
    "metadata.tencentyun.com",
    "metadata.oraclecloud.com",
    "instance-data",
    "instance-data.ec2.internal",
];

/// A rule of the policy that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{rule}\": {why}")]
pub struct BadRule {
    /// The rule, as it was given.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

/// Why a peer may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    pub(super) fn of(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What the name of a peer says; its addresses are judged as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Addresses that are inside need a rule of their own.
    Ordinary,
    /// A rule for the name opens its addresses, but for those that are denied.
    Opened,
}

/// Where outgoing calls may go.
///
/// A rule is an address (`10.0.0.7`), a network (`10.0.0.0/8`, `fd12::/16`), a name
/// (`erp.example.com`), all names below one (`*.example.com`) or everything (`*`); with `:443`
/// behind it, it holds for that port alone (`[fd12::/16]:443`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Everything,
    Net(IpNet),
    Name(String),
    /// `.example.com`: all names that end so.
    Below(String),
}

impl EgressPolicy {
    /// The policy of these rules. Empty ones are passed over.
    ///
    /// # Errors
    /// The first rule that is not one.
    pub fn new<'r>(
        allow: impl IntoIterator<Item = &'r str>,
        deny: impl IntoIterator<Item = &'r str>,
    ) -> Result<Self, BadRule> {
        fn rules<'r>(texts: impl IntoIterator<Item = &'r str>) -> Result<Vec<Rule>, BadRule> {
            texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).map(Rule::parse).collect()
        }
        Ok(Self { allow: rules(allow)?, deny: rules(deny)? })
    }

    /// Judges the name of a peer, before it is resolved.
    ///
    /// # Errors
    /// Where it may not be reached, whatever its addresses are.
    pub fn judge_name(&self, name: &str, port: u16) -> Result<Named, Refused> {
        let name = plain(name);
        if METADATA_NAMES.contains(&&*name) {
            return Err(Refused(format!("{name} is the name of a metadata service, which is never reached")));
        }
        if self.deny.iter().any(|rule| rule.fits_name(&name, port)) {
            return Err(Refused(format!("{name} is denied by egress.deny")));
        }
        let is_opened = self.allow.iter().any(|rule| rule.fits_name(&name, port));
        Ok(if is_opened { Named::Opened } else { Named::Ordinary })
    }

    /// Judges an address: one that a name resolved to, or one that stands in a URL itself.
    ///
    /// # Errors
    /// Where it may not be reached.
    pub fn judge_address(&self, address: IpAddr, port: u16, named: Named) -> Result<(), Refused> {
        let kind = address::kind(address);
        if let Kind::Never(what) = kind {
            return Err(Refused(format!("{address} is {what}, which is never reached")));
        }
        if self.deny.iter().any(|rule| rule.fits_address(address, port)) {
            return Err(Refused(format!("{address} is denied by egress.deny")));
        }
        let Kind::Inside(what) = kind else { return Ok(()) };
        if named == Named::Opened || self.allow.iter().any(|rule| rule.fits_address(address, port)) {
            return Ok(());
        }
        Err(Refused(format!("{address} is {what}; egress.allow can open it")))
    }
}

/// A name as rules have it: in lower case, without the dot at its end.
fn plain(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.to_ascii_lowercase()
}

impl Rule {
    fn parse(text: &str) -> Result<Self, BadRule> {
        let bad = |why: &str| BadRule { rule: text.to_owned(), why: why.to_owned() };
        if text.contains("://") {
            return Err(bad("give the host alone, without http:// in front of it"));
        }
        let (host, port) = split_port(text).map_err(bad)?;
        let port = port.map(|port| port.parse().ok().filter(|port| *port != 0)).map_or(Ok(None), |port| {
            port.map(Some).ok_or_else(|| bad("what is behind the colon must be a port, 1 to 65535"))
        })?;
        Ok(Self { target: Target::parse(host).map_err(|why| bad(&why))?, port })
    }

    fn fits_port(&self, port: u16) -> bool {
        self.port.is_none_or(|own| own == port)
    }

    fn fits_name(&self, name: &str, port: u16) -> bool {
        let fits = match &self.target {
            Target::Everything => true,
            Target::Name(own) => own == name,
            Target::Below(suffix) => name.ends_with(&**suffix) && name.len() > suffix.len(),
            Target::Net(_) => false,
        };
        fits && self.fits_port(port)
    }

    fn fits_address(&self, address: IpAddr, port: u16) -> bool {
        let fits = match &self.target {
            Target::Everything => true,
            Target::Net(net) => address::holds(net, address),
            Target::Name(_) | Target::Below(_) => false,
        };
        fits && self.fits_port(port)
    }
}

/// `host`, `host:443`, `10.0.0.0/8:443`, `::1`, `[::1]`, `[::1]:443`.
fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, behind) = rest.split_once(']').ok_or("a bracket is not closed")?;
        return match behind.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if behind.is_empty() => Ok((host, None)),
            None => Err("behind the bracket, only a colon and a port may follow"),
        };
    }
    Ok(match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    })
}

impl Target {
    fn parse(host: &str) -> Result<Self, String> {
        if host == "*" {
            return Ok(Self::Everything);
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Self::net(IpNet::from(address));
        }
        if host.contains('/') {
            return match host.parse::<IpNet>() {
                Ok(net) if net == net.trunc() => Self::net(net),
                Ok(net) => Err(format!("has bits behind its prefix; {} is the network", net.trunc())),
                Err(_) => Err("is no network such as 10.0.0.0/8 or fd12::/16".to_owned()),
            };
        }
        let (below, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
        if name.contains('*') {
            return Err("a * may only be the whole rule, or stand for all names below one: *.example.com".to_owned());
        }
        match url::Host::parse(name) {
            Ok(url::Host::Domain(name)) if !plain(&name).is_empty() => {
                let name = plain(&name);
                Ok(if below { Self::Below(format!(".{name}")) } else { Self::Name(name) })
            }
            Ok(_) => Err("write an address as four numbers from 0 to 255".to_owned()),
            Err(_) => Err("is neither an address, a network nor the name of a host".to_owned()),
        }
    }

    fn net(net: IpNet) -> Result<Self, String> {
        match address::unwrapped(net.addr()) {
            (_, Some(inner)) if net.prefix_len() > 0 => {
                Err(format!("stands for IPv4; write the IPv4 address or network itself ({inner})"))
            }
            _ => Ok(Self::Net(net)),
        }
    }
}

#[cfg(test)]
mod tests;
