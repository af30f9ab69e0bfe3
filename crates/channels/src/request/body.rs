//! The body of a request, by what it says it is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use model::limits::{ARGS_BYTES, FORM_FIELDS};
use model::value::Value;

use super::{Part, fields_of, form, malformed};
use crate::answer::Problem;

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Body {
    /// As a flow gets it.
    Value(Value),
    /// A form, whose files must be put somewhere first.
    Form(Vec<Part>),
}

/// Reads a body.
///
/// # Errors
/// Where it is not what it says it is, or too much of it.
pub(crate) fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<Body, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let message = "the body is compressed; send it as it is";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let given = match headers.get(CONTENT_TYPE) {
        None => "",
        Some(given) => given.to_str().map_err(|_| malformed("Content-Type is not ASCII text"))?,
    };
    let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "multipart/form-data" {
        return form::read(given, bytes).map(Body::Form);
    }
    if bytes.len() > ARGS_BYTES {
        let message = format!("the body is larger than {} MiB; send files as a form", ARGS_BYTES >> 20);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message));
    }
    Ok(Body::Value(value(&media, bytes)?))
}

fn value(media: &str, bytes: &Bytes) -> Result<Value, Problem> {
    if media == "application/x-www-form-urlencoded" {
        if form_urlencoded::parse(bytes).nth(FORM_FIELDS).is_some() {
            return Err(malformed(format!("the form has more than {FORM_FIELDS} fields")));
        }
        return Ok(fields_of(bytes));
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    if media == "application/json" || media.ends_with("+json") {
        return Value::from_json(bytes).map_err(|error| malformed(format!("the body is not JSON: {error}")));
    }
    let is_text = media.is_empty() || media.starts_with("text/") || media.ends_with("/xml") || media.ends_with("+xml");
    let is_text = is_text || matches!(media, "application/yaml" | "application/x-ndjson" | "application/javascript");
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => Ok(text.into()),
        _ => Ok(BASE64_STANDARD.encode(bytes).into()),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn body(media: Option<&'static str>, bytes: &'static [u8]) -> Result<String, u16> {
        let mut headers = HeaderMap::new();
        headers.extend(media.map(|media| (CONTENT_TYPE, HeaderValue::from_static(media))));
        match read(&headers, &Bytes::from_static(bytes)) {
            Ok(Body::Value(value)) => Ok(value.to_json()),
            Ok(Body::Form(parts)) => Ok(format!("{} parts", parts.len())),
            Err(problem) => Err(problem.status.as_u16()),
        }
    }

    #[test]
    fn a_body_is_read_as_what_it_says_it_is() {
        for (media, bytes, read) in [
            (Some("application/json"), b"{\"a\": 1.50}".as_slice(), Ok("{\"a\":1.50}")),
            (Some("application/vnd.x+json; charset=utf-8"), b"[1]", Ok("[1]")),
            (Some("application/json"), b"", Ok("null")),
            (Some("application/json"), b"{", Err(400)),
            (Some("application/x-www-form-urlencoded"), b"a=1&b=x+y&a=%C3%A4", Ok(r#"{"a":["1","ä"],"b":"x y"}"#)),
            (Some("text/plain; charset=utf-8"), b"hi", Ok("\"hi\"")),
            (Some("text/plain"), b"\xff", Ok("\"/w==\"")),
            (Some("application/octet-stream"), b"hi", Ok("\"aGk=\"")),
            (Some("image/png"), b"\x89P", Ok("\"iVA=\"")),
            (None, b"hi", Ok("\"hi\"")),
            (None, b"", Ok("null")),
            (Some("multipart/form-data"), b"", Err(400)),
        ] {
            assert_eq!(body(media, bytes), read.map(str::to_owned), "{media:?}");
        }
    }

    #[test]
    fn a_form_has_a_limit_of_fields() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let form = |fields: usize| Bytes::from("a=&".repeat(fields));
        assert!(read(&headers, &form(FORM_FIELDS)).is_ok());
        assert_eq!(read(&headers, &form(FORM_FIELDS + 1)).expect_err("too many").status, 400);
    }
}
