//! Any bytes at all from a server: reading them never panics and ends, and what is read stays within its bounds.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-queues --lib fuzz`.

use fuzz::Target;
use model::limits::{QUEUE_HEADER_BYTES, QUEUE_MESSAGE_BYTES};
use tokio::runtime::{Builder, Runtime};

use crate::line::{Decode, Reader};
use crate::message::Came;
use crate::{amqp, nats, redis};

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

/// All that is said, until something odd or the end comes.
fn all<D: Decode>(runtime: &Runtime, mut decode: D, bytes: &[u8]) -> Vec<D::Said> {
    runtime.block_on(async {
        let (mut from, mut all) = (Reader::new(bytes), Vec::new());
        while let Ok(said) = decode.next(&mut from).await {
            all.push(said);
        }
        all
    })
}

fn is_bounded(came: &Came) {
    let headers: usize = came.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    // Small letters and what stands for bytes that are no text may take more than what came.
    assert!(headers <= 3 * QUEUE_HEADER_BYTES && came.bytes.len() <= 8 * QUEUE_MESSAGE_BYTES, "{headers}");
    assert!(came.key.as_ref().is_none_or(|key| key.len() < 128), "{:?}", came.key);
}

#[test]
fn any_redis() {
    let words = ["*2\r\n", "*1\r\n", "$4\r\nbody\r\n", "$-1\r\n", "*-1\r\n", ":1\r\n", "-ERR\r\n", "\r\n"];
    let runtime = runtime();
    Target::new(env!("CARGO_MANIFEST_DIR"), "redis").words(words).holds(move |bytes| {
        let replies = all(&runtime, redis::wire::Replies { most: 2 * QUEUE_MESSAGE_BYTES }, bytes);
        replies.into_iter().flat_map(redis::fuzz::messages).for_each(|came| is_bounded(&came));
    });
}

#[test]
fn any_nats() {
    let words =
        ["HMSG ", "MSG ", " 1 ", "$JS.ACK.", "NATS/1.0", "INFO {", "PING\r\n", "\r\n\r\n", " 18446744073709551615"];
    let runtime = runtime();
    Target::new(env!("CARGO_MANIFEST_DIR"), "nats").words(words).holds(move |bytes| {
        let said = all(&runtime, nats::wire::Lines, bytes);
        said.into_iter().filter_map(nats::fuzz::message).for_each(|came| is_bounded(&came));
    });
}

#[test]
fn any_amqp() {
    let words =
        ["\u{1}\0\u{1}\0\0\0", "\u{2}\0\u{1}\0\0\0", "\u{3}\0\u{1}\0\0\0", "\0<\0<", "\0\0\0\u{1}", "F", "A", "S"];
    let runtime = runtime();
    Target::new(env!("CARGO_MANIFEST_DIR"), "amqp").words(words).holds(move |bytes| {
        let frames = all(&runtime, amqp::wire::Frames, bytes);
        amqp::fuzz::messages(frames).iter().for_each(is_bounded);
    });
}
