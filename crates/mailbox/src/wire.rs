//! [`Wire`]: a connection to a server, over which it says one [`Response`] after the other.
//!
//! Waiting for the next one may be given up at any time, and nothing of it is lost.

use std::mem;
use std::ops::Range;
use std::time::Duration;

use bytes::BytesMut;
use model::failure::Failure;
use model::limits::{MAILBOX_ANSWER_BYTES, MAILBOX_MAIL_BYTES};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::response::Response;
use crate::{BROKEN, TIMEOUT};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// Whatever carries bytes both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection. What is read ahead waits in it.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    /// How long the server may be silent where it owes an answer.
    silence: Duration,
    buffer: BytesMut,
    frame: Frame,
}

/// How far the answer that comes next is known, from the beginning of the buffer.
#[derive(Default)]
pub(crate) struct Frame {
    /// Where its last line begins that is known.
    line: usize,
    /// Up to where that line was looked through for its end.
    searched: usize,
    /// Pieces of counted bytes that stand in it.
    literals: Vec<Range<usize>>,
    /// Bytes of those.
    counted: usize,
}

/// What is found in the buffer.
pub(crate) enum Found {
    /// A whole answer of so many bytes, with these counted pieces.
    Whole(usize, Vec<Range<usize>>),
    /// Less than one.
    Part,
    /// Something that is no answer, or none that is taken.
    Odd(&'static str),
}

impl Frame {
    pub(crate) fn find(&mut self, buffer: &[u8]) -> Found {
        loop {
            if buffer.len().saturating_sub(self.counted) > MAILBOX_ANSWER_BYTES {
                return Found::Odd("says more than is taken in one answer");
            }
            let from = self.searched.max(self.line);
            let Some(rest) = buffer.get(from..) else { return Found::Part };
            let Some(end) = rest.iter().position(|byte| *byte == b'\n').map(|at| from + at) else {
                self.searched = buffer.len();
                return Found::Part;
            };
            let line = buffer[self.line..end].strip_suffix(b"\r").unwrap_or(&buffer[self.line..end]);
            // Only what tells of data has counted pieces; elsewhere such an end is text for people.
            let announced = if is_data(buffer) { literal(line) } else { None };
            let Some(bytes) = announced else {
                let literals = mem::take(self).literals;
                return Found::Whole(end + 1, literals);
            };
            if self.counted + bytes > MAILBOX_MAIL_BYTES + CHUNK {
                return Found::Odd("sends a mail that is larger than what was asked for");
            }
            let start = end + 1;
            self.literals.push(start..start + bytes);
            self.counted += bytes;
            self.line = start + bytes;
        }
    }
}

fn is_data(answer: &[u8]) -> bool {
    let Some(rest) = answer.strip_prefix(b"* ") else { return false };
    let word = rest.split(|byte| !byte.is_ascii_alphabetic()).next().unwrap_or_default();
    !["OK", "NO", "BAD", "BYE", "PREAUTH"].iter().any(|of| word.eq_ignore_ascii_case(of.as_bytes()))
}

/// How many bytes a line says that come after it: `{12}` at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let rest = line.strip_suffix(b"}")?;
    let digits = &rest[rest.iter().rposition(|byte| *byte == b'{')? + 1..];
    let digits = digits.strip_suffix(b"+").unwrap_or(digits);
    let is_number = !digits.is_empty() && digits.len() <= 12 && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')))
}

impl Wire {
    pub(crate) fn new(stream: impl Stream + 'static, silence: Duration) -> Self {
        Self { stream: Box::new(stream), silence, buffer: BytesMut::new(), frame: Frame::default() }
    }

    /// The stream, to go on with another way.
    ///
    /// # Errors
    /// Where the server has said more already: that would then count as if it had been said the other way.
    pub(crate) fn into_stream(self) -> Result<(Box<dyn Stream>, Duration), Failure> {
        if self.buffer.is_empty() {
            return Ok((self.stream, self.silence));
        }
        Err(Failure::new(BROKEN, "the mail server speaks on in the open where encryption begins"))
    }

    /// Says something, as it is.
    ///
    /// # Errors
    /// Where the connection is lost, or the server does not take it.
    pub(crate) async fn say(&mut self, text: &[u8]) -> Result<(), Failure> {
        let saying = async {
            self.stream.write_all(text).await?;
            self.stream.flush().await
        };
        tokio::time::timeout(self.silence, saying)
            .await
            .map_err(|_| silent())?
            .map_err(|error| lost(&error.to_string()))
    }

    /// The next answer, which is owed.
    ///
    /// # Errors
    /// Where the connection is lost, the server is silent for too long, or what it says is no answer.
    pub(crate) async fn answer(&mut self) -> Result<Response, Failure> {
        loop {
            if let Some(response) = self.take()? {
                return Ok(response);
            }
            let silence = self.silence;
            tokio::time::timeout(silence, self.read()).await.map_err(|_| silent())??;
        }
    }

    /// The next answer, whenever it comes.
    ///
    /// # Errors
    /// Where the connection is lost, or what the server says is no answer.
    pub(crate) async fn news(&mut self) -> Result<Response, Failure> {
        loop {
            if let Some(response) = self.take()? {
                return Ok(response);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        self.buffer.reserve(CHUNK);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err(lost("it hung up")),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(&error.to_string())),
        }
    }

    fn take(&mut self) -> Result<Option<Response>, Failure> {
        match self.frame.find(&self.buffer) {
            Found::Part => Ok(None),
            Found::Odd(why) => Err(Failure::new(BROKEN, format!("the mail server {why}"))),
            Found::Whole(bytes, literals) => {
                let answer = self.buffer.split_to(bytes).freeze();
                let response = Response::read(&answer, &literals);
                response.map(Some).ok_or_else(|| Failure::new(BROKEN, "the mail server says what is no IMAP"))
            }
        }
    }
}

fn silent() -> Failure {
    Failure::new(TIMEOUT, "the mail server does not answer in time")
}

fn lost(why: &str) -> Failure {
    Failure::new(BROKEN, format!("the connection to the mail server is lost: {why}"))
}
