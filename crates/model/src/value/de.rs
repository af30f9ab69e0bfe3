//! From a [`Value`] to a Rust type, and from any serde format to a [`Value`].
//!
//! [`from_value`] is the one way in for outside data: text becomes a `Value`, and a `Value`
//! becomes a typed thing, with the path of whatever does not fit. A field of type `Value`
//! shares what it is read from instead of copying it.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::mismatch::Mismatch;
use super::{Map, Number, Value};

/// The name by which a [`Value`] field tells flow8's own serde formats that it wants, or is,
/// the value itself.
pub(super) const WHOLE: &str = "$flow8::Value";

thread_local! {
    /// Hands a shared value over within one call of serde: set right before the visitor is
    /// called, taken first thing in it. It is how a `Value` crosses serde's data model, which
    /// has no word for it, without a copy.
    pub(super) static HAND_OVER: Cell<Option<Value>> = const { Cell::new(None) };
}

/// Why a value does not have the shape that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct ValueError {
    /// Where: `layers[2].retry.count`; empty for the value as a whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// Reads a typed thing from a value.
///
/// # Errors
/// With the path of the first field that is unknown, missing or of the wrong type.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ValueError> {
    serde_path_to_error::deserialize(Source(value)).map_err(|error| {
        let path = error.path().to_string();
        ValueError { path: if path == "." { String::new() } else { path }, message: error.into_inner().0 }
    })
}

/// The nearest float. One that is infinite could be read, and never be written again.
fn finite(number: &Number) -> Result<f64, Mismatch> {
    let float = number.to_f64();
    float.is_finite().then_some(float).ok_or_else(|| de::Error::custom("the number is too large"))
}

/// A value as a source of data for serde.
#[derive(Clone, Copy)]
struct Source<'a>(&'a Value);

impl<'de> Deserializer<'de> for Source<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::Number(number) => match (number.as_i64(), number.text()) {
                (Some(int), _) => visitor.visit_i64(int),
                (None, Some(text)) => match text.parse::<u64>() {
                    Ok(int) => visitor.visit_u64(int),
                    Err(_) => visitor.visit_f64(finite(number)?),
                },
                (None, None) => visitor.visit_f64(finite(number)?),
            },
            Value::Text(text) => visitor.visit_str(text),
            Value::List(items) => {
                let mut items = de::value::SeqDeserializer::new(items.iter().map(Source));
                let read = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(read)
            }
            Value::Map(fields) => {
                let mut fields =
                    de::value::MapDeserializer::new(fields.iter().map(|(key, value)| (&**key, Source(value))));
                let read = visitor.visit_map(&mut fields)?;
                fields.end()?;
                Ok(read)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        if name == WHOLE {
            HAND_OVER.set(Some(self.0.clone()));
            return visitor.visit_unit();
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum((&**text).into_deserializer()),
            Value::Map(fields) if fields.len() == 1 => visitor.visit_enum(de::value::MapAccessDeserializer::new(
                de::value::MapDeserializer::new(fields.iter().map(|(key, value)| (&**key, Source(value)))),
            )),
            other => Err(de::Error::custom(format!(
                "expects one of {}, not a value of type {}",
                variants.join(", "),
                other.type_name()
            ))),
        }
    }

    /// A list has its fields by their place alone, and nothing that anybody reads says which place is whose.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::List(_) => Err(de::Error::custom("expects an object, not a list")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct identifier
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for Source<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_text = deserializer.is_human_readable();
        deserializer.deserialize_newtype_struct(WHOLE, Whole { is_text })
    }
}

/// Takes a value that is handed over, or reads one from a foreign format.
struct Whole {
    is_text: bool,
}

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    /// Only [`Source`] answers with a unit here.
    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(HAND_OVER.take().unwrap_or_default())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.is_text {
            // serde_json would round fractions to floats; its raw text is exact.
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            Value::from_json(raw.get().as_bytes()).map_err(de::Error::custom)
        } else {
            deserializer.deserialize_any(Parts)
        }
    }
}

/// Reads a value from a binary format, part by part. Bytes are the text of an exact number.
struct Parts;

/// One value inside another, read by [`Parts`].
struct Part(Value);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts).map(Part)
    }
}

impl<'de> Visitor<'de> for Parts {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E: de::Error>(self, int: i64) -> Result<Value, E> {
        Ok(Value::Number(int.into()))
    }

    fn visit_u64<E: de::Error>(self, int: u64) -> Result<Value, E> {
        Ok(Value::Number(int.into()))
    }

    fn visit_f64<E: de::Error>(self, float: f64) -> Result<Value, E> {
        Number::from_f64(float).map(Value::Number).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(Number::parse)
            .map(Value::Number)
            .ok_or_else(|| E::custom("expected the text of a number"))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        // The length is the writer's word: reserve no more than it could cheaply lie about.
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(Part(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::default();
        while let Some((key, Part(value))) = map.next_entry::<Arc<str>, Part>()? {
            fields.insert(key, value);
        }
        Ok(Value::Map(Arc::new(fields)))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => Ok(number),
            other => Err(de::Error::custom(format!("expects a number, not a value of type {}", other.type_name()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Outer {
        name: String,
        #[serde(default)]
        count: Option<u32>,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        data: Value,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        kind: Kind,
        ratio: f64,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        Sized { width: u8 },
    }

    fn read(json: &str) -> Result<Outer, ValueError> {
        from_value(&Value::from_json(json.as_bytes()).expect("JSON"))
    }

    #[test]
    fn a_typed_thing_is_read() {
        let outer = read(
            r#"{"name":"x","count":3,"inner":[{"kind":"plain","ratio":0.5},{"kind":{"sized":{"width":7}},"ratio":1}],"data":[1.10]}"#,
        )
        .expect("fits");
        assert_eq!(outer.count, Some(3));
        assert_eq!(outer.inner[1].kind, Kind::Sized { width: 7 });
        assert_eq!(outer.data.to_json(), "[1.10]");
    }

    #[test]
    fn an_error_names_the_path() {
        let path = |json: &str| read(json).expect_err("refused").path;
        assert_eq!(path(r#"{"name":"x","inner":[{"kind":"plain","ratio":"y"}]}"#), "inner[0].ratio");
        assert_eq!(
            path(r#"{"name":"x","inner":[{"kind":{"sized":{"width":300}},"ratio":1}]}"#),
            "inner[0].kind.sized.width"
        );
        assert_eq!(path(r#"{"name":"x","count":-1}"#), "count");
        assert_eq!(path(r#"{"name":"x","nmae":1}"#), "nmae");
        assert_eq!(path("{}"), "");
        let error = read(r#"{"name":"x","inner":[{"kind":4,"ratio":1}]}"#).expect_err("refused");
        assert_eq!(error.to_string(), "inner[0].kind: expects one of plain, sized, not a value of type number");
    }

    #[test]
    fn a_list_is_no_object() {
        let error = |json: &str| read(json).expect_err("refused").to_string();
        assert_eq!(error(r#"["x",3,[],null]"#), "expects an object, not a list");
        assert_eq!(error(r#"{"name":"x","inner":[["plain",1]]}"#), "inner[0]: expects an object, not a list");
        assert_eq!(
            error(r#"{"name":"x","inner":[{"kind":{"sized":[7]},"ratio":1}]}"#),
            "inner[0].kind.sized: expects an object, not a list"
        );
    }

    #[test]
    fn a_number_that_no_float_can_hold_is_refused() {
        let ratio = |ratio: &str| read(&format!(r#"{{"name":"x","inner":[{{"kind":"plain","ratio":{ratio}}}]}}"#));
        assert_eq!(ratio("1e308").expect("fits").inner[0].ratio, 1e308);
        for large in ["1e999".to_owned(), "-1e309".to_owned(), "9".repeat(400)] {
            let error = ratio(&large).expect_err("refused");
            assert_eq!(error.to_string(), "inner[0].ratio: the number is too large");
        }
        let outer = read(r#"{"name":"x","data":1e999}"#).expect("a value of its own keeps its digits");
        assert_eq!(outer.data.to_json(), "1e999");
    }

    #[test]
    fn a_value_field_shares_its_source() {
        let json = Value::from_json(br#"{"name":"x","data":{"big":[1,2,3]}}"#).expect("JSON");
        let outer: Outer = from_value(&json).expect("fits");
        assert_eq!(outer.data.address(), json.get("data").and_then(Value::address));
    }

    #[test]
    fn a_value_inside_serde_json_stays_exact() {
        let outer: Outer =
            serde_json::from_str(r#"{"name":"x","data":{"n":1.10,"b":123456789012345678901}}"#).expect("fits");
        assert_eq!(outer.data.to_json(), r#"{"n":1.10,"b":123456789012345678901}"#);
    }
}
