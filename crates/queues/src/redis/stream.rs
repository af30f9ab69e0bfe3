//! The task of a way in: waits for what is new, claims what others left behind, and says what became of what came.
//!
//! What was handed out is pending at the server under this consumer's name, and is kept from others by being touched
//! before their time is over. Whatever ends this task leaves it pending, and it comes again.

use std::cmp::min;
use std::future::pending;
use std::time::Duration;

use model::failure::Failure;
use model::limits::{QUEUE_AGAIN, QUEUE_ANSWER, QUEUE_DEAD, QUEUE_HEARTBEAT, QUEUE_SAID_CHARS};
use sdk::intake::{Ticket, Verdict};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::entry::{Entry, entries};
use super::wire::{List, Reply};
use super::{Conn, Place, listed};
use crate::fault::{Hush, broken};
use crate::inlet::{Feed, Order};

/// How the names of consumers begin, by which those of flow8 are known.
pub(super) const CONSUMERS: &str = "flow8-";

/// Removes consumers that nobody is behind any more: whoever waits asks every few seconds. One that has something
/// pending stays, and the look and the removal are one step; should somebody be behind it after all, it is made anew.
const SWEEP: &str = "for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do \
    local about = {} for at = 1, #one, 2 do about[one[at]] = one[at + 1] end \
    if string.sub(about.name, 1, 6) == 'flow8-' and about.pending == 0 and about.idle > tonumber(ARGV[2]) then \
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about.name) end end return 0";

/// What was handed out.
pub(super) struct Held {
    id: String,
    /// When it is to be handed out once more, where it is to wait.
    again: Option<Instant>,
}

/// A way in, at work.
struct Work {
    feed: Feed<Held>,
    place: Place,
    consumer: String,
    tells: Conn,
    /// When to touch what is held.
    beat: Instant,
    /// Whether it is time to claim what others left behind.
    claims: bool,
    /// How far that has come.
    cursor: String,
}

/// What happens next.
enum Event {
    Heard(Reply),
    Order(Option<Order>),
    Time,
}

/// Speaks to the server until nobody takes messages any more.
///
/// # Errors
/// Where the connection is lost, or the server refuses.
pub(super) async fn work(
    feed: Feed<Held>,
    place: Place,
    consumer: String,
    mut waits: Conn,
    tells: Conn,
) -> Result<(), Failure> {
    let mut work = Work { feed, place, consumer, tells, beat: Instant::now(), claims: true, cursor: "0".to_owned() };
    let gone = (3 * work.place.idle).as_millis().to_string();
    let (stream, group) = (work.place.stream.as_bytes(), work.place.group.as_bytes());
    let sweep: [&[u8]; 6] = [b"EVAL", SWEEP.as_bytes(), b"1", stream, group, gone.as_bytes()];
    if let Reply::Error(said) = work.tells.reply(&sweep).await? {
        let said = work.tells.hush.said(&said);
        tracing::debug!(stream = work.place.stream, said, "consumers that are gone were not removed");
    }
    let mut asked: Option<Instant> = None;
    loop {
        // Never beside a read that is under way: together they would bring more than there is room for.
        if asked.is_none() && work.claims {
            work.claim_left().await?;
        }
        let room = work.feed.room();
        if asked.is_none() && room > 0 {
            let waits_for = min(QUEUE_HEARTBEAT, work.every());
            let (count, wait) = (room.to_string(), waits_for.as_millis().to_string());
            let (stream, group) = (work.place.stream.as_bytes(), work.place.group.as_bytes());
            let words: [&[u8]; 11] = [
                b"XREADGROUP",
                b"GROUP",
                group,
                work.consumer.as_bytes(),
                b"COUNT",
                count.as_bytes(),
                b"BLOCK",
                wait.as_bytes(),
                b"STREAMS",
                stream,
                b">",
            ];
            waits.send(&words).await?;
            asked = Some(Instant::now() + waits_for + QUEUE_ANSWER);
        }
        let next = work.next_time();
        let event = tokio::select! {
            heard = heard(&mut waits, asked) => Event::Heard(heard?),
            order = work.feed.order() => Event::Order(order),
            () = sleep_until(next) => Event::Time,
        };
        match event {
            Event::Heard(reply) => {
                asked = None;
                let entries = entries(&work.place.stream, read(reply, &work.tells.hush)?, false);
                work.hand_out(entries).await?;
            }
            Event::Order(Some(order)) => {
                let done = work.settle(order.ticket, order.verdict).await;
                let failure = done.as_ref().err().cloned();
                // Whoever asked may have given up.
                let _ = order.told.send(done);
                match failure {
                    Some(failure) if is_lost(&failure) => return Err(failure),
                    // The server does not do it: it comes again, as it was promised.
                    Some(_) => work.again(order.ticket),
                    None => {}
                }
            }
            Event::Order(None) => {
                // Nothing more is handed to it.
                drop(waits);
                return timeout(QUEUE_ANSWER, work.hand_back()).await.unwrap_or(Ok(()));
            }
            Event::Time => work.on_time().await?,
        }
    }
}

fn is_lost(failure: &Failure) -> bool {
    failure.code == "QUEUE_BROKEN"
}

/// What the server says to what it was asked; waits for ever where it was asked nothing.
async fn heard(waits: &mut Conn, asked: Option<Instant>) -> Result<Reply, Failure> {
    match asked {
        Some(until) => {
            let heard = timeout_at(until, waits.talk.hear()).await;
            heard.unwrap_or_else(|_| Err(broken("the server does not answer in time")))
        }
        None => pending().await,
    }
}

/// The entries of what was read: `[[stream, entries]]`, or nothing where nothing came in time.
pub(super) fn read(reply: Reply, hush: &Hush) -> Result<List, Failure> {
    let first = listed(reply, hush)?.items.into_iter().next();
    let Some(Reply::List(stream)) = first else { return Ok(List::default()) };
    stream.items.into_iter().nth(1).map_or(Ok(List::default()), |entries| listed(entries, hush))
}

impl Work {
    /// When something is to be done, though nothing comes.
    fn next_time(&self) -> Instant {
        let again = self.feed.held.values().filter_map(|held| held.again).min();
        again.map_or(self.beat, |again| min(again, self.beat))
    }

    /// How often what is held is touched, and what others left behind is looked for.
    fn every(&self) -> Duration {
        min(self.place.idle / 3, Duration::from_secs(30))
    }

    async fn hand_out(&mut self, entries: Vec<Entry>) -> Result<(), Failure> {
        for Entry { id, came } in entries {
            // Of what is held already nobody has to be told twice.
            if self.feed.held.values().any(|held| held.id == id) {
                continue;
            }
            match came {
                Ok(came) => self.feed.hand_out(Held { id, again: None }, came),
                Err(why) => {
                    tracing::warn!(stream = self.place.stream, id, why, "a message is dead before it was taken");
                    match self.bury(&id, &why).await {
                        // It stays pending, and is claimed once more when it has lain there for long enough.
                        Err(failure) if !is_lost(&failure) => tracing::warn!(id, %failure, "it could not be put away"),
                        done => done?,
                    }
                }
            }
        }
        Ok(())
    }

    async fn settle(&mut self, ticket: Ticket, verdict: Verdict) -> Result<(), Failure> {
        let Some(held) = self.feed.held.get_mut(&ticket) else { return Ok(()) };
        let id = held.id.clone();
        match verdict {
            Verdict::Again(wait) => {
                held.again = Some(Instant::now() + min(wait, QUEUE_AGAIN));
                return Ok(());
            }
            Verdict::Done => {
                let (stream, group) = (self.place.stream.as_bytes(), self.place.group.as_bytes());
                self.tells.ask(&[b"XACK", stream, group, id.as_bytes()]).await?;
            }
            Verdict::Dead(why) => self.bury(&id, &why).await?,
        }
        self.feed.held.remove(&ticket);
        Ok(())
    }

    /// Has a message come again once it has lain there for long enough.
    fn again(&mut self, ticket: Ticket) {
        if let Some(held) = self.feed.held.get_mut(&ticket) {
            held.again = Some(Instant::now() + self.place.idle);
        }
    }

    /// Puts an entry among the dead ones, and then acknowledges it.
    async fn bury(&mut self, id: &str, why: &str) -> Result<(), Failure> {
        let (stream, group) = (self.place.stream.as_bytes(), self.place.group.as_bytes());
        let found = self.tells.list(&[b"XRANGE", stream, id.as_bytes(), id.as_bytes()]).await?;
        let mut fields = Vec::new();
        if let Some(Reply::List(List { mut items, .. })) = found.items.into_iter().next()
            && let Some(Reply::List(List { items, is_cut: false })) = items.pop()
        {
            fields = items;
        }
        let (dead, most) = (format!("{}:dead", self.place.stream), QUEUE_DEAD.to_string());
        let why: String = why.chars().take(QUEUE_SAID_CHARS).collect();
        let mut words: Vec<&[u8]> = vec![b"XADD", dead.as_bytes(), b"MAXLEN", b"~", most.as_bytes(), b"*"];
        words.extend([b"flow8-reason".as_slice(), why.as_bytes(), b"flow8-id", id.as_bytes()]);
        words.extend(fields.iter().filter_map(|field| match field {
            Reply::Bytes(bytes) => Some(&**bytes),
            _ => None,
        }));
        // One after the other: a transaction of Redis does the second though the first is refused. Whatever ends this in
        // between, it is there twice rather than not at all.
        self.tells.ask(&words).await?;
        self.tells.ask(&[b"XACK", stream, group, id.as_bytes()]).await.map(drop)
    }

    async fn on_time(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let due = self.feed.held.iter().filter(|(_, held)| held.again.is_some_and(|again| again <= now));
        let due: Vec<(Ticket, String)> = due.map(|(ticket, held)| (*ticket, held.id.clone())).collect();
        for (ticket, id) in due {
            self.feed.held.remove(&ticket);
            let claimed = self.claim(&[&id], Duration::ZERO, &[]).await?;
            self.hand_out(entries(&self.place.stream, claimed, true)).await?;
        }
        if now >= self.beat {
            self.beat = now + self.every();
            self.claims = true;
            // Touched, so that others leave it alone. What others have touched lately is theirs.
            let held: Vec<String> = self.feed.held.values().map(|held| held.id.clone()).collect();
            let held: Vec<&str> = held.iter().map(String::as_str).collect();
            if held.is_empty() {
                self.tells.ask(&[b"PING"]).await?;
            } else {
                self.claim(&held, self.place.idle / 6, &[b"JUSTID"]).await?;
            }
        }
        Ok(())
    }

    /// Claims entries by their ids.
    async fn claim(&mut self, ids: &[&str], idle: Duration, more: &[&[u8]]) -> Result<List, Failure> {
        let idle = idle.as_millis().to_string();
        let (stream, group) = (self.place.stream.as_bytes(), self.place.group.as_bytes());
        let mut words: Vec<&[u8]> = vec![b"XCLAIM", stream, group, self.consumer.as_bytes(), idle.as_bytes()];
        words.extend(ids.iter().map(|id| id.as_bytes()));
        words.extend(more);
        self.tells.list(&words).await
    }

    /// Claims what others left behind, as far as there is room.
    async fn claim_left(&mut self) -> Result<(), Failure> {
        let room = self.feed.room();
        if room == 0 {
            return Ok(());
        }
        self.claims = false;
        let (idle, count) = (self.place.idle.as_millis().to_string(), room.to_string());
        let (stream, group) = (self.place.stream.as_bytes(), self.place.group.as_bytes());
        let words: [&[u8]; 8] = [
            b"XAUTOCLAIM",
            stream,
            group,
            self.consumer.as_bytes(),
            idle.as_bytes(),
            self.cursor.as_bytes(),
            b"COUNT",
            count.as_bytes(),
        ];
        let mut said = self.tells.list(&words).await?.items.into_iter();
        let (Some(Reply::Bytes(cursor)), Some(claimed)) = (said.next(), said.next()) else {
            return Err(broken("the server answers something else than what can be claimed"));
        };
        self.cursor = String::from_utf8_lossy(&cursor).into_owned();
        let claimed = listed(claimed, &self.tells.hush)?;
        self.hand_out(entries(&self.place.stream, claimed, true)).await
    }

    /// Leaves what was not settled to others, at once: it is made to look as if it had lain there for a day.
    async fn hand_back(mut self) -> Result<(), Failure> {
        let held: Vec<String> = self.feed.held.values().map(|held| held.id.clone()).collect();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        if held.is_empty() {
            return Ok(());
        }
        self.claim(&held, Duration::ZERO, &[b"IDLE", b"86400000", b"JUSTID"]).await.map(drop)
    }
}
