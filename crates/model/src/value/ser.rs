//! From a Rust type to a [`Value`], and from a [`Value`] to any serde format.

use std::cell::Cell;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{self, Serializer};
use serde_json::value::RawValue;

use super::de::{HAND_OVER, WHOLE};
use super::mismatch::Mismatch;
use super::{Map, Number, Value, ValueError};

thread_local! {
    /// Set while [`Sink`] asks a value to hand itself over instead of writing its parts.
    static WANTED: Cell<bool> = const { Cell::new(false) };
}

/// Makes a value of a typed thing. `Value`s inside it are shared, not copied.
///
/// # Errors
/// Where the thing has no JSON form: a map whose keys are not text, a NaN, bytes.
pub fn to_value<T: Serialize + ?Sized>(thing: &T) -> Result<Value, ValueError> {
    thing.serialize(Sink).map_err(|error| ValueError { path: String::new(), message: error.0 })
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(WHOLE, &Parts(self))
    }
}

/// Writes a value part by part.
struct Parts<'a>(&'a Value);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if WANTED.take() {
            HAND_OVER.set(Some(self.0.clone()));
            return serializer.serialize_unit();
        }
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::Number(number) => number.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(Parts)),
            Value::Map(fields) => serializer.collect_map(fields.iter().map(|(key, value)| (&**key, Parts(value)))),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.as_i64(), self.text()) {
            (Some(int), _) => serializer.serialize_i64(int),
            (None, Some(text)) if serializer.is_human_readable() => {
                RawValue::from_string(text.to_owned()).map_err(ser::Error::custom)?.serialize(serializer)
            }
            // Binary formats have no exact number; JSON has no bytes. So bytes are numbers.
            (None, Some(text)) => serializer.serialize_bytes(text.as_bytes()),
            (None, None) => serializer.serialize_f64(self.to_f64()),
        }
    }
}

/// Where serde puts the parts of a value that is being made.
struct Sink;

impl Serializer for Sink {
    type Ok = Value;
    type Error = Mismatch;
    type SerializeSeq = ListSink;
    type SerializeTuple = ListSink;
    type SerializeTupleStruct = ListSink;
    type SerializeTupleVariant = VariantSink<ListSink>;
    type SerializeMap = MapSink;
    type SerializeStruct = MapSink;
    type SerializeStructVariant = VariantSink<MapSink>;

    fn serialize_bool(self, truth: bool) -> Result<Value, Mismatch> {
        Ok(truth.into())
    }

    fn serialize_i8(self, int: i8) -> Result<Value, Mismatch> {
        self.serialize_i64(int.into())
    }

    fn serialize_i16(self, int: i16) -> Result<Value, Mismatch> {
        self.serialize_i64(int.into())
    }

    fn serialize_i32(self, int: i32) -> Result<Value, Mismatch> {
        self.serialize_i64(int.into())
    }

    fn serialize_i64(self, int: i64) -> Result<Value, Mismatch> {
        Ok(int.into())
    }

    fn serialize_u8(self, int: u8) -> Result<Value, Mismatch> {
        self.serialize_u64(int.into())
    }

    fn serialize_u16(self, int: u16) -> Result<Value, Mismatch> {
        self.serialize_u64(int.into())
    }

    fn serialize_u32(self, int: u32) -> Result<Value, Mismatch> {
        self.serialize_u64(int.into())
    }

    fn serialize_u64(self, int: u64) -> Result<Value, Mismatch> {
        Ok(int.into())
    }

    fn serialize_f32(self, float: f32) -> Result<Value, Mismatch> {
        self.serialize_f64(float.into())
    }

    fn serialize_f64(self, float: f64) -> Result<Value, Mismatch> {
        Number::from_f64(float).map(Value::Number).ok_or_else(|| ser::Error::custom("a number must be finite"))
    }

    fn serialize_char(self, char: char) -> Result<Value, Mismatch> {
        Ok(char.to_string().into())
    }

    fn serialize_str(self, text: &str) -> Result<Value, Mismatch> {
        Ok(text.into())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<Value, Mismatch> {
        Err(ser::Error::custom("bytes have no JSON form; encode them as text"))
    }

    fn serialize_none(self) -> Result<Value, Mismatch> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Mismatch> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Mismatch> {
        Ok(HAND_OVER.take().unwrap_or_default())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Mismatch> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Mismatch> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Value, Mismatch> {
        if name == WHOLE {
            WANTED.set(true);
        }
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Mismatch> {
        Ok(Value::map([(variant, value.serialize(Sink)?)]))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListSink, Mismatch> {
        Ok(ListSink(Vec::with_capacity(len.unwrap_or(0))))
    }

    fn serialize_tuple(self, len: usize) -> Result<ListSink, Mismatch> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListSink, Mismatch> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<VariantSink<ListSink>, Mismatch> {
        Ok(VariantSink { variant, inner: self.serialize_seq(Some(len))? })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapSink, Mismatch> {
        Ok(MapSink { fields: Map::default(), key: None })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<MapSink, Mismatch> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<VariantSink<MapSink>, Mismatch> {
        Ok(VariantSink { variant, inner: self.serialize_map(None)? })
    }
}

struct ListSink(Vec<Value>);

impl ListSink {
    fn push<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Mismatch> {
        self.0.push(item.serialize(Sink)?);
        Ok(())
    }

    fn finish(self) -> Value {
        Value::List(Arc::new(self.0))
    }
}

impl ser::SerializeSeq for ListSink {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Mismatch> {
        self.push(item)
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for ListSink {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Mismatch> {
        self.push(item)
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for ListSink {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Mismatch> {
        self.push(item)
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(self.finish())
    }
}

struct MapSink {
    fields: Map,
    key: Option<Arc<str>>,
}

impl ser::SerializeMap for MapSink {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Mismatch> {
        self.key = Some(match key.serialize(Sink)? {
            Value::Text(text) => text,
            Value::Number(number) => number.to_string().into(),
            other => return Err(ser::Error::custom(format!("a key must be a string, not a {}", other.type_name()))),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        let key = self.key.take().ok_or_else(|| ser::Error::custom("a value without a key"))?;
        self.fields.insert(key, value.serialize(Sink)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(Value::Map(Arc::new(self.fields)))
    }
}

impl ser::SerializeStruct for MapSink {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Mismatch> {
        self.fields.insert(key.into(), value.serialize(Sink)?);
        Ok(())
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(Value::Map(Arc::new(self.fields)))
    }
}

struct VariantSink<S> {
    variant: &'static str,
    inner: S,
}

impl ser::SerializeTupleVariant for VariantSink<ListSink> {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Mismatch> {
        self.inner.push(item)
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(Value::map([(self.variant, self.inner.finish())]))
    }
}

impl ser::SerializeStructVariant for VariantSink<MapSink> {
    type Ok = Value;
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Mismatch> {
        ser::SerializeStruct::serialize_field(&mut self.inner, key, value)
    }

    fn end(self) -> Result<Value, Mismatch> {
        Ok(Value::map([(self.variant, ser::SerializeStruct::end(self.inner)?)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Outer {
        first_name: &'static str,
        skipped: Option<u8>,
        data: Value,
        kinds: Vec<Kind>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    enum Kind {
        Plain,
        Pair(u8, u8),
        Sized { width: u64 },
        Wrapped(Value),
    }

    #[test]
    fn a_typed_thing_becomes_a_value() {
        let data = Value::from_json(b"[1.10]").expect("JSON");
        let outer = Outer {
            first_name: "Ada",
            skipped: None,
            data: data.clone(),
            kinds: vec![Kind::Plain, Kind::Pair(1, 2), Kind::Sized { width: u64::MAX }, Kind::Wrapped(data.clone())],
        };
        let value = to_value(&outer).expect("JSON");
        assert_eq!(
            value.to_json(),
            r#"{"firstName":"Ada","skipped":null,"data":[1.10],"kinds":["plain",{"pair":[1,2]},{"sized":{"width":18446744073709551615}},{"wrapped":[1.10]}]}"#
        );
        assert_eq!(value.get("data").and_then(Value::address), data.address());
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(to_value(&f64::NAN).is_err());
        assert!(to_value(&std::collections::BTreeMap::from([((1, 2), 3)])).is_err());
    }

    #[test]
    fn json_and_message_pack_keep_every_digit() {
        let value = Value::from_json(br#"{"a":[1.10,-0,123456789012345678901,null,true,"x"],"b":{}}"#).expect("JSON");
        let json = serde_json::to_string(&value).expect("JSON");
        assert_eq!(json, value.to_json());
        let packed = rmp_serde::to_vec_named(&value).expect("packs");
        let back: Value = rmp_serde::from_slice(&packed).expect("unpacks");
        assert_eq!(back.to_json(), value.to_json());
    }
}
