//! The way in over HTTP: the API, WebSocket events, health and metrics.
//!
//! [`Gateway`] answers one request. Every route of the API stands in one table
//! ([`routes`]): who may call it, what it takes, what it gives. Routing, permission checks,
//! the OpenAPI document and metrics all follow from that table. [`serve`] brings connections.
//! Nothing here decides what a play does: that is the engine's.

mod access;
mod answer;
mod app;
mod body;
mod call;
mod channels;
mod cleaning;
mod dispatch;
mod erasing;
mod error;
mod events;
#[cfg(test)]
mod fuzz;
mod goodbye;
mod guard;
mod health;
mod landing;
mod leftover;
mod mcp;
mod metrics;
mod oidc;
mod openapi;
mod page;
mod patient;
mod people;
mod reach;
mod request;
mod room;
mod routes;
mod serve;
mod table;
mod tls;
mod view;

pub use access::{Access, Caller, Permission, Role, Share};
pub use app::{App, Parts, Settings};
pub use channels::{ChannelGateway, OwnPorts, PortRange};
pub use cleaning::{CleanedUp, clean_up, forget_erased};
pub use dispatch::Gateway;
pub use guard::Rates;
pub use mcp::McpGateway;
pub use oidc::OidcSettings;
pub use people::{Bootstrap, BootstrapError, FirstAdmin};
pub use serve::{Answers, Stop, serve, serve_with};
pub use tls::{Tls, TlsError};

/// The OpenAPI document of the API, as JSON.
pub fn openapi() -> String {
    openapi::document(&routes::all())
}
