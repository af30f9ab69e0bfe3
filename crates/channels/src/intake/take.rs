//! From a message to its plays, and what is to be told to whoever keeps it.

use std::sync::Arc;

use engine::Engine;
use engine::driver::{AdmitError, RequestInfo};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use model::ids::CompanyId;
use model::payload::Digest;
use model::value::Value;
use sdk::component::Component;
use sdk::intake::{Content, Message, Ticket};

use crate::answer::Problem;
use crate::channel::{Channel, Kind};
use crate::files::Stored;
use crate::request::{is_hidden_from_all, read_body};
use crate::start::{Refused, Wanted, Wish, foresee};
use crate::table::Counts;

/// Characters of a reason.
const REASON_CHARS: usize = 500;

/// A channel that takes in, and where from.
pub(super) struct Way {
    pub(super) company: CompanyId,
    pub(super) channel: Channel,
    pub(super) component: Component,
    /// Where its messages lie, as the component reads it.
    pub(super) source: Value,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Taken {
    /// Its plays are durable. Whether they were before it came.
    Done { was_there: bool },
    /// It cannot become a play now, and why.
    NotNow(String),
    /// It can never become one, and why.
    Never(String),
}

/// A message, as far as it is read.
struct Read {
    stored: Stored,
    /// What is the same where it comes again.
    same: Digest,
}

impl Way {
    fn wish<'w>(&'w self, counts: &'w Counts) -> Option<Wish<'w>> {
        let route = self.channel.definition.routes.first()?;
        Some(Wish { company: self.company, channel: &self.channel, route, counts: Some(counts) })
    }
}

/// Starts the plays of a message.
pub(super) async fn take(engine: Arc<Engine>, way: Arc<Way>, counts: Arc<Counts>, message: Message) -> (Ticket, Taken) {
    let (ticket, key) = (message.ticket, message.key.clone().filter(|key| !key.is_empty()));
    let Some(wish) = way.wish(&counts) else { return (ticket, Taken::NotNow("the channel has no route".into())) };
    let request = RequestInfo {
        id: Some(engine.new_id().to_string()),
        ip: None,
        trace: message.headers.get("traceparent").and_then(|trace| trace.parse().ok()),
    };
    let method = if way.channel.definition.kind == Kind::Mailbox { "MAIL" } else { "MESSAGE" };
    let shown = (method.to_owned(), key.clone().unwrap_or_default(), bytes_of(&message.content));
    let taken = admit(&engine, &way, &wish, (message, key.clone()), (shown.clone(), request.clone())).await;
    match &taken {
        Taken::Done { .. } => {}
        Taken::NotNow(why) => tracing::debug!(channel = &*way.channel.definition.slug, ?key, why, "a message waits"),
        Taken::Never(why) => {
            tracing::warn!(
                channel = &*way.channel.definition.slug,
                key = key.as_deref(),
                why,
                "a message can never be taken"
            );
            wish.note_refused(&engine, shown, &request, (None, why)).await;
        }
    }
    (ticket, taken)
}

async fn admit(
    engine: &Arc<Engine>,
    way: &Way,
    wish: &Wish<'_>,
    (message, key): (Message, Option<String>),
    (shown, request): ((String, String, u64), RequestInfo),
) -> Taken {
    let plays = foresee(engine, wish.route);
    let Some(first) = plays.first() else { return Taken::NotNow("the route leads nowhere".into()) };
    let Message { headers, about, content, .. } = message;
    let given = headers.iter().filter(|(name, _)| !is_hidden_from_all(name));
    let given = Value::map(given.map(|(name, value)| (name.as_str(), value.as_str())));
    let Read { stored, same } = match read(engine, way, &headers, content, *first).await {
        Ok(read) => read,
        Err(problem) => return of_problem(problem),
    };
    let mut source = about.as_map().cloned().unwrap_or_default();
    source.insert("channel".into(), (&*way.channel.definition.slug).into());
    let args = Value::map([("body", stored.body.clone()), ("headers", given), ("source", Value::from(source))]);
    let wanted = Wanted { args, plays, key, same, guest: None, once: None, shown, request };
    let granted = wish.grant(engine, wanted, None).await;
    let (taken, is_unused) = match granted {
        Ok(outcome) => {
            let was_there = outcome.reports.iter().all(|report| report.replayed);
            (Taken::Done { was_there }, was_there)
        }
        Err(refused) => {
            let is_unused = refused.is_whole();
            (of_refusal(refused), is_unused)
        }
    };
    if is_unused {
        // No play has these files: the one that was started before has its own.
        stored.drop(&**engine.files(), way.company).await;
    }
    taken
}

async fn read(
    engine: &Arc<Engine>,
    way: &Way,
    headers: &std::collections::BTreeMap<String, String>,
    content: Content,
    play: model::ids::PlayId,
) -> Result<Read, Problem> {
    let definition = &way.channel.definition;
    let too_large = |limit: usize| {
        let message = format!("the message is larger than the {limit} bytes that are taken here");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", message)
    };
    let (files, at) = (&**engine.files(), (way.company, play));
    let stored = match content {
        Content::Raw { media, bytes } => {
            let limit = definition.body_limit();
            if bytes.len() > limit {
                return Err(too_large(limit));
            }
            let mut head = HeaderMap::new();
            let said = |text: &str| {
                let bad = |_| Problem::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", "the media type is none");
                HeaderValue::from_str(text).map_err(bad)
            };
            if !media.is_empty() {
                head.insert(CONTENT_TYPE, said(&media)?);
            }
            if let Some(encoding) = headers.get("content-encoding") {
                head.insert(CONTENT_ENCODING, said(encoding)?);
            }
            Stored::put(files, at, read_body(&head, &bytes)?).await?
        }
        Content::Parsed { value, files: parts } => {
            let size: usize = parts.iter().map(|file| file.bytes.len()).sum();
            if definition.body_limit.is_some() && size > definition.body_limit() {
                return Err(too_large(definition.body_limit()));
            }
            Stored::attach(files, at, value, parts).await?
        }
    };
    let same = Digest::of(stored.same.to_canonical_json().as_bytes());
    Ok(Read { stored, same })
}

fn bytes_of(content: &Content) -> u64 {
    let bytes = match content {
        Content::Raw { bytes, .. } => bytes.len(),
        Content::Parsed { files, .. } => files.iter().map(|file| file.bytes.len()).sum(),
    };
    bytes as u64
}

/// What is wrong with a message stays so; what is wrong with flow8 passes.
fn of_problem(problem: Problem) -> Taken {
    if problem.status.is_client_error() {
        Taken::Never(shortened(&problem.message))
    } else {
        Taken::NotNow(shortened(&problem.message))
    }
}

fn of_refusal(refused: Refused) -> Taken {
    let why = shortened(&refused.to_string());
    match refused {
        Refused::Admit(AdmitError::BadArguments(_) | AdmitError::KeyReused) | Refused::Replayed => Taken::Never(why),
        Refused::Partly(AdmitError::BadArguments(_) | AdmitError::KeyReused) => Taken::Never(why),
        Refused::Admit(_) | Refused::Partly(_) => Taken::NotNow(why),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(REASON_CHARS).collect()
}
