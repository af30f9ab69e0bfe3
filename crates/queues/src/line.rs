//! Connections to servers: [`open`] makes one, [`Reader`] reads it within bounds, [`Talk`] reads it in a task of its
//! own, so that waiting for what comes next may be given up at any time.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use model::failure::Failure;
use model::limits::QUEUE_ANSWER;
use modules::provider::Dialer;
use rustls::pki_types::ServerName;
use sdk::component::Component;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::fault::{broken, unreachable};
use crate::settings::Tls;

/// What bytes go over, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection.
pub(crate) type Line = Box<dyn Stream>;

/// Connects to the server of a component, encrypted from the beginning or not at all.
///
/// # Errors
/// Where it may not be reached, nobody answers there, or it is not who it says it is.
pub(crate) async fn open(
    dialer: &Arc<Dialer>,
    component: &Component,
    (host, port, tls): (&str, u16, Tls),
) -> Result<Line, Failure> {
    let stream = dialer.dial(component, host, port).await?;
    match tls {
        Tls::Off => Ok(Box::new(stream)),
        Tls::Verify => encrypt(dialer, host, stream).await,
    }
}

/// Encrypts a connection; the certificate must be the host's.
///
/// # Errors
/// Where it is not.
pub(crate) async fn encrypt(dialer: &Arc<Dialer>, host: &str, stream: TcpStream) -> Result<Line, Failure> {
    let odd = |why: String| unreachable(format!("{host}: the connection cannot be encrypted: {why}"));
    let name = ServerName::try_from(host.to_owned()).map_err(|error| odd(error.to_string()))?;
    let encrypting = TlsConnector::from(dialer.tls()).connect(name, stream);
    let ended = tokio::time::timeout(QUEUE_ANSWER, encrypting).await;
    let encrypted = ended.map_err(|_| odd("the server does not answer in time".to_owned()))?;
    Ok(Box::new(encrypted.map_err(|error| odd(error.to_string()))?))
}

/// Reads what a server says, and never more than it is told.
pub(crate) struct Reader<R>(BufReader<R>);

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self(BufReader::with_capacity(16 << 10, from))
    }

    /// A line without its end.
    pub(crate) async fn line(&mut self, most: usize) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        let mut within = (&mut self.0).take(most as u64);
        within.read_until(b'\n', &mut line).await.map_err(lost)?;
        match line.pop() {
            Some(b'\n') => {}
            _ if line.len() + 1 >= most => return Err(broken("the server says a line that has no end")),
            _ => return Err(hung_up()),
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(line)
    }

    /// So many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Bytes, Failure> {
        // What was announced and never comes takes no room.
        let mut bytes = Vec::with_capacity(count.min(64 << 10));
        let mut within = (&mut self.0).take(count as u64);
        within.read_to_end(&mut bytes).await.map_err(lost)?;
        if bytes.len() == count { Ok(bytes.into()) } else { Err(hung_up()) }
    }

    /// Passes over so many bytes.
    pub(crate) async fn skip(&mut self, count: u64) -> Result<(), Failure> {
        let mut within = (&mut self.0).take(count);
        let passed = tokio::io::copy_buf(&mut within, &mut tokio::io::sink()).await.map_err(lost)?;
        if passed == count { Ok(()) } else { Err(hung_up()) }
    }
}

fn lost(error: std::io::Error) -> Failure {
    broken(format!("the connection was lost: {error}"))
}

fn hung_up() -> Failure {
    broken("the connection was lost: the server hung up")
}

/// Takes what a server says apart.
pub(crate) trait Decode: Send + 'static {
    /// What it says at once.
    type Said: Send + 'static;

    /// Reads the next thing that it says.
    fn next<R: AsyncRead + Send + Unpin>(
        &mut self,
        from: &mut Reader<R>,
    ) -> impl Future<Output = Result<Self::Said, Failure>> + Send;
}

/// Things that were read and wait to be heeded.
const WAITING: usize = 4;

/// A connection whose reading goes on by itself. It ends when this is dropped.
pub(crate) struct Talk<S> {
    write: WriteHalf<Line>,
    heard: mpsc::Receiver<Result<S, Failure>>,
    _reading: JoinSet<()>,
}

impl<S: Send + 'static> Talk<S> {
    /// Begins to read.
    pub(crate) fn start(line: Line, decode: impl Decode<Said = S>) -> Self {
        let (read, write) = tokio::io::split(line);
        let (tell, heard) = mpsc::channel(WAITING);
        let mut reading = JoinSet::new();
        reading.spawn(listen(read, decode, tell));
        Self { write, heard, _reading: reading }
    }

    /// What the server says next. It may be given up, and nothing is lost.
    ///
    /// # Errors
    /// Where the connection is lost, or what comes is not what is spoken.
    pub(crate) async fn hear(&mut self) -> Result<S, Failure> {
        self.heard.recv().await.unwrap_or_else(|| Err(hung_up()))
    }

    /// What the server says next, which it has to in time.
    ///
    /// # Errors
    /// As [`Talk::hear`]; where it says nothing.
    pub(crate) async fn answer(&mut self) -> Result<S, Failure> {
        let heard = tokio::time::timeout(QUEUE_ANSWER, self.hear()).await;
        heard.unwrap_or_else(|_| Err(broken("the server does not answer in time")))
    }

    /// Says something to the server. It is not to be given up.
    ///
    /// # Errors
    /// Where the server does not read it.
    pub(crate) async fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let saying = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        let said = tokio::time::timeout(QUEUE_ANSWER, saying).await;
        said.map_err(|_| broken("the server does not read what it is told"))?.map_err(lost)
    }
}

async fn listen<S>(read: ReadHalf<Line>, mut decode: impl Decode<Said = S>, tell: mpsc::Sender<Result<S, Failure>>) {
    let mut from = Reader::new(read);
    loop {
        let said = decode.next(&mut from).await;
        let is_end = said.is_err();
        if tell.send(said).await.is_err() || is_end {
            return;
        }
    }
}
