//! A queue in memory, which does on demand what a real one does rarely: it loses connections, breaks, and hands the
//! same message out again. What real ones do is shown with real ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::failure::Failure;
use model::value::Value;
use sdk::component::{Backend, Component};
use sdk::intake::{Content, File, Inbox, Intake, Message, Ticket, Verdict};
use tokio::sync::Notify;

/// What goes wrong, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A connection cannot be opened.
    Open,
    /// A connection is lost while a message is waited for.
    Next,
    /// A connection is lost before it is heard what became of a message.
    Settle,
    /// The client has a bug.
    Bug,
}

#[derive(Default)]
struct Held {
    waiting: VecDeque<Message>,
    handed_out: BTreeMap<u64, Message>,
    settled: Vec<(Option<String>, Verdict)>,
    opened: Vec<(u64, Value)>,
    open: usize,
    faults: VecDeque<Fault>,
    tickets: u64,
    most_at_once: usize,
}

/// A queue. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Heap(Arc<(Mutex<Held>, Notify)>);

impl Heap {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.0.lock().expect("nobody panics")
    }

    fn put(&self, message: Message) {
        self.held().waiting.push_back(message);
        self.0.1.notify_waiters();
    }

    /// Puts a text into it, under a key.
    pub(crate) fn text(&self, key: &str, media: &str, text: impl Into<Bytes>) {
        let content = Content::Raw { media: media.into(), bytes: text.into() };
        self.put(message(key, content));
    }

    /// Puts a mail with one file into it.
    pub(crate) fn mail(&self, key: &str, subject: &str, file: &'static [u8]) {
        let file = File { name: "bill.pdf".into(), content_type: "application/pdf".into(), bytes: file.into() };
        let told = Value::list([Value::map([("contentId", "logo")])]);
        let value = Value::map([("subject", Value::from(subject)), ("attachments", told)]);
        self.put(message(key, Content::Parsed { value, files: vec![file] }));
    }

    /// Something that goes wrong from now on, after what was to before.
    pub(crate) fn fault(&self, fault: Fault) {
        self.held().faults.push_back(fault);
        self.0.1.notify_waiters();
    }

    fn has_fault(&self, fault: Fault) -> bool {
        let mut held = self.held();
        let is_due = held.faults.front() == Some(&fault);
        if is_due {
            held.faults.pop_front();
        }
        is_due
    }

    /// What was settled: keys, and what became of them.
    pub(crate) fn settled(&self) -> Vec<(String, Verdict)> {
        self.held().settled.iter().map(|(key, verdict)| (key.clone().unwrap_or_default(), verdict.clone())).collect()
    }

    /// Revisions of the component with which connections were opened, and where to.
    pub(crate) fn opened(&self) -> Vec<(u64, Value)> {
        self.held().opened.clone()
    }

    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.held().open
    }

    /// Messages that wait, or are handed out and not settled.
    pub(crate) fn left(&self) -> usize {
        let held = self.held();
        held.waiting.len() + held.handed_out.len()
    }

    /// The most messages that were handed out at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.held().most_at_once
    }
}

fn message(key: &str, content: Content) -> Message {
    Message {
        key: (!key.is_empty()).then(|| key.to_owned()),
        headers: [("x-shop", "7"), ("authorization", "hush")].map(|(name, value)| (name.into(), value.into())).into(),
        about: Value::map([("heap", "orders")]),
        content,
        ticket: Ticket(0),
    }
}

#[async_trait]
impl Backend for Heap {
    fn providers(&self) -> &'static [&'static str] {
        &["heap"]
    }

    fn check(&self, _: &Component) -> Result<(), Failure> {
        Ok(())
    }

    async fn test(&self, _: &Component) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl Intake for Heap {
    fn check_source(&self, _: &Component, source: &Value) -> Result<(), Failure> {
        match source.as_map().is_some_and(|fields| fields.len() == 1 && fields.contains_key("queue")) {
            true => Ok(()),
            false => Err(Failure::new("COMPONENT_INVALID", "source.queue: is required, and nothing else is")),
        }
    }

    fn is_exclusive(&self, component: &Component) -> bool {
        component.config.get("exclusive").is_some()
    }

    async fn open(&self, component: &Component, source: &Value, at_once: usize) -> Result<Box<dyn Inbox>, Failure> {
        assert!(!self.has_fault(Fault::Bug), "a bug of the client");
        if self.has_fault(Fault::Open) {
            return Err(Failure::new("UNREACHABLE", "the heap is not there"));
        }
        let mut held = self.held();
        held.opened.push((component.revision, source.clone()));
        held.open += 1;
        Ok(Box::new(Opened { heap: self.clone(), at_once, mine: Vec::new() }))
    }
}

struct Opened {
    heap: Heap,
    at_once: usize,
    /// What was handed out here.
    mine: Vec<u64>,
}

#[async_trait]
impl Inbox for Opened {
    async fn next(&mut self) -> Result<Message, Failure> {
        loop {
            let heap = self.heap.clone();
            let told = heap.0.1.notified();
            let mut told = std::pin::pin!(told);
            told.as_mut().enable();
            if self.heap.has_fault(Fault::Next) {
                return Err(Failure::new("UNREACHABLE", "the heap went away"));
            }
            if self.mine.len() < self.at_once {
                let mut held = self.heap.held();
                if let Some(mut message) = held.waiting.pop_front() {
                    held.tickets += 1;
                    message.ticket = Ticket(held.tickets);
                    self.mine.push(held.tickets);
                    held.most_at_once = held.most_at_once.max(self.mine.len());
                    let ticket = held.tickets;
                    held.handed_out.insert(ticket, message.clone());
                    return Ok(message);
                }
            }
            told.await;
        }
    }

    async fn settle(&mut self, Ticket(ticket): Ticket, verdict: Verdict) -> Result<(), Failure> {
        if self.heap.has_fault(Fault::Settle) {
            return Err(Failure::new("UNREACHABLE", "the heap went away"));
        }
        self.mine.retain(|mine| *mine != ticket);
        let message = self.heap.held().handed_out.remove(&ticket).expect("it was handed out");
        if let Verdict::Again(wait) = verdict {
            assert!(wait <= Duration::from_secs(30), "{wait:?}");
            self.heap.put(message.clone());
        }
        self.heap.held().settled.push((message.key, verdict));
        self.heap.0.1.notify_waiters();
        Ok(())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        let mut held = self.heap.held();
        held.open -= 1;
        for ticket in &self.mine {
            let message = held.handed_out.remove(ticket).expect("it was handed out");
            held.waiting.push_back(message);
        }
    }
}
