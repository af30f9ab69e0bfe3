//! Mail that comes in: [`Imap`] lets mails of IMAP folders in as messages, behind the seam of the sdk. Each is handed
//! out once, and again, under the same key, until it is heard what became of it.
//!
//! What a server says and what a mail says is hostile: both are read within bounds, by what is here.

mod inbox;
mod mail;
mod names;
mod response;
mod session;
mod settings;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::failure::Failure;
use model::limits::{COMPONENT_TEST, MAILBOX_SILENCE};
use model::value::Value;
use modules::provider::Dialer;
use sdk::component::{Backend, Component};
use sdk::intake::{Inbox, Intake};

use crate::session::Session;

/// The server refuses what it is asked for.
pub(crate) const REFUSED: &str = "MAILBOX_REFUSED";
/// The connection to the server was lost, or what it says is no IMAP.
pub(crate) const BROKEN: &str = "MAILBOX_BROKEN";
/// The server says nothing, or too slowly.
pub(crate) const TIMEOUT: &str = "MAILBOX_TIMEOUT";
/// The server cannot be reached, or does not let flow8 in.
pub(crate) const UNREACHABLE: &str = "COMPONENT_UNREACHABLE";

/// Folders of mail servers that speak IMAP.
pub struct Imap {
    dialer: Arc<Dialer>,
    silence: Duration,
}

impl Imap {
    /// Servers that are reached with this dialer.
    pub fn new(dialer: Arc<Dialer>) -> Self {
        Self { dialer, silence: MAILBOX_SILENCE }
    }

    /// With less patience than [`MAILBOX_SILENCE`] for servers that owe an answer.
    #[must_use]
    pub fn with_silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }
}

#[async_trait]
impl Backend for Imap {
    fn providers(&self) -> &'static [&'static str] {
        &["imap"]
    }

    fn check(&self, component: &Component) -> Result<(), Failure> {
        settings::of(component).map(drop)
    }

    async fn test(&self, component: &Component) -> Result<(), Failure> {
        let work = async {
            let mut session = Session::open(&self.dialer, component, self.silence).await?;
            // The one folder that every mailbox has. Looking at it changes nothing.
            session.examine("INBOX").await?;
            session.leave().await;
            Ok(())
        };
        let ended = tokio::time::timeout(COMPONENT_TEST, work).await;
        ended.unwrap_or_else(|_| Err(Failure::new(TIMEOUT, "the mail server does not answer in time")))
    }
}

#[async_trait]
impl Intake for Imap {
    fn check_source(&self, _: &Component, source: &Value) -> Result<(), Failure> {
        settings::source(source).map(drop)
    }

    fn is_exclusive(&self, _: &Component) -> bool {
        // A server shows each mail to all who look.
        true
    }

    async fn open(&self, component: &Component, source: &Value, at_once: usize) -> Result<Box<dyn Inbox>, Failure> {
        let source = settings::source(source)?;
        let session = Session::open(&self.dialer, component, self.silence).await?;
        Ok(Box::new(inbox::Folder::open(session, component, source, at_once).await?))
    }
}
