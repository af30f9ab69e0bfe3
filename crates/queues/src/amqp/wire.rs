//! The frames of AMQP 0-9-1, and what is in them: numbers, texts, tables.

use bytes::{Buf as _, Bytes};
use model::failure::Failure;
use model::limits::QUEUE_FRAME_BYTES;
use model::value::{Map, Number, Value};
use tokio::io::AsyncRead;

use crate::fault::broken;
use crate::line::{Decode, Reader};

/// How deep tables are nested.
const DEPTH: usize = 16;

/// The last byte of each frame.
const END: u8 = 0xce;

/// What is in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Method,
    Head,
    Body,
    Beat,
}

/// A frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(super) kind: Kind,
    pub(super) channel: u16,
    pub(super) payload: Bytes,
}

/// Reads frames.
pub(crate) struct Frames;

impl Decode for Frames {
    type Said = Frame;

    async fn next<R: AsyncRead + Send + Unpin>(&mut self, from: &mut Reader<R>) -> Result<Frame, Failure> {
        let mut head = from.bytes(7).await?;
        let (kind, channel, size) = (head.get_u8(), head.get_u16(), head.get_u32());
        let kind = match kind {
            1 => Kind::Method,
            2 => Kind::Head,
            3 => Kind::Body,
            8 => Kind::Beat,
            _ => return Err(odd()),
        };
        let size = usize::try_from(size).ok().filter(|_| size <= QUEUE_FRAME_BYTES).ok_or_else(odd)?;
        let payload = from.bytes(size).await?;
        if *from.bytes(1).await? != [END] {
            return Err(odd());
        }
        Ok(Frame { kind, channel, payload })
    }
}

/// A method as it goes over the connection: class, method, and what they take.
pub(super) fn method(channel: u16, (class, method): (u16, u16), args: &[u8]) -> Vec<u8> {
    let mut payload = [class.to_be_bytes(), method.to_be_bytes()].concat();
    payload.extend_from_slice(args);
    frame(1, channel, &payload)
}

/// A sign of life.
pub(super) fn beat() -> Vec<u8> {
    frame(8, 0, &[])
}

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&channel.to_be_bytes());
    // What is said here is short.
    bytes.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.push(END);
    bytes
}

/// A text of up to 255 bytes, as it is written. What is longer is cut.
pub(super) fn short(text: &str) -> Vec<u8> {
    let bytes = &text.as_bytes()[..text.len().min(255)];
    [&[u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat()
}

/// A longer text.
pub(super) fn long(text: &[u8]) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes(), text].concat()
}

/// Reads what is in a frame.
pub(super) struct Args(pub(super) Bytes);

impl Args {
    /// So many bytes.
    pub(super) fn bytes(&mut self, count: usize) -> Result<Bytes, Failure> {
        if count > self.0.len() { Err(odd()) } else { Ok(self.0.split_to(count)) }
    }

    pub(super) fn u8(&mut self) -> Result<u8, Failure> {
        self.bytes(1).map(|mut bytes| bytes.get_u8())
    }

    pub(super) fn u16(&mut self) -> Result<u16, Failure> {
        self.bytes(2).map(|mut bytes| bytes.get_u16())
    }

    pub(super) fn u32(&mut self) -> Result<u32, Failure> {
        self.bytes(4).map(|mut bytes| bytes.get_u32())
    }

    pub(super) fn u64(&mut self) -> Result<u64, Failure> {
        self.bytes(8).map(|mut bytes| bytes.get_u64())
    }

    /// A text of up to 255 bytes.
    pub(super) fn short(&mut self) -> Result<String, Failure> {
        let size = self.u8()?;
        Ok(String::from_utf8_lossy(&self.bytes(size.into())?).into_owned())
    }

    /// A longer one.
    pub(super) fn long(&mut self) -> Result<Bytes, Failure> {
        let size = self.u32()?;
        self.bytes(usize::try_from(size).map_err(|_| odd())?)
    }

    /// A table.
    pub(super) fn table(&mut self) -> Result<Map, Failure> {
        self.nested(DEPTH)
    }

    fn nested(&mut self, depth: usize) -> Result<Map, Failure> {
        let depth = depth.checked_sub(1).ok_or_else(odd)?;
        let mut fields = Self(self.long()?);
        let mut table = Map::default();
        while !fields.0.is_empty() {
            let name = fields.short()?;
            let value = fields.field(depth)?;
            table.insert(name.into(), value);
        }
        Ok(table)
    }

    /// A field of a table, as RabbitMQ writes them.
    fn field(&mut self, depth: usize) -> Result<Value, Failure> {
        Ok(match self.u8()? {
            b't' => Value::from(self.u8()? != 0),
            b'b' => Value::from(i64::from(self.u8()?.cast_signed())),
            b'B' => Value::from(u64::from(self.u8()?)),
            b's' => Value::from(i64::from(self.u16()?.cast_signed())),
            b'u' => Value::from(u64::from(self.u16()?)),
            b'I' => Value::from(i64::from(self.u32()?.cast_signed())),
            b'i' => Value::from(u64::from(self.u32()?)),
            b'l' => Value::from(self.u64()?.cast_signed()),
            b'f' => number(f64::from(f32::from_bits(self.u32()?))),
            b'd' => number(f64::from_bits(self.u64()?)),
            b'D' => {
                // A whole number, and how many of its digits stand behind the point.
                let (scale, digits) = (self.u8()?, self.u32()?.cast_signed());
                Value::from(format!("{digits}e-{scale}").as_str())
            }
            b'S' | b'x' => Value::from(&*String::from_utf8_lossy(&self.long()?)),
            b'T' => crate::message::at(i64::try_from(self.u64()?).ok().and_then(|seconds| seconds.checked_mul(1_000))),
            b'F' => Value::from(self.nested(depth)?),
            b'A' => {
                let depth = depth.checked_sub(1).ok_or_else(odd)?;
                let mut fields = Self(self.long()?);
                let mut items = Vec::new();
                while !fields.0.is_empty() {
                    items.push(fields.field(depth)?);
                }
                Value::from(items)
            }
            b'V' => Value::Null,
            _ => return Err(odd()),
        })
    }
}

fn number(float: f64) -> Value {
    serde_json::from_str::<Number>(&float.to_string()).map_or(Value::Null, Value::from)
}

pub(super) fn odd() -> Failure {
    broken("the server does not speak AMQP 0-9-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_as_it_is_written() {
        let written = method(1, (60, 80), &[0, 0, 0, 0, 0, 0, 0, 7, 0]);
        let frame = Frames.next(&mut Reader::new(&written[..])).await.expect("a frame");
        assert_eq!((frame.kind, frame.channel), (Kind::Method, 1));
        assert_eq!(&*frame.payload, [0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 7, 0]);
        for odd in [&b"AMQP\0\0\x09\x01"[..], b"\x01\0\x01\0\x02\0\x01", b"\x01\0\0\0\0\0\x01xx", b"\x08\0\0"] {
            assert!(Frames.next(&mut Reader::new(odd)).await.is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_table_is_a_value() {
        let inner = [short("n"), vec![b'I', 0xff, 0xff, 0xff, 0xfe]].concat();
        let list = [vec![b'F'], long(&inner), vec![b't', 1], vec![b'V']].concat();
        let fields = [short("a"), vec![b'S'], long(b"text"), short("b"), vec![b'A'], long(&list)].concat();
        let fields = [fields, short("d"), vec![b'd'], 1.5_f64.to_be_bytes().to_vec()].concat();
        let table = Args(long(&fields).into()).table().expect("a table");
        assert_eq!(Value::from(table).to_json(), r#"{"a":"text","b":[{"n":-2},true,null],"d":1.5}"#);
    }

    #[test]
    fn what_is_no_table_is_an_error() {
        let mut deep = Vec::new();
        for _ in 0..100 {
            deep = [short("x"), vec![b'F'], long(&deep)].concat();
        }
        for bytes in [long(&deep), long(b"\x01a"), long(b"\x01aZ"), vec![0, 0, 1, 0], long(b"\x01aS\xff\xff\xff\xff")] {
            assert!(Args(bytes.into()).table().is_err());
        }
    }
}
