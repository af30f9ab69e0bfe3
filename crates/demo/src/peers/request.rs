//! [`Asked`]: a request as the peers read it, and [`Answer`]: what they say to it.

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::Value;
use percent_encoding::percent_decode_str;

/// Bytes of a path, a query or a key.
const HEAD_BYTES: usize = 1 << 10;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Decoded, without a slash at its end.
    segments: Vec<String>,
    query: Vec<(String, String)>,
    pub(super) key: Option<String>,
    /// Null where there is none.
    pub(super) body: Value,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// The answer to one that cannot be read.
    pub(super) fn read(head: &Parts, body: &Bytes) -> Result<Self, Answer> {
        let refused = |why| Answer::refusal(StatusCode::BAD_REQUEST, why);
        let query = head.uri.query().unwrap_or_default();
        let key = head.headers.get("idempotency-key").map(|key| key.to_str().map(str::to_owned));
        let key = key.transpose().map_err(|_| refused("the idempotency key is not text"))?;
        if head.uri.path().len() + query.len() + key.as_deref().map_or(0, str::len) > HEAD_BYTES {
            return Err(Answer::refusal(StatusCode::URI_TOO_LONG, "the path, the query or the key is too long"));
        }
        let segments = head.uri.path().split('/').filter(|segment| !segment.is_empty());
        let body = if body.is_empty() { Ok(Value::Null) } else { Value::from_json(body) };
        Ok(Self {
            method: head.method.as_str().to_owned(),
            segments: segments.map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned()).collect(),
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            key,
            body: body.map_err(|_| refused("the body is not JSON"))?,
        })
    }

    /// The parts of the path.
    pub(super) fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The path in one.
    pub(super) fn whole_path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A text in the body; empty where it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The first of these fields that the body lacks.
    pub(super) fn lacks(&self, names: &[&str]) -> Option<Answer> {
        let missing = names.iter().find(|name| self.body.get(name).is_none_or(Value::is_null))?;
        Some(Answer::refusal(StatusCode::BAD_REQUEST, &format!("the body lacks {missing}")))
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null where there is none.
    pub(super) body: Value,
    /// Whether it is the answer to an earlier request with the same key.
    pub(super) is_replay: bool,
}

impl Answer {
    fn of(status: StatusCode, body: Value) -> Self {
        Self { status, body, is_replay: false }
    }

    pub(super) fn ok(body: impl Into<Value>) -> Self {
        Self::of(StatusCode::OK, body.into())
    }

    pub(super) fn created(body: impl Into<Value>) -> Self {
        Self::of(StatusCode::CREATED, body.into())
    }

    pub(super) fn empty() -> Self {
        Self::of(StatusCode::NO_CONTENT, Value::Null)
    }

    pub(super) fn refusal(status: StatusCode, message: &str) -> Self {
        Self::of(status, Value::map([("message", message)]))
    }

    pub(super) fn nowhere() -> Self {
        Self::refusal(StatusCode::NOT_FOUND, "there is nothing here")
    }

    /// What was found, or 404.
    pub(super) fn found(body: Option<impl Into<Value>>) -> Self {
        body.map_or_else(Self::nowhere, Self::ok)
    }
}
