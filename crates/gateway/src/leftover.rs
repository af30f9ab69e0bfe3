//! [`Leftover`]: a connection after whoever talked over it is done. A connection that is dropped while something of it
//! is unread is reset, and the last words to the other side may be lost with it; so that is read first, for a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the rest is read.
const READ_FOR: Duration = Duration::from_secs(2);

/// Bytes of it that are read.
const READ: u64 = 4 << 20;

/// Any connection.
pub(crate) trait Line: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Line for S {}

/// What is left of a connection, for the one who asks for it.
#[derive(Clone, Default)]
pub(crate) struct Leftover(Arc<Mutex<Option<Left>>>);

/// Where what is left comes from.
type Left = oneshot::Receiver<Box<dyn Line>>;

/// Where a connection goes when it is dropped.
pub(crate) type Heir = oneshot::Sender<Box<dyn Line>>;

impl Leftover {
    /// What will be left of a connection, and where that has to go.
    pub(crate) fn of_one() -> (Self, Heir) {
        let (heir, left) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(left)))), heir)
    }

    /// Says that nothing more will come, and reads what the other side has sent until it hears that. The connection has
    /// to be dropped before.
    pub(crate) async fn drop_rest(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut left) = left else { return };
        let Ok(mut line) = left.try_recv() else { return };
        let rest = async {
            line.shutdown().await?;
            tokio::io::copy(&mut line.take(READ), &mut tokio::io::sink()).await
        };
        // Whether all of it came is of no matter.
        let _ = timeout(READ_FOR, rest).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;
    use tokio::time::Instant;

    use super::*;

    fn left(line: impl Line) -> Leftover {
        let (leftover, heir) = Leftover::of_one();
        assert!(heir.send(Box::new(line)).is_ok());
        leftover
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_is_read_to_its_end_and_no_longer_than_a_moment() {
        let (near, mut far) = duplex(8);
        let reading = tokio::spawn(left(near).drop_rest());
        far.write_all(&[7; 100]).await.expect("somebody reads");
        assert_eq!(far.read(&mut [0]).await.expect("reads"), 0, "nothing more comes");
        drop(far);
        reading.await.expect("ends with the connection");

        let (near, _far) = duplex(8);
        let began = Instant::now();
        left(near).drop_rest().await;
        assert_eq!(began.elapsed(), READ_FOR);
        Leftover::default().drop_rest().await;
    }
}
