//! [`Dialer`]: plain connections to the peers of components: databases, mail servers.
//!
//! A component that an administrator made may be anywhere. Any other is judged like the calls that
//! flows make, and what is judged is what is connected to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::failure::Failure;
use model::limits::HTTP_CONNECT;
use rustls::ClientConfig;
use sdk::component::Component;
use tokio::net::TcpStream;

use super::egress::EgressPolicy;
use super::http::{HttpOptions, HttpSetupError};
use super::{proxy, tls};

/// The peer of a component cannot be reached.
pub(super) const CONNECT: &str = "COMPONENT_UNREACHABLE";

/// The rules for outgoing calls do not let a component reach its peer.
pub(super) const REFUSED: &str = "COMPONENT_EGRESS";

/// Opens connections to the peers of components.
#[derive(Debug)]
pub struct Dialer {
    policy: EgressPolicy,
    tls: Arc<ClientConfig>,
    extra_ca: Option<Vec<u8>>,
}

impl Dialer {
    /// A dialer under these rules, with these roots. Proxies are for HTTP alone.
    ///
    /// # Errors
    /// Where the bundle of certificates is not one.
    pub fn new(options: &HttpOptions) -> Result<Self, HttpSetupError> {
        let mut tls = tls::config(options.extra_ca.as_deref())?;
        // What is spoken is no HTTP, and some peers hang up on whoever offers it.
        tls.alpn_protocols.clear();
        Ok(Self { policy: options.policy.clone(), tls: Arc::new(tls), extra_ca: options.extra_ca.clone() })
    }

    /// Which certificates are trusted.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    /// Certificates as PEM that are trusted besides those of the web.
    pub fn extra_ca(&self) -> Option<&[u8]> {
        self.extra_ca.as_deref()
    }

    /// Connects to a peer of a component.
    ///
    /// # Errors
    /// Where it may not be reached, or nobody answers there.
    pub async fn dial(&self, component: &Component, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let connecting = async {
            let mut last = None;
            for address in self.addresses(component, host, port).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        // Where it fails, answers come a little later.
                        let _ = stream.set_nodelay(true);
                        return Ok(stream);
                    }
                    Err(error) => last = Some(error.to_string()),
                }
            }
            Err(unreachable(host, port, last.as_deref().unwrap_or("the name has no address")))
        };
        let ended = tokio::time::timeout(HTTP_CONNECT, connecting).await;
        ended.unwrap_or_else(|_| Err(unreachable(host, port, "nobody answers in time")))
    }

    /// The addresses of a peer that may be reached.
    ///
    /// # Errors
    /// Where the name is not known, or may not be reached.
    pub async fn addresses(&self, component: &Component, host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let refused = |why: super::Refused| {
            Failure::new(REFUSED, format!("{why}; a component that an administrator makes may be anywhere"))
        };
        let named = if component.trusted {
            super::Named::Opened
        } else {
            self.policy.judge_name(host, port).map_err(refused)?
        };
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|error| unreachable(host, port, &error.to_string()))?;
        if component.trusted {
            return Ok(found.collect());
        }
        let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
        let allowed = proxy::any_allowed(&self.policy, addresses.into_iter(), port, named).map_err(refused)?;
        Ok(allowed.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }
}

fn unreachable(host: &str, port: u16, why: &str) -> Failure {
    Failure::new(CONNECT, format!("{host}:{port} cannot be connected to: {why}"))
}
