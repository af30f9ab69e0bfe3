//! What a component of kind `db` says of a PostgreSQL database.

use model::failure::Failure;
use model::limits::{DB_CONNECTIONS, DB_CONNECTIONS_MOST};
use model::value::from_value;
use sdk::component::{COMPONENT_INVALID, Component};
use serde::Deserialize;

/// Where the database is, and how it is spoken to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) host: String,
    #[serde(default = "usual_port")]
    pub(super) port: u16,
    pub(super) database: String,
    pub(super) user: String,
    #[serde(default)]
    pub(super) tls: Tls,
    #[serde(default = "usual_connections")]
    pub(super) max_connections: usize,
}

/// Whether the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Tls {
    /// It is, and the certificate must be the host's.
    #[default]
    Verify,
    /// It is not.
    Off,
}

/// What is secret of it. No `Debug`: it is never shown.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Secret {
    #[serde(default)]
    pub(super) password: Option<String>,
}

fn usual_port() -> u16 {
    5432
}

fn usual_connections() -> usize {
    DB_CONNECTIONS
}

/// Reads the settings of a component.
///
/// # Errors
/// Where they are not such as this provider takes.
pub(super) fn of(component: &Component) -> Result<(Config, Secret), Failure> {
    let invalid = |message: String| Failure::new(COMPONENT_INVALID, message);
    let config: Config = from_value(&component.config).map_err(|error| invalid(format!("config: {error}")))?;
    // What is wrong with a secret may hold the secret; its keys are known.
    let secret: Secret = from_value(&component.secret)
        .map_err(|_| invalid("secret: holds `password`, a text, and nothing else".to_owned()))?;
    for (name, text) in [("host", &config.host), ("database", &config.database), ("user", &config.user)] {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(invalid(format!("config.{name}: is a text of one line")));
        }
    }
    if config.port == 0 || !(1..=DB_CONNECTIONS_MOST).contains(&config.max_connections) {
        let message = format!("config: port is 1 to 65535, and maxConnections 1 to {DB_CONNECTIONS_MOST}");
        return Err(invalid(message));
    }
    Ok((config, secret))
}
