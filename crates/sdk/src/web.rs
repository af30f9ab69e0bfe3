//! [`WebPeers`]: HTTP peers that components name.

use std::sync::Arc;

use async_trait::async_trait;
use model::failure::Failure;

use crate::component::{Backend, COMPONENT_INVALID, Component, Nothing};
use crate::http::Http;

/// Where a peer is, and what every call to it carries.
#[derive(Clone)]
pub struct Base {
    /// The client that reaches it.
    pub http: Arc<dyn Http>,
    /// What the URLs of all calls begin with; ends with `/`.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Headers whose values are secret.
    pub secret_headers: Vec<(String, String)>,
}

impl Base {
    /// The URL of a call: a path below the base, perhaps with a query.
    ///
    /// # Errors
    /// Where it would lead elsewhere.
    pub fn below(&self, path: &str) -> Result<String, Failure> {
        let path = path.trim().trim_start_matches('/');
        let parts = path.split(['?', '#']).next().unwrap_or_default();
        let climbs = |part: &str| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part == "." || part == ".."
        };
        if parts.contains("://")
            || path.contains('\\')
            || path.chars().any(char::is_control)
            || parts.split('/').any(climbs)
        {
            let message = "url: is a path below the component's baseUrl, such as invoices/7?all=1";
            return Err(Failure::new(COMPONENT_INVALID, message));
        }
        Ok(format!("{}{path}", self.url))
    }
}

/// HTTP peers that components name.
#[async_trait]
pub trait WebPeers: Backend {
    /// Where a component's peer is.
    ///
    /// # Errors
    /// Where its settings are none.
    async fn base(&self, component: &Component) -> Result<Base, Failure>;
}

#[async_trait]
impl WebPeers for Nothing {
    async fn base(&self, component: &Component) -> Result<Base, Failure> {
        Err(Self::failure(component))
    }
}
