//! [`Patient`]: a connection whose client must read what it is sent. hyper bounds how long a client
//! may take to ask; this bounds how long it may take no byte of an answer.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::leftover::{Heir, Leftover, Line};

/// A connection that breaks where nothing that is written goes out for a while.
pub(crate) struct Patient<S: Line> {
    /// Some until this is dropped.
    stream: Option<S>,
    /// Who gets it then.
    heir: Option<Heir>,
    patience: Duration,
    /// Set while the client has to read before more can go out.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: Line> Patient<S> {
    /// The connection, and what will be left of it.
    pub(crate) fn new(stream: S, patience: Duration) -> (Self, Leftover) {
        let (leftover, heir) = Leftover::of_one();
        (Self { stream: Some(stream), heir: Some(heir), patience, stalled: None }, leftover)
    }

    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The outcome of a write, or that it took too long.
    fn bounded<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing")))
    }
}

impl<S: Line> Drop for Patient<S> {
    fn drop(&mut self) {
        if let (Some(stream), Some(heir)) = (self.stream.take(), self.heir.take()) {
            // Mostly nobody wants it.
            let _ = heir.send(Box::new(stream));
        }
    }
}

impl<S: Line> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(context, buffer)
    }
}

impl<S: Line> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = self.stream()?.poll_write(context, bytes);
        self.bounded(context, outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream()?.poll_flush(context);
        self.bounded(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.stream()?.poll_shutdown(context);
        self.bounded(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = self.stream()?.poll_write_vectored(context, slices);
        self.bounded(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(S::is_write_vectored)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn whoever_reads_nothing_is_let_go_and_whoever_reads_slowly_is_not() {
        let (near, mut far) = duplex(8);
        let (mut near, _) = Patient::new(near, PATIENCE);
        let writing = tokio::spawn(async move {
            let outcome = near.write_all(&[7; 64]).await;
            (outcome, near)
        });
        let mut read = [0; 8];
        for _ in 0..7 {
            assert!(timeout(PATIENCE - Duration::from_secs(1), std::future::pending::<()>()).await.is_err());
            far.read_exact(&mut read).await.expect("reads");
        }
        let (outcome, mut near) = writing.await.expect("no panic");
        outcome.expect("each piece came in time");
        let began = Instant::now();
        let stuck = timeout(2 * PATIENCE, near.write_all(&[7; 64])).await.expect("it ends");
        let error = stuck.expect_err("nobody reads");
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, PATIENCE));
    }
}
