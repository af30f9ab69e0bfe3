//! WebSocket: a connection at a path. Each message starts a play, or reaches plays that wait for an event.
//!
//! What is said and how is here; who brings the bytes is elsewhere.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use engine::driver::RequestInfo;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::limits::{CHANNEL_MESSAGE_BYTES, IDEMPOTENCY_KEY_CHARS, KEY_CHARS};
use model::payload::Digest;
use model::value::{Map, Value};
use tokio::sync::watch;

use super::http::args;
use crate::answer::{Problem, Reply};
use crate::auth::{AuthMode, Guard};
use crate::channel::Definition;
use crate::desk::{Channels, Visit, info_of, pace, refused};
use crate::request::{Arrival, headers_of, malformed};
use crate::route::ResponseMode;
use crate::sockets::Connection;
use crate::start::{Wanted, foresee};
use crate::table::{Paths, Sought};

/// The part of a query that shows a token, where no header can be sent.
pub(crate) const TOKEN: &str = "token";

pub(super) fn check(definition: &Definition) -> Result<(), String> {
    if definition.auth_mode == AuthMode::Hmac {
        return Err("authMode: hmac signs bodies, and a connection has none; take header_token or api_key".into());
    }
    for (at, route) in definition.routes.iter().enumerate() {
        if route.response_mode == ResponseMode::Stream {
            return Err(format!("routes[{at}].responseMode: is sync or async for a channel of kind websocket"));
        }
        if route.event_prefix.as_ref().is_some_and(|prefix| prefix.is_empty() || prefix.chars().count() > KEY_CHARS) {
            return Err(format!("routes[{at}].eventPrefix: has 1 to {KEY_CHARS} characters"));
        }
    }
    Paths::of(&definition.routes).map(drop)
}

/// The headers of a request for a connection, with the token in its query where it has one: a browser can send no
/// header.
pub(crate) fn with_token(head: &http::request::Parts, guard: &Guard) -> Option<HeaderMap> {
    let query = head.uri.query()?.as_bytes();
    let (_, token) = form_urlencoded::parse(query).find(|(name, _)| name == TOKEN)?;
    let mut headers = head.headers.clone();
    match guard {
        Guard::Token { header: Some(header), .. } => headers.insert(header, HeaderValue::from_str(&token).ok()?),
        _ => headers.insert(http::header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).ok()?),
    };
    Some(headers)
}

/// A connection that was let in.
pub struct Meeting {
    visit: Visit,
    sought: Sought,
    /// What every message has in common.
    common: Value,
    request: RequestInfo,
    /// The connection, for whoever sends something to it.
    pub connection: Connection,
}

/// What came over a connection.
#[derive(Debug)]
pub enum Said {
    /// A text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Channels {
    /// Begins a conversation with somebody who was let in.
    pub fn begin(&self, visit: Visit, arrival: &Arrival<'_>) -> Arc<Meeting> {
        let live = &visit.live;
        let headers = headers_of(&arrival.head.headers, &live.guard);
        let id = self.engine.new_id();
        let mut common = match args(arrival, &visit.path, &visit.params, headers, Value::Null) {
            Value::Map(fields) => Arc::unwrap_or_clone(fields),
            _ => Map::default(),
        };
        if let Some(Value::Map(query)) = common.get_mut("query") {
            Arc::make_mut(query).shift_remove(TOKEN);
        }
        common.insert("method".into(), "MESSAGE".into());
        common.insert("connectionId".into(), id.to_string().into());
        let connection = Connection { id, company: live.company, channel: live.channel.id };
        let slug = Sought::Slug((*live.channel.definition.slug).into());
        let sought = arrival.port.map_or(slug, Sought::Port);
        Arc::new(Meeting { visit, sought, common: Value::from(common), request: info_of(arrival), connection })
    }

    /// A number that rises whenever a channel has changed: who may stay is to be asked again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.engine.ways_in()
    }

    /// Whether somebody may go on talking and listening: the channel is as it was, and what they showed still counts.
    pub async fn may_stay(&self, meeting: &Meeting) -> bool {
        let before = &meeting.visit.live;
        let now = match self.table.get(&meeting.sought).await {
            Ok(Some(now)) => now,
            Ok(None) => return false,
            // A store that does not answer says nothing about the channel.
            Err(_) => return true,
        };
        if now.channel.definition != before.channel.definition || !now.guard.lets_stay(&before.guard) {
            return false;
        }
        match &meeting.visit.key {
            Some(key) => !matches!(self.doorman.guest(before.company, key).await, Ok(None)),
            None => true,
        }
    }

    /// What is answered to a message.
    pub async fn hear(&self, meeting: &Meeting, said: Said) -> String {
        let bytes = match &said {
            Said::Text(text) => text.len(),
            Said::Binary(bytes) => bytes.len(),
        };
        let body = match said {
            Said::Text(text) => Value::from_json(text.as_bytes()).unwrap_or_else(|_| text.into()),
            Said::Binary(bytes) => BASE64_STANDARD.encode(bytes).into(),
        };
        let reply_to = body.get("id").filter(|id| matches!(id, Value::Text(_) | Value::Number(_))).cloned();
        let mut fields = match self.heed(meeting, body, bytes).await {
            Ok(fields) => fields,
            Err(problem) => {
                let Visit { live, at, path, .. } = &meeting.visit;
                let shown = ("MESSAGE".to_owned(), path.clone(), bytes as u64);
                self.note(live, *at, shown, &meeting.request, (problem.status, &problem.message)).await;
                vec![
                    ("type", Value::from("error")),
                    ("error", problem.code.into()),
                    ("message", problem.message.into()),
                    ("statusCode", problem.status.as_u16().into()),
                ]
            }
        };
        fields.extend(reply_to.map(|id| ("inReplyTo", id)));
        Value::map(fields).to_json()
    }

    async fn heed(&self, meeting: &Meeting, body: Value, bytes: usize) -> Result<Vec<(&'static str, Value)>, Problem> {
        let (live, route) = (&meeting.visit.live, meeting.visit.route()?);
        if self.engine.is_draining() {
            return Err(Problem::draining());
        }
        pace(live)?;
        if let Some(prefix) = &route.event_prefix
            && body.get("type").and_then(Value::as_str) == Some("event")
        {
            return self.pass_on(meeting, prefix, &body).await;
        }
        let mut args = match meeting.common.clone() {
            Value::Map(fields) => Arc::unwrap_or_clone(fields),
            _ => Map::default(),
        };
        args.insert("body".into(), body);
        let wanted = Wanted {
            args: Value::from(args),
            plays: foresee(&self.engine, route),
            key: None,
            same: Digest::of(&[]),
            guest: meeting.visit.guest.clone(),
            once: None,
            shown: ("MESSAGE".into(), meeting.visit.path.clone(), bytes as u64),
            request: meeting.request.clone(),
        };
        let wait = (route.response_mode == ResponseMode::Sync).then(|| route.timeout());
        let outcome = meeting.visit.wish(route).grant(&self.engine, wanted, wait).await.map_err(refused)?;
        let Some(report) = outcome.reports.first() else { return Err(Problem::nothing_here()) };
        let play = Value::from(report.header.key.play.to_string());
        if wait.is_none() {
            return Ok(vec![("type", "queued".into()), ("playId", play)]);
        }
        let reply = Reply::of(&self.engine, report).await?;
        let text = || Value::from(String::from_utf8_lossy(&reply.body).into_owned());
        let body = Value::from_json(&reply.body).unwrap_or_else(|_| text());
        let status = reply.status.as_u16().into();
        Ok(vec![("type", "answer".into()), ("playId", play), ("statusCode", status), ("body", body)])
    }

    /// Passes an event on to the plays that wait for it.
    async fn pass_on(
        &self,
        meeting: &Meeting,
        prefix: &str,
        event: &Value,
    ) -> Result<Vec<(&'static str, Value)>, Problem> {
        let key = event.get("key").and_then(Value::as_str).unwrap_or_default();
        if !key.starts_with(prefix) || key.chars().count() > KEY_CHARS {
            return Err(malformed(format!("key: begins with {prefix:?} and has at most {KEY_CHARS} characters")));
        }
        let once = event.get("idempotencyKey").and_then(Value::as_str);
        if once.is_some_and(|once| once.is_empty() || once.chars().count() > IDEMPOTENCY_KEY_CHARS) {
            return Err(malformed(format!("idempotencyKey: has 1 to {IDEMPOTENCY_KEY_CHARS} characters")));
        }
        let data = event.get("data").cloned().unwrap_or_default();
        let company = meeting.visit.live.company;
        let posted = self.engine.post_event(company, key, data, once, Vec::new()).await;
        let is_new = posted.map_err(|error| {
            tracing::error!(%error, "an event could not be passed on");
            let message = "the event could not be kept; send it again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
        })?;
        Ok(vec![("type", "accepted".into()), ("replayed", (!is_new).into())])
    }
}

impl Meeting {
    /// The channel and the route, for numbers.
    pub fn names(&self) -> (&str, &str) {
        self.visit.names()
    }

    /// Bytes of one message.
    pub fn message_limit(&self) -> usize {
        self.visit.body_limit().min(CHANNEL_MESSAGE_BYTES)
    }
}
