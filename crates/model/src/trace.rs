//! [`TraceParent`]: a place in a trace that may span many programs, as the header `traceparent` of
//! the W3C names it. A play keeps the one that it came from, so that a crash does not cut a trace.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::{LayerId, PlayId};

/// One thing that took a while, within a trace. Zero stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanId(pub [u8; 8]);

impl SpanId {
    /// A play's own span: the same for all that happens in it, at whatever replica and after whatever crash.
    pub fn of_play(play: PlayId) -> Self {
        Self::of_id(play.0.as_bytes())
    }

    /// The span of one attempt of a step.
    pub fn of_attempt(layer: LayerId, attempt: u32) -> Self {
        let Self(mut bytes) = Self::of_id(layer.0.as_bytes());
        for (byte, number) in bytes.iter_mut().zip(attempt.to_be_bytes()) {
            *byte ^= number;
        }
        Self(bytes)
    }

    fn of_id(id: &[u8; 12]) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&id[4..]);
        Self(bytes)
    }

    /// Whether it stands for none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never zero.
    pub trace: [u8; 16],
    /// What of it; none where the trace begins here.
    pub span: SpanId,
    /// Whether somebody keeps the trace.
    pub is_sampled: bool,
}

/// The text is no place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a traceparent is 00, 32 hex digits, 16 hex digits and 2 hex digits, joined by \"-\"")]
pub struct InvalidTrace;

impl TraceParent {
    /// Another place in the same trace.
    pub fn at(self, span: SpanId) -> Self {
        Self { span, ..self }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-{:02x}", u8::from(self.is_sampled))
    }
}

/// The length of version 00.
const CHARS: usize = 55;

impl FromStr for TraceParent {
    type Err = InvalidTrace;

    fn from_str(text: &str) -> Result<Self, InvalidTrace> {
        let bytes = text.as_bytes();
        // A later version may add something behind another dash.
        let is_long_enough = match bytes.get(..3) {
            Some(b"00-") => bytes.len() == CHARS,
            Some([_, _, b'-']) => bytes.len() == CHARS || bytes.get(CHARS) == Some(&b'-'),
            _ => false,
        };
        if !is_long_enough || bytes[35] != b'-' || bytes[52] != b'-' {
            return Err(InvalidTrace);
        }
        let [version]: [u8; 1] = hex(&bytes[..2])?;
        let [flags]: [u8; 1] = hex(&bytes[53..55])?;
        let (trace, span) = (hex(&bytes[3..35])?, SpanId(hex(&bytes[36..52])?));
        if version == 0xff || trace == [0; 16] || span.is_none() {
            return Err(InvalidTrace);
        }
        Ok(Self { trace, span, is_sampled: flags & 1 == 1 })
    }
}

/// Bytes as lower-case hex digits; others are not allowed.
fn hex<const N: usize>(digits: &[u8]) -> Result<[u8; N], InvalidTrace> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidTrace),
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

/// Bytes of the binary form: trace, span, whether it is kept.
const BYTES: usize = 25;

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&self.trace);
        bytes[16..24].copy_from_slice(&self.span.0);
        bytes[24] = u8::from(self.is_sampled);
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TraceParent;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a place in a trace")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<TraceParent, E> {
                let bytes: &[u8; BYTES] = bytes.try_into().map_err(|_| E::custom(InvalidTrace))?;
                let (mut trace, mut span) = ([0; 16], [0; 8]);
                trace.copy_from_slice(&bytes[..16]);
                span.copy_from_slice(&bytes[16..24]);
                Ok(TraceParent { trace, span: SpanId(span), is_sampled: bytes[24] == 1 })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TraceParent, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;
    use crate::ids::Id;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_back_as_it_was_written() {
        let parent: TraceParent = TEXT.parse().expect("one");
        assert!(parent.is_sampled);
        assert_eq!(parent.to_string(), TEXT);
        let bytes = codec::encode(&parent).expect("encodes");
        assert!(bytes.len() < 30, "{}", bytes.len());
        assert_eq!(codec::decode::<TraceParent>(&bytes).expect("decodes"), parent);
        // What a later version adds is passed over.
        let later = format!("cc{}-more", &TEXT[2..]);
        assert_eq!(later.parse::<TraceParent>().map(|later| later.to_string()), Ok(TEXT.to_owned()));
    }

    #[test]
    fn what_is_none_is_refused() {
        for (from, to) in [
            ("00-4", "ff-4"),
            ("00-4", "0-4"),
            ("4bf92f", "4BF92F"),
            ("4bf92f", "ü92f"),
            ("-01", "-01-more"),
            ("-01", "-1"),
            ("-01", ""),
            ("-00f0", "+00f0"),
            ("00f067aa0ba902b7", "0000000000000000"),
            ("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTrace), "{text}");
        }
        assert_eq!("".parse::<TraceParent>(), Err(InvalidTrace));
    }

    #[test]
    fn each_attempt_has_a_span_of_its_own() {
        let layer = LayerId(Id::from_parts(1, 2));
        assert_ne!(SpanId::of_attempt(layer, 1), SpanId::of_attempt(layer, 2));
        assert_eq!(SpanId::of_attempt(layer, 1), SpanId::of_attempt(layer, 1));
    }
}
