//! [`Channels`]: lets a request in or not, and sees it through to its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::Engine;
use engine::driver::RequestInfo;
use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::flow::Slug;
use model::ids::{CompanyId, PlayId};
use model::limits::{IDEMPOTENCY_KEY_CHARS, RATE_BURST};
use model::payload::Digest;
use model::play::PlayKey;
use model::value::Value;
use tokio::time::Instant;

use crate::answer::{Problem, Reply, Streamed};
use crate::auth::{Guard, Stranger, bearer};
use crate::channel::{Channel, Kind, RateLimit};
use crate::cors::is_preflight;
use crate::door::{Doorman, Guest};
use crate::files::Stored;
use crate::kind::{self, websocket::with_token};
use crate::request::{Arrival, headers_of, read};
use crate::route::{ResponseMode, Route};
use crate::sockets::{self, Sockets};
use crate::start::{Outcome, Refused, Wanted, Wish, foresee};
use crate::table::{Live, Sought, Table, Way};

/// All channels of an installation, as one replica serves them.
#[derive(Clone)]
pub struct Channels {
    pub(crate) engine: Arc<Engine>,
    pub(crate) doorman: Arc<dyn Doorman>,
    pub(crate) table: Arc<Table>,
    sockets: Arc<Sockets>,
}

/// A request that was let in, but for what only its body tells.
pub struct Visit {
    pub(crate) live: Arc<Live>,
    pub(crate) at: usize,
    pub(crate) params: Vec<(String, String)>,
    /// The path below the channel.
    pub(crate) path: String,
    pub(crate) guest: Option<Guest>,
    /// The API key of the guest, where it is shown once and stays: over a connection.
    pub(crate) key: Option<String>,
}

impl Visit {
    /// Bytes that its body may have.
    pub fn body_limit(&self) -> usize {
        let definition = &self.live.channel.definition;
        definition.body_limit()
    }

    /// Whether it asks for a connection that stays open.
    pub fn is_socket(&self) -> bool {
        self.live.channel.definition.kind == Kind::Websocket
    }

    /// The channel and the route, for numbers.
    pub fn names(&self) -> (&str, &str) {
        let route = self.live.route(self.at).map_or("", |route| route.name.as_str());
        (&self.live.channel.definition.slug, route)
    }

    /// Lets a page of another site read an answer that was made elsewhere.
    pub fn let_read(&self, arrival: &Arrival<'_>, reply: &mut Reply) {
        self.live.channel.definition.cors.let_read(&arrival.head.headers, reply);
    }

    pub(crate) fn route(&self) -> Result<&Route, Problem> {
        self.live.route(self.at).ok_or_else(Problem::nothing_here)
    }

    pub(crate) fn wish<'v>(&'v self, route: &'v Route) -> Wish<'v> {
        let Live { company, channel, counts, .. } = &*self.live;
        Wish { company: *company, channel, route, counts: Some(counts) }
    }
}

impl Channels {
    /// The channels that an engine's store holds.
    pub fn new(engine: Arc<Engine>, doorman: Arc<dyn Doorman>) -> Self {
        let table = Arc::new(Table::new(engine.clone()));
        let sockets = Arc::<Sockets>::default();
        tokio::spawn(sockets::run(Arc::downgrade(&engine), Arc::downgrade(&sockets)));
        Self { engine, doorman, table, sockets }
    }

    /// The connections that are open here.
    pub fn sockets(&self) -> &Arc<Sockets> {
        &self.sockets
    }

    /// Finds out what a request wants, and whether it may.
    ///
    /// # Errors
    /// With the answer, where it goes no further.
    pub async fn meet(&self, arrival: &Arrival<'_>) -> Result<Visit, Reply> {
        let mut known = None;
        let stop = match self.find(arrival, &mut known).await {
            Ok(visit) => return Ok(visit),
            Err(stop) => stop,
        };
        let mut reply = match stop {
            Stop::Problem(problem) => {
                if let Some(Known { live, at: Some(at), path }) = &known {
                    let shown = (arrival.head.method.to_string(), (*path).to_owned(), 0);
                    self.note(live, *at, shown, &info_of(arrival), (problem.status, &problem.message)).await;
                }
                problem.reply(arrival.id)
            }
            Stop::Reply(reply) => *reply,
        };
        if let Some(known) = known {
            known.live.channel.definition.cors.let_read(&arrival.head.headers, &mut reply);
        }
        Err(reply)
    }

    /// Writes down that a request that was let in is refused elsewhere: with which status, and why.
    pub async fn note_refused(&self, visit: &Visit, arrival: &Arrival<'_>, why: (StatusCode, &str)) {
        let shown = (arrival.head.method.to_string(), visit.path.clone(), 0);
        self.note(&visit.live, visit.at, shown, &info_of(arrival), why).await;
    }

    pub(crate) async fn note(
        &self,
        live: &Live,
        at: usize,
        shown: (String, String, u64),
        request: &RequestInfo,
        (status, why): (StatusCode, &str),
    ) {
        let Some(route) = live.route(at) else { return };
        let wish = Wish { company: live.company, channel: &live.channel, route, counts: Some(&live.counts) };
        wish.note_refused(&self.engine, shown, request, (Some(status.as_u16()), why)).await;
    }

    async fn find<'r>(&self, arrival: &Arrival<'r>, known: &mut Option<Known<'r>>) -> Result<Visit, Stop> {
        if self.engine.is_draining() {
            return Err(Problem::draining().into());
        }
        let head = arrival.head;
        let Some((sought, path)) = sought(arrival) else { return Err(self.nothing_here(arrival).into()) };
        let mut live = self.table.get(&sought).await.map_err(Problem::from)?;
        let mut way = live.as_deref().map_or(Way::Nowhere, |live| way_of(live, arrival, path));
        if matches!(way, Way::Nowhere) {
            live = self.table.get_again(&sought).await.map_err(Problem::from)?;
            way = live.as_deref().map_or(Way::Nowhere, |live| way_of(live, arrival, path));
        }
        let Some(live) = live else { return Err(self.nothing_here(arrival).into()) };
        let definition = &live.channel.definition;
        let (at, params) = match way {
            Way::Nowhere => return Err(self.nothing_here(arrival).into()),
            Way::OtherMethods(methods) => {
                *known = Some(Known { live: live.clone(), at: None, path });
                if is_preflight(head)
                    && let Some(reply) = definition.cors.preflight(&head.headers, &methods)
                {
                    return Err(Stop::Reply(Box::new(reply)));
                }
                let message = format!("this takes {methods}");
                let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message);
                let mut reply = problem.reply(arrival.id);
                if let Ok(methods) = HeaderValue::try_from(methods) {
                    reply.headers.insert(ALLOW, methods);
                }
                return Err(Stop::Reply(Box::new(reply)));
            }
            Way::Route(at, params) => (at, params),
        };
        *known = Some(Known { live: live.clone(), at: Some(at), path });
        let is_socket = definition.kind == Kind::Websocket;
        let with_token = if is_socket { with_token(head, &live.guard) } else { None };
        let headers = with_token.as_ref().unwrap_or(&head.headers);
        if is_socket && !definition.cors.lets_connect(headers) {
            return Err(self.stranger(&live.guard, arrival).into());
        }
        live.guard.looks_at(headers).map_err(|Stranger| self.stranger(&live.guard, arrival))?;
        let (guest, key) = match live.guard {
            Guard::ApiKey => {
                let (guest, key) = self.guest(&live, headers, arrival).await?;
                (Some(guest), is_socket.then_some(key))
            }
            _ => (None, None),
        };
        // Whoever may not come takes nothing of what others may use.
        if !matches!(live.guard, Guard::Signed(_)) {
            pace(&live)?;
        }
        Ok(Visit { path: path.to_owned(), live, at, params, guest, key })
    }

    async fn guest(&self, live: &Live, headers: &HeaderMap, arrival: &Arrival<'_>) -> Result<(Guest, String), Problem> {
        let key = bearer(headers).or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok()));
        let Some(key) = key else { return Err(self.stranger(&live.guard, arrival)) };
        let guest = self.doorman.guest(live.company, key).await.map_err(Problem::from)?;
        guest.map(|guest| (guest, key.to_owned())).ok_or_else(|| self.stranger(&live.guard, arrival))
    }

    fn stranger(&self, guard: &Guard, arrival: &Arrival<'_>) -> Problem {
        self.turned_away(arrival).unwrap_or_else(|| Problem::stranger(guard))
    }

    fn nothing_here(&self, arrival: &Arrival<'_>) -> Problem {
        self.turned_away(arrival).unwrap_or_else(Problem::nothing_here)
    }

    /// Whoever is turned away too often is told so.
    fn turned_away(&self, arrival: &Arrival<'_>) -> Option<Problem> {
        let wait = self.doorman.turned_away(arrival.peer?).err()?;
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", "too many requests were turned away");
        Some(problem.after(wait))
    }

    /// Sees a request through that was let in.
    pub async fn take(&self, visit: &Visit, arrival: &Arrival<'_>, body: Bytes) -> Reply {
        let bytes = body.len() as u64;
        let mut reply = match self.answer(visit, arrival, body).await {
            Ok(reply) => reply,
            Err(problem) => {
                let shown = (arrival.head.method.to_string(), visit.path.clone(), bytes);
                let why = (problem.status, &*problem.message);
                self.note(&visit.live, visit.at, shown, &info_of(arrival), why).await;
                problem.reply(arrival.id)
            }
        };
        visit.let_read(arrival, &mut reply);
        reply
    }

    async fn answer(&self, visit: &Visit, arrival: &Arrival<'_>, bytes: Bytes) -> Result<Reply, Problem> {
        let (live, route) = (&visit.live, visit.route()?);
        let signed = live.guard.reads(arrival.head, &bytes, self.engine.now());
        let signed = signed.map_err(|Stranger| self.stranger(&live.guard, arrival))?;
        if signed.is_some() {
            pace(live)?;
        }
        let key = key_of(route, arrival)?;
        let body = read(&arrival.head.headers, &bytes)?;
        let headers = headers_of(&arrival.head.headers, &live.guard);
        let plays = foresee(&self.engine, route);
        let Some(first) = plays.first() else { return Err(Problem::nothing_here()) };
        let stored = Stored::put(&**self.engine.files(), (live.company, *first), body).await?;
        // Headers are of each attempt to send it; all else is the same where a sender tries again.
        let same = |same| kind::http::args(arrival, &visit.path, &visit.params, Value::Null, same);
        // Nothing is compared where there is no key.
        let same = key.as_ref().map(|_| same(stored.same.clone()).to_canonical_json()).unwrap_or_default();
        let args = kind::http::args(arrival, &visit.path, &visit.params, headers, stored.body.clone());
        let wanted = Wanted {
            args,
            plays,
            key,
            same: Digest::of(same.as_bytes()),
            guest: visit.guest.clone(),
            once: signed.map(|signed| (signed.digest, signed.until)),
            shown: (arrival.head.method.to_string(), visit.path.clone(), bytes.len() as u64),
            request: info_of(arrival),
        };
        drop(bytes);
        let after = *self.engine.feed().borrow();
        let wait = (route.response_mode == ResponseMode::Sync).then(|| route.timeout());
        let granted = visit.wish(route).grant(&self.engine, wanted, wait).await;
        let is_unused = match &granted {
            Ok(outcome) => outcome.reports.iter().all(|report| report.replayed),
            Err(refused) => refused.is_whole(),
        };
        if is_unused {
            // No play has these files: the one that was started before has its own.
            stored.drop(&**self.engine.files(), live.company).await;
        }
        let outcome = granted.map_err(refused)?;
        self.reply(route, outcome, after).await
    }

    async fn reply(&self, route: &Route, outcome: Outcome, after: u64) -> Result<Reply, Problem> {
        let Some(report) = outcome.reports.first() else { return Err(Problem::nothing_here()) };
        match route.response_mode {
            ResponseMode::Async => {
                let plays: Vec<_> = outcome.reports.iter().map(|report| report.header.key.play).collect();
                Ok(Reply::queued(&plays))
            }
            ResponseMode::Sync => {
                let mut reply = Reply::of(&self.engine, report).await?;
                if self.engine.is_draining() && report.out.is_none() && reply.status == StatusCode::GATEWAY_TIMEOUT {
                    // Nobody waited for too long: another replica goes on with the play.
                    reply.status = StatusCode::ACCEPTED;
                }
                Ok(reply)
            }
            ResponseMode::Stream => {
                let play = report.header.key;
                let mut reply = Reply::queued(&[play.play]);
                reply.status = StatusCode::OK;
                reply.stream = Some(Streamed { play, after, is_old: report.replayed, timeout: route.timeout() });
                Ok(reply)
            }
        }
    }

    /// Starts the plays of a route for somebody who came in another way, such as a tool of MCP, and was let in there.
    ///
    /// # Errors
    /// Where nothing became of it.
    pub async fn start(
        &self,
        (company, channel, route): (CompanyId, &Channel, &Route),
        wanted: Wanted,
        wait: Option<Duration>,
    ) -> Result<Outcome, Refused> {
        Wish { company, channel, route, counts: None }.grant(&self.engine, wanted, wait).await
    }

    /// Ids for the plays of a route, for [`Wanted::plays`].
    pub fn foresee(&self, route: &Route) -> Vec<PlayId> {
        foresee(&self.engine, route)
    }

    /// Where a play stands, and what it gave; whether it goes on.
    pub async fn standing(&self, play: PlayKey) -> (Value, bool) {
        let mut body = vec![("playId", Value::from(play.play.to_string()))];
        let Ok(Some(header)) = self.engine.store().header(play).await else { return (Value::map(body), false) };
        body.push(("state", header.state.as_str().into()));
        if let Some(failure) = &header.error {
            let error = [("code", Value::from(&*failure.code)), ("message", failure.message.as_str().into())];
            body.push(("error", Value::map(error)));
        }
        if header.state.is_ended() {
            body.push(("out", self.engine.output_of(play).await.unwrap_or_default()));
            return (Value::map(body), false);
        }
        // A store that does not answer says nothing of it.
        (Value::map(body), !self.engine.needs_somebody(&header).await.unwrap_or_default())
    }

    /// Whether a channel has that port to itself.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn has_port(&self, port: u16) -> Result<bool, store::StoreError> {
        Ok(self.table.get(&Sought::Port(port)).await?.is_some_and(|live| live.channel.definition.enabled))
    }
}

/// What is known of a request, however far it comes.
struct Known<'r> {
    live: Arc<Live>,
    /// Its route, where its method is one that is taken.
    at: Option<usize>,
    /// The path below the channel.
    path: &'r str,
}

/// Why a request goes no further.
enum Stop {
    Problem(Problem),
    Reply(Box<Reply>),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

pub(crate) fn info_of(arrival: &Arrival<'_>) -> RequestInfo {
    RequestInfo { id: Some(arrival.id.to_owned()), ip: arrival.peer.map(|peer| peer.to_string()), trace: arrival.trace }
}

/// Which channel a request is for, and the path below it.
fn sought<'r>(arrival: &Arrival<'r>) -> Option<(Sought, &'r str)> {
    let path = arrival.head.uri.path();
    if let Some(port) = arrival.port {
        return Some((Sought::Port(port), path));
    }
    let path = path.strip_prefix('/')?;
    let (slug, rest) = match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, "/"),
    };
    // What can be no slug is not looked for.
    slug.parse::<Slug>().ok()?;
    Some((Sought::Slug(slug.into()), rest))
}

fn way_of(live: &Live, arrival: &Arrival<'_>, path: &str) -> Way {
    let definition = &live.channel.definition;
    if !definition.enabled || !matches!(definition.kind, Kind::Http | Kind::Websocket) {
        return Way::Nowhere;
    }
    live.paths.as_ref().map_or(Way::Nowhere, |paths| paths.find(&definition.routes, &arrival.head.method, path))
}

pub(crate) fn pace(live: &Live) -> Result<(), Problem> {
    let Some(RateLimit { per_second, burst }) = live.channel.definition.rate_limit else { return Ok(()) };
    let usual = per_second.saturating_mul(u32::try_from(RATE_BURST.as_secs()).unwrap_or(1));
    live.counts.pace.take(per_second, burst.unwrap_or(usual), Instant::now()).map_err(|wait| {
        let message = format!("this takes {per_second} requests a second");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message).after(wait)
    })
}

/// The idempotency key that a request gives.
fn key_of(route: &Route, arrival: &Arrival<'_>) -> Result<Option<String>, Problem> {
    let Some(header) = &route.idempotency_header else { return Ok(None) };
    let Some(value) = arrival.head.headers.get(header.as_str()) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= IDEMPOTENCY_KEY_CHARS);
    let bad = || {
        let message = format!("{header}: has 1 to {IDEMPOTENCY_KEY_CHARS} characters of ASCII");
        Problem::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
    };
    key.map(|key| Some(key.to_owned())).ok_or_else(bad)
}

pub(crate) fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Admit(error) | Refused::Partly(error) => error.into(),
        Refused::Replayed => Problem::new(StatusCode::CONFLICT, "REPLAYED", "this request has come before"),
    }
}
