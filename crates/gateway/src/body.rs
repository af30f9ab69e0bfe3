//! [`FromBody`]: what a route may take as the body of a request.

use bytes::Bytes;
use model::value::{Value, from_value};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Something that can be read from the body of a request.
pub(crate) trait FromBody: Sized + Send + 'static {
    /// What it is called in `Content-Type`; none where there is no body.
    const MEDIA: Option<&'static str>;

    /// Its schema.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;

    /// Reads it.
    fn read(bytes: Bytes) -> Result<Self, ApiError>;
}

/// No body. One that comes all the same is not read.
impl FromBody for () {
    const MEDIA: Option<&'static str> = None;

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn read(_: Bytes) -> Result<Self, ApiError> {
        Ok(())
    }
}

/// JSON. Numbers keep their digits; an empty body counts as `{}`.
#[derive(Debug, Clone)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> FromBody for Json<T> {
    const MEDIA: Option<&'static str> = Some("application/json");

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn read(bytes: Bytes) -> Result<Self, ApiError> {
        let value = json(&bytes)?;
        from_value(&value).map(Self).map_err(|error| ApiError::invalid(error.to_string()))
    }
}

/// The bytes as they come.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl FromBody for Raw {
    const MEDIA: Option<&'static str> = Some("application/octet-stream");

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({}))
    }

    fn read(bytes: Bytes) -> Result<Self, ApiError> {
        Ok(Self(bytes))
    }
}

/// The definition of a flow, in YAML or in JSON.
#[derive(Debug)]
pub(crate) struct Document(pub(crate) Value);

impl FromBody for Document {
    const MEDIA: Option<&'static str> = Some("application/yaml");

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({"type": "string"}))
    }

    fn read(bytes: Bytes) -> Result<Self, ApiError> {
        let text = std::str::from_utf8(&bytes).map_err(|_| ApiError::invalid("the body is not UTF-8 text"))?;
        // JSON is YAML, but reading it as JSON keeps every digit.
        if text.trim_start().starts_with('{')
            && let Ok(value) = json(&bytes)
        {
            return Ok(Self(value));
        }
        yaml::read(text).map(|document| Self(document.value)).map_err(|error| ApiError::invalid(error.to_string()))
    }
}

fn json(bytes: &Bytes) -> Result<Value, ApiError> {
    if bytes.trim_ascii().is_empty() {
        return Ok(Value::empty_map());
    }
    Value::from_json(bytes).map_err(|error| ApiError::invalid(format!("the body is not JSON: {error}")))
}
