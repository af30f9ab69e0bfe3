//! [`Hush`]: what a play knows of secrets, so that none stands in clear in what is written down of it.
//!
//! A flow says where a secret goes in (`$secret`, `sensitive`); where it comes out again, nobody says: in an output that
//! repeats it, the message of an error, a line of the log. So whatever is written down is looked through for the texts
//! that went in. An output keeps them, sealed; an error and the log get a mask. What was made of a secret, such as its
//! digest or its Base64, is not recognised.

use std::collections::VecDeque;
use std::fmt;

use model::failure::Failure;
use model::payload::{MASK, Payload};
use model::record::{Record, Undo};
use model::value::{Map, Value};

/// Characters of a text that is looked for: shorter ones are everywhere.
const SHORTEST: usize = 4;

/// Texts that are looked for, one after the other: they are few, and an automaton costs more than it saves. Of more,
/// the first are forgotten; they are learnt again where they are read again.
const MOST: usize = 64;

/// Places that are sealed by themselves; where there are more, the whole is.
const PLACES: usize = 64;

/// The texts of secrets that a play has read.
#[derive(Default)]
pub struct Hush {
    texts: VecDeque<Box<str>>,
}

/// Without the texts.
impl fmt::Debug for Hush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hush").field("texts", &self.texts.len()).finish()
    }
}

impl Hush {
    /// Learns a secret.
    pub(crate) fn learn(&mut self, secret: &Value) {
        let mut texts = Vec::new();
        texts_of(secret, &mut texts);
        self.add(texts);
    }

    /// Learns what is sensitive in a payload, where that is at hand.
    pub(crate) fn learn_of(&mut self, payload: &Payload) {
        if matches!(payload, Payload::Plain(_)) {
            return;
        }
        let (Some(value), pointers) = (payload.plain(), payload.sealed_pointers()) else { return };
        let mut texts = Vec::new();
        pointers.iter().filter_map(|pointer| value.pointer(pointer)).for_each(|part| texts_of(part, &mut texts));
        self.add(texts);
    }

    fn add(&mut self, texts: Vec<Box<str>>) {
        for text in texts {
            if !self.texts.contains(&text) {
                self.texts.push_back(text);
            }
        }
        self.texts.drain(..self.texts.len().saturating_sub(MOST));
    }

    /// Whether a text has a secret in it.
    fn is_in(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| text.contains(&**secret))
    }

    /// Learns what is sensitive in a record, and hushes what else of it holds a secret.
    pub(crate) fn record(&mut self, record: &mut Record) {
        record.each_payload(&mut |payload| self.learn_of(payload));
        if self.texts.is_empty() {
            return;
        }
        record.each_payload(&mut |payload| self.seal(payload));
        match record {
            Record::AttemptEnded { failure, .. } => self.failure(failure),
            Record::StepEnded(end) => {
                end.error.iter_mut().for_each(|error| self.failure(error));
                if let Some(Undo::Impossible(failure)) = &mut end.undo {
                    self.failure(failure);
                }
                for line in &mut end.log {
                    line.message = self.text(&line.message);
                    line.data = self.value(&line.data);
                }
            }
            _ => {}
        }
    }

    /// Marks the parts of a payload that hold a secret.
    pub(crate) fn seal(&self, payload: &mut Payload) {
        match payload {
            Payload::Plain(value) => {
                let pointers = self.places(value);
                if !pointers.is_empty() {
                    *payload = Payload::Sensitive(std::mem::take(value), pointers.into());
                }
            }
            Payload::Sensitive(value, known) => {
                let mut pointers = self.places(value);
                pointers.retain(|pointer| !known.contains(pointer));
                if !pointers.is_empty() {
                    *known = known.iter().cloned().chain(pointers).collect();
                }
            }
            Payload::Map(fields) => fields.iter_mut().for_each(|(_, part)| self.seal(part)),
            Payload::List(items) => items.iter_mut().for_each(|part| self.seal(part)),
            Payload::Recalled(..) | Payload::Stored(_) | Payload::Sealed(_) => {}
        }
    }

    /// JSON pointers to the parts of a value that hold a secret.
    fn places(&self, value: &Value) -> Vec<String> {
        let mut places = Vec::new();
        if !self.texts.is_empty() {
            self.find(value, String::new(), &mut places);
        }
        if places.len() > PLACES { vec![String::new()] } else { places }
    }

    fn find(&self, value: &Value, at: String, places: &mut Vec<String>) {
        if places.len() > PLACES {
            return;
        }
        match value {
            Value::Text(text) if self.is_in(text) => places.push(at),
            Value::Number(_) if self.is_in(&value.to_json()) => places.push(at),
            Value::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.find(item, format!("{at}/{index}"), places));
            }
            // A name cannot be sealed by itself.
            Value::Map(fields) if fields.keys().any(|name| self.is_in(name)) => places.push(at),
            Value::Map(fields) => {
                for (name, field) in fields.iter() {
                    self.find(field, format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), places);
                }
            }
            _ => {}
        }
    }

    fn failure(&self, failure: &mut Failure) {
        failure.message = self.text(&failure.message);
        failure.details = failure.details.as_ref().map(|details| self.value(details));
    }

    /// A text with a mask for each secret in it.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut found: Vec<&str> =
            self.texts.iter().map(|secret| &**secret).filter(|secret| text.contains(secret)).collect();
        // Of two of which one holds the other, nothing of the longer may be left.
        found.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        found.iter().fold(text.to_owned(), |shown, secret| shown.replace(secret, MASK))
    }

    /// A value with a mask for each secret in it.
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::Text(text) => self.text(text).into(),
            Value::Number(_) if self.is_in(&value.to_json()) => MASK.into(),
            Value::List(items) => Value::list(items.iter().map(|item| self.value(item))),
            Value::Map(fields) => {
                let fields = fields.iter().map(|(name, field)| (self.text(name).into(), self.value(field)));
                Value::from(fields.collect::<Map>())
            }
            other => other.clone(),
        }
    }
}

/// The texts and numbers in a secret that are looked for.
fn texts_of(value: &Value, all: &mut Vec<Box<str>>) {
    match value {
        Value::Text(text) if text.chars().count() >= SHORTEST => all.push((**text).into()),
        Value::Number(_) => {
            let text = value.to_json();
            if text.len() >= SHORTEST {
                all.push(text.into());
            }
        }
        Value::List(items) => items.iter().for_each(|item| texts_of(item, all)),
        Value::Map(fields) => fields.values().for_each(|field| texts_of(field, all)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn value(json: &str) -> Value {
        Value::from_json(json.as_bytes()).expect("JSON")
    }

    fn knows(secret: &str) -> Hush {
        let mut hush = Hush::default();
        hush.learn(&value(secret));
        hush
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let hush = knows(r#"{"user":"ada","pass":"s3cr3t","pin":[123456, 7]}"#);
        assert_eq!(hush.text("Bearer s3cr3t, s3cr3t of ada"), format!("Bearer {MASK}, {MASK} of ada"));
        let json = r#"{"a":["x",{"b":"is s3cr3t"}],"n":123456,"c/d":"s3cr3t","few":7,"names":{"s3cr3t":1}}"#;
        assert_eq!(hush.places(&value(json)), ["/a/1/b", "/n", "/c~1d", "/names"]);
        let shown = hush.value(&value(json)).to_json();
        assert!(!shown.contains("s3cr3t") && !shown.contains("123456"), "{shown}");
        assert!(!format!("{hush:?}").contains("s3cr3t"));
    }

    #[test]
    fn of_two_secrets_the_longer_is_masked_as_a_whole() {
        let hush = knows(r#"["token", "token-and-more"]"#);
        assert_eq!(hush.text("x token-and-more token"), format!("x {MASK} {MASK}"));
    }

    #[test]
    fn what_is_sensitive_in_a_payload_is_learnt() {
        let mut hush = Hush::default();
        hush.learn_of(&Payload::Plain(value(r#"{"card":"4111-1111"}"#)));
        assert_eq!(hush.places(&value(r#""4111-1111""#)), Vec::<String>::new());
        let pointers: Arc<[String]> = Arc::from(["/card".to_owned(), "/gone/x".to_owned()]);
        hush.learn_of(&Payload::Sensitive(value(r#"{"card":"4111-1111","name":"Ada Lovelace"}"#), pointers));
        let mut payload = Payload::Plain(value(r#"{"said":"4111-1111 by Ada Lovelace","sum":5}"#));
        hush.seal(&mut payload);
        assert_eq!(payload.sealed_pointers(), ["/said"]);
        hush.seal(&mut payload);
        assert_eq!(payload.sealed_pointers(), ["/said"]);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut hush = Hush::default();
        (0..2 * MOST).for_each(|number| hush.learn(&Value::from(format!("secret {number:06}"))));
        assert_eq!(hush.texts.len(), MOST);
        assert_eq!(hush.places(&value(r#"["secret 000000", "secret 000127"]"#)), ["/1"]);
        let many = Value::list((0..=PLACES).map(|_| "secret 000127"));
        assert_eq!(hush.places(&many), [""]);
    }
}
