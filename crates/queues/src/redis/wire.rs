//! The protocol of Redis (RESP 2): what is said is a list of words, what is answered one [`Reply`].
//!
//! A list whose items take more than a message may is read to its end, and what does not fit is passed over.

use bytes::Bytes;
use model::failure::Failure;
use model::limits::{QUEUE_LINE_BYTES, QUEUE_MESSAGE_BYTES};
use tokio::io::AsyncRead;

use crate::fault::broken;
use crate::line::{Decode, Reader};

/// How deep lists are nested in what is asked for here.
const DEPTH: usize = 8;

/// What an item takes besides its bytes.
const ITEM_BYTES: usize = 64;

/// Items of all lists of one reply. They take time, even where they take no room.
const ITEMS: u64 = 16 << 20;

/// What the server answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    Nil,
    Number(i64),
    /// As it came: [`Hush`](crate::fault::Hush) tells it.
    Error(String),
    Bytes(Bytes),
    List(List),
}

/// A list of replies.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct List {
    pub(super) items: Vec<Reply>,
    /// Whether there were more than fit; then some are left out.
    pub(super) is_cut: bool,
}

/// A command as it goes over the connection.
pub(super) fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A list that is being read.
struct Open {
    list: List,
    /// Items that are still to come.
    more: u64,
    /// Bytes that its items may still take.
    room: usize,
}

/// Reads replies.
pub(crate) struct Replies {
    /// Bytes that one reply may take as a whole. A server that answers more answers what was not asked.
    pub(crate) most: usize,
}

/// What one line begins.
enum Begun {
    Whole(Reply),
    Bytes(u64),
    List(u64),
}

impl Decode for Replies {
    type Said = Reply;

    async fn next<R: AsyncRead + Send + Unpin>(&mut self, from: &mut Reader<R>) -> Result<Reply, Failure> {
        let mut open: Vec<Open> = Vec::new();
        let (mut left, mut items) = (self.most, 0);
        loop {
            items += 1;
            let room = open.last().map_or(QUEUE_MESSAGE_BYTES, |list| list.room);
            let line = from.line(QUEUE_LINE_BYTES).await?;
            let (reply, takes) = match begun(&line)? {
                Begun::Whole(reply) => (Some(reply), line.len()),
                Begun::Bytes(count) => match usize::try_from(count).ok().filter(|count| count + ITEM_BYTES <= room) {
                    Some(count) => (Some(Reply::Bytes(text(from, count).await?)), count),
                    None => {
                        from.skip(count).await?;
                        end(from).await?;
                        (None, 0)
                    }
                },
                Begun::List(0) => (Some(Reply::List(List::default())), 0),
                Begun::List(more) if open.len() < DEPTH => {
                    open.push(Open { list: List::default(), more, room: QUEUE_MESSAGE_BYTES });
                    continue;
                }
                Begun::List(_) => return Err(broken("the server nests its answer too deep")),
            };
            left = left.checked_sub(takes + ITEM_BYTES).filter(|_| items <= ITEMS).ok_or_else(beyond)?;
            let Some(whole) = close(&mut open, reply, takes) else { continue };
            return Ok(whole);
        }
    }
}

/// Puts a reply where it belongs; gives the outermost one once it is whole.
fn close(open: &mut Vec<Open>, reply: Option<Reply>, takes: usize) -> Option<Reply> {
    let mut reply = reply;
    let mut takes = takes + ITEM_BYTES;
    loop {
        let Some(list) = open.last_mut() else {
            // A single text that is too long is no answer to anything that is asked here.
            return Some(reply.unwrap_or(Reply::Nil));
        };
        match reply.take().filter(|_| takes <= list.room) {
            Some(reply) => {
                list.room -= takes;
                list.list.items.push(reply);
            }
            None => list.list.is_cut = true,
        }
        list.more -= 1;
        if list.more > 0 {
            return None;
        }
        reply = open.pop().map(|list| Reply::List(list.list));
        // What is in it was counted there.
        takes = ITEM_BYTES;
    }
}

fn begun(line: &[u8]) -> Result<Begun, Failure> {
    let (kind, rest) = line.split_first().ok_or_else(odd)?;
    let rest = std::str::from_utf8(rest).map_err(|_| odd())?;
    let number = || rest.parse::<i64>().map_err(|_| odd());
    Ok(match kind {
        b'+' => Begun::Whole(Reply::Bytes(Bytes::copy_from_slice(rest.as_bytes()))),
        b'-' => Begun::Whole(Reply::Error(rest.to_owned())),
        b':' => Begun::Whole(Reply::Number(number()?)),
        b'$' | b'*' if rest == "-1" => Begun::Whole(Reply::Nil),
        b'$' => Begun::Bytes(u64::try_from(number()?).map_err(|_| odd())?),
        b'*' => Begun::List(u64::try_from(number()?).map_err(|_| odd())?),
        _ => return Err(odd()),
    })
}

async fn text<R: AsyncRead + Send + Unpin>(from: &mut Reader<R>, count: usize) -> Result<Bytes, Failure> {
    let bytes = from.bytes(count).await?;
    end(from).await?;
    Ok(bytes)
}

async fn end<R: AsyncRead + Send + Unpin>(from: &mut Reader<R>) -> Result<(), Failure> {
    if *from.bytes(2).await? == *b"\r\n" { Ok(()) } else { Err(odd()) }
}

fn odd() -> Failure {
    broken("the server does not speak the protocol of Redis")
}

fn beyond() -> Failure {
    broken("the server answers more than it was asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Reply, String> {
        let mut replies = Replies { most: 2 * QUEUE_MESSAGE_BYTES };
        replies.next(&mut Reader::new(bytes)).await.map_err(|failure| failure.message)
    }

    fn list(items: Vec<Reply>, is_cut: bool) -> Reply {
        Reply::List(List { items, is_cut })
    }

    #[tokio::test]
    async fn a_reply_is_what_the_server_says() {
        let text = |text: &'static str| Reply::Bytes(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(b"+OK\r\n").await, Ok(text("OK")));
        assert_eq!(read(b"$-1\r\n").await, Ok(Reply::Nil));
        assert_eq!(read(b"*0\r\n").await, Ok(list(vec![], false)));
        let nested = b"*2\r\n*2\r\n$1\r\na\r\n:7\r\n-ERR no\r\n";
        assert_eq!(
            read(nested).await,
            Ok(list(vec![list(vec![text("a"), Reply::Number(7)], false), Reply::Error("ERR no".into())], false))
        );
    }

    #[tokio::test]
    async fn what_does_not_fit_is_passed_over_and_what_comes_behind_it_is_read() {
        let big = QUEUE_MESSAGE_BYTES;
        let mut bytes = format!("*2\r\n*2\r\n$1\r\na\r\n*2\r\n$4\r\nbody\r\n${big}\r\n").into_bytes();
        bytes.resize(bytes.len() + big, b'x');
        bytes.extend_from_slice(b"\r\n$1\r\nb\r\n");
        let Ok(Reply::List(all)) = read(&bytes).await else { panic!("a list") };
        assert_eq!(all.items[1], Reply::Bytes(Bytes::from_static(b"b")));
        let Reply::List(entry) = &all.items[0] else { panic!("a list") };
        assert_eq!(entry.items[1], list(vec![Reply::Bytes(Bytes::from_static(b"body"))], true));
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        for (bytes, why) in [
            (&b"HTTP/1.1 400\r\n"[..], "does not speak"),
            (b"$5\r\nhalloXX", "does not speak"),
            (b"$99999999999\r\nx", "hung up"),
            (b":x\r\n", "does not speak"),
            (b"*99999999999999\r\n:1\r\n", "hung up"),
            (b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "too deep"),
            (b"", "hung up"),
        ] {
            let error = read(bytes).await.expect_err("an error");
            assert!(error.contains(why), "{error}");
        }
        let endless = vec![b'+'; QUEUE_LINE_BYTES + 1];
        assert!(read(&endless).await.expect_err("an error").contains("no end"));
    }
}
