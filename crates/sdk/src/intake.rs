//! [`Intake`]: the one way to what waits elsewhere to start plays: messages in queues, mails in mailboxes.
//!
//! Whoever takes in keeps what it was given until it hears what became of it: a message is settled only after its play
//! is durable. Where the process ends before, the message comes again, under the same key.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::failure::Failure;
use model::value::Value;

use crate::component::{Backend, Component, Nothing};

/// Something that came in, and waits to become a play.
#[derive(Debug, Clone)]
pub struct Message {
    /// What tells it from all others that ever come the same way, and is the same each time that it comes. None where
    /// its sender gives it nothing of that kind: then it may start two plays if a process ends at the wrong moment.
    pub key: Option<String>,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// What else is to be said of it: where it lay, when it came, how often it was handed out. An object.
    pub about: Value,
    /// What it says.
    pub content: Content,
    /// What it is settled by.
    pub ticket: Ticket,
}

/// What a message says.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes, and what they say they are: `application/json` …, empty where nothing is said.
    Raw {
        /// The media type.
        media: String,
        /// The bytes.
        bytes: Bytes,
    },
    /// What was taken apart already, as flows get it, and the files that came with it.
    Parsed {
        /// What it says, without its files.
        value: Value,
        /// Its files.
        files: Vec<File>,
    },
}

/// A file that came with a message.
#[derive(Debug, Clone)]
pub struct File {
    /// What its sender calls it; leads nowhere by itself.
    pub name: String,
    /// What it is: `application/pdf` …
    pub content_type: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// Stands for a message between its coming and its settling, within one [`Inbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its play is durable: it must not come again.
    Done,
    /// It could not be taken now: it is to come again, not before this has gone by where the peer can wait.
    Again(Duration),
    /// It can never be taken, and why: it is put where people find it, as far as the peer has such a place.
    Dead(String),
}

/// An open way in. It ends with the first error; what was not settled then comes again.
#[async_trait]
pub trait Inbox: Send {
    /// Waits for the next message; no more than were asked for are handed out unsettled. It may be given up at any
    /// await, and nothing is lost.
    ///
    /// # Errors
    /// Where the connection is lost, or the peer refuses.
    async fn next(&mut self) -> Result<Message, Failure>;

    /// Says what became of a message.
    ///
    /// # Errors
    /// Where the peer cannot be told: the message comes again.
    async fn settle(&mut self, ticket: Ticket, verdict: Verdict) -> Result<(), Failure>;
}

/// Lets messages in.
#[async_trait]
pub trait Intake: Backend {
    /// Looks whether what a channel says of where its messages lie is such as this provider takes. Nothing is opened.
    ///
    /// # Errors
    /// With the field and what is wrong with it.
    fn check_source(&self, component: &Component, source: &Value) -> Result<(), Failure>;

    /// Whether one replica alone should take in at a time. Where it is not so, the peer itself hands each message to one.
    fn is_exclusive(&self, component: &Component) -> bool;

    /// Opens a way in, which hands out so many messages at most before they are settled.
    ///
    /// # Errors
    /// Where the peer cannot be reached, does not let flow8 in, or has no such queue.
    async fn open(&self, component: &Component, source: &Value, at_once: usize) -> Result<Box<dyn Inbox>, Failure>;
}

#[async_trait]
impl Intake for Nothing {
    fn check_source(&self, component: &Component, _: &Value) -> Result<(), Failure> {
        Err(Self::failure(component))
    }

    fn is_exclusive(&self, _: &Component) -> bool {
        false
    }

    async fn open(&self, component: &Component, _: &Value, _: usize) -> Result<Box<dyn Inbox>, Failure> {
        Err(Self::failure(component))
    }
}
