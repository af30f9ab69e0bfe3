//! [`Peers`]: the systems that the examples call, in one small HTTP server.
//!
//! | where | what |
//! |---|---|
//! | `/accounting/invoices/:id`, `/accounting/bookings` | invoices of suppliers, and what is booked for them |
//! | `/payments`, `/payments/due`, `/payments/screening` | a bank: pays, says what is due, knows listed names |
//! | `/rates` | exchange rates |
//! | `/crm/companies`, `/crm/leads/:email`, `/crm/accounts/:id` | what is known of firms; leads; accounts |
//! | `/travel/flights`, `/travel/hotels`, `/travel/cars` | bookings that can be canceled |
//! | `/figures` | yesterday's sales, or those of any day |
//! | `/mail` | mail that goes nowhere |
//! | `/log` | what was called; DELETE begins anew |
//! | `/faults` | makes the next calls fail, to see what a flow does then |
//!
//! A POST with an `Idempotency-Key` is done once: the same key gets the same answer, and another
//! body under that key is refused with 422.

mod accounting;
mod bank;
mod crm;
mod fault;
mod figures;
mod mail;
mod repeat;
mod request;
mod shelf;
mod travel;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::Value;
use tokio::net::TcpListener;

use self::fault::{Fault, Faults};
use self::repeat::Repeats;
use self::request::{Answer, Asked};
use self::shelf::Log;

pub use self::shelf::Call;

/// Bytes of the body of one request.
const BODY_BYTES: usize = 16 << 10;

/// The systems that the examples call. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct Peers(Arc<Mutex<Memory>>);

/// What the peers keep.
#[derive(Debug, Default)]
struct Memory {
    log: Log,
    faults: Faults,
    repeats: Repeats,
    accounting: accounting::Accounting,
    bank: bank::Bank,
    crm: crm::Crm,
    travel: travel::Travel,
    mail: mail::Mail,
}

/// A router to peers of their own.
pub fn router() -> Router {
    Peers::default().router()
}

/// Serves peers of their own until told to stop, then finishes the answers under way.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
    Peers::default().serve(listener, stop).await;
}

impl Peers {
    /// A router to these peers.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Serves these peers until told to stop, then finishes the answers under way.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
        // It tries again whatever happens to the listener, so there is no error to tell.
        let _ = axum::serve(listener, self.router()).with_graceful_shutdown(stop).await;
    }

    /// The calls that were answered so far, the oldest first; only the latest are kept.
    pub fn log(&self) -> Vec<Call> {
        self.memory().log.calls().cloned().collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request.
async fn answer(State(peers): State<Peers>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES).await else {
        return Answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large").into_response();
    };
    let asked = match Asked::read(&head, &body) {
        Ok(asked) => asked,
        Err(answer) => return answer.into_response(),
    };
    let (answer, late) = peers.memory().meet(&asked);
    if let Some(late) = late {
        tokio::time::sleep(late).await;
    }
    answer.into_response()
}

impl Memory {
    /// Does what is asked, or what a fault says; and how late to answer.
    fn meet(&mut self, asked: &Asked) -> (Answer, Option<Duration>) {
        if let Some(answer) = self.own(asked) {
            return (answer, None);
        }
        let (answer, late) = match self.faults.next(asked) {
            Some(Fault::Unavailable) => {
                (Answer::refusal(StatusCode::SERVICE_UNAVAILABLE, "come back in a moment"), None)
            }
            Some(Fault::Late(delay)) => (self.once(asked), Some(delay)),
            None => (self.once(asked), None),
        };
        self.log.note(asked, &answer);
        (answer, late)
    }

    /// What is asked of the demo itself, and is not logged.
    fn own(&mut self, asked: &Asked) -> Option<Answer> {
        Some(match (&*asked.method, &asked.path()[..]) {
            ("GET", []) => Answer::ok(Value::map([("peers", Value::list(PEERS.iter().copied()))])),
            ("GET", ["log"]) => self.log.show(asked.query("path")),
            ("DELETE", ["log"]) => {
                *self = Self::default();
                Answer::empty()
            }
            ("POST", ["faults"]) => self.faults.add(&asked.body),
            _ => return None,
        })
    }

    /// Does what is asked, unless it was done before under the same key.
    fn once(&mut self, asked: &Asked) -> Answer {
        if let Some(answer) = self.repeats.seen(asked) {
            return answer;
        }
        let answer = self.act(asked);
        self.repeats.keep(asked, &answer);
        answer
    }

    fn act(&mut self, asked: &Asked) -> Answer {
        match (&*asked.method, &asked.path()[..]) {
            (method, ["accounting", rest @ ..]) => self.accounting.act(method, rest, asked),
            (method, ["payments", rest @ ..]) => self.bank.act(method, rest, asked),
            ("GET", ["rates"]) => bank::rates(asked.query("base")),
            (method, ["crm", rest @ ..]) => self.crm.act(method, rest, asked),
            (method, ["travel", rest @ ..]) => self.travel.act(method, rest, asked),
            ("GET", ["figures"]) => figures::of(asked.query("day")),
            (method, ["mail"]) => self.mail.act(method, asked),
            _ => Answer::nowhere(),
        }
    }
}

/// Where to call, for whoever looks around.
const PEERS: &[&str] = &[
    "/accounting/invoices/INV-2026-0117",
    "/accounting/bookings",
    "/payments",
    "/payments/due",
    "/payments/screening?name=Borealis",
    "/rates?base=EUR",
    "/crm/companies?domain=harbour-foods.example",
    "/crm/leads",
    "/crm/accounts",
    "/travel/flights",
    "/travel/hotels",
    "/travel/cars",
    "/figures?day=2026-03-02",
    "/mail",
    "/log",
];

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = match self.body {
            Value::Null => self.status.into_response(),
            body => (self.status, [(header::CONTENT_TYPE, "application/json")], body.to_json()).into_response(),
        };
        if self.is_replay {
            response.headers_mut().insert("idempotent-replayed", header::HeaderValue::from_static("true"));
        }
        response
    }
}
