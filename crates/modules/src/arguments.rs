//! Types of arguments: shared with what they are read from, and never quoted in an error.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use model::failure::{Failure, code};
use model::{Number, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(Arc<str>);

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct List(Arc<Vec<Value>>);

/// An object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object(Arc<model::Map>);

/// An exact number.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exact(Number);

/// A span of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(Duration);

fn expected<E: de::Error>(what: &str, value: &Value) -> E {
    E::custom(format!("expects {what}, not a value of type {}", value.type_name()))
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Text(text) => Ok(Self(text)),
            other => Err(expected("a string", &other)),
        }
    }
}

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::List(items) => Ok(Self(items)),
            other => Err(expected("a list", &other)),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(fields) => Ok(Self(fields)),
            other => Err(expected("an object", &other)),
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Number::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::deserialize(deserializer)?;
        let duration = Duration::try_from_secs_f64(number.to_f64());
        duration.map(Self).map_err(|_| de::Error::custom("expects seconds, not negative and not beyond all ages"))
    }
}

impl Deref for Text {
    type Target = Arc<str>;

    fn deref(&self) -> &Arc<str> {
        &self.0
    }
}

impl Deref for List {
    type Target = Arc<Vec<Value>>;

    fn deref(&self) -> &Arc<Vec<Value>> {
        &self.0
    }
}

impl Deref for Object {
    type Target = Arc<model::Map>;

    fn deref(&self) -> &Arc<model::Map> {
        &self.0
    }
}

impl Deref for Exact {
    type Target = Number;

    fn deref(&self) -> &Number {
        &self.0
    }
}

impl Deref for Seconds {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl Exact {
    /// The whole number `int`, for defaults.
    pub(crate) fn of(int: i64) -> Self {
        Self(int.into())
    }
}

impl Seconds {
    /// So many seconds, for defaults.
    pub(crate) const fn of(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl serde::Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0.as_secs())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        Self::Text(text.0)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list.0)
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Map(object.0)
    }
}

impl From<Exact> for Value {
    fn from(exact: Exact) -> Self {
        Self::Number(exact.0)
    }
}

impl serde::Serialize for Exact {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Value::Text(self.0.clone()).serialize(serializer)
    }
}

macro_rules! schemas {
    ($($name:ident: $schema:tt,)*) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}
schemas! {
    Text: {"type": "string"},
    List: {"type": "array"},
    Object: {"type": "object"},
    Exact: {"type": "number"},
    Seconds: {"type": "number", "minimum": 0},
}

/// The arguments fit the schema one by one, but not together.
pub(crate) fn refused(why: impl Into<String>) -> Failure {
    Failure::new(code::BAD_ARGUMENTS, why)
}

/// A limit of `model::limits` was reached.
pub(crate) fn beyond_limit(why: impl Into<String>) -> Failure {
    Failure::new(code::LIMIT_EXCEEDED, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Args {
        text: Option<Text>,
        list: Option<List>,
        object: Option<Object>,
        exact: Option<Exact>,
        seconds: Option<Seconds>,
    }

    fn read(json: &str) -> Result<Args, String> {
        let value = Value::from_json(json.as_bytes()).expect("JSON");
        model::value::from_value(&value).map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_share_what_they_are_read_from() {
        let value = Value::from_json(br#"{"text":"x","list":[1],"object":{}}"#).expect("JSON");
        let args: Args = model::value::from_value(&value).expect("fits");
        let address = |value: Value| value.address();
        assert_eq!(address(args.text.expect("given").into()), value.get("text").and_then(Value::address));
        assert_eq!(address(args.list.expect("given").into()), value.get("list").and_then(Value::address));
        assert_eq!(address(args.object.expect("given").into()), value.get("object").and_then(Value::address));
    }

    #[test]
    fn numbers_stay_exact_and_seconds_may_be_fractions() {
        let args = read(r#"{"exact":1.10,"seconds":0.25}"#).expect("fits");
        assert_eq!(args.exact.expect("given").to_string(), "1.10");
        assert_eq!(*args.seconds.expect("given"), Duration::from_millis(250));
    }

    #[test]
    fn an_error_names_the_path_and_never_the_value() {
        assert_eq!(read(r#"{"text":17}"#).expect_err("refused"), "text: expects a string, not a value of type number");
        for json in
            [r#"{"list":"s3cr3t"}"#, r#"{"object":"s3cr3t"}"#, r#"{"exact":"s3cr3t"}"#, r#"{"seconds":"s3cr3t"}"#]
        {
            let error = read(json).expect_err("refused");
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        assert!(read(r#"{"seconds":-1}"#).is_err() && read(r#"{"seconds":1e300}"#).is_err());
        assert!(read(r#"{"text":null}"#).expect("fits").text.is_none());
    }
}
