//! What a component says of a mail server, and a channel of a folder there.

use std::time::Duration;

use model::failure::Failure;
use model::limits::{MAILBOX_FOLDER_CHARS, MAILBOX_POLL, MAILBOX_POLL_MOST};
use model::value::{Value, from_value};
use sdk::component::{COMPONENT_INVALID, Component};
use serde::Deserialize;

/// A channel's source is not such as is taken.
const SOURCE_INVALID: &str = "SOURCE_INVALID";

/// Where the server is, and how it is spoken to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) host: String,
    port: Option<u16>,
    pub(crate) user: String,
    #[serde(default)]
    pub(crate) tls: Tls,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Tls {
    /// Encrypted from the beginning.
    #[default]
    Implicit,
    /// Encrypted after a greeting in the open.
    Starttls,
    /// Not encrypted.
    Off,
}

impl Config {
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls == Tls::Implicit { 993 } else { 143 })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    password: String,
}

/// The settings of a component, and its password.
///
/// # Errors
/// With the field and what is wrong with it.
pub(crate) fn of(component: &Component) -> Result<(Config, String), Failure> {
    let invalid = |message: String| Failure::new(COMPONENT_INVALID, message);
    let config: Config = from_value(&component.config).map_err(|error| invalid(format!("config: {error}")))?;
    // What is wrong with a secret may hold the secret; its keys are known.
    let secret: Secret = from_value(&component.secret)
        .map_err(|_| invalid("secret: holds `password`, a text, and nothing else".to_owned()))?;
    if config.host.is_empty() || config.host.chars().any(char::is_control) || config.port == Some(0) {
        return Err(invalid("config: host is the name of a host, and port 1 to 65535".to_owned()));
    }
    for (field, text) in [("config.user", &config.user), ("secret.password", &secret.password)] {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(invalid(format!("{field}: is text of one line")));
        }
    }
    Ok((config, secret.password))
}

/// Where mails lie, and what is done with those that became plays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Source {
    #[serde(default = "inbox")]
    pub(crate) folder: String,
    #[serde(default)]
    pub(crate) after: After,
    #[serde(default = "poll")]
    poll_seconds: u64,
}

/// What is done with a mail whose play is durable.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) enum After {
    /// It counts as read.
    #[default]
    Seen,
    /// It has a keyword of ours, and is as read as it was.
    Keyword,
    /// It is gone.
    Delete,
    /// It lies in another folder.
    Move(String),
}

fn inbox() -> String {
    "INBOX".to_owned()
}

fn poll() -> u64 {
    MAILBOX_POLL.as_secs()
}

impl Source {
    /// How often the folder is looked at, whatever the server tells.
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds)
    }
}

/// What a channel says of where its mails lie.
///
/// # Errors
/// With the field and what is wrong with it.
pub(crate) fn source(source: &Value) -> Result<Source, Failure> {
    let invalid = |message: String| Failure::new(SOURCE_INVALID, message);
    let source: Source = from_value(source).map_err(|error| invalid(format!("source: {error}")))?;
    let check = |field: &str, name: &str| {
        let is_name = !name.is_empty() && name.chars().count() <= MAILBOX_FOLDER_CHARS;
        if is_name && !name.chars().any(char::is_control) {
            return Ok(());
        }
        Err(invalid(format!("{field}: is the name of a folder, of up to {MAILBOX_FOLDER_CHARS} characters")))
    };
    check("source.folder", &source.folder)?;
    if let After::Move(to) = &source.after {
        check("source.after.move", to)?;
        if to.eq_ignore_ascii_case(&source.folder) {
            return Err(invalid("source.after.move: is another folder than source.folder".to_owned()));
        }
    }
    if source.poll_seconds == 0 || source.poll() > MAILBOX_POLL_MOST {
        return Err(invalid(format!("source.pollSeconds: is 1 to {}", MAILBOX_POLL_MOST.as_secs())));
    }
    Ok(source)
}
