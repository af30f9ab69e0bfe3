//! [`Answer`]: what a route may give.

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;

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
        // Whatever a file holds, a browser must not run it in our name.
        headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let disposition =
            self.file_name.map(|name| format!("attachment; filename=\"{}\"", name.replace(['"', '\\'], "_")));
        if let Some(Ok(disposition)) = disposition.map(|text| HeaderValue::from_str(&text)) {
            headers.insert(http::header::CONTENT_DISPOSITION, disposition);
        }
        response
    }
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
