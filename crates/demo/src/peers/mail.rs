//! A mail server that delivers nothing and keeps what it was handed.

use model::Value;

use super::request::{Answer, Asked};
use super::shelf::{Shelf, with_id};

/// What was sent.
#[derive(Debug, Default)]
pub(super) struct Mail {
    sent: Shelf<Value>,
}

impl Mail {
    pub(super) fn act(&mut self, method: &str, asked: &Asked) -> Answer {
        match method {
            "GET" => Answer::ok(self.sent.list()),
            "POST" => {
                if let Some(refusal) = asked.lacks(&["to", "subject"]) {
                    return refusal;
                }
                let id = self.sent.new_id("MAIL");
                let mail = with_id("messageId", &id, &asked.body);
                self.sent.put(id.clone(), mail);
                Answer::created(Value::map([("messageId", id)]))
            }
            _ => Answer::nowhere(),
        }
    }
}
