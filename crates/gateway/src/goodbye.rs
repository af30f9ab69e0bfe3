//! [`part`]: how a WebSocket ends, so that the other side knows why. Whoever does not listen to it is not waited for.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, close_code};
use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;

use crate::leftover::Leftover;

/// How long the other side may take to read why it ends: what was sent before comes first.
const TOLD: Duration = Duration::from_secs(30);

/// How long it may take to say goodbye in turn.
const ANSWERED: Duration = Duration::from_secs(2);

/// The connection has to end; with a code and a reason where the other side does not know why.
pub(crate) struct Ended(pub(crate) Option<(u16, &'static str)>);

impl Ended {
    /// Nothing can be read any more.
    pub(crate) fn by(error: axum::Error) -> Self {
        Self(match error.into_inner().downcast_ref() {
            Some(Error::Capacity(_)) => Some((close_code::SIZE, "the message is too large")),
            Some(Error::Utf8(_)) => Some((close_code::INVALID, "the text is not UTF-8")),
            // They are gone.
            Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => None,
            Some(Error::Protocol(_)) => Some((close_code::PROTOCOL, "this is not what RFC 6455 says")),
            _ => None,
        })
    }
}

/// Says goodbye, and hears the other side's.
pub(crate) async fn part<S>(mut socket: S, Ended(reason): Ended, leftover: Leftover)
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message> + Unpin,
{
    if let Some((code, reason)) = reason {
        let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        if !matches!(timeout(TOLD, socket.send(goodbye)).await, Ok(Ok(()))) {
            return;
        }
    }
    // To whoever has said goodbye, the answer goes out where the next message would be read. What others send until they
    // do is dropped.
    let answered = async { while let Some(Ok(_)) = socket.next().await {} };
    // Whether it came is of no matter.
    let _ = timeout(ANSWERED, answered).await;
    drop(socket);
    leftover.drop_rest().await;
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::time::Instant;

    use super::*;

    /// Somebody who never says anything, and may not read either.
    struct Mute {
        reads: bool,
    }

    impl Stream for Mute {
        type Item = Result<Message, axum::Error>;

        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Pending
        }
    }

    impl Sink<Message> for Mute {
        type Error = axum::Error;

        fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            if self.reads { Poll::Ready(Ok(())) } else { Poll::Pending }
        }

        fn start_send(self: Pin<&mut Self>, _: Message) -> Result<(), axum::Error> {
            Ok(())
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            self.poll_ready(context)
        }

        fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
            self.poll_ready(context)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_listen_is_not_waited_for() {
        for (reads, reason, longest) in [
            (false, Some((close_code::POLICY, "you read too slowly")), TOLD),
            (true, Some((close_code::POLICY, "you read too slowly")), ANSWERED),
            (false, None, ANSWERED),
        ] {
            let began = Instant::now();
            part(Mute { reads }, Ended(reason), Leftover::default()).await;
            assert_eq!(began.elapsed(), longest, "{reads} {reason:?}");
        }
    }
}
