//! What goes wrong with queues, with stable codes. What a server says is told by [`Hush`] alone: without what is secret,
//! and cut short.

use std::sync::Arc;

use model::failure::Failure;
use model::limits::QUEUE_SAID_CHARS;
use model::value::Value;
use sdk::component::Component;

/// What stands for a secret.
const MASK: &str = "***";

/// Characters by which a secret is known whose end the server has cut off.
const HEAD_CHARS: usize = 16;

/// The server cannot be reached, or lets nobody in.
pub(crate) fn unreachable(message: impl Into<String>) -> Failure {
    Failure::new("COMPONENT_UNREACHABLE", message)
}

/// The connection was lost, or what came over it is not what is spoken there.
pub(crate) fn broken(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_BROKEN", message)
}

/// There is no such stream or queue.
pub(crate) fn not_found(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_NOT_FOUND", message)
}

/// The server says no.
pub(crate) fn refused(message: impl Into<String>) -> Failure {
    Failure::new("QUEUE_REFUSED", message)
}

/// What is secret of a component: servers say again what they were told, and are told on without it.
#[derive(Clone, Default)]
pub(crate) struct Hush(Arc<[String]>);

impl Hush {
    pub(crate) fn of(component: &Component) -> Self {
        let fields = component.secret.as_map().into_iter().flatten();
        let plain = fields.filter_map(|(_, secret)| secret.as_str()).map(str::to_owned);
        // NATS is told them as JSON, and may say them as they came.
        let escaped = |text: String| [Value::from(text.as_str()).to_json().trim_matches('"').to_owned(), text];
        let mut all: Vec<String> = plain.flat_map(escaped).filter(|secret| !secret.is_empty()).collect();
        // What is a part of another one leaves nothing of that.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        all.dedup();
        Self(all.into())
    }

    /// What a server says, as one short line. It is cut last: half a secret would not be known any more.
    pub(crate) fn said(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, secret| masked(&text, secret));
        let shown = text.trim().chars().take(QUEUE_SAID_CHARS);
        shown.map(|char| if char.is_control() { ' ' } else { char }).collect()
    }
}

/// A text without a secret, of which only the beginning may stand there: Redis says no more of a long one.
fn masked(text: &str, secret: &str) -> String {
    let head = secret.char_indices().nth(HEAD_CHARS).map_or(secret, |(end, _)| &secret[..end]);
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(head) {
        shown.push_str(&rest[..at]);
        shown.push_str(MASK);
        let alike = rest[at..].chars().zip(secret.chars()).take_while(|(said, own)| said == own);
        rest = &rest[at + alike.map(|(said, _)| said.len_utf8()).sum::<usize>()..];
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hush(secrets: &[&str]) -> Hush {
        let secret = secrets.iter().enumerate().map(|(at, secret)| (format!("field{at}"), Value::from(*secret)));
        Hush::of(&Component {
            company: Default::default(),
            id: "0".into(),
            revision: 1,
            name: "orders".into(),
            kind: sdk::component::Kind::Queue,
            provider: "nats".into(),
            config: Value::empty_map(),
            secret: Value::map(secret),
            trusted: true,
        })
    }

    #[test]
    fn no_part_of_a_secret_is_told() {
        let long = "s3cret-".repeat(60);
        for (secrets, said, told) in [
            (&["pw"][..], "no pw for 'pw'", "no *** for '***'"),
            // One is a part of the other.
            (&["pass", "my-pass-word"], "pass, my-pass-word", "***, ***"),
            // As JSON has it.
            (&["a\"b\\c"], r#"{"pass":"a\"b\\c"} a"b\c"#, r#"{"pass":"***"} ***"#),
            // Cut off by the server.
            (&[&long], &format!("args: '{}'", &long[..120]), "args: '***'"),
            (&[""], "nothing", "nothing"),
        ] {
            assert_eq!(hush(secrets).said(said), told);
        }
        // What is cut here is told without it.
        let said = format!("{}{long}", "x".repeat(QUEUE_SAID_CHARS - 10));
        assert_eq!(hush(&[&long]).said(&said), said.replace(&long, MASK));
    }
}
