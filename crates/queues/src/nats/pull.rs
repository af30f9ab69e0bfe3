//! The task of a way in: asks the consumer for as many messages as there is room for, and says what became of them.
//!
//! While a message waits, the server is told that it is still worked on. Whatever ends this task leaves it without
//! that, and it comes again.

use std::cmp::min;
use std::collections::HashMap;
use std::time::Duration;

use model::failure::Failure;
use model::limits::{QUEUE_AGAIN, QUEUE_ANSWER, QUEUE_HEARTBEAT, QUEUE_SILENCE};
use model::value::Value;
use sdk::intake::{Ticket, Verdict};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::wire::{Delivery, Published, Said, publish};
use super::{ANSWERS, Answer, Conn, MESSAGES, Place, answered, nanos};
use crate::fault::{broken, not_found};
use crate::inlet::{Feed, Order};
use crate::message::{Came, Headers, at, key, too_long};

/// How long the server keeps a request for messages.
const EXPIRES: Duration = Duration::from_secs(30);

/// That a message never comes again. Older servers do not understand it with a reason behind it.
const TERM: &str = "+TERM";

/// A way in, at work.
struct Work {
    /// What is held is known by the subject by which it is acknowledged.
    feed: Feed<String>,
    place: Place,
    conn: Conn,
    /// Messages that were asked for and may still come.
    asked: usize,
    /// Numbers of the request, which is the end of the subject at which the server says how it went on.
    request: u64,
    /// When the server last said something of that request.
    of_request: Instant,
    /// When the server last said anything.
    of_all: Instant,
    /// What the server was told, and has not confirmed.
    unconfirmed: HashMap<String, Unconfirmed>,
    /// When to tell the server that messages are still worked on.
    progress: Instant,
}

struct Unconfirmed {
    told: oneshot::Sender<Result<(), Failure>>,
    until: Instant,
}

/// What happens next.
enum Event {
    Heard(Said),
    Order(Option<Order>),
    Time,
}

/// Speaks to the server until nobody takes messages any more.
///
/// # Errors
/// Where the connection is lost, or the server refuses.
pub(super) async fn work(feed: Feed<String>, place: Place, conn: Conn) -> Result<(), Failure> {
    let now = Instant::now();
    let mut work = Work {
        feed,
        progress: now + place.idle / 3,
        place,
        conn,
        asked: 0,
        request: 0,
        of_request: now,
        of_all: now,
        unconfirmed: HashMap::new(),
    };
    let mut beat = now;
    loop {
        work.ask().await?;
        let mut next = min(beat, work.progress);
        next = work.unconfirmed.values().map(|one| one.until).fold(next, min);
        let event = tokio::select! {
            heard = work.conn.talk.hear() => Event::Heard(heard?),
            order = work.feed.order() => Event::Order(order),
            () = sleep_until(next) => Event::Time,
        };
        match event {
            Event::Heard(said) => {
                work.of_all = Instant::now();
                work.heard(said).await?;
            }
            Event::Order(Some(order)) => work.settle(order).await?,
            Event::Order(None) => return timeout(QUEUE_ANSWER, work.hand_back()).await.unwrap_or(Ok(())),
            Event::Time => {
                if Instant::now() >= beat {
                    beat = Instant::now() + QUEUE_HEARTBEAT;
                    work.conn.talk.say(b"PING\r\n").await?;
                }
                work.on_time().await?;
            }
        }
    }
}

impl Work {
    /// Asks for messages where there is room, and nothing that was asked for may still come.
    async fn ask(&mut self) -> Result<(), Failure> {
        let room = self.feed.room();
        if self.asked > 0 || room == 0 {
            return Ok(());
        }
        self.request += 1;
        let wish = json!({"batch": room, "expires": nanos(EXPIRES), "idle_heartbeat": nanos(QUEUE_HEARTBEAT)});
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.place.stream, self.place.consumer);
        let reply = format!("{}.m.{}", self.conn.inbox, self.request);
        self.conn.talk.say(&publish(&subject, &reply, wish.to_string().as_bytes())).await?;
        self.asked = room;
        self.of_request = Instant::now();
        Ok(())
    }

    async fn heard(&mut self, said: Said) -> Result<(), Failure> {
        match said {
            Said::Ping => self.conn.talk.say(b"PONG\r\n").await,
            Said::Pong | Said::Info(_) => Ok(()),
            Said::Refused(why) => Err(self.conn.refusal(&why)),
            Said::Published(answer) if answer.to == ANSWERS && answer.subject == self.looks() => {
                match answered(&answer, &self.conn.hush)? {
                    Answer::Said(_) => Ok(()),
                    Answer::Missing(why) => Err(not_found(format!("consumer {}: {why}", self.place.consumer))),
                }
            }
            Said::Published(answer) if answer.to == ANSWERS => {
                if let Some(one) = self.unconfirmed.remove(&answer.subject) {
                    // Nobody is there to be told any more where the message was dead before it was handed out.
                    let _ = one.told.send(Ok(()));
                }
                Ok(())
            }
            Said::Published(message) if message.to == MESSAGES => {
                self.of_request = Instant::now();
                match message.status() {
                    Some(status) => self.of_status(&message.subject, status),
                    None => self.came(message).await,
                }
            }
            Said::Published(_) => Ok(()),
        }
    }

    /// The subject at which the server says whether the consumer is still there.
    fn looks(&self) -> String {
        format!("{}.a.looks", self.conn.inbox)
    }

    /// What the server says of a request.
    fn of_status(&mut self, subject: &str, (code, words): (u16, String)) -> Result<(), Failure> {
        let is_of_last = subject.rsplit('.').next() == Some(self.request.to_string().as_str());
        match code {
            // It is still there.
            100 => Ok(()),
            // Nothing more comes of the request.
            404 | 408 => {
                if is_of_last {
                    self.asked = 0;
                }
                Ok(())
            }
            409 if words.to_ascii_lowercase().contains("deleted") => {
                let words = self.conn.hush.said(&words);
                Err(not_found(format!("consumer {}: {words}", self.place.consumer)))
            }
            503 => Err(not_found(format!("consumer {}: nobody answers for it", self.place.consumer))),
            // Another server takes over, or too many ask: the next request comes when this one is over.
            409 if !words.contains("Exceeded MaxRequest") => Ok(()),
            _ => Err(self.conn.refusal(&format!("{code} {words}"))),
        }
    }

    async fn came(&mut self, message: Published) -> Result<(), Failure> {
        let Some(reply) = message.reply.clone() else { return Ok(()) };
        let Some(delivery) = Delivery::of(&reply) else { return Ok(()) };
        self.asked = self.asked.saturating_sub(1);
        if self.feed.room() == 0 {
            // More than was asked for: it comes again, to whoever has room.
            return self.tell(&reply, "-NAK".to_owned(), None).await;
        }
        match came(&self.place, message, &delivery) {
            Ok(came) => {
                self.feed.hand_out(reply, came);
                Ok(())
            }
            Err(why) => {
                let Place { stream, .. } = &self.place;
                tracing::warn!(stream, sequence = delivery.sequence, why, "a message is dead before it was taken");
                self.tell(&reply, TERM.to_owned(), None).await
            }
        }
    }

    async fn settle(&mut self, Order { ticket, verdict, told }: Order) -> Result<(), Failure> {
        let Some(reply) = self.feed.held.remove(&ticket) else {
            let _ = told.send(Ok(()));
            return Ok(());
        };
        let what = match verdict {
            Verdict::Done => "+ACK".to_owned(),
            Verdict::Again(wait) => format!("-NAK {}", json!({"delay": nanos(min(wait, QUEUE_AGAIN))})),
            Verdict::Dead(_) => TERM.to_owned(),
        };
        self.tell(&reply, what, Some((ticket, told))).await
    }

    /// Tells the server what became of a message. Whoever wants to know hears of it once the server has confirmed it.
    async fn tell(
        &mut self,
        reply: &str,
        what: String,
        told: Option<(Ticket, oneshot::Sender<Result<(), Failure>>)>,
    ) -> Result<(), Failure> {
        let confirmed = told.map(|(Ticket(number), told)| {
            let subject = format!("{}.a.{number}", self.conn.inbox);
            self.unconfirmed.insert(subject.clone(), Unconfirmed { told, until: Instant::now() + QUEUE_ANSWER });
            subject
        });
        self.conn.talk.say(&publish(reply, confirmed.as_deref().unwrap_or_default(), what.as_bytes())).await
    }

    async fn on_time(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.of_all + QUEUE_SILENCE {
            return Err(broken("the server does not answer in time"));
        }
        if self.unconfirmed.values().any(|one| one.until <= now) {
            return Err(broken("the server does not confirm in time what it is told"));
        }
        // Nothing is heard of the request: it may have been lost with one of several servers, or the consumer is gone,
        // for which nobody answers then.
        if self.asked > 0 && now >= self.of_request + 3 * QUEUE_HEARTBEAT {
            self.asked = 0;
            let subject = format!("$JS.API.CONSUMER.INFO.{}.{}", self.place.stream, self.place.consumer);
            let looks = self.looks();
            self.conn.talk.say(&publish(&subject, &looks, b"")).await?;
        }
        if now >= self.progress {
            self.progress = now + self.place.idle / 3;
            let held: Vec<u8> = self.feed.held.values().flat_map(|reply| publish(reply, "", b"+WPI")).collect();
            if !held.is_empty() {
                self.conn.talk.say(&held).await?;
            }
        }
        Ok(())
    }

    /// Gives back what was not settled, so that it comes again at once, and waits until the server has heard it.
    async fn hand_back(mut self) -> Result<(), Failure> {
        let mut words: Vec<u8> = self.feed.held.values().flat_map(|reply| publish(reply, "", b"-NAK")).collect();
        words.extend_from_slice(format!("UNSUB {MESSAGES}\r\nPING\r\n").as_bytes());
        self.conn.talk.say(&words).await?;
        loop {
            match self.conn.talk.answer().await? {
                Said::Pong => return Ok(()),
                // What came meanwhile comes again too.
                Said::Published(Published { to, reply: Some(reply), .. }) if to == MESSAGES => {
                    self.conn.talk.say(&publish(&reply, "", b"-NAK")).await?;
                }
                _ => {}
            }
        }
    }
}

pub(super) fn came(place: &Place, message: Published, delivery: &Delivery) -> Result<Came, String> {
    let mut headers = Headers::default();
    for (name, value) in message.headers() {
        headers.add(&name, &value)?;
    }
    let bytes = message.body.ok_or_else(too_long)?;
    // The time tells it from a message of a stream that was removed and made once more.
    let key = key(&[&place.stream, &delivery.sequence.to_string(), &delivery.nanos.to_string()]);
    let about = [
        ("stream", Value::from(place.stream.as_str())),
        ("subject", message.subject.as_str().into()),
        ("sequence", delivery.sequence.into()),
        ("deliveries", delivery.deliveries.into()),
        ("at", at(Some(delivery.nanos / 1_000_000))),
    ];
    let media = headers.all.get("content-type").cloned().unwrap_or_default();
    Ok(Came { key: Some(key), headers: headers.all, about: Value::map(about), media, bytes })
}
