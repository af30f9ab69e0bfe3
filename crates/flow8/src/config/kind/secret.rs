//! Settings that nobody may read: masked wherever they are shown, never quoted in an error, wiped
//! from memory when they are dropped.

use std::fmt;

use model::Value;
use url::Url;
use zeroize::Zeroizing;

use super::{Kind, scalar, unfit};

/// A text that nobody may read.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself, for whoever needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn of(given: &Value) -> Option<Self> {
        scalar(given).filter(|text| !text.is_empty()).map(|text| Self(Zeroizing::new(text)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Kind for Secret {
    const SECRET: bool = true;

    fn expected() -> String {
        "a text".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        Self::of(given).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.reveal().into()
    }
}

/// Declares a secret that has a form.
macro_rules! secret {
    ($(#[$about:meta])* $name:ident, $expected:literal, $fits:expr) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(Secret);

        impl $name {
            /// The text itself, for whoever needs it.
            pub fn reveal(&self) -> &str {
                self.0.reveal()
            }
        }

        impl Kind for $name {
            const SECRET: bool = true;

            fn expected() -> String {
                $expected.into()
            }

            fn read(given: &Value) -> Result<Self, String> {
                let fits: fn(&str) -> bool = $fits;
                Secret::of(given).filter(|text| fits(text.reveal())).map(Self).ok_or_else(|| unfit::<Self>(given))
            }

            fn show(&self) -> Value {
                self.0.show()
            }
        }
    };
}

secret! {
    /// Where MongoDB is, with the name and password for it.
    MongoUri, "a URI that begins with mongodb:// or mongodb+srv://",
    |text| ["mongodb://", "mongodb+srv://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}

secret! {
    /// Where an outgoing proxy is, which may have a name and a password.
    ProxyUrl, "the URL of a proxy, such as http://proxy.example.com:3128",
    |text| {
        let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("http://{text}")) };
        url.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }
}

/// Hex digits, so many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HexSecret<const DIGITS: usize>(Secret);

impl<const DIGITS: usize> HexSecret<DIGITS> {
    /// The digits themselves, for whoever needs them.
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

impl<const DIGITS: usize> Kind for HexSecret<DIGITS> {
    const SECRET: bool = true;

    fn expected() -> String {
        format!("{DIGITS} hex digits, as `openssl rand -hex {}` makes them", DIGITS / 2)
    }

    fn read(given: &Value) -> Result<Self, String> {
        let fits =
            |text: &Secret| text.reveal().len() == DIGITS && text.reveal().bytes().all(|b| b.is_ascii_hexdigit());
        Secret::of(given).filter(fits).map(Self).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.show()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_told() {
        let secret = Secret::read(&"hunter2".into()).expect("a secret");
        assert_eq!(format!("{secret:?}"), "***");
        let uri = MongoUri::read(&"mongodb://u:hunter2@h/db".into()).expect("a URI");
        assert!(!format!("{uri:?}").contains("hunter2"));
        let wrong = [
            MongoUri::read(&"postgres://hunter2".into()).map(drop),
            HexSecret::<64>::read(&"hunter2".into()).map(drop),
            ProxyUrl::read(&"socks5://hunter2".into()).map(drop),
        ];
        for error in wrong {
            let message = error.expect_err("refused");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
