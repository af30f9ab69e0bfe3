//! [`Faults`]: what goes wrong on demand.

use std::time::Duration;

use axum::http::StatusCode;
use model::Value;

use super::request::{Answer, Asked};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The call is answered with 503, and nothing is done.
    Unavailable,
    /// The call is done, but the answer comes late: perhaps after the caller has given up.
    Late(Duration),
}

/// Faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    fault: Fault,
    method: Option<String>,
    path: String,
    times: u64,
}

/// Faults that are planned at once.
const PLANNED: usize = 100;

/// The longest that an answer is late.
const LATEST: Duration = Duration::from_secs(60);

impl Faults {
    /// Plans one: `{"path":"/payments","method":"POST","kind":"unavailable","times":2}`, or with
    /// `"kind":"late","delayMs":5000`.
    pub(super) fn add(&mut self, wish: &Value) -> Answer {
        let text = |name| wish.get(name).and_then(Value::as_str);
        let number =
            |name, default| wish.get(name).and_then(Value::as_i64).and_then(|n| n.try_into().ok()).unwrap_or(default);
        let fault = match text("kind") {
            Some("unavailable") => Fault::Unavailable,
            Some("late") => Fault::Late(Duration::from_millis(number("delayMs", 5_000)).min(LATEST)),
            _ => return Answer::refusal(StatusCode::BAD_REQUEST, "kind is unavailable or late"),
        };
        let Some(path) = text("path").filter(|_| self.0.len() < PLANNED) else {
            return Answer::refusal(StatusCode::BAD_REQUEST, "give a path, and not too many faults");
        };
        let (method, path) = (text("method").map(str::to_owned), path.to_owned());
        self.0.push(Planned { fault, method, path, times: number("times", 1) });
        Answer::created(Value::map([("planned", self.0.len())]))
    }

    /// What goes wrong with this call.
    pub(super) fn next(&mut self, asked: &Asked) -> Option<Fault> {
        let path = asked.whole_path();
        let is_met = |planned: &Planned| {
            path.starts_with(&planned.path) && planned.method.as_ref().is_none_or(|method| *method == asked.method)
        };
        let at = self.0.iter().position(is_met)?;
        let planned = &mut self.0[at];
        let fault = planned.fault;
        planned.times = planned.times.saturating_sub(1);
        if planned.times == 0 {
            self.0.remove(at);
        }
        Some(fault)
    }
}
