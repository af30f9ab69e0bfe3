//! The resolver of names: it hands on only addresses that may be reached.
//!
//! What it hands on is what is connected to, so that a name cannot have one address while it is
//! judged and another one afterwards. It keeps nothing: the machine's own resolver does.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::egress::{EgressPolicy, Named, Refused};
use super::proxy;

/// Where the request at hand goes, as far as the resolver must know.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// To the peer itself.
    Direct {
        /// What may be reached.
        policy: Arc<EgressPolicy>,
        /// The peer's port.
        port: u16,
        /// What the peer's name says.
        named: Named,
    },
    /// To a proxy, which an administrator has named and which may be anywhere.
    Proxy,
}

tokio::task_local! {
    /// Set around each request. A connection is opened within the request that asks for it, so
    /// the resolver finds it; where it does not, it gives no address.
    pub(super) static WAY: Way;
}

/// The resolver.
#[derive(Debug)]
pub(super) struct Judged;

impl Resolve for Judged {
    fn resolve(&self, name: Name) -> Resolving {
        let way = WAY.try_with(Clone::clone);
        Box::pin(async move {
            let way = way?;
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = match way {
                Way::Proxy => found.collect(),
                Way::Direct { policy, port, named } => {
                    let found = found.map(|address| address.ip());
                    let allowed = proxy::any_allowed(&policy, found, port, named)
                        .map_err(|why| Refused::of(format!("{}: {why}", name.as_str())))?;
                    allowed.into_iter().map(|address| SocketAddr::new(address, 0)).collect()
                }
            };
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
