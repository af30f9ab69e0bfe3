//! [`Stage`]: a server, a component that leads to it, and what comes from there.

use std::sync::Arc;
use std::time::Duration;

use mailbox::Imap;
use model::Value;
use model::failure::Failure;
use model::ids::CompanyId;
use modules::provider::{Dialer, HttpOptions};
use peers::ImapServer;
use sdk::component::{Component, Kind};
use sdk::intake::{Content, Inbox, Intake as _, Message, Verdict};
use tokio::time::timeout;

/// Longer than anything takes that works, and shorter than the time between two looks where a test does not say.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) server: ImapServer,
    pub(crate) imap: Imap,
    pub(crate) component: Component,
}

pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(crate) fn imap(ca: Option<&str>) -> Imap {
    let options = HttpOptions { extra_ca: ca.map(|ca| ca.as_bytes().to_vec()), ..HttpOptions::default() };
    Imap::new(Arc::new(Dialer::new(&options).expect("a dialer")))
}

pub(crate) fn component(host: &str, port: u16, tls: &str) -> Component {
    Component {
        company: CompanyId::default(),
        id: "0".into(),
        revision: 1,
        name: "post".into(),
        kind: Kind::Mailbox,
        provider: "imap".into(),
        config: json(&format!(r#"{{"host":"{host}","port":{port},"user":"{}","tls":"{tls}"}}"#, ImapServer::USER)),
        secret: Value::map([("password", ImapServer::PASSWORD)]),
        trusted: true,
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::of(ImapServer::start())
    }

    pub(crate) fn of(server: ImapServer) -> Self {
        let component = component("127.0.0.1", server.port(), "off");
        Self { server, imap: imap(None), component }
    }

    /// Looks into a folder; the server alone tells what is new there, unless `source` says otherwise.
    pub(crate) async fn open(&self, source: &str) -> Box<dyn Inbox> {
        self.open_for(source, 16).await
    }

    pub(crate) async fn open_for(&self, source: &str, at_once: usize) -> Box<dyn Inbox> {
        let mut fields = json(source).as_map().cloned().expect("an object");
        fields.entry("pollSeconds".into()).or_insert_with(|| 1500.into());
        let opened = timeout(SOON, self.imap.open(&self.component, &fields.into(), at_once)).await;
        opened.expect("in time").unwrap_or_else(|failure| panic!("{source}: {failure}"))
    }

    pub(crate) async fn refuses(&self, source: &str) -> Failure {
        let opened = timeout(SOON, self.imap.open(&self.component, &json(source), 16)).await;
        opened.expect("in time").err().unwrap_or_else(|| panic!("{source} is opened"))
    }

    /// Delivers a mail of that subject.
    pub(crate) fn deliver(&self, subject: &str) {
        self.server.deliver("INBOX", format!("Subject: {subject}\r\n\r\n{subject}\r\n"));
    }

    /// The flags of the mails in the inbox.
    pub(crate) fn flags(&self) -> Vec<String> {
        self.server.lying("INBOX").into_iter().map(|mail| mail.flags).collect()
    }
}

/// The next message.
pub(crate) async fn next(inbox: &mut Box<dyn Inbox>) -> Message {
    let came = timeout(SOON, inbox.next()).await.expect("comes in time");
    came.unwrap_or_else(|failure| panic!("{failure}"))
}

/// What ends an inbox.
pub(crate) async fn end(inbox: &mut Box<dyn Inbox>) -> Failure {
    timeout(SOON, inbox.next()).await.expect("ends in time").expect_err("it is over")
}

pub(crate) async fn settle(inbox: &mut Box<dyn Inbox>, message: &Message, verdict: Verdict) {
    let settled = timeout(SOON, inbox.settle(message.ticket, verdict)).await.expect("in time");
    settled.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What a message says.
pub(crate) fn value(message: &Message) -> &Value {
    match &message.content {
        Content::Parsed { value, .. } => value,
        Content::Raw { .. } => panic!("a mail is taken apart"),
    }
}

pub(crate) fn subject(message: &Message) -> &str {
    value(message).get("subject").and_then(Value::as_str).unwrap_or_default()
}
