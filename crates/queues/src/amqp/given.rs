//! [`Given`]: a message that a server hands out: a method that says so, its properties, and its body in parts.

use bytes::{Bytes, BytesMut};
use model::failure::Failure;
use model::limits::QUEUE_MESSAGE_BYTES;
use model::value::Value;

use super::wire::{Args, odd};
use crate::message::{Came, Headers, at, key, too_long};

/// The properties of a message, in the order of their bits, the highest first.
const PROPERTIES: [&str; 14] = [
    "content-type",
    "content-encoding",
    "",
    "delivery-mode",
    "priority",
    "correlation-id",
    "reply-to",
    "expiration",
    "message-id",
    "timestamp",
    "type",
    "user-id",
    "app-id",
    "cluster-id",
];

/// A message that is being handed out.
pub(super) struct Given {
    pub(super) tag: u64,
    again: bool,
    exchange: String,
    routing_key: String,
    /// What its properties say of it; none until they come.
    about: Option<About>,
    body: BytesMut,
    /// Bytes of its body that are still to come.
    more: u64,
}

#[derive(Default)]
struct About {
    headers: Headers,
    at: Value,
    /// Why it is dead, where it is.
    dead: Option<String>,
}

impl Given {
    /// Begins with what the method says.
    pub(super) fn new(args: &mut Args) -> Result<Self, Failure> {
        // By which consumer it came: there is one.
        args.short()?;
        let (tag, again) = (args.u64()?, args.u8()? & 1 != 0);
        let (exchange, routing_key) = (args.short()?, args.short()?);
        Ok(Self { tag, again, exchange, routing_key, about: None, body: BytesMut::new(), more: 0 })
    }

    /// Goes on with its properties.
    pub(super) fn head(&mut self, args: &mut Args) -> Result<(), Failure> {
        if self.about.is_some() {
            return Err(odd());
        }
        // Class and weight.
        args.u32()?;
        self.more = args.u64()?;
        let mut about = About::default();
        if self.more > QUEUE_MESSAGE_BYTES as u64 {
            about.dead = Some(too_long());
        }
        let bits = args.u16()?;
        for (at_bit, name) in PROPERTIES.into_iter().enumerate() {
            if bits & (0x8000 >> at_bit) != 0 {
                about.property(name, args)?;
            }
        }
        self.about = Some(about);
        Ok(())
    }

    /// Goes on with a part of its body. What is dead is passed over.
    pub(super) fn part(&mut self, part: &Bytes) -> Result<(), Failure> {
        let about = self.about.as_ref().ok_or_else(odd)?;
        self.more = self.more.checked_sub(part.len() as u64).ok_or_else(odd)?;
        if about.dead.is_none() {
            self.body.extend_from_slice(part);
        }
        Ok(())
    }

    /// Whether all of it is there.
    pub(super) fn is_whole(&self) -> bool {
        self.about.is_some() && self.more == 0
    }

    /// The message, or why it is dead.
    pub(super) fn came(self, queue: &str) -> Result<Came, String> {
        let About { headers, at, dead } = self.about.unwrap_or_default();
        if let Some(why) = dead {
            return Err(why);
        }
        let about = [
            ("queue", Value::from(queue)),
            ("exchange", self.exchange.as_str().into()),
            ("routingKey", self.routing_key.as_str().into()),
            ("again", self.again.into()),
            ("at", at),
        ];
        let id = headers.all.get("message-id").filter(|id| !id.is_empty());
        Ok(Came {
            key: id.map(|id| key(&[queue, id])),
            media: headers.all.get("content-type").cloned().unwrap_or_default(),
            headers: headers.all,
            about: Value::map(about),
            bytes: self.body.freeze(),
        })
    }
}

impl About {
    fn property(&mut self, name: &str, args: &mut Args) -> Result<(), Failure> {
        match name {
            // Headers of the sender's own, behind which the properties come that have names of their own: they count.
            "" => {
                for (name, value) in args.table()? {
                    if !PROPERTIES.contains(&name.to_lowercase().as_str()) {
                        let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
                        self.add(&name, &text);
                    }
                }
            }
            "delivery-mode" | "priority" => {
                let number = args.u8()?;
                self.add(name, &number.to_string());
            }
            "timestamp" => {
                let seconds = i64::try_from(args.u64()?).ok();
                self.at = at(seconds.and_then(|seconds| seconds.checked_mul(1_000)));
            }
            _ => {
                let text = args.short()?;
                self.add(name, &text);
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: &str) {
        if let Err(why) = self.headers.add(name, value) {
            self.dead.get_or_insert(why);
        }
    }
}
