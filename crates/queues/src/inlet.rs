//! [`Inlet`]: a way in as whoever takes messages has it. [`Feed`]: the other end of it, in the task that speaks to the
//! server.
//!
//! What is handed out lies in a channel, so that waiting for it may be given up; what becomes of it comes back as
//! [`Order`]s, and their end tells the task that nobody takes messages any more.

use std::collections::HashMap;
use std::future::Future;

use async_trait::async_trait;
use model::failure::Failure;
use sdk::intake::{Content, Inbox, Message, Ticket, Verdict};
use tokio::sync::{mpsc, oneshot};

use crate::fault::broken;
use crate::message::Came;

/// A way in.
pub(crate) struct Inlet {
    messages: mpsc::Receiver<Result<Message, Failure>>,
    orders: mpsc::Sender<Order>,
}

/// What became of a message, and who is to hear that the server knows.
pub(crate) struct Order {
    pub(crate) ticket: Ticket,
    pub(crate) verdict: Verdict,
    pub(crate) told: oneshot::Sender<Result<(), Failure>>,
}

/// Where messages are put, and where what became of them comes from. `H` is what the protocol calls a message by.
pub(crate) struct Feed<H> {
    /// How many may be unsettled.
    pub(crate) at_once: usize,
    /// Those that are, by their tickets.
    pub(crate) held: HashMap<Ticket, H>,
    messages: mpsc::Sender<Result<Message, Failure>>,
    orders: mpsc::Receiver<Order>,
    next: u64,
}

/// Starts the task that speaks to the server. An error with which it ends is what is handed out last.
pub(crate) fn start<H, W, F>(at_once: usize, work: W) -> Inlet
where
    H: Send + 'static,
    W: FnOnce(Feed<H>) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    // One more than may be unsettled: the error.
    let (messages, taken) = mpsc::channel(at_once + 1);
    let (orders, told) = mpsc::channel(at_once);
    let last = messages.clone();
    let work = work(Feed { at_once, held: HashMap::new(), messages, orders: told, next: 0 });
    tokio::spawn(async move {
        if let Err(failure) = work.await {
            // Where nobody is there any more, nobody has to know.
            let _ = last.try_send(Err(failure));
        }
    });
    Inlet { messages: taken, orders }
}

impl<H> Feed<H> {
    /// How many more may be handed out.
    pub(crate) fn room(&self) -> usize {
        self.at_once.saturating_sub(self.held.len())
    }

    /// Hands a message out.
    pub(crate) fn hand_out(&mut self, handle: H, came: Came) {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.held.insert(ticket, handle);
        let Came { key, headers, about, media, bytes } = came;
        let content = Content::Raw { media, bytes };
        // There is room for all that may be unsettled; where nobody takes any more, the orders have ended too.
        let _ = self.messages.try_send(Ok(Message { key, headers, about, content, ticket }));
    }

    /// What became of a message, next; none once nobody takes any more. It may be given up, and nothing is lost.
    pub(crate) async fn order(&mut self) -> Option<Order> {
        self.orders.recv().await
    }
}

#[async_trait]
impl Inbox for Inlet {
    async fn next(&mut self) -> Result<Message, Failure> {
        self.messages.recv().await.unwrap_or_else(|| Err(broken("this way in has ended")))
    }

    async fn settle(&mut self, ticket: Ticket, verdict: Verdict) -> Result<(), Failure> {
        let (told, heard) = oneshot::channel();
        let ended = || broken("the connection was lost before the server was told: the message comes again");
        self.orders.send(Order { ticket, verdict, told }).await.map_err(|_| ended())?;
        heard.await.map_err(|_| ended())?
    }
}
