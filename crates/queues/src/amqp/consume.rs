//! The task of a way in: puts messages together from what the server hands out, and says what became of them.
//!
//! Nothing is confirmed of that by the server. Whatever ends the connection gives it back what it has not heard of.

use std::cmp::min;
use std::collections::BTreeSet;

use model::failure::Failure;
use model::limits::{QUEUE_AGAIN, QUEUE_ANSWER, QUEUE_HEARTBEAT, QUEUE_SILENCE};
use sdk::intake::Verdict;
use tokio::time::{Instant, sleep_until, timeout};

use super::conn::{CHANNEL, Conn, name};
use super::given::Given;
use super::wire::{Args, Frame, Kind, beat, odd};
use crate::fault::broken;
use crate::inlet::{Feed, Order};

/// A way in, at work.
struct Work {
    /// What is held is known by the number that the server gave it.
    feed: Feed<u64>,
    queue: String,
    conn: Conn,
    /// The message that is on its way.
    given: Option<Given>,
    /// What is to come again, and when it is given back. It counts as unsettled for the server until then.
    again: BTreeSet<(Instant, u64)>,
}

/// What happens next.
enum Event {
    Heard(Frame),
    Order(Option<Order>),
    Time,
}

/// Speaks to the server until nobody takes messages any more.
///
/// # Errors
/// Where the connection is lost, or the server refuses.
pub(super) async fn work(feed: Feed<u64>, queue: String, conn: Conn) -> Result<(), Failure> {
    let mut work = Work { feed, queue, conn, given: None, again: BTreeSet::new() };
    let (mut next_beat, mut heard) = (Instant::now(), Instant::now());
    loop {
        let next = work.again.first().map_or(next_beat, |(again, _)| min(*again, next_beat));
        let event = tokio::select! {
            heard = work.conn.talk.hear() => Event::Heard(heard?),
            order = work.feed.order() => Event::Order(order),
            () = sleep_until(next) => Event::Time,
        };
        match event {
            Event::Heard(frame) => {
                heard = Instant::now();
                work.heard(frame).await?;
            }
            Event::Order(Some(order)) => work.settle(order).await?,
            // What was not settled is given back with the connection.
            Event::Order(None) => return timeout(QUEUE_ANSWER, work.conn.close()).await.unwrap_or(Ok(())),
            Event::Time => {
                let now = Instant::now();
                if now >= heard + QUEUE_SILENCE {
                    return Err(broken("the server does not answer in time"));
                }
                if now >= next_beat {
                    next_beat = now + QUEUE_HEARTBEAT;
                    work.conn.talk.say(&beat()).await?;
                }
                work.give_back(now).await?;
            }
        }
    }
}

impl Work {
    async fn heard(&mut self, Frame { kind, channel, payload }: Frame) -> Result<(), Failure> {
        let mut args = Args(payload);
        match kind {
            Kind::Beat => Ok(()),
            Kind::Method => {
                let found = (args.u16()?, args.u16()?);
                if (channel, found) != (CHANNEL, name::DELIVER) {
                    return self.conn.heed(found, &mut args).await;
                }
                if self.given.is_some() {
                    return Err(odd());
                }
                self.given = Some(Given::new(&mut args)?);
                Ok(())
            }
            Kind::Head => {
                self.given.as_mut().ok_or_else(odd)?.head(&mut args)?;
                self.hand_out().await
            }
            Kind::Body => {
                self.given.as_mut().ok_or_else(odd)?.part(&args.0)?;
                self.hand_out().await
            }
        }
    }

    /// Hands the message out that was on its way, once all of it is there.
    async fn hand_out(&mut self) -> Result<(), Failure> {
        let Some(given) = self.given.take_if(|given| given.is_whole()) else { return Ok(()) };
        if self.feed.room() == 0 {
            return Err(broken("the server hands out more than it was asked for"));
        }
        let tag = given.tag;
        match given.came(&self.queue) {
            Ok(came) => {
                self.feed.hand_out(tag, came);
                Ok(())
            }
            Err(why) => {
                tracing::warn!(queue = self.queue, why, "a message is dead before it was taken");
                self.reject(tag, false).await
            }
        }
    }

    async fn settle(&mut self, Order { ticket, verdict, told }: Order) -> Result<(), Failure> {
        let done = match (self.feed.held.remove(&ticket), verdict) {
            (None, _) => Ok(()),
            (Some(tag), Verdict::Done) => {
                self.conn.say(CHANNEL, name::ACK, &[&tag.to_be_bytes()[..], &[0]].concat()).await
            }
            (Some(tag), Verdict::Dead(_)) => self.reject(tag, false).await,
            (Some(tag), Verdict::Again(wait)) => {
                self.again.insert((Instant::now() + min(wait, QUEUE_AGAIN), tag));
                Ok(())
            }
        };
        // Whoever asked may have given up.
        let _ = told.send(done.clone());
        done
    }

    /// Gives back what has waited long enough.
    async fn give_back(&mut self, now: Instant) -> Result<(), Failure> {
        while let Some((_, tag)) = self.again.first().copied().filter(|(again, _)| *again <= now) {
            self.again.pop_first();
            self.reject(tag, true).await?;
        }
        Ok(())
    }

    async fn reject(&mut self, tag: u64, again: bool) -> Result<(), Failure> {
        self.conn.say(CHANNEL, name::REJECT, &[&tag.to_be_bytes()[..], &[u8::from(again)]].concat()).await
    }
}
