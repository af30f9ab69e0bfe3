//! Settings that are texts of their own kind: paths, names, addresses of people.

use std::path::PathBuf;

use model::Value;

use super::{Kind, scalar, unfit};

impl Kind for String {
    fn expected() -> String {
        "a text".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let text = given.as_str().map(str::trim).filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.as_str().into()
    }
}

impl Kind for PathBuf {
    fn expected() -> String {
        "the path of a file or folder".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let path = scalar(given).filter(|path| !path.is_empty() && !path.contains('\0'));
        path.map(Self::from).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.to_string_lossy().into_owned().into()
    }
}

/// The address of a person's mailbox, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind for EmailAddress {
    fn expected() -> String {
        "an e-mail address".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let has_parts = |text: &str| {
            let (name, host) = text.rsplit_once('@')?;
            (!name.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace)).then_some(())
        };
        let text = scalar(given).filter(|text| text.len() <= 254 && has_parts(text).is_some());
        text.map(|text| Self(text.to_lowercase())).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.as_str().into()
    }
}

/// The name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableName(String);

impl VariableName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Kind for VariableName {
    fn expected() -> String {
        "the name of an environment variable".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        let fits = |text: &String| {
            text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        scalar(given).filter(fits).map(Self).ok_or_else(|| unfit::<Self>(given))
    }

    fn show(&self) -> Value {
        self.0.as_str().into()
    }
}
