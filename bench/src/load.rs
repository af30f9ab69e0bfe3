//! [`Load`]: requests over connections that are kept, one after the other on each. It runs on one
//! thread and reads no more of an answer than it must, so that it takes little of the machine
//! that it shares with what it loads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Outcome;

/// How long an answer may take at most, beyond the time of the load.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bytes of a request, with one more header.
pub(crate) fn request(method: &str, path: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: bench\r\n{header}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time; what was sent is waited for.
    Elapsed(Duration),
    /// After so many answers.
    Answers(u64),
}

/// A load.
pub(crate) struct Load<'r> {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) request: &'r [u8],
    /// What stands in every good answer.
    pub(crate) expects: &'static str,
    pub(crate) until: Until,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Microseconds of each answer, sorted.
    latencies: Vec<u32>,
}

impl Measured {
    pub(crate) fn count(&self) -> usize {
        self.latencies.len()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.count() as f64 / self.took.as_secs_f64()
    }

    /// Milliseconds within which this part of the answers came.
    pub(crate) fn within(&self, part: f64) -> f64 {
        let at = (self.count() as f64 * part) as usize;
        let found = self.latencies.get(at.min(self.count().saturating_sub(1)));
        f64::from(found.copied().unwrap_or(0)) / 1e3
    }
}

impl Load<'_> {
    /// Puts the load on. An answer that is not good ends it.
    pub(crate) fn run(&self) -> Outcome<Measured> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let patience = match self.until {
            Until::Elapsed(time) => time + PATIENCE,
            Until::Answers(_) => 5 * PATIENCE,
        };
        let work = async {
            let mut open = Vec::new();
            for _ in 0..self.connections {
                open.push(Connection::open(self.address).await?);
            }
            let request: Arc<[u8]> = self.request.into();
            let left = Arc::new(AtomicU64::new(match self.until {
                Until::Elapsed(_) => u64::MAX,
                Until::Answers(count) => count,
            }));
            let begun = Instant::now();
            let end = match self.until {
                Until::Elapsed(time) => Some(begun + time),
                Until::Answers(_) => None,
            };
            let talks: Vec<_> = open
                .into_iter()
                .map(|connection| tokio::spawn(connection.talk(request.clone(), self.expects, left.clone(), end)))
                .collect();
            let mut measured = Measured::default();
            for talk in talks {
                measured.latencies.extend(talk.await??);
            }
            measured.took = begun.elapsed();
            measured.latencies.sort_unstable();
            Ok(measured)
        };
        runtime
            .block_on(async { tokio::time::timeout(patience, work).await.map_err(|_| "the answers stopped coming")? })
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Sends one request.
pub(crate) fn call(address: SocketAddr, request: &[u8]) -> Outcome<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = async {
        let mut connection = Connection::open(address).await?;
        let status = connection.exchange(request).await?;
        let head = String::from_utf8_lossy(&connection.answer[..connection.body]).into_owned();
        Ok(Answer { status, head, body: connection.body().to_vec() })
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.map_err(|_| "there was no answer")? })
}

/// A connection, and the answer that was read last.
struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// Where its body begins.
    body: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(16 << 10), body: 0 })
    }

    /// Asks again and again; gives the microseconds of each answer.
    async fn talk(
        mut self,
        request: Arc<[u8]>,
        expects: &'static str,
        left: Arc<AtomicU64>,
        end: Option<Instant>,
    ) -> Outcome<Vec<u32>> {
        let mut latencies = Vec::with_capacity(1 << 14);
        let mut now = Instant::now();
        while end.is_none_or(|end| now < end)
            && left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        {
            let status = self.exchange(&request).await?;
            let since = std::mem::replace(&mut now, Instant::now());
            latencies.push(u32::try_from((now - since).as_micros()).unwrap_or(u32::MAX));
            if !(200..300).contains(&status) || find(self.body(), expects.as_bytes()).is_none() {
                let body = String::from_utf8_lossy(self.body()).chars().take(500).collect::<String>();
                return Err(format!("an answer with status {status} and without {expects}: {body}").into());
            }
        }
        Ok(latencies)
    }

    /// Sends a request and reads the answer to its end.
    async fn exchange(&mut self, request: &[u8]) -> Outcome<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let mut end = None;
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err("the connection was closed in the middle of an answer".into());
            }
            if end.is_none()
                && let Some(at) = find(&self.answer, b"\r\n\r\n")
            {
                self.body = at + 4;
                end = Some(self.body + content_length(&self.answer[..at])?);
            }
            if end.is_some_and(|end| self.answer.len() >= end) {
                let status = self.answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
                return Ok(status.ok_or("a strange answer")?.parse()?);
            }
        }
    }

    fn body(&self) -> &[u8] {
        &self.answer[self.body..]
    }
}

/// Where a text begins in another: looked for from its first byte on.
fn find(within: &[u8], wanted: &[u8]) -> Option<usize> {
    within.windows(wanted.len().max(1)).position(|window| window == wanted).or(wanted.is_empty().then_some(0))
}

fn content_length(head: &[u8]) -> Outcome<usize> {
    let head = std::str::from_utf8(head)?;
    let value = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    Ok(value.ok_or("an answer without content-length")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found() {
        assert_eq!(find(b"HTTP\r\n\r\nbody", b"\r\n\r\n"), Some(4));
        assert_eq!((find(b"ab", b""), find(b"", b"a")), (Some(0), None));
    }

    #[test]
    fn quantiles_are_of_the_sorted_answers() {
        let measured = Measured { took: Duration::from_secs(2), latencies: (1..=100).map(|ms| ms * 1_000).collect() };
        assert_eq!((measured.within(0.5), measured.within(0.99), measured.within(1.0)), (51.0, 100.0, 100.0));
        assert_eq!(measured.per_second(), 50.0);
    }
}
