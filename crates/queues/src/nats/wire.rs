//! The protocol of NATS clients: lines, and the bytes that some of them announce.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::failure::Failure;
use model::limits::{QUEUE_LINE_BYTES, QUEUE_MESSAGE_BYTES};
use tokio::io::AsyncRead;

use crate::fault::broken;
use crate::line::{Decode, Reader};

/// What the server says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    /// About itself, as JSON.
    Info(Bytes),
    Ping,
    Pong,
    /// It refuses, and often hangs up. As it came: [`Hush`](crate::fault::Hush) tells it.
    Refused(String),
    Published(Published),
}

/// A message as it comes to a subscription.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Published {
    pub(super) subject: String,
    /// The subscription.
    pub(super) to: String,
    /// Where an answer goes.
    pub(super) reply: Option<String>,
    /// Headers with their status, before anybody took them apart.
    pub(super) head: Bytes,
    /// What it says; none where it was longer than messages may be, and was passed over.
    pub(super) body: Option<Bytes>,
}

/// Reads what the server says.
pub(crate) struct Lines;

impl Decode for Lines {
    type Said = Said;

    async fn next<R: AsyncRead + Send + Unpin>(&mut self, from: &mut Reader<R>) -> Result<Said, Failure> {
        loop {
            let line = from.line(QUEUE_LINE_BYTES).await?;
            let text = std::str::from_utf8(&line).map_err(|_| odd())?;
            let (verb, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            match verb.to_ascii_uppercase().as_str() {
                "INFO" => return Ok(Said::Info(Bytes::copy_from_slice(rest.trim().as_bytes()))),
                "PING" => return Ok(Said::Ping),
                "PONG" => return Ok(Said::Pong),
                "-ERR" => return Ok(Said::Refused(unquoted(rest.trim()).to_owned())),
                "MSG" => return published(from, rest, false).await.map(Said::Published),
                "HMSG" => return published(from, rest, true).await.map(Said::Published),
                "+OK" => {}
                _ => return Err(odd()),
            }
        }
    }
}

/// Without the one quote at each end.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

async fn published<R: AsyncRead + Send + Unpin>(
    from: &mut Reader<R>,
    rest: &str,
    has_head: bool,
) -> Result<Published, Failure> {
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    // subject, subscription, perhaps where an answer goes, perhaps bytes of the headers, bytes of all.
    let counts = if has_head { 2 } else { 1 };
    let (names, sizes) = words.len().checked_sub(counts).map(|at| words.split_at(at)).ok_or_else(odd)?;
    let (subject, to, reply) = match names {
        [subject, to] => (*subject, *to, None),
        [subject, to, reply] => (*subject, *to, Some((*reply).to_owned())),
        _ => return Err(odd()),
    };
    let sizes: Result<Vec<u64>, _> = sizes.iter().map(|size| size.parse()).collect();
    let (of_head, of_all) = match sizes.map_err(|_| odd())?[..] {
        [all] => (0, all),
        [head, all] if head <= all => (head, all),
        _ => return Err(odd()),
    };
    let named = (subject.to_owned(), to.to_owned());
    let most = QUEUE_MESSAGE_BYTES as u64;
    let (head, body) = if of_all > most {
        from.skip(of_all).await?;
        (Bytes::new(), None)
    } else {
        // Both are at most `most`.
        let head = from.bytes(usize::try_from(of_head).map_err(|_| odd())?).await?;
        let body = from.bytes(usize::try_from(of_all - of_head).map_err(|_| odd())?).await?;
        (head, Some(body))
    };
    if *from.bytes(2).await? != *b"\r\n" {
        return Err(odd());
    }
    Ok(Published { subject: named.0, to: named.1, reply, head, body })
}

impl Published {
    /// What the server itself says in the place of a message: 404, 408 …, and its words for it, as they came. None where this is
    /// one.
    pub(super) fn status(&self) -> Option<(u16, String)> {
        let first = self.head.split(|byte| *byte == b'\n').next()?;
        let first = String::from_utf8_lossy(first);
        let said = first.strip_prefix("NATS/1.0")?.trim();
        let (code, words) = said.split_once(' ').unwrap_or((said, ""));
        Some((code.parse().ok()?, words.to_owned()))
    }

    /// Its headers, one after the other.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.head);
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
    }
}

/// A message to a subject, as it goes over the connection.
pub(super) fn publish(subject: &str, reply: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("PUB {subject} {reply} {}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What the subject by which a message is acknowledged says of it.
#[derive(Debug, PartialEq)]
pub(super) struct Delivery {
    /// How often it was handed out, with this time.
    pub(super) deliveries: u64,
    /// Its place in the stream.
    pub(super) sequence: u64,
    /// When the stream took it in, in nanoseconds since 1970.
    pub(super) nanos: i64,
}

impl Delivery {
    /// Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<of the consumer>.<nanos>.<pending>`, before which
    /// newer servers put a domain and an account, and behind which a word.
    pub(super) fn of(subject: &str) -> Option<Self> {
        let words: Vec<&str> = subject.split('.').collect();
        let from = match (words.len(), words.get(..2)?) {
            (9, ["$JS", "ACK"]) => 4,
            (11.., ["$JS", "ACK"]) => 6,
            _ => return None,
        };
        Some(Self {
            deliveries: words[from].parse().ok()?,
            sequence: words[from + 1].parse().ok()?,
            nanos: words[from + 3].parse().ok()?,
        })
    }
}

/// Objects of JSON that the server says.
pub(super) fn json(bytes: &[u8]) -> Result<BTreeMap<String, serde_json::Value>, Failure> {
    serde_json::from_slice(bytes).map_err(|_| odd())
}

pub(super) fn odd() -> Failure {
    broken("the server does not speak the protocol of NATS")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Said, String> {
        Lines.next(&mut Reader::new(bytes)).await.map_err(|failure| failure.message)
    }

    #[tokio::test]
    async fn a_line_and_what_it_announces_are_what_the_server_says() {
        assert_eq!(read(b"+OK\r\nPING\r\n").await, Ok(Said::Ping));
        assert_eq!(read(b"-ERR 'no'\r\n").await, Ok(Said::Refused("no".into())));
        let message =
            b"HMSG a.b 1 $JS.ACK.s.c.2.7.3.1700000000000000000.0 18 23\r\nNATS/1.0\r\nA: b\r\n\r\n\xffello\r\n";
        let Ok(Said::Published(message)) = read(message).await else { panic!("a message") };
        assert_eq!((message.subject.as_str(), message.to.as_str(), message.status()), ("a.b", "1", None));
        assert_eq!(message.headers(), [("A".to_owned(), "b".to_owned())]);
        let delivery = Delivery::of(message.reply.as_deref().expect("a reply")).expect("a delivery");
        assert_eq!(delivery, Delivery { deliveries: 2, sequence: 7, nanos: 1_700_000_000_000_000_000 });
        let newer = "$JS.ACK._.hash.s.c.1.8.4.1700000000000000000.0.word";
        assert_eq!(Delivery::of(newer).expect("a delivery").sequence, 8);
    }

    #[tokio::test]
    async fn the_server_may_speak_in_the_place_of_a_message() {
        let said = read(b"HMSG in 1 29 29\r\nNATS/1.0 408 Timed Out Now\r\n\r\n").await;
        assert!(said.is_err(), "{said:?}");
        let Ok(Said::Published(said)) = read(b"HMSG in 1 30 30\r\nNATS/1.0 408 Timed Out Now\r\n\r\n\r\n").await else {
            panic!("a message")
        };
        assert_eq!(said.status(), Some((408, "Timed Out Now".to_owned())));
    }

    #[tokio::test]
    async fn what_is_too_long_is_passed_over() {
        let size = QUEUE_MESSAGE_BYTES + 1;
        let mut bytes = format!("MSG a 1 r {size}\r\n").into_bytes();
        bytes.resize(bytes.len() + size, b'x');
        bytes.extend_from_slice(b"\r\n");
        let Ok(Said::Published(message)) = read(&bytes).await else { panic!("a message") };
        assert_eq!((message.body, message.reply.as_deref()), (None, Some("r")));
    }

    #[tokio::test]
    async fn what_is_not_spoken_is_an_error() {
        for bytes in
            ["HTTP/1.1 400 x\r\n", "MSG a 1\r\n", "MSG a 1 -1\r\n", "HMSG a 1 5 4\r\n", "MSG a 1 2\r\nabcd", "MSG a"]
        {
            assert!(read(bytes.as_bytes()).await.is_err(), "{bytes}");
        }
    }
}
