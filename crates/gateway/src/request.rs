//! What a request is read from: its id, the address it came from, its body up to a limit.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use model::trace::TraceParent;

use crate::error::ApiError;

/// Characters of a request id that somebody else gave.
const ID_CHARS: usize = 128;

/// Bytes of a body that is too large which are read and dropped.
const DROPPED_BYTES: usize = 4 << 20;

/// How long they may take.
const DROPPED_IN: Duration = Duration::from_secs(2);

/// The address that a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The id that came with the request, where it is one.
pub(crate) fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("x-request-id")?.to_str().ok()?;
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    (!id.is_empty() && id.len() <= ID_CHARS && id.chars().all(is_fine)).then(|| id.to_owned())
}

/// The place in a trace that came with the request, where it is one.
pub(crate) fn given_trace(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get("traceparent")?.to_str().ok()?.parse().ok()
}

/// Reads a body, frame by frame.
///
/// # Errors
/// Where it is larger than `limit`, breaks off, or does not move for `patience`.
pub(crate) async fn read_body(mut body: Body, limit: usize, patience: Duration) -> Result<Bytes, ApiError> {
    use http_body::Body as _;
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(body, limit, 0).await);
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| {
            let message = format!("nothing of the body came for {} s", patience.as_secs());
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message)
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| ApiError::invalid(format!("the body breaks off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if so_far + data.len() > limit {
            return Err(too_large(body, limit, so_far + data.len()).await);
        }
        match first.take() {
            // Most bodies come in one piece; that piece is not copied.
            None if rest.is_empty() => first = Some(data),
            earlier => {
                rest.extend_from_slice(&earlier.unwrap_or_default());
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| rest.freeze()))
}

/// A body is too large. A little more of it is read and dropped: a client that is still sending
/// would otherwise see a broken connection in place of the answer.
async fn too_large(mut body: Body, limit: usize, mut read: usize) -> ApiError {
    let rest = async {
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DROPPED_BYTES {
                break;
            }
        }
    };
    // Whether all of it came is of no matter.
    let _ = tokio::time::timeout(DROPPED_IN, rest).await;
    let message = if limit < 1 << 20 {
        format!("the body is larger than {limit} bytes")
    } else {
        let limit = limit >> 20;
        format!("the body is larger than {limit} MiB; the limit is server.max_request_size_mb (MAX_REQUEST_SIZE_MB)")
    };
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(http::header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

/// The token after `Bearer`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
