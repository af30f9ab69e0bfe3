//! [`look`]: whether a message is a request at all, and whether what it brings has the shape that its method takes.
//! rmcp takes a request whose parameters it cannot read for one whose method it does not know. What the values mean, is
//! not looked at here.

use http::StatusCode;
use model::value::Value;
use rmcp::model::{ErrorCode, ErrorData, RequestId};

/// What a field holds.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Object,
}

/// Fields of parameters: of which method, what they are called, what they hold, whether they may be left out.
const FIELDS: [(&str, &str, Holds, bool); 9] = [
    ("initialize", "protocolVersion", Holds::Text, false),
    ("initialize", "capabilities", Holds::Object, false),
    ("initialize", "clientInfo", Holds::Object, false),
    ("tools/call", "name", Holds::Text, false),
    ("tools/call", "arguments", Holds::Object, true),
    ("tools/list", "cursor", Holds::Text, true),
    ("resources/list", "cursor", Holds::Text, true),
    ("resources/templates/list", "cursor", Holds::Text, true),
    ("resources/read", "uri", Holds::Text, false),
];

impl Holds {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.as_str().is_some(),
            Self::Object => value.as_map().is_some(),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Object => "an object",
        }
    }
}

/// By what a message wants to be answered, as far as that can be known.
pub(crate) fn id(message: &Value) -> Option<RequestId> {
    let id = message.get("id")?;
    let text = id.as_str().map(|text| RequestId::String(text.into()));
    text.or_else(|| id.as_i64().map(RequestId::Number))
}

/// Looks at a message; gives what is wrong with it, and the status of that answer.
///
/// # Errors
/// With the field.
pub(crate) fn look(message: &Value) -> Result<(), (StatusCode, ErrorData)> {
    let method = request(message).map_err(|problem| (StatusCode::BAD_REQUEST, no_request(problem)))?;
    params(method, given(message, "params")).map_err(|problem| {
        // As an unknown tool is answered; of what asks for no answer, HTTP alone can tell.
        let status = if message.get("id").is_some() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        (status, ErrorData::invalid_params(problem, None))
    })
}

/// The method of a request, or of what is only told.
fn request(message: &Value) -> Result<&str, &'static str> {
    if message.as_map().is_none() {
        return Err("a message is one JSON object");
    }
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err("jsonrpc: is \"2.0\"");
    }
    if message.get("id").is_some() && id(message).is_none() {
        return Err("id: is a text or a whole number");
    }
    message.get("method").and_then(Value::as_str).ok_or("method: is a text")
}

fn params(method: &str, params: Option<&Value>) -> Result<(), String> {
    if params.is_some_and(|params| params.as_map().is_none()) {
        return Err("params: is an object".to_owned());
    }
    let of_all = ("_meta", Holds::Object, true);
    let own =
        FIELDS.iter().filter(|(of, ..)| *of == method).map(|(_, field, holds, may_lack)| (*field, *holds, *may_lack));
    for (field, holds, may_lack) in own.chain([of_all]) {
        match params.and_then(|params| given(params, field)) {
            Some(value) if holds.fits(value) => {}
            None if may_lack => {}
            _ => return Err(format!("params.{field}: is {}", holds.words())),
        }
    }
    Ok(())
}

/// A field that is given: null counts as left out.
fn given<'v>(of: &'v Value, field: &str) -> Option<&'v Value> {
    of.get(field).filter(|value| !value.is_null())
}

fn no_request(problem: &'static str) -> ErrorData {
    ErrorData::new(ErrorCode::INVALID_REQUEST, problem, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(message: &str) -> Option<(u16, i32, String)> {
        let message = Value::from_json(message.as_bytes()).expect("JSON");
        look(&message).err().map(|(status, error)| (status.as_u16(), error.code.0, error.message.into_owned()))
    }

    #[test]
    fn what_is_no_request_is_told_with_the_field() {
        for (message, problem) in [
            ("[]", "a message is one JSON object"),
            (r#"{"id":1}"#, "jsonrpc: is \"2.0\""),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "jsonrpc: is \"2.0\""),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, "id: is a text or a whole number"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "id: is a text or a whole number"),
            (r#"{"jsonrpc":"2.0","id":1,"method":3}"#, "method: is a text"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "method: is a text"),
        ] {
            assert_eq!(found(message), Some((400, -32_600, problem.to_owned())), "{message}");
        }
    }

    #[test]
    fn parameters_of_another_shape_are_told_with_the_field() {
        let asks = |method: &str, params: &str| {
            found(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#))
        };
        for (method, params, problem) in [
            ("ping", "[]", "params: is an object"),
            ("tools/call", "null", "params.name: is a text"),
            ("tools/call", r#"{"name":5}"#, "params.name: is a text"),
            ("tools/call", r#"{"name":"order","arguments":[1]}"#, "params.arguments: is an object"),
            ("tools/call", r#"{"name":"order","_meta":"x"}"#, "params._meta: is an object"),
            ("tools/list", r#"{"cursor":5}"#, "params.cursor: is a text"),
            ("resources/read", "{}", "params.uri: is a text"),
            ("initialize", r#"{"protocolVersion":1}"#, "params.protocolVersion: is a text"),
        ] {
            assert_eq!(asks(method, params), Some((200, -32_602, problem.to_owned())), "{method} {params}");
        }
        for (method, params) in [
            ("tools/call", r#"{"name":"order"}"#),
            ("tools/call", r#"{"name":"order","arguments":null}"#),
            ("tools/list", "null"),
            ("no/such", r#"{"name":5}"#),
        ] {
            assert_eq!(asks(method, params), None, "{method} {params}");
        }
        let told = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}"#;
        assert_eq!(found(told), Some((400, -32_602, "params: is an object".to_owned())));
    }
}
