//! [`Mail`]: the one way to mail servers.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Mishap;
use crate::component::{Backend, Component, Nothing};

/// A mail, on its way.
#[derive(Debug, Clone, Default)]
pub struct Letter {
    /// Whom it is from; the component's own sender where none is given.
    pub from: Option<String>,
    /// Whom it is to.
    pub to: Vec<String>,
    /// Who gets a copy.
    pub cc: Vec<String>,
    /// Who gets a copy that the others do not hear of.
    pub bcc: Vec<String>,
    /// Whom answers go to.
    pub reply_to: Option<String>,
    /// What it is about.
    pub subject: String,
    /// What it says, as text.
    pub text: String,
    /// What it says, as HTML.
    pub html: Option<String>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// What is the same for all attempts: the id of the message is made of it.
    pub idempotency_key: String,
}

/// A file that goes with a mail.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// What it is: `application/pdf` …
    pub content_type: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// A mail that a server has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The id of the message.
    pub message_id: String,
    /// What the server says.
    pub answer: String,
}

/// Sends mail.
#[async_trait]
pub trait Mail: Backend {
    /// Hands a mail to the server, for all or for none.
    ///
    /// # Errors
    /// Where it surely was not taken, or where that is not known.
    async fn send(&self, component: &Component, letter: Letter, timeout: Duration) -> Result<Sent, Mishap>;
}

#[async_trait]
impl Mail for Nothing {
    async fn send(&self, component: &Component, _: Letter, _: Duration) -> Result<Sent, Mishap> {
        Err(Self::failure(component).into())
    }
}
