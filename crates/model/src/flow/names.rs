//! Names that people choose: [`Ref`] of a flowlet, [`Slug`] of a flow.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The text does not follow the rule for its kind of name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}, not \"{text}\"")]
pub struct InvalidName {
    rule: &'static str,
    text: String,
}

impl InvalidName {
    fn new(rule: &'static str, text: &str) -> Self {
        Self { rule, text: text.chars().take(80).collect() }
    }
}

/// The name of a flowlet within its flow, by which expressions read its output.
///
/// A letter or `_`, then up to 63 letters, digits or `_`; `args` and `input` are reserved.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Ref(Arc<str>);

/// The name of a flow that stays the same through all its versions.
///
/// Lower-case letters, digits and `-`, 1 to 100 of them, starting and ending with no `-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Slug(Arc<str>);

impl FromStr for Ref {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let mut chars = text.chars();
        let starts = chars.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if !starts || text.len() > 64 || !chars.all(|char| char.is_ascii_alphanumeric() || char == '_') {
            return Err(InvalidName::new("a ref is a letter or \"_\", then up to 63 letters, digits or \"_\"", text));
        }
        if matches!(text, "args" | "input") {
            return Err(InvalidName::new(
                "\"args\" and \"input\" name the play's arguments; a ref is another word",
                text,
            ));
        }
        Ok(Self(text.into()))
    }
}

impl FromStr for Slug {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty()
            || text.len() > Self::MAX_LENGTH
            || !text.bytes().all(allowed)
            || text.starts_with('-')
            || text.ends_with('-')
        {
            return Err(InvalidName::new(
                "a slug is 1 to 100 lower-case letters, digits or \"-\", with no \"-\" at either end",
                text,
            ));
        }
        Ok(Self(text.into()))
    }
}

impl Slug {
    const MAX_LENGTH: usize = 100;

    /// A slug from any name: `"Invoice approval"` gives `invoice-approval`; what has no letter
    /// or digit gives `flow`.
    pub fn from_name(name: &str) -> Self {
        let mut slug = String::new();
        for char in name.chars().flat_map(char::to_lowercase) {
            if char.is_ascii_alphanumeric() {
                slug.push(char);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            if slug.len() == Self::MAX_LENGTH {
                break;
            }
        }
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { "flow" } else { slug }.into())
    }

    /// This slug with a number behind it, where the plain one is taken.
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let room = Self::MAX_LENGTH - suffix.len();
        let stem = self.0.get(..room).unwrap_or(&self.0).trim_end_matches('-');
        Self(format!("{stem}{suffix}").into())
    }
}

macro_rules! names {
    ($($name:ident $pattern:literal)*) => {$(
        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for Arc<str> {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
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
                schemars::json_schema!({"type": "string", "pattern": $pattern})
            }
        }
    )*};
}

names! {
    Ref "^(?!(args|input)$)[A-Za-z_][A-Za-z0-9_]{0,63}$"
    Slug "^[a-z0-9]([a-z0-9-]{0,98}[a-z0-9])?$"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_follow_their_rule() {
        for good in ["a", "_", "fetchInvoice2", &"x".repeat(64)] {
            assert!(good.parse::<Ref>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "a-b", "ä", "args", "input", &"x".repeat(65)] {
            assert!(bad.parse::<Ref>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slug_is_made_of_any_name() {
        for (name, slug) in [
            ("Invoice approval", "invoice-approval"),
            ("  Über: 3 % Zins!  ", "ber-3-zins"),
            ("***", "flow"),
            ("", "flow"),
        ] {
            assert_eq!(&*Slug::from_name(name), slug);
        }
        let long = Slug::from_name(&"ab ".repeat(100));
        assert!(long.parse::<Slug>().is_ok());
        assert!(long.numbered(12).parse::<Slug>().is_ok());
        assert_eq!(&*Slug::from_name("x").numbered(2), "x-2");
        assert!("Ab".parse::<Slug>().is_err());
    }
}
