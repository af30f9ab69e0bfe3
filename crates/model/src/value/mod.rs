//! [`Value`]: the JSON data that flows carry, cheap to share and exact to the digit.
//!
//! A value is cloned by raising a count, so that a step can pass a large document on
//! without copying it. Numbers keep the text they came with until something computes with
//! them ([`Number`]). This module knows JSON and serde; it knows nothing of flows.

mod de;
mod json;
mod mismatch;
mod number;
mod ser;

use std::fmt;
use std::sync::Arc;

pub use de::{ValueError, from_value};
pub use json::JsonError;
pub use number::Number;
pub use ser::to_value;

/// A JSON object: keys in the order in which they were written.
pub type Map = indexmap::IndexMap<Arc<str>, Value, foldhash::fast::RandomState>;

/// A JSON value. `==` compares numbers by value, so `1.0 == 1`.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, exact
    Number(Number),
    /// A string
    Text(Arc<str>),
    /// An array
    List(Arc<Vec<Value>>),
    /// An object
    Map(Arc<Map>),
}

impl Value {
    /// The empty object.
    pub fn empty_map() -> Self {
        Self::Map(Arc::new(Map::default()))
    }

    /// An object of the given fields.
    pub fn map<K: Into<Arc<str>>, V: Into<Value>>(fields: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(Arc::new(fields.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
    }

    /// A list of the given items.
    pub fn list<V: Into<Value>>(items: impl IntoIterator<Item = V>) -> Self {
        Self::List(Arc::new(items.into_iter().map(Into::into).collect()))
    }

    /// The name of the value's type, as error messages give it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "object",
        }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The whole number, if it is one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    /// The items of a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The fields of an object.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(fields) => Some(fields),
            _ => None,
        }
    }

    /// The field of an object; `None` where this is no object or has no such field.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// The value at a JSON pointer (RFC 6901); the empty pointer is the value itself.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(self, |at, step| match at {
            Self::Map(fields) => {
                if step.contains('~') {
                    fields.get(step.replace("~1", "/").replace("~0", "~").as_str())
                } else {
                    fields.get(step)
                }
            }
            Self::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The address of the shared part of a string, list or object.
    ///
    /// Two values with the same address are the same value, as long as one of them is held.
    pub fn address(&self) -> Option<usize> {
        match self {
            Self::Text(text) => Some(Arc::as_ptr(text).cast::<u8>() as usize),
            Self::List(items) => Some(Arc::as_ptr(items) as usize),
            Self::Map(fields) => Some(Arc::as_ptr(fields) as usize),
            _ => None,
        }
    }

    /// About how many bytes the value takes when it is written, and how deep it nests.
    ///
    /// Stops counting where either limit is passed, so that looking at a large value is cheap.
    pub fn measure(&self, max_bytes: usize, max_depth: usize) -> Measure {
        let mut measure = Measure { bytes: 0, depth: 0 };
        self.measure_into(&mut measure, 0, max_bytes, max_depth);
        measure
    }

    fn measure_into(&self, measure: &mut Measure, depth: usize, max_bytes: usize, max_depth: usize) {
        measure.depth = measure.depth.max(depth);
        measure.bytes += 1;
        match self {
            Self::Null | Self::Bool(_) => {}
            Self::Number(_) => measure.bytes += 8,
            Self::Text(text) => measure.bytes += text.len() + 2,
            Self::List(items) => {
                measure.depth = measure.depth.max(depth + 1);
                for item in items.iter() {
                    if measure.bytes > max_bytes || measure.depth > max_depth {
                        return;
                    }
                    item.measure_into(measure, depth + 1, max_bytes, max_depth);
                }
            }
            Self::Map(fields) => {
                measure.depth = measure.depth.max(depth + 1);
                for (key, value) in fields.iter() {
                    if measure.bytes > max_bytes || measure.depth > max_depth {
                        return;
                    }
                    measure.bytes += key.len() + 2;
                    value.measure_into(measure, depth + 1, max_bytes, max_depth);
                }
            }
        }
    }
}

/// The size of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// Bytes, about.
    pub bytes: usize,
    /// How deep lists and objects nest: 0 for a scalar.
    pub depth: usize,
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes JSON, in one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<Number> for Value {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<Value>> for Value {
    fn from(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items))
    }
}

impl From<Map> for Value {
    fn from(fields: Map) -> Self {
        Self::Map(Arc::new(fields))
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! from_integers {
    ($($int:ty),*) => {$(
        impl From<$int> for Value {
            fn from(number: $int) -> Self {
                Self::Number(Number::from(number))
            }
        }
    )*};
}
from_integers!(i32, i64, u16, u32, u64, usize);

/// Says what any JSON value may be, for the schemas of modules and of the API.
impl schemars::JsonSchema for Value {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AnyValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_walks_objects_and_lists() {
        let value = Value::from_json(br#"{"a":[{"b/c":1},{"~":2}],"":3}"#).expect("JSON");
        assert_eq!(value.pointer("/a/0/b~1c"), Some(&Value::from(1)));
        assert_eq!(value.pointer("/a/1/~0"), Some(&Value::from(2)));
        assert_eq!(value.pointer("/"), Some(&Value::from(3)));
        assert_eq!(value.pointer(""), Some(&value));
        assert_eq!(value.pointer("/a/2"), None);
        assert_eq!(value.pointer("a"), None);
    }

    #[test]
    fn a_clone_shares_its_text() {
        let text = Value::from("long".repeat(100));
        let copy = text.clone();
        assert_eq!(text.address(), copy.address());
        assert_ne!(text.address(), Value::from("long".repeat(100)).address());
    }

    #[test]
    fn measuring_counts_bytes_and_levels_and_stops_at_the_limits() {
        let value = Value::from_json(b"[[[1]],{\"a\":[]}]").expect("JSON");
        assert_eq!(value.measure(1_000, 10).depth, 3);
        assert_eq!(Value::from(1).measure(1_000, 10).depth, 0);
        assert!(value.measure(1_000, 1).depth > 1);
        let long = Value::list((0..10_000).map(|_| "0123456789"));
        assert!((120_000..200_000).contains(&long.measure(1 << 20, 10).bytes));
        assert!((100..200).contains(&long.measure(100, 10).bytes));
    }
}
