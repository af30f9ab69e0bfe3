//! [`Rows`]: all that a store holds, on its way out. [`Fill`]: on its way into another one.
//!
//! Rows travel in pages, and only a few of them are on their way at once: whoever gives waits for
//! whoever takes. A stream says that it has ended; one that merely stops is an error.

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::StoreError;
use crate::row::Row;

/// Bytes of one page, about; a row that is larger is a page of its own.
const PAGE_BYTES: usize = 1 << 20;

/// Rows of one page.
const PAGE_ROWS: usize = 1_000;

/// Pages on their way at once.
const PAGES: usize = 4;

enum Sent {
    Page(Vec<Row>),
    Failed(StoreError),
    End,
}

/// All that a store held at one instant, in the order of [`crate::row::RowKind`] and of keys within.
pub struct Rows {
    pages: mpsc::Receiver<Sent>,
    is_over: bool,
}

impl Rows {
    /// The next rows; none after the last.
    ///
    /// # Errors
    /// Where the store cannot be read any further.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        match self.pages.recv().await {
            Some(Sent::Page(rows)) => Ok(Some(rows)),
            Some(Sent::End) => {
                self.is_over = true;
                Ok(None)
            }
            Some(Sent::Failed(error)) => Err(error),
            None => Err(StoreError::Failed("reading all of the store broke off".into())),
        }
    }
}

/// Nobody takes the rows any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abandoned;

/// The end at which a store gives its rows.
pub struct Giver {
    pages: mpsc::Sender<Sent>,
    page: Vec<Row>,
    weight: usize,
}

impl Giver {
    /// Both ends.
    pub fn new() -> (Self, Rows) {
        let (pages, taker) = mpsc::channel(PAGES);
        (Self { pages, page: Vec::new(), weight: 0 }, Rows { pages: taker, is_over: false })
    }

    /// Adds a row; gives a page where it is full.
    fn add(&mut self, row: Row) -> Option<Vec<Row>> {
        self.weight += row.weight();
        self.page.push(row);
        (self.weight >= PAGE_BYTES || self.page.len() >= PAGE_ROWS).then(|| {
            self.weight = 0;
            std::mem::take(&mut self.page)
        })
    }

    /// Gives a row, and waits while too many are on their way.
    ///
    /// # Errors
    /// Where nobody takes it.
    pub async fn give(&mut self, row: Row) -> Result<(), Abandoned> {
        match self.add(row) {
            Some(page) => self.pages.send(Sent::Page(page)).await.map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// The same, on a thread that may wait.
    ///
    /// # Errors
    /// Where nobody takes it.
    pub fn give_blocking(&mut self, row: Row) -> Result<(), Abandoned> {
        match self.add(row) {
            Some(page) => self.pages.blocking_send(Sent::Page(page)).map_err(|_| Abandoned),
            None => Ok(()),
        }
    }

    /// Gives what is left and says how it ended.
    pub async fn end(mut self, outcome: Result<(), StoreError>) {
        for sent in self.last(outcome) {
            // Where nobody listens, nobody needs to know.
            let _ = self.pages.send(sent).await;
        }
    }

    /// The same, on a thread that may wait.
    pub fn end_blocking(mut self, outcome: Result<(), StoreError>) {
        for sent in self.last(outcome) {
            let _ = self.pages.blocking_send(sent);
        }
    }

    fn last(&mut self, outcome: Result<(), StoreError>) -> impl Iterator<Item = Sent> + use<> {
        let rest = (outcome.is_ok() && !self.page.is_empty()).then(|| Sent::Page(std::mem::take(&mut self.page)));
        rest.into_iter().chain([outcome.map_or_else(Sent::Failed, |()| Sent::End)])
    }
}

/// A store that is being filled. Until [`Fill::finish`] it opens for nobody else, also where the
/// process ends before.
#[async_trait]
pub trait Fill: Send {
    /// Puts rows in, in the order in which a store gave them. They are durable when this returns.
    ///
    /// # Errors
    /// Where the store cannot be written, or holds such a row already.
    async fn put(&mut self, rows: Vec<Row>) -> Result<(), StoreError>;

    /// Says that this was all: the store may be used from now on.
    ///
    /// # Errors
    /// Where the store cannot be written.
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_merely_stops_is_an_error() {
        let (mut giver, mut rows) = Giver::new();
        giver.give(Row::Counters { feed: 1, audit: 1 }).await.expect("is taken");
        drop(giver);
        assert!(rows.next().await.is_err());

        let (mut giver, mut rows) = Giver::new();
        giver.give(Row::Counters { feed: 1, audit: 1 }).await.expect("is taken");
        giver.end(Ok(())).await;
        assert_eq!(rows.next().await.expect("reads").map(|rows| rows.len()), Some(1));
        assert_eq!(rows.next().await, Ok(None));
        assert_eq!(rows.next().await, Ok(None));
    }

    #[tokio::test]
    async fn whoever_gives_waits_for_whoever_takes() {
        let (mut giver, rows) = Giver::new();
        let row = Row::Counters { feed: 1, audit: 1 };
        for _ in 0..PAGES * PAGE_ROWS + PAGE_ROWS - 1 {
            giver.give(row.clone()).await.expect("is taken");
        }
        {
            let mut one_more = std::pin::pin!(giver.give(row.clone()));
            let must_wait = std::future::poll_fn(|context| Poll::Ready(one_more.as_mut().poll(context).is_pending()));
            assert!(must_wait.await);
        }
        drop(rows);
        for _ in 0..PAGE_ROWS {
            if giver.give(row.clone()).await.is_err() {
                return;
            }
        }
        panic!("nobody takes them, and it goes on");
    }
}
