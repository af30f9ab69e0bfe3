//! [`Came`]: a message as a server gave it, before it has a ticket. What is too large is known here.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::limits::{IDEMPOTENCY_KEY_CHARS, QUEUE_HEADER_BYTES, QUEUE_MESSAGE_BYTES};
use model::payload::Digest;
use model::value::Value;

/// A message as a server gave it.
pub(crate) struct Came {
    pub(crate) key: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) about: Value,
    pub(crate) media: String,
    pub(crate) bytes: Bytes,
}

/// Headers of a message, of which there may not be too many.
#[derive(Default)]
pub(crate) struct Headers {
    pub(crate) all: BTreeMap<String, String>,
    bytes: usize,
}

impl Headers {
    /// Takes one in. Of several of one name the first counts.
    ///
    /// # Errors
    /// With why the message is dead, where they are too long.
    pub(crate) fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        self.bytes += name.len() + value.len();
        if self.bytes > QUEUE_HEADER_BYTES {
            return Err(format!("its headers are longer than {QUEUE_HEADER_BYTES} bytes (QUEUE_HEADER_BYTES)"));
        }
        self.all.entry(name.to_lowercase()).or_insert_with(|| value.to_owned());
        Ok(())
    }
}

/// Why a message is dead that is too long.
pub(crate) fn too_long() -> String {
    format!("it is longer than {QUEUE_MESSAGE_BYTES} bytes (QUEUE_MESSAGE_BYTES)")
}

/// The key of a message, of what tells it from others. It is as long as keys may be; half of that is left to whoever
/// puts something before it.
pub(crate) fn key(parts: &[&str]) -> String {
    let whole = parts.join("/");
    if whole.len() <= IDEMPOTENCY_KEY_CHARS / 2 { whole } else { Digest::of(whole.as_bytes()).to_string() }
}

/// When something was, of milliseconds since 1970, as text; nothing where there is no such time.
pub(crate) fn at(millis: Option<i64>) -> Value {
    let time = millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    time.map_or(Value::Null, |time| Value::from(time.to_string().as_str()))
}
