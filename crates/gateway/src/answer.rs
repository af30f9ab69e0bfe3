//! [`Answer`]: what a route may give.

use audit::AuditError;
use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use tokio::sync::mpsc;

/// Something that can be sent as an answer.
pub(crate) trait Answer: Send + 'static {
    /// The status of an ordinary answer.
    const STATUS: StatusCode;
    /// What it is called in `Content-Type`; none where there is no body.
    const MEDIA: Option<&'static str>;

    /// Its schema.
    fn schema(generator: &mut SchemaGenerator) -> Option<Schema>;

    /// The answer itself.
    fn respond(self) -> Response<Body>;
}

/// 204.
impl Answer for () {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    const MEDIA: Option<&'static str> = None;

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn respond(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    }
}

/// 204, with headers of its own.
#[derive(Debug)]
pub(crate) struct Empty(pub(crate) HeaderName, pub(crate) String);

impl Answer for Empty {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    const MEDIA: Option<&'static str> = None;

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        None
    }

    fn respond(self) -> Response<Body> {
        let mut response = ().respond();
        if let Ok(value) = HeaderValue::from_str(&self.1) {
            response.headers_mut().insert(self.0, value);
        }
        response
    }
}

/// JSON, with a status and perhaps headers of its own.
#[derive(Debug)]
pub(crate) struct Reply<T> {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: T,
}

impl<T> Reply<T> {
    pub(crate) fn ok(body: T) -> Self {
        Self::with(StatusCode::OK, body)
    }

    pub(crate) fn with(status: StatusCode, body: T) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl<T: Serialize + JsonSchema + Send + 'static> Answer for Reply<T> {
    const STATUS: StatusCode = StatusCode::OK;
    const MEDIA: Option<&'static str> = Some("application/json");

    fn schema(generator: &mut SchemaGenerator) -> Option<Schema> {
        Some(generator.subschema_for::<T>())
    }

    fn respond(self) -> Response<Body> {
        let mut response = json(self.status, &self.body);
        response.headers_mut().extend(self.headers);
        response
    }
}

/// Bytes, named.
#[derive(Debug)]
pub(crate) struct Bytes {
    pub(crate) media: &'static str,
    pub(crate) bytes: bytes::Bytes,
    /// Offered to be saved under this name.
    pub(crate) file_name: Option<String>,
}

impl Answer for Bytes {
    const STATUS: StatusCode = StatusCode::OK;
    const MEDIA: Option<&'static str> = Some("application/octet-stream");

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({}))
    }

    fn respond(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.bytes));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        if let Some(Ok(disposition)) = self.file_name.as_deref().map(attachment) {
            headers.insert(http::header::CONTENT_DISPOSITION, disposition);
        }
        response
    }
}

/// Bytes that are still being made, named.
pub(crate) struct Streamed {
    pub(crate) media: &'static str,
    /// An error ends the connection: whoever reads notices that the rest is missing.
    pub(crate) pieces: mpsc::Receiver<Result<bytes::Bytes, AuditError>>,
    /// Offered to be saved under this name.
    pub(crate) file_name: &'static str,
}

impl Answer for Streamed {
    const STATUS: StatusCode = StatusCode::OK;
    const MEDIA: Option<&'static str> = Some("application/octet-stream");

    fn schema(_: &mut SchemaGenerator) -> Option<Schema> {
        Some(schemars::json_schema!({}))
    }

    fn respond(self) -> Response<Body> {
        let pieces = futures::stream::unfold(self.pieces, async |mut pieces| {
            let piece = pieces.recv().await?;
            if let Err(error) = &piece {
                tracing::error!(%error, "an answer is broken off");
            }
            Some((piece, pieces))
        });
        let mut response = Response::new(Body::from_stream(pieces));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        if let Ok(disposition) = attachment(self.file_name) {
            headers.insert(http::header::CONTENT_DISPOSITION, disposition);
        }
        response
    }
}

/// A name to save under: in ASCII for old programs, and as it is (RFC 6266) for others.
fn attachment(name: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ' | '(' | ')');
    let ascii: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
    if ascii == name {
        return HeaderValue::from_str(&format!("attachment; filename=\"{ascii}\""));
    }
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let escape = |byte: u8| if is_safe(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let whole: String = name.bytes().map(escape).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}"))
}

/// A thing as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(status: StatusCode, thing: &T) -> Response<Body> {
    // What the API writes has no map with odd keys: it always has JSON.
    let bytes = serde_json::to_vec(thing).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::attachment;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let value = |name| attachment(name).expect("a header").to_str().expect("ASCII").to_owned();
        assert_eq!(value("a b.txt"), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            value("\"ä\r\n; x=1"),
            "attachment; filename=\"_____ x_1\"; filename*=UTF-8''%22%C3%A4%0D%0A%3B%20x%3D1"
        );
    }
}
