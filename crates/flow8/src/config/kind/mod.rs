//! [`Kind`]: a type of setting, how it is read and shown. [`Field`]: a setting of any such type.
//!
//! A value comes as YAML from config.yml, and as text from everywhere else; every kind takes both.

mod choice;
mod list;
mod number;
mod place;
mod role;
mod secret;
mod span;
mod text;

use model::Value;

pub use choice::{Algorithm, LogFormat, LogLevel, Profile, SameSite};
pub use number::{Hours, Megabytes, Port, PortRange, Ratio, Seconds, Whole};
pub use place::{EgressRule, Origin, WebUrl};
pub use role::{GivenRole, RoleRule};
pub use secret::{HexSecret, MongoUri, ProxyUrl, Secret};
pub use span::Span;
pub use text::{EmailAddress, VariableName};

/// A type of setting.
pub(crate) trait Kind: Sized {
    /// Whether it is masked wherever it is shown.
    const SECRET: bool = false;

    /// What it takes, as it stands behind "expects".
    fn expected() -> String;

    /// What was given, typed.
    ///
    /// # Errors
    /// What is wrong with it, and what is expected.
    fn read(given: &Value) -> Result<Self, String>;

    /// As config.yml holds it; null where it is not set.
    fn show(&self) -> Value;
}

/// What is wrong with what was given for a setting of that kind.
pub(super) fn unfit<T: Kind>(given: &Value) -> String {
    let expected = T::expected();
    match given {
        _ if T::SECRET => format!("expects {expected}; what is given is something else"),
        Value::Text(_) | Value::Number(_) | Value::Bool(_) => format!("expects {expected}, not {}", quoted(given)),
        Value::Null => format!("expects {expected}; give a value, or leave the key out"),
        Value::List(_) | Value::Map(_) => format!("expects {expected}, not a {}", given.type_name()),
    }
}

fn quoted(given: &Value) -> String {
    let text: String = given.to_json().chars().take(120).collect();
    text
}

/// The text of a scalar: numbers may stand unquoted in config.yml, and are text in the environment.
pub(super) fn scalar(given: &Value) -> Option<String> {
    match given {
        Value::Text(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A setting of any kind.
pub(crate) trait Field {
    /// Takes what was given; stays as it is where that does not fit.
    fn set(&mut self, given: &Value) -> Result<(), String>;
    /// As config.yml holds it.
    fn show(&self) -> Value;
    /// What it takes.
    fn expected(&self) -> String;
    /// Whether it is masked wherever it is shown.
    fn is_secret(&self) -> bool;
}

impl<T: Kind> Field for T {
    fn set(&mut self, given: &Value) -> Result<(), String> {
        *self = T::read(given)?;
        Ok(())
    }

    fn show(&self) -> Value {
        Kind::show(self)
    }

    fn expected(&self) -> String {
        T::expected()
    }

    fn is_secret(&self) -> bool {
        T::SECRET
    }
}

/// A setting that may be left unset: null and the empty text say so.
impl<T: Kind> Kind for Option<T> {
    const SECRET: bool = T::SECRET;

    fn expected() -> String {
        T::expected()
    }

    fn read(given: &Value) -> Result<Self, String> {
        match given {
            Value::Null => Ok(None),
            Value::Text(text) if text.trim().is_empty() => Ok(None),
            given => T::read(given).map(Some),
        }
    }

    fn show(&self) -> Value {
        self.as_ref().map_or(Value::Null, Kind::show)
    }
}

impl Kind for bool {
    fn expected() -> String {
        "true or false".into()
    }

    fn read(given: &Value) -> Result<Self, String> {
        match (given, given.as_str().map(str::trim)) {
            (Value::Bool(truth), _) => Ok(*truth),
            (_, Some("true")) => Ok(true),
            (_, Some("false")) => Ok(false),
            _ => Err(unfit::<Self>(given)),
        }
    }

    fn show(&self) -> Value {
        (*self).into()
    }
}
