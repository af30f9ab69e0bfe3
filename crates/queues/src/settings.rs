//! What components and channels say of queues, as far as it is alike for all of them.

use std::time::Duration;

use model::failure::{Failure, code};
use model::limits::{QUEUE_IDLE, QUEUE_IDLE_MOST, QUEUE_NAME_CHARS};
use model::value::{Value, from_value};
use sdk::component::{COMPONENT_INVALID, Component};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Whether the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Tls {
    /// It is, and the certificate must be the host's.
    #[default]
    Verify,
    /// It is not.
    Off,
}

pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(COMPONENT_INVALID, message)
}

/// The settings of a component.
///
/// # Errors
/// With the field.
pub(crate) fn config<T: DeserializeOwned>(component: &Component) -> Result<T, Failure> {
    from_value(&component.config).map_err(|error| invalid(format!("config: {error}")))
}

/// Those that are secret. What is wrong with them may hold the secret; what they are made of is known.
///
/// # Errors
/// With what they are made of.
pub(crate) fn secret<T: DeserializeOwned>(component: &Component, holds: &str) -> Result<T, Failure> {
    from_value(&component.secret).map_err(|_| invalid(format!("secret: holds {holds}, and nothing else")))
}

/// Looks at where a server is.
///
/// # Errors
/// With the field.
pub(crate) fn place(host: &str, port: Option<u16>) -> Result<(), Failure> {
    if host.is_empty() || host.chars().any(|char| char.is_control() || char.is_whitespace()) {
        return Err(invalid("config.host: is the name or the address of a host"));
    }
    if port == Some(0) { Err(invalid("config.port: is 1 to 65535")) } else { Ok(()) }
}

/// Looks at a text that may be left out.
///
/// # Errors
/// With the field.
pub(crate) fn one_line(field: &str, text: Option<&str>) -> Result<(), Failure> {
    let is_odd = |text: &str| text.is_empty() || text.len() > 4096 || text.chars().any(char::is_control);
    if text.is_some_and(is_odd) { Err(invalid(format!("{field}: is a text of one line"))) } else { Ok(()) }
}

/// Where a channel's messages lie, without which component leads there.
///
/// # Errors
/// With the field.
pub(crate) fn source<T: DeserializeOwned>(source: &Value) -> Result<T, Failure> {
    let fields = source.as_map().ok_or_else(|| odd_source("source: is an object"))?;
    let own = fields.iter().filter(|(name, _)| &***name != "component");
    let own = Value::map(own.map(|(name, value)| (&**name, value.clone())));
    from_value(&own).map_err(|error| odd_source(format!("source: {error}")))
}

pub(crate) fn odd_source(message: impl Into<String>) -> Failure {
    Failure::new(code::BAD_ARGUMENTS, message)
}

/// Looks at a name within a source, in which some characters cannot be.
///
/// # Errors
/// With the field.
pub(crate) fn name(field: &str, name: &str, never: &[char]) -> Result<(), Failure> {
    let is_odd = |char: char| char.is_control() || never.contains(&char);
    if name.is_empty() || name.chars().count() > QUEUE_NAME_CHARS || name.chars().any(is_odd) {
        let never: String = never.iter().map(|char| format!(" {char:?}")).collect();
        let never = if never.is_empty() { String::new() } else { format!(", without{never}") };
        return Err(odd_source(format!("source.{field}: is a name of 1 to {QUEUE_NAME_CHARS} characters{never}")));
    }
    Ok(())
}

/// After how long a message that was handed out and not settled comes again.
///
/// # Errors
/// With the field.
pub(crate) fn idle(seconds: Option<u64>) -> Result<Duration, Failure> {
    let most = QUEUE_IDLE_MOST.as_secs();
    match seconds {
        None => Ok(QUEUE_IDLE),
        Some(seconds) if (1..=most).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err(odd_source(format!("source.idleSeconds: is 1 to {most}"))),
    }
}
