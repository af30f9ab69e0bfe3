//! [`Payload`]: a value as a record carries it.
//!
//! Small values stay in the record. A large one is kept once, by its digest, and the record
//! refers to it; a sensitive one is sealed. Only a packed payload is ever written down, and
//! only a plain one is computed with.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use sha2::{Digest as _, Sha256};

use crate::seal::Sealed;
use crate::value::{Map, Value};

/// SHA-256 of some bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Digest;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a SHA-256 digest")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Digest, E> {
                bytes.try_into().map(Digest).map_err(|_| E::invalid_length(bytes.len(), &"32 bytes"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Digest, E> {
                let mut bytes = [0; 32];
                if text.len() != 64 || !text.is_ascii() {
                    return Err(E::custom("a digest is 64 hex digits"));
                }
                for (at, byte) in bytes.iter_mut().enumerate() {
                    *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(E::custom)?;
                }
                Ok(Digest(bytes))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

/// Where a large value is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueRef {
    /// The digest of its encoded form, before compression.
    #[serde(rename = "d")]
    pub digest: Digest,
    /// The size of its encoded form, before compression.
    #[serde(rename = "n")]
    pub bytes: u64,
}

/// A value as a record carries it.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// The value itself, small enough for the record or not packed yet.
    Plain(Value),
    /// A value of which the parts at these JSON pointers are to be sealed. Never written as it is.
    Sensitive(Value, Arc<[String]>),
    /// A value that was kept elsewhere or sealed, at hand again; and how it is written. Never written as it is.
    Recalled(Value, Arc<Payload>),
    /// A large value, kept elsewhere.
    Stored(ValueRef),
    /// A sensitive value, encrypted.
    Sealed(Sealed),
    /// An object of which some field is stored or sealed.
    Map(Vec<(Arc<str>, Payload)>),
    /// A list of which some item is stored or sealed.
    List(Vec<Payload>),
}

impl Default for Payload {
    fn default() -> Self {
        Self::Plain(Value::Null)
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

/// What a sensitive value shows instead of itself.
pub const MASK: &str = "••••••";

impl Payload {
    /// The value, where it is at hand.
    pub fn plain(&self) -> Option<&Value> {
        match self {
            Self::Plain(value) | Self::Sensitive(value, _) | Self::Recalled(value, _) => Some(value),
            _ => None,
        }
    }

    /// Whether this may be written down.
    pub fn is_packed(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Stored(_) | Self::Sealed(_) => true,
            Self::Sensitive(..) | Self::Recalled(..) => false,
            Self::Map(fields) => fields.iter().all(|(_, payload)| payload.is_packed()),
            Self::List(items) => items.iter().all(Self::is_packed),
        }
    }

    /// The part under a name or, in a list, at a position; null where there is none. `None` where
    /// that cannot be told, because the payload is kept elsewhere.
    pub fn part(&self, name: &str) -> Option<Payload> {
        let of_value = |value: &Value| match value {
            Value::List(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)).cloned().unwrap_or_default(),
            other => other.get(name).cloned().unwrap_or_default(),
        };
        match self {
            Self::Plain(value) => Some(Self::Plain(of_value(value))),
            Self::Sensitive(value, pointers) => {
                let prefix = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
                let inner: Vec<String> = pointers
                    .iter()
                    .filter_map(|pointer| match pointer.strip_prefix(&prefix) {
                        _ if pointer.is_empty() => Some(String::new()),
                        Some(rest) if rest.is_empty() || rest.starts_with('/') => Some(rest.to_owned()),
                        _ => None,
                    })
                    .collect();
                let part = of_value(value);
                Some(if inner.is_empty() { Self::Plain(part) } else { Self::Sensitive(part, inner.into()) })
            }
            Self::Recalled(value, packed) => Some(match packed.part(name) {
                Some(part @ Self::Plain(_)) => part,
                Some(part) => Self::Recalled(of_value(value), Arc::new(part)),
                // What is kept elsewhere as a whole has nothing sealed in it.
                None => Self::Plain(of_value(value)),
            }),
            Self::Map(fields) => Some(
                fields.iter().find(|(key, _)| **key == *name).map(|(_, payload)| payload.clone()).unwrap_or_default(),
            ),
            Self::List(items) => {
                Some(name.parse::<usize>().ok().and_then(|at| items.get(at)).cloned().unwrap_or_default())
            }
            Self::Stored(_) | Self::Sealed(_) => None,
        }
    }

    /// JSON pointers to the sealed parts.
    pub fn sealed_pointers(&self) -> Vec<String> {
        let mut pointers = Vec::new();
        self.collect_sealed(String::new(), &mut pointers);
        pointers
    }

    fn collect_sealed(&self, at: String, pointers: &mut Vec<String>) {
        match self {
            Self::Sealed(_) => pointers.push(at),
            Self::Sensitive(_, inner) => pointers.extend(inner.iter().map(|pointer| format!("{at}{pointer}"))),
            Self::Recalled(_, packed) => packed.collect_sealed(at, pointers),
            Self::Map(fields) => {
                for (key, part) in fields {
                    let name = key.replace('~', "~0").replace('/', "~1");
                    part.collect_sealed(format!("{at}/{name}"), pointers);
                }
            }
            Self::List(items) => {
                for (index, part) in items.iter().enumerate() {
                    part.collect_sealed(format!("{at}/{index}"), pointers);
                }
            }
            Self::Plain(_) | Self::Stored(_) => {}
        }
    }

    /// Calls `visit` with every stored part.
    pub fn each_stored(&self, visit: &mut dyn FnMut(ValueRef)) {
        match self {
            Self::Stored(at) => visit(*at),
            Self::Map(fields) => fields.iter().for_each(|(_, payload)| payload.each_stored(visit)),
            Self::List(items) => items.iter().for_each(|payload| payload.each_stored(visit)),
            Self::Recalled(_, packed) => packed.each_stored(visit),
            Self::Plain(_) | Self::Sensitive(..) | Self::Sealed(_) => {}
        }
    }

    /// The value, with its stored and its sealed parts as the two functions give them.
    ///
    /// # Errors
    /// The first error of either function.
    pub fn assemble<E>(
        &self,
        stored: &mut dyn FnMut(ValueRef) -> Result<Value, E>,
        sealed: &mut dyn FnMut(&Sealed) -> Result<Value, E>,
    ) -> Result<Value, E> {
        Ok(match self {
            Self::Plain(value) | Self::Sensitive(value, _) | Self::Recalled(value, _) => value.clone(),
            Self::Stored(at) => stored(*at)?,
            Self::Sealed(bytes) => sealed(bytes)?,
            Self::Map(fields) => {
                let mut map = Map::default();
                for (key, payload) in fields {
                    map.insert(key.clone(), payload.assemble(stored, sealed)?);
                }
                map.into()
            }
            Self::List(items) => {
                let items: Result<Vec<_>, E> = items.iter().map(|payload| payload.assemble(stored, sealed)).collect();
                items?.into()
            }
        })
    }
}

/// How a packed payload is written: plain is by far the commonest, and costs two bytes more
/// than the value.
#[derive(Serialize, Deserialize)]
enum Packed {
    #[serde(rename = "p")]
    Plain(Value),
    #[serde(rename = "r")]
    Stored(ValueRef),
    #[serde(rename = "x")]
    Sealed(Sealed),
    #[serde(rename = "m")]
    Map(Vec<(Arc<str>, Payload)>),
    #[serde(rename = "l")]
    List(Vec<Payload>),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(value) => Packed::Plain(value.clone()),
            Self::Stored(at) => Packed::Stored(*at),
            Self::Sealed(bytes) => Packed::Sealed(bytes.clone()),
            Self::Map(fields) => Packed::Map(fields.clone()),
            Self::List(items) => Packed::List(items.clone()),
            Self::Sensitive(..) | Self::Recalled(..) => {
                return Err(ser::Error::custom("a payload must be packed before it is written"));
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Packed::deserialize(deserializer).map(|packed| match packed {
            Packed::Plain(value) => Self::Plain(value),
            Packed::Stored(at) => Self::Stored(at),
            Packed::Sealed(bytes) => Self::Sealed(bytes),
            Packed::Map(fields) => Self::Map(fields),
            Packed::List(items) => Self::List(items),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_packed_payload_comes_back() {
        let at = ValueRef { digest: Digest::of(b"x"), bytes: 1 };
        let payload = Payload::Map(vec![
            ("a".into(), Payload::Plain(Value::from(1))),
            ("b".into(), Payload::List(vec![Payload::Stored(at)])),
        ]);
        let back: Payload = codec::decode(&codec::encode(&payload).expect("encodes")).expect("decodes");
        assert_eq!(back, payload);
        let mut seen = Vec::new();
        back.each_stored(&mut |at| seen.push(at));
        assert_eq!(seen, [at]);
        let value =
            back.assemble::<()>(&mut |_| Ok(Value::from("big")), &mut |_| Ok(Value::from(MASK))).expect("assembles");
        assert_eq!(value.to_json(), r#"{"a":1,"b":["big"]}"#);
    }

    #[test]
    fn a_part_of_a_sensitive_value_stays_sensitive() {
        let value = Value::from_json(br#"{"card":{"number":"4111","name":"Ada"},"sum":5}"#).expect("JSON");
        let payload = Payload::Sensitive(value, ["/card/number".to_owned()].into());
        let card = payload.part("card").expect("at hand");
        assert!(matches!(&card, Payload::Sensitive(_, pointers) if pointers[..] == ["/number".to_owned()]));
        assert!(
            matches!(card.part("number"), Some(Payload::Sensitive(_, pointers)) if pointers[..] == [String::new()])
        );
        assert_eq!(card.part("name"), Some(Payload::Plain(Value::from("Ada"))));
        assert_eq!(payload.part("sum"), Some(Payload::Plain(Value::from(5))));
        let at = ValueRef { digest: Digest::of(b"x"), bytes: 1 };
        assert_eq!(Payload::Stored(at).part("x"), None);
    }

    #[test]
    fn a_sensitive_value_is_never_written_as_it_is() {
        let payload = Payload::Sensitive(Value::from("4111"), ["".to_owned()].into());
        assert!(!payload.is_packed());
        assert!(codec::encode(&payload).is_err());
    }
}
