//! The servers, as far as they are alike, and [`Stage`]: a queue of its own on one of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::ids::CompanyId;
use model::value::Value;
use modules::provider::{Dialer, HttpOptions};
use peers::{Nats, Rabbit, Redis};
use queues::Queues;
use sdk::component::{Component, Kind};
use sdk::intake::{Content, Inbox, Intake as _, Message};

/// Far longer than anything takes that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
pub(crate) trait Peer: Send + Sync {
    fn provider(&self) -> &'static str;
    fn port(&self) -> u16;
    fn tls_port(&self) -> u16;
    fn ca(&self) -> String;
    /// What lets flow8 in: fields of the configuration, and the secret.
    fn entry(&self) -> (Vec<(&'static str, Value)>, Value);
    /// Makes a queue, and says how a channel names it. What was handed out comes again after so many seconds.
    fn make(&self, name: &str, idle: u64) -> Value;
    /// Publishes to a queue, each with headers, what tells it from others, and what it says.
    fn publish(&self, name: &str, all: &[Given<'_>]);
    /// What lies where dead messages do.
    fn dead(&self, name: &str) -> String;
    /// Ends the server at once, and starts it again with what it held.
    fn restart(&self);
    /// Does something that is this server's own.
    fn does(&self, what: &str) -> String;
}

/// A message to publish.
#[derive(Clone, Copy)]
pub(crate) struct Given<'g> {
    pub(crate) id: &'g str,
    pub(crate) headers: &'g [(&'g str, &'g str)],
    pub(crate) body: &'g [u8],
}

pub(crate) fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A queue, and a component that leads there.
pub(crate) struct Stage {
    pub(crate) peer: Arc<dyn Peer>,
    pub(crate) name: String,
    pub(crate) component: Component,
    pub(crate) queues: Queues,
}

/// After how many seconds what was handed out comes again.
pub(crate) const IDLE: u64 = 1;

impl Stage {
    pub(crate) fn new(peer: Arc<dyn Peer>, name: &str) -> Self {
        let component = component(&*peer, "127.0.0.1", peer.port(), "off");
        Self { name: name.to_owned(), component, queues: queues(&HttpOptions::default()), peer }
    }

    /// Makes the queue.
    pub(crate) fn make(&self) -> Value {
        self.peer.make(&self.name, IDLE)
    }

    /// The same component, at another port.
    pub(crate) fn at(&self, port: u16) -> Component {
        component(&*self.peer, "127.0.0.1", port, "off")
    }

    pub(crate) fn publish(&self, bodies: &[&str]) {
        let ids: Vec<String> = bodies.iter().map(|body| format!("id-{body}")).collect();
        let given = bodies.iter().zip(&ids).map(|(body, id)| Given { id, headers: &[], body: body.as_bytes() });
        self.peer.publish(&self.name, &given.collect::<Vec<_>>());
    }

    pub(crate) async fn open(&self, source: &Value, at_once: usize) -> Box<dyn Inbox> {
        self.open_at(&self.component, source, at_once).await
    }

    pub(crate) async fn open_at(&self, component: &Component, source: &Value, at_once: usize) -> Box<dyn Inbox> {
        self.queues.open(component, source, at_once).await.unwrap_or_else(|failure| panic!("opens: {failure}"))
    }
}

pub(crate) fn queues(options: &HttpOptions) -> Queues {
    Queues::new(Arc::new(Dialer::new(options).expect("a dialer")))
}

pub(crate) fn component(peer: &dyn Peer, host: &str, port: u16, tls: &str) -> Component {
    let (mut config, secret) = peer.entry();
    config.extend([("host", host.into()), ("port", u64::from(port).into()), ("tls", tls.into())]);
    Component {
        company: CompanyId::default(),
        id: "0".into(),
        revision: 1,
        name: "orders".into(),
        kind: Kind::Queue,
        provider: peer.provider().into(),
        config: Value::map(config),
        secret,
        trusted: true,
    }
}

/// The next message; it has to come.
pub(crate) async fn next(inbox: &mut Box<dyn Inbox>) -> Message {
    let came = tokio::time::timeout(PATIENCE, inbox.next()).await.expect("in time");
    came.unwrap_or_else(|failure| panic!("a message: {failure}"))
}

/// Whether none comes within so long.
pub(crate) async fn nothing_within(inbox: &mut Box<dyn Inbox>, time: Duration) -> bool {
    tokio::time::timeout(time, inbox.next()).await.is_err()
}

/// What a message says, as text.
pub(crate) fn body(message: &Message) -> String {
    match &message.content {
        Content::Raw { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
        Content::Parsed { .. } => panic!("it was taken apart"),
    }
}

pub(crate) struct OfRedis(Mutex<Redis>, u16, u16, String);
pub(crate) struct OfNats(Mutex<Nats>, u16, String);
pub(crate) struct OfAmqp(Mutex<Rabbit>, [u16; 2], String);

impl OfRedis {
    pub(crate) fn new(server: Redis) -> Self {
        let (port, tls, ca) = (server.port(), server.tls_port(), server.ca().to_owned());
        Self(Mutex::new(server), port, tls, ca)
    }
}

impl OfNats {
    pub(crate) fn new(server: Nats) -> Self {
        let (port, ca) = (server.port(), server.ca().to_owned());
        Self(Mutex::new(server), port, ca)
    }
}

impl OfAmqp {
    pub(crate) fn new(server: Rabbit) -> Self {
        let (ports, ca) = ([server.port(), server.tls_port()], server.ca().to_owned());
        Self(Mutex::new(server), ports, ca)
    }
}

/// A case that fails must not fail those after it.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Peer for OfRedis {
    fn provider(&self) -> &'static str {
        "redis"
    }

    fn port(&self) -> u16 {
        self.1
    }

    fn tls_port(&self) -> u16 {
        self.2
    }

    fn ca(&self) -> String {
        self.3.clone()
    }

    fn entry(&self) -> (Vec<(&'static str, Value)>, Value) {
        (vec![], Value::map([("password", Redis::PASSWORD)]))
    }

    fn make(&self, name: &str, idle: u64) -> Value {
        json(&format!(r#"{{"component":"orders","stream":"{name}","group":"flows","idleSeconds":{idle}}}"#))
    }

    fn publish(&self, name: &str, all: &[Given<'_>]) {
        let words = |given: &Given<'_>| {
            let mut words: Vec<Vec<u8>> = ["XADD", name, "*"].map(|word| word.as_bytes().to_vec()).to_vec();
            for (name, value) in given.headers {
                words.extend([name.as_bytes().to_vec(), value.as_bytes().to_vec()]);
            }
            words.extend([b"body".to_vec(), given.body.to_vec()]);
            words
        };
        let all: Vec<Vec<Vec<u8>>> = all.iter().map(words).collect();
        let all: Vec<&[Vec<u8>]> = all.iter().map(Vec::as_slice).collect();
        for answer in locked(&self.0).ask_all(&all) {
            assert!(!answer.starts_with('-'), "{answer}");
        }
    }

    fn dead(&self, name: &str) -> String {
        locked(&self.0).ask(&["XRANGE", &format!("{name}:dead"), "-", "+"])
    }

    fn restart(&self) {
        let mut server = locked(&self.0);
        server.kill();
        server.restart();
    }

    fn does(&self, what: &str) -> String {
        locked(&self.0).ask(&what.split(' ').collect::<Vec<_>>())
    }
}

impl Peer for OfNats {
    fn provider(&self) -> &'static str {
        "nats"
    }

    fn port(&self) -> u16 {
        self.1
    }

    fn tls_port(&self) -> u16 {
        self.1
    }

    fn ca(&self) -> String {
        self.2.clone()
    }

    fn entry(&self) -> (Vec<(&'static str, Value)>, Value) {
        (vec![("user", Nats::USER.into())], Value::map([("password", Nats::PASSWORD)]))
    }

    fn make(&self, name: &str, idle: u64) -> Value {
        locked(&self.0).stream(name, &format!("{name}.*"));
        json(&format!(r#"{{"stream":"{name}","consumer":"flows","idleSeconds":{idle}}}"#))
    }

    fn publish(&self, name: &str, all: &[Given<'_>]) {
        let server = locked(&self.0);
        for given in all {
            server.publish(&format!("{name}.new"), given.headers, given.body);
        }
    }

    /// They stay in their stream: what is pending is what counts.
    fn dead(&self, name: &str) -> String {
        self.does(&format!("$JS.API.CONSUMER.INFO.{name}.flows"))
    }

    fn restart(&self) {
        let mut server = locked(&self.0);
        server.kill();
        server.restart();
    }

    fn does(&self, what: &str) -> String {
        let (subject, wish) = what.split_once(' ').unwrap_or((what, ""));
        locked(&self.0).ask(subject, &[], wish.as_bytes())
    }
}

impl Peer for OfAmqp {
    fn provider(&self) -> &'static str {
        "amqp"
    }

    fn port(&self) -> u16 {
        self.1[0]
    }

    fn tls_port(&self) -> u16 {
        self.1[1]
    }

    fn ca(&self) -> String {
        self.2.clone()
    }

    fn entry(&self) -> (Vec<(&'static str, Value)>, Value) {
        (vec![("user", Rabbit::USER.into())], Value::map([("password", Rabbit::PASSWORD)]))
    }

    fn make(&self, name: &str, _: u64) -> Value {
        let dead = format!("{name}-dead");
        let server = locked(&self.0);
        server.queue(&dead, "{}");
        server.queue(name, &format!(r#"{{"x-dead-letter-exchange":"","x-dead-letter-routing-key":"{dead}"}}"#));
        json(&format!(r#"{{"queue":"{name}"}}"#))
    }

    fn publish(&self, name: &str, all: &[Given<'_>]) {
        let server = locked(&self.0);
        for Given { id, headers, body } in all {
            let own = headers.iter().filter(|(name, _)| *name != "content-type");
            let own = Value::map(own.map(|(name, value)| (*name, Value::from(*value)))).to_json();
            let media = headers.iter().find(|(name, _)| *name == "content-type").map_or("", |(_, value)| value);
            let media = if media.is_empty() { String::new() } else { format!(r#""content_type":"{media}","#) };
            let properties = format!(r#"{{{media}"headers":{own},"message_id":"{id}","delivery_mode":2}}"#);
            server.publish(name, &properties, body);
        }
    }

    fn dead(&self, name: &str) -> String {
        locked(&self.0).take(&format!("{name}-dead"))
    }

    fn restart(&self) {
        let mut server = locked(&self.0);
        server.kill();
        server.restart();
    }

    fn does(&self, what: &str) -> String {
        let mut words = what.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default();
        locked(&self.0).ask(word(), word(), word())
    }
}
