//! Identifiers: 24 hex digits, made of a time and of randomness.
//!
//! Each kind of thing has its own id type, so that a play's id cannot be passed for a flow's.
//! Ids are made by the driver alone (it owns the clock and the randomness); here they are
//! only read, written and compared.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Twelve bytes: 48 bits of Unix milliseconds, then 48 random bits. Sorts by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Id([u8; 12]);

/// The text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 24 lower-case hex digits, not \"{0}\"")]
pub struct InvalidId(String);

impl Id {
    /// An id of the lower 48 bits of each part.
    pub fn from_parts(unix_ms: u64, random: u64) -> Self {
        let mut bytes = [0; 12];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random.to_be_bytes()[2..]);
        Self(bytes)
    }

    /// The bytes of an id, as a store keeps it.
    pub const fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// The bytes, in the order in which ids sort.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 24];
        for (at, byte) in self.0.iter().enumerate() {
            text[2 * at] = HEX[usize::from(byte >> 4)];
            text[2 * at + 1] = HEX[usize::from(byte & 15)];
        }
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId(text.chars().take(64).collect());
        let digits = text.as_bytes();
        if digits.len() != 24 {
            return Err(invalid());
        }
        let digit = |at: usize| HEX.iter().position(|hex| *hex == digits[at]);
        let mut bytes = [0; 12];
        for (at, byte) in bytes.iter_mut().enumerate() {
            let (high, low) = digit(2 * at).zip(digit(2 * at + 1)).ok_or_else(invalid)?;
            *byte = (high << 4 | low) as u8;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id of 24 hex digits")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Id, E> {
                bytes.try_into().map(Id).map_err(|_| E::invalid_length(bytes.len(), &"12 bytes"))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Id);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self)
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": "^[0-9a-f]{24}$"})
            }
        }
    )*};
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

ids! {
    /// A key with which programs call the API.
    ApiKeyId
    /// Days on which schedules rest, or run.
    CalendarId
    /// A tenant. It is part of the key of everything that is stored.
    CompanyId
    /// An outside event, kept until somebody waits for it.
    EventId
    /// A stored flow, through all its versions.
    FlowId
    /// A folder of flows.
    GroupId
    /// The record of one flowlet inside one play; see [`crate::record::StepId::layer_id`].
    LayerId
    /// A message to a play.
    MessageId
    /// One execution of a flow.
    PlayId
    /// One start of one process; plays that are in memory belong to it.
    ReplicaId
    /// What starts a flow at certain times.
    ScheduleId
    /// A person.
    UserId
}

impl CompanyId {
    /// Holds what belongs to the installation as a whole, such as the list of companies.
    pub const INSTALLATION: Self = Self(Id([0; 12]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_sorts_by_time_and_comes_back_from_its_text() {
        let early = Id::from_parts(1_700_000_000_000, u64::MAX);
        let late = Id::from_parts(1_700_000_000_001, 0);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string(), "018bcfe56800ffffffffffff");
        assert_eq!(early.to_string().parse(), Ok(early));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "018bcfe56800fffffffffff",
            "018BCFE56800ffffffffffff",
            "018bcfe56800ffffffffffffff",
            "ß18bcfe56800fffffffffff",
        ] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_is_text_in_json_and_bytes_in_binary() {
        let id = PlayId(Id::from_parts(1, 2));
        assert_eq!(serde_json::to_string(&id).expect("JSON"), "\"000000000001000000000002\"");
        let packed = rmp_serde::to_vec(&id).expect("packs");
        assert_eq!(packed.len(), 14);
        assert_eq!(rmp_serde::from_slice::<PlayId>(&packed).expect("unpacks"), id);
    }
}
