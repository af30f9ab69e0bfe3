//! What waits in queues and mailboxes, taken by the binary itself, which dies again and again between the receipt of a
//! message and its acknowledgement: each message becomes one play, and none is lost.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use model::Value;
use peers::{ImapServer, Nats, Rabbit, Redis};

use crate::mongo::{database, replica_with, to_start};
use crate::server::{Client, Server, Start, json, part, until};

const FLOW: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Take\nlayers:\n\
    \x20 - {ref: take, appId: var, args: {value: \"{{ $prev.args.body }}\"}}\n";

/// Rounds of death.
const ROUNDS: usize = 4;

/// Messages that wait when a process starts that dies of them, and that come while the next one is killed.
const WAITING: usize = 60;
const UNDER_LOAD: usize = 15;

/// How many admissions a process lives through.
const LIVES_THROUGH: usize = 15;

/// A server that keeps messages, of which each says a number.
trait Keeper {
    fn kind(&self) -> &'static str {
        "queue"
    }

    /// The component that leads there, and where messages lie.
    fn component(&self) -> String;
    fn source(&self) -> &'static str;

    fn put(&self, numbers: Range<usize>);

    /// Whether nothing waits, and nothing is handed out.
    fn is_empty(&self) -> bool;

    /// The same, when nobody takes any more.
    fn is_left_empty(&self) -> bool {
        self.is_empty()
    }
}

struct Streams(Redis);

impl Streams {
    fn start() -> Self {
        Self(Redis::start())
    }
}

impl Keeper for Streams {
    fn component(&self) -> String {
        let (port, password) = (self.0.port(), Redis::PASSWORD);
        format!(
            r#""provider": "redis", "config": {{"host": "127.0.0.1", "port": {port}, "tls": "off"}},
            "secret": {{"password": "{password}"}}"#
        )
    }

    fn source(&self) -> &'static str {
        r#""stream": "orders", "group": "flow8", "idleSeconds": 1"#
    }

    fn put(&self, numbers: Range<usize>) {
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        let commands: Vec<[&str; 5]> = numbers.iter().map(|number| ["XADD", "orders", "*", "body", number]).collect();
        let commands: Vec<&[&str]> = commands.iter().map(<[_; 5]>::as_slice).collect();
        self.0.ask_all(&commands);
    }

    fn is_empty(&self) -> bool {
        let groups = self.0.ask(&["XINFO", "GROUPS", "orders"]);
        groups.contains("pending,0,") && groups.contains("lag,0]")
    }
}

struct JetStream(Nats);

impl JetStream {
    fn start() -> Self {
        let server = Nats::start();
        server.stream("ORDERS", "orders");
        Self(server)
    }
}

impl Keeper for JetStream {
    fn component(&self) -> String {
        let port = self.0.port();
        let (user, password) = (Nats::USER, Nats::PASSWORD);
        format!(
            r#""provider": "nats",
            "config": {{"host": "127.0.0.1", "port": {port}, "tls": "off", "user": "{user}"}},
            "secret": {{"password": "{password}"}}"#
        )
    }

    fn source(&self) -> &'static str {
        r#""stream": "ORDERS", "consumer": "flow8", "idleSeconds": 1"#
    }

    fn put(&self, numbers: Range<usize>) {
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        let bodies: Vec<&[u8]> = numbers.iter().map(String::as_bytes).collect();
        let said = self.0.ask_all("orders", &[], &bodies);
        assert!(said.iter().all(|said| said.contains("\"seq\"")), "{said:?}");
    }

    fn is_empty(&self) -> bool {
        let about = json(&self.0.ask("$JS.API.CONSUMER.INFO.ORDERS.flow8", &[], b""));
        ["num_ack_pending", "num_pending"].iter().all(|left| about.get(left).and_then(Value::as_i64) == Some(0))
    }
}

struct Exchange(Rabbit);

impl Exchange {
    fn start() -> Self {
        let server = Rabbit::start();
        server.queue("orders", "{}");
        Self(server)
    }
}

impl Keeper for Exchange {
    fn component(&self) -> String {
        let (port, user, password) = (self.0.port(), Rabbit::USER, Rabbit::PASSWORD);
        format!(
            r#""provider": "amqp",
            "config": {{"host": "127.0.0.1", "port": {port}, "tls": "off", "user": "{user}"}},
            "secret": {{"password": "{password}"}}"#
        )
    }

    fn source(&self) -> &'static str {
        r#""queue": "orders""#
    }

    fn put(&self, numbers: Range<usize>) {
        for number in numbers {
            let properties = format!(r#"{{"message_id": "{number}", "delivery_mode": 2}}"#);
            self.0.publish("orders", &properties, number.to_string().as_bytes());
        }
    }

    fn is_empty(&self) -> bool {
        // What is handed out is told by nothing that answers at once: it is looked at when nobody takes any more.
        true
    }

    fn is_left_empty(&self) -> bool {
        self.0.take("orders").trim() == "[]"
    }
}

struct Mails(ImapServer);

impl Keeper for Mails {
    fn kind(&self) -> &'static str {
        "mailbox"
    }

    fn component(&self) -> String {
        let (port, user, password) = (self.0.port(), ImapServer::USER, ImapServer::PASSWORD);
        format!(
            r#""config": {{"host": "127.0.0.1", "port": {port}, "tls": "off", "user": "{user}"}},
            "secret": {{"password": "{password}"}}"#
        )
    }

    fn source(&self) -> &'static str {
        r#""pollSeconds": 1"#
    }

    fn put(&self, numbers: Range<usize>) {
        for number in numbers {
            let mail = format!("From: ada@shop.test\r\nTo: flow8@shop.test\r\nSubject: {number}\r\n\r\nHi\r\n");
            self.0.deliver("INBOX", mail);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.lying("INBOX").iter().all(|mail| mail.flags.contains('S'))
    }
}

/// Messages that were published, and a server that takes them.
struct Orders<'k> {
    keeper: &'k dyn Keeper,
    put: Cell<usize>,
}

impl<'k> Orders<'k> {
    fn of(keeper: &'k dyn Keeper) -> Self {
        Self { keeper, put: Cell::new(0) }
    }

    fn put(&self, more: usize) {
        let before = self.put.replace(self.put.get() + more);
        self.keeper.put(before..before + more);
    }

    /// Sets up what takes them; gives the path of the channel.
    fn set_up(&self, client: &Client) -> String {
        client.import(FLOW);
        let (kind, source) = (self.keeper.kind(), self.keeper.source());
        let component = format!(r#"{{"name": "orders", "kind": "{kind}", {}}}"#, self.keeper.component());
        let component = part(&client.granted("POST", "/components", &component), "/id");
        let tested = client.granted("POST", &format!("/components/{component}/test"), "{}");
        assert_eq!(part(&tested, "/ok"), "true", "{}", tested.to_json());
        let channel = format!(
            r#"{{"name": "Orders", "slug": "orders", "kind": "{kind}", "source": {{"component": "orders", {source}}},
            "routes": [{{"name": "in", "targetFlowIds": ["take"]}}]}}"#
        );
        let channel = format!("/channels/{}", part(&client.granted("POST", "/channels", &channel), "/id"));
        until("it is connected", || (of(client, &channel, "state") == "connected").then_some(()));
        channel
    }

    /// Each has one play, and none is left.
    fn all_are_taken_once(&self, client: &Client, channel: &str) {
        let total = || part(&client.granted("GET", "/plays?size=1", ""), "/total");
        until("each has a play", || (total().parse::<usize>().ok()? >= self.put.get()).then_some(()));
        until("nothing is left", || self.keeper.is_empty().then_some(()));
        assert_eq!(total(), self.put.get().to_string(), "a play for each, and no other");
        let mut seen = BTreeSet::new();
        for page in 0..self.put.get().div_ceil(100) {
            let plays = client.granted("GET", &format!("/plays?size=100&page={page}"), "");
            for row in plays.get("data").and_then(Value::as_list).expect("plays") {
                let play = client.play_in(&part(row, "/id"), "DONE");
                let out = play.pointer("/out/value").expect("an output");
                seen.insert(out.pointer("/subject").unwrap_or(out).to_json().trim_matches('"').to_owned());
            }
        }
        assert_eq!(seen, (0..self.put.get()).map(|number| number.to_string()).collect());
        assert_eq!(of(client, channel, "dead"), "0");
    }
}

/// How taking in goes.
fn of(client: &Client, channel: &str, field: &str) -> String {
    part(&client.granted("GET", channel, ""), &format!("/intake/{field}"))
}

fn replayed(client: &Client, channel: &str) -> usize {
    of(client, channel, "replayed").parse().expect("a number")
}

/// A process that dies at a failure point, the so many-th time that it comes there.
fn dies_at(point: &str) -> (&'static str, String) {
    ("FLOW8_FAILPOINT", format!("{point}:{LIVES_THROUGH}"))
}

/// A binary on its own store takes all of them, over many deaths.
fn taken_once_over_many_deaths(keeper: &dyn Keeper) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let orders = Orders::of(keeper);
    let server = Start::on(&data).serves();
    let channel = orders.set_up(&server.client);
    server.stop();
    let mut again = 0;
    for round in 0..ROUNDS {
        orders.put(WAITING);
        // Its play is durable, and the peer was not told; or it came, and is no play yet.
        let point = if round % 2 == 0 { "after_admission" } else { "before_admission" };
        let (name, value) = dies_at(point);
        Start::on(&data).variable(name, &value).dies();
        let server = Start::on(&data).serves();
        until("it goes on", || {
            let goes_on = if round % 2 == 0 { "replayed" } else { "taken" };
            (of(&server.client, &channel, goes_on) != "0").then_some(())
        });
        orders.put(UNDER_LOAD);
        again += replayed(&server.client, &channel);
        server.kill();
    }
    let server = Start::on(&data).serves();
    orders.all_are_taken_once(&server.client, &channel);
    assert_eq!(orders.put.get(), 300);
    assert!(again >= ROUNDS / 2, "{again} came again after their play was durable");
    server.stop();
    assert!(keeper.is_left_empty(), "all of it is acknowledged");
}

#[test]
fn entries_of_a_redis_stream_are_taken_once_over_many_deaths() {
    taken_once_over_many_deaths(&Streams::start());
}

#[test]
fn messages_of_jetstream_are_taken_once_over_many_deaths() {
    taken_once_over_many_deaths(&JetStream::start());
}

#[test]
fn messages_of_rabbitmq_are_taken_once_over_many_deaths() {
    taken_once_over_many_deaths(&Exchange::start());
}

#[test]
fn mails_are_taken_once_over_many_deaths() {
    taken_once_over_many_deaths(&Mails(ImapServer::start()));
}

fn replica(database: &store_suite::mongod::Mongod, folder: &Path, name: &str) -> Server {
    replica_with(database, folder, name, &[])
}

#[test]
fn two_replicas_share_a_stream_and_one_of_them_dies_again_and_again() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let keeper = Streams::start();
    let orders = Orders::of(&keeper);
    let stays = replica(&database, folder.path(), "stays");
    let channel = orders.set_up(&stays.client);
    for round in 0..3 {
        let (name, value) = dies_at("after_admission");
        let mut dying = to_start(&database, folder.path(), &format!("dies-{round}")).variable(name, &value).begins();
        let looks = Cell::new(0);
        until("it dies", || {
            // So many that both have something to do, and no more.
            looks.set(looks.get() + 1);
            if looks.get() % 20 == 0 {
                orders.put(5);
            }
            dying.has_ended().then_some(())
        });
    }
    orders.put(20);
    orders.all_are_taken_once(&stays.client, &channel);
    let again = replayed(&stays.client, &channel);
    assert!(again >= 1, "what the dead ones had was handed out again");
    stays.stop();
}

#[test]
fn one_replica_at_a_time_reads_a_mailbox_and_another_takes_over_where_it_dies() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let keeper = Mails(ImapServer::start());
    let orders = Orders::of(&keeper);
    let first = replica(&database, folder.path(), "first");
    let channel = orders.set_up(&first.client);
    let second = replica(&database, folder.path(), "second");
    until("the second knows", || (of(&second.client, &channel, "state") == "elsewhere").then_some(()));
    orders.put(60);
    until("some are taken", || (of(&first.client, &channel, "taken") != "0").then_some(()));
    assert_eq!(
        (of(&first.client, &channel, "state"), of(&second.client, &channel, "taken")),
        ("connected".into(), "0".into())
    );
    first.kill();
    orders.put(20);
    until("the second takes over", || (of(&second.client, &channel, "state") == "connected").then_some(()));
    orders.put(20);
    // One that stops gives its turn back: nobody waits for its end.
    let third = replica(&database, folder.path(), "third");
    until("it is the second's", || (of(&third.client, &channel, "state") == "elsewhere").then_some(()));
    second.stop();
    until("the third takes over", || (of(&third.client, &channel, "state") == "connected").then_some(()));
    orders.all_are_taken_once(&third.client, &channel);
    third.stop();
}
