//! What a request is read from: its id, the address it came from, its body up to a limit.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use model::trace::TraceParent;

use crate::app::Settings;
use crate::error::ApiError;
use crate::room::{Room, Taken};

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

/// How large a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Largest {
    bytes: usize,
    /// Whether whoever runs flow8 may make it more.
    is_setting: bool,
}

impl Largest {
    /// As large as what it is for takes, and the installation.
    pub(crate) fn within(settings: &Settings, own: usize) -> Self {
        Self { bytes: own.min(settings.max_body), is_setting: settings.max_body < own }
    }

    fn refusal(self) -> ApiError {
        let size = match self.bytes {
            bytes if bytes < 1 << 20 => format!("{bytes} bytes"),
            bytes => format!("{} MiB", bytes >> 20),
        };
        let message = if self.is_setting {
            format!("the body is larger than {size}; the limit is server.max_request_size_mb (MAX_REQUEST_SIZE_MB)")
        } else {
            format!("the body is larger than the {size} that are taken here")
        };
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
    }
}

/// Reads a body, frame by frame.
///
/// # Errors
/// Where it is too large, breaks off, or does not move for `patience`.
pub(crate) async fn read_body(body: Body, largest: Largest, patience: Duration) -> Result<Bytes, ApiError> {
    let (bytes, _) = read(body, largest, patience, None).await?;
    Ok(bytes)
}

/// The same of bodies for which there is so much room; and where its time is over, that ends it, too.
pub(crate) async fn read_in_room(
    body: Body,
    largest: Largest,
    patience: Duration,
    room: &Room,
) -> Result<(Bytes, Option<Taken>), ApiError> {
    let reading = read(body, largest, patience, Some(room.begin()));
    tokio::time::timeout(room.time(), reading).await.unwrap_or_else(|_| {
        let message = format!("the body took longer than {} s", room.time().as_secs());
        Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message))
    })
}

/// What has come of a body.
#[derive(Default)]
struct SoFar {
    /// Most bodies come in one piece; that piece is not copied.
    first: Option<Bytes>,
    rest: BytesMut,
    /// The room for it, where that is counted.
    room: Option<Taken>,
}

impl SoFar {
    fn len(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len) + self.rest.len()
    }

    /// Keeps what has come, where there is room.
    fn push(&mut self, data: Bytes) -> Result<(), ApiError> {
        let size = self.len() + data.len();
        self.room.as_mut().map_or(Ok(()), |room| room.grow(size))?;
        match self.first.take() {
            None if self.rest.is_empty() => self.first = Some(data),
            earlier => {
                self.rest.extend_from_slice(&earlier.unwrap_or_default());
                self.rest.extend_from_slice(&data);
            }
        }
        Ok(())
    }

    fn whole(self) -> (Bytes, Option<Taken>) {
        (self.first.unwrap_or_else(|| self.rest.freeze()), self.room)
    }
}

/// Reads a body, within the room that is given to it.
async fn read(
    mut body: Body,
    largest: Largest,
    patience: Duration,
    room: Option<Taken>,
) -> Result<(Bytes, Option<Taken>), ApiError> {
    use http_body::Body as _;
    let limit = largest.bytes;
    if body.size_hint().lower() > limit as u64 {
        drop_rest(body, 0).await;
        return Err(largest.refusal());
    }
    let mut so_far = SoFar { room, ..SoFar::default() };
    loop {
        let frame = tokio::time::timeout(patience, body.frame()).await.map_err(|_| {
            let message = format!("nothing of the body came for {} s", patience.as_secs());
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", message)
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| ApiError::invalid(format!("the body breaks off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let size = so_far.len() + data.len();
        let kept = if size > limit { Err(largest.refusal()) } else { so_far.push(data) };
        if let Err(error) = kept {
            // What has come is of no use any more, and takes room.
            drop(so_far);
            drop_rest(body, size).await;
            return Err(error);
        }
    }
    Ok(so_far.whole())
}

/// Reads a little more of a body that is not taken, and drops it: a client that is still sending would otherwise see a
/// broken connection in place of the answer.
async fn drop_rest(mut body: Body, mut read: usize) {
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

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use model::limits::BODY_PIECE;
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);
    const TIME: Duration = Duration::from_secs(120);

    fn largest(bytes: usize) -> Largest {
        Largest { bytes, is_setting: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_in_drops_is_let_go_when_its_time_is_over() {
        let drops = futures::stream::repeat(()).then(async |()| {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok::<_, std::io::Error>("x")
        });
        let began = Instant::now();
        let room = Room::new(1 << 20, TIME);
        let outcome = read_in_room(Body::from_stream(drops), largest(1 << 20), PATIENCE, &room).await;
        assert_eq!(outcome.err().map(|error| error.status), Some(StatusCode::REQUEST_TIMEOUT));
        assert_eq!(began.elapsed(), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_the_room_that_it_fills_and_what_is_small_takes_none() {
        let room = Room::new(2 * BODY_PIECE, TIME);
        let read = async |bytes: usize| {
            let body = Body::from(vec![b'x'; bytes]);
            read_in_room(body, largest(10 * BODY_PIECE), PATIENCE, &room).await
        };
        let all = read(3 * BODY_PIECE).await.expect("there is room");
        let crowded = read(BODY_PIECE + 1).await.err().expect("there is none");
        assert_eq!((crowded.status, crowded.is_by_clients), (StatusCode::SERVICE_UNAVAILABLE, true));
        read(BODY_PIECE).await.expect("it needs none");
        drop(all);
        read(3 * BODY_PIECE + 1).await.err().expect("there is not so much");
        let halves = [read(2 * BODY_PIECE).await, read(2 * BODY_PIECE).await];
        assert!(halves.iter().all(Result::is_ok), "and nothing is kept of what was sent away");
    }

    #[test]
    fn the_setting_is_named_where_it_is_the_one_that_bounds() {
        let settings = |max_body| Settings { max_body, ..Settings::default() };
        for (max_body, own, told) in [
            (100 << 20, 4 << 20, "the body is larger than the 4 MiB that are taken here"),
            (100 << 20, 1000, "the body is larger than the 1000 bytes that are taken here"),
            (2 << 20, 4 << 20, "the body is larger than 2 MiB; the limit is server.max_request_size_mb"),
        ] {
            let message = Largest::within(&settings(max_body), own).refusal().message;
            assert!(message.starts_with(told), "{message}");
        }
    }
}
