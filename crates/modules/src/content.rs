//! [`Content`]: what the bytes of a file are to a flow.

use base64::Engine;
use model::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::encoding::{BASE64, from_base64};

/// What the bytes of a file are to a flow.
#[derive(Deserialize, Serialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Content {
    /// Text.
    #[default]
    Text,
    /// Any bytes, as base64.
    Base64,
    /// A value, as JSON.
    Json,
}

impl Content {
    /// What the bytes say.
    ///
    /// # Errors
    /// Where they are something else.
    pub(crate) fn read(self, bytes: &[u8]) -> Result<Value, String> {
        match self {
            Self::Text => std::str::from_utf8(bytes)
                .map(Value::from)
                .map_err(|_| "the file is not UTF-8 text; read it as base64".to_owned()),
            Self::Base64 => Ok(BASE64.encode(bytes).into()),
            Self::Json => Value::from_json(bytes).map_err(|error| format!("the file is not JSON: {error}")),
        }
    }

    /// The bytes to write.
    ///
    /// # Errors
    /// Where the value does not fit.
    pub(crate) fn write(self, value: &Value) -> Result<Vec<u8>, String> {
        match (self, value) {
            (Self::Json, value) => Ok(value.to_json().into_bytes()),
            (Self::Text, Value::Text(text)) => Ok(text.as_bytes().to_vec()),
            (Self::Base64, Value::Text(text)) => from_base64(text).ok_or_else(|| "content: must be base64".to_owned()),
            (_, other) => {
                let kind = other.type_name();
                Err(format!("content: must be a string, not a value of type {kind}; the encoding json takes any value"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_back() {
        for (content, value) in [
            (Content::Text, Value::from("ä\n")),
            (Content::Base64, Value::from("AP8=")),
            (Content::Json, crate::stage::json(r#"{"a":[1.10]}"#)),
        ] {
            let bytes = content.write(&value).expect("writes");
            assert_eq!(content.read(&bytes).expect("reads").to_json(), value.to_json());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Content::Text.read(&[0xff]).is_err());
        assert!(Content::Json.read(b"{").is_err());
        assert!(Content::Text.write(&Value::from(1)).is_err());
        assert!(Content::Base64.write(&Value::from("a b")).is_err());
    }
}
