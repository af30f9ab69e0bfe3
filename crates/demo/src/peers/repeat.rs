//! [`Repeats`]: answers by their idempotency keys.

use axum::http::StatusCode;

use super::request::{Answer, Asked};
use super::shelf::Shelf;

/// What was asked under which key, and what was answered.
#[derive(Debug, Default)]
pub(super) struct Repeats(Shelf<(Asked, Answer)>);

impl Repeats {
    /// The answer to an earlier request with the same key.
    pub(super) fn seen(&self, asked: &Asked) -> Option<Answer> {
        let (before, answer) = self.0.get(&place(asked)?)?;
        if before.body != asked.body {
            let why = "the idempotency key was used before, with another body";
            return Some(Answer::refusal(StatusCode::UNPROCESSABLE_ENTITY, why));
        }
        Some(Answer { is_replay: true, ..answer.clone() })
    }

    /// Keeps the answer to what was done. A refusal did nothing, so it may be asked again.
    pub(super) fn keep(&mut self, asked: &Asked, answer: &Answer) {
        if let Some(place) = place(asked).filter(|_| answer.status.is_success()) {
            self.0.put(place, (asked.clone(), answer.clone()));
        }
    }
}

/// A key counts for one path; other methods than POST may be repeated as they are.
fn place(asked: &Asked) -> Option<String> {
    let key = asked.key.as_deref().filter(|_| asked.method == "POST")?;
    Some(format!("{} {key}", asked.whole_path()))
}
