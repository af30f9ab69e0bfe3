//! What is answered: what a flow gave, where the play stands, or what is wrong. Whatever a flow says of its
//! answer, it says nothing of the connection, and nothing that a browser would take as the installation's own word.

use bytes::Bytes;
use engine::Engine;
use engine::driver::{AdmitError, Report};
use http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use model::ids::PlayId;
use model::play::{PlayHeader, PlayKey, PlayState};
use model::value::Value;
use store::StoreError;

use crate::auth::Guard;
use crate::start::responds;

const PLAY_ID: HeaderName = HeaderName::from_static("x-play-id");

/// Headers of an answer that are not a flow's to say.
const NOT_A_FLOWS: [&str; 27] = [
    "alt-svc",
    "clear-site-data",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-security-policy-report-only",
    "date",
    "keep-alive",
    "nel",
    "origin-agent-cluster",
    "proxy-authenticate",
    "proxy-connection",
    "report-to",
    "reporting-endpoints",
    "server",
    "service-worker-allowed",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// Beginnings of such headers.
const NOT_A_FLOWS_FAMILIES: [&str; 3] = ["access-control-", "cross-origin-", "proxy-"];

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// What stands above it.
    pub headers: HeaderMap,
    /// What it says.
    pub body: Bytes,
    /// In place of a body: what happens in a play, as it happens.
    pub stream: Option<Streamed>,
}

/// A play that is told of as it goes on.
#[derive(Debug, Clone, Copy)]
pub struct Streamed {
    /// Which one.
    pub play: PlayKey,
    /// From where in the order of all commits.
    pub after: u64,
    /// Whether it was started by an earlier request, and may be long over.
    pub is_old: bool,
    /// How long.
    pub timeout: std::time::Duration,
}

/// Something is wrong with a request, or with flow8.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
    /// How HTTP calls the proof that is missing.
    pub(crate) challenge: Option<&'static str>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, challenge: None }
    }

    pub(crate) fn after(self, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self { retry_after: Some(seconds.max(1)), ..self }
    }

    pub(crate) fn nothing_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "nothing answers here")
    }

    pub(crate) fn stranger(guard: &Guard) -> Self {
        let problem = Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "this needs a proof that you may");
        Self { challenge: guard.challenge(), ..problem }
    }

    pub(crate) fn draining() -> Self {
        let message = "flow8 is shutting down; ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).after(std::time::Duration::from_secs(2))
    }

    pub(crate) fn reply(&self, id: &str) -> Reply {
        let body = Value::map([
            ("error", Value::from(self.code)),
            ("message", self.message.as_str().into()),
            ("statusCode", self.status.as_u16().into()),
            ("requestId", id.into()),
        ]);
        let mut reply = Reply::json(self.status, &body);
        if let Some(seconds) = self.retry_after {
            reply.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            reply.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            // Whoever stands in front of it opens the next connection to another replica.
            reply.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        reply
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a channel cannot be served");
        let message = "the store does not answer; ask again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message).after(std::time::Duration::from_secs(1))
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        let message = error.to_string();
        let soon = std::time::Duration::from_secs(1);
        match error {
            AdmitError::BadArguments(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message),
            AdmitError::KeyReused => Self::new(StatusCode::CONFLICT, "IDEMPOTENCY_KEY_REUSED", message),
            AdmitError::LimitReached | AdmitError::QueueFull => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).after(soon)
            }
            AdmitError::Draining => Self::draining(),
            AdmitError::Store(error) => error.into(),
            AdmitError::Overtaken(_) => {
                Self::new(StatusCode::CONFLICT, "CONFLICT", "somebody else was first; try again")
            }
            AdmitError::Flow(_) | AdmitError::Disabled(_) => {
                // A webhook is sent again on this, and finds the flow once somebody has mended it.
                tracing::warn!(error = message, "a channel leads to a flow that cannot run");
                let message = "the flow behind this cannot run now";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "FLOW_UNAVAILABLE", message)
            }
            AdmitError::Internal(_) => {
                tracing::error!(error = message, "a play could not be admitted");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "something went wrong inside")
            }
        }
    }
}

impl Reply {
    pub(crate) fn json(status: StatusCode, body: &Value) -> Self {
        let mut reply = Self { status, headers: HeaderMap::new(), body: body.to_json().into(), stream: None };
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply
    }

    /// Plays were started; nobody waits for them.
    pub(crate) fn queued(plays: &[PlayId]) -> Self {
        let ids: Vec<String> = plays.iter().map(ToString::to_string).collect();
        let mut body = vec![("playId", Value::from(ids.first().cloned())), ("status", "queued".into())];
        if ids.len() > 1 {
            body.push(("playIds", Value::list(ids)));
        }
        Self::json(StatusCode::ACCEPTED, &Value::map(body)).of_play(plays.first())
    }

    /// What became of a play that was waited for.
    pub(crate) async fn of(engine: &Engine, report: &Report) -> Result<Self, Problem> {
        let needs_somebody = engine.needs_somebody(&report.header).await?;
        let responds = responds(engine, report).await;
        Ok(Self::outcome(&report.header, report.out.clone(), responds, needs_somebody))
    }

    /// What is told of a play. What it has answered counts, whatever becomes of it.
    fn outcome(header: &PlayHeader, out: Option<Value>, responds: bool, needs_somebody: bool) -> Self {
        let id = header.key.play;
        if let Some(reply) = out.as_ref().filter(|_| responds).and_then(responded) {
            return reply.of_play(Some(&id));
        }
        let mut body = vec![("playId", Value::from(id.to_string())), ("state", header.state.as_str().into())];
        let status = match header.state {
            PlayState::Done | PlayState::Skip | PlayState::Filtered => {
                return Self::json(StatusCode::OK, &out.unwrap_or_default()).of_play(Some(&id));
            }
            PlayState::Fail | PlayState::Canceled => {
                let error = header.error.as_ref().map(|failure| {
                    Value::map([("code", Value::from(&*failure.code)), ("message", failure.message.as_str().into())])
                });
                body.push(("error", error.into()));
                StatusCode::BAD_GATEWAY
            }
            _ if needs_somebody => StatusCode::ACCEPTED,
            PlayState::New | PlayState::Run | PlayState::Deferred | PlayState::Wait | PlayState::OnHold => {
                StatusCode::GATEWAY_TIMEOUT
            }
        };
        Self::json(status, &Value::map(body)).of_play(Some(&id))
    }

    pub(crate) fn of_play(mut self, play: Option<&PlayId>) -> Self {
        if let Some(Ok(id)) = play.map(|id| HeaderValue::from_str(&id.to_string())) {
            self.headers.insert(PLAY_ID, id);
        }
        self
    }
}

/// The answer that a flow makes itself.
fn responded(out: &Value) -> Option<Reply> {
    let fields = out.as_map().filter(|fields| fields.len() == 3)?;
    let status = fields.get("statusCode")?.as_i64().and_then(|status| u16::try_from(status).ok())?;
    let status = StatusCode::from_u16(status).ok().filter(|status| status.as_u16() >= 200)?;
    let (given, body) = (fields.get("headers")?.as_map()?, fields.get("body")?);
    let mut reply = match body {
        Value::Null => Reply { status, headers: HeaderMap::new(), body: Bytes::new(), stream: None },
        Value::Text(text) => {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
            Reply { status, headers, body: Bytes::copy_from_slice(text.as_bytes()), stream: None }
        }
        other => Reply::json(status, other),
    };
    for (name, value) in given {
        let (Ok(name), Some(Ok(value))) =
            (HeaderName::from_bytes(name.as_bytes()), value.as_str().map(HeaderValue::from_str))
        else {
            continue;
        };
        if !is_kept(&name) {
            reply.headers.insert(name, value);
        }
    }
    Some(reply)
}

/// Whether a header is not a flow's to say.
fn is_kept(name: &HeaderName) -> bool {
    let name = name.as_str();
    NOT_A_FLOWS.contains(&name) || NOT_A_FLOWS_FAMILIES.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_says_what_it_may_of_its_answer() {
        let out = Value::from_json(
            br#"{"statusCode":201,"body":"hi","headers":{"X-A":"b","content-type":"text/csv","Set-Cookie":"sid=1",
            "Connection":"close","Content-Length":"9","Access-Control-Allow-Origin":"*","Location":"/x"}}"#,
        );
        let reply = responded(&out.expect("JSON")).expect("an answer");
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (201, b"hi".as_slice()));
        let mut names: Vec<_> = reply.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "location", "x-a"]);
        assert_eq!(reply.headers["content-type"], "text/csv");
        for other in [r#"{"statusCode":200}"#, r#"{"statusCode":101,"headers":{},"body":1}"#, "[]", "null"] {
            assert!(responded(&Value::from_json(other.as_bytes()).expect("JSON")).is_none(), "{other}");
        }
    }

    #[test]
    fn the_list_of_headers_is_sorted() {
        assert!(NOT_A_FLOWS.is_sorted());
    }
}
