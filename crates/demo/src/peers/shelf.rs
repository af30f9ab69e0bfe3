//! [`Shelf`] and [`Log`]: what the peers remember. The oldest goes when there is too much.

use std::collections::VecDeque;

use indexmap::IndexMap;
use model::{Map, Value};

use super::request::{Answer, Asked};

/// Things of one kind, and calls.
const KEPT: usize = 1_000;

/// Things by their ids, in the order in which they came.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    things: IndexMap<String, T>,
    made: u64,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { things: IndexMap::new(), made: 0 }
    }
}

impl<T> Shelf<T> {
    /// The id of a new thing: `PAY-0001`.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}-{:04}", self.made)
    }

    /// Puts a thing in, or in place of the one of that id. Says whether it is new.
    pub(super) fn put(&mut self, id: impl Into<String>, thing: T) -> bool {
        let is_new = self.things.insert(id.into(), thing).is_none();
        if self.things.len() > KEPT {
            self.things.shift_remove_index(0);
        }
        is_new
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.things.get(id)
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<T> {
        self.things.shift_remove(id)
    }
}

impl Shelf<Value> {
    /// All of them.
    pub(super) fn list(&self) -> Value {
        Value::list(self.things.values().cloned())
    }
}

/// The fields of an object with one more in front.
pub(super) fn with_id(name: &str, id: &str, fields: &Value) -> Value {
    let mut all = Map::default();
    all.insert(name.into(), id.into());
    all.extend(fields.as_map().cloned().unwrap_or_default());
    all.insert(name.into(), id.into());
    all.into()
}

/// A call that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// From 1.
    pub number: u64,
    /// GET, POST …
    pub method: String,
    /// The path, decoded, without the query.
    pub path: String,
    /// The `Idempotency-Key` it came with.
    pub key: Option<String>,
    /// What it brought; null where there was nothing.
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
    /// Whether the answer was that to an earlier call with the same key, and nothing was done.
    pub is_replay: bool,
}

impl Call {
    fn show(&self) -> Value {
        Value::map([
            ("number", Value::from(self.number)),
            ("method", Value::from(&*self.method)),
            ("path", Value::from(&*self.path)),
            ("key", self.key.as_deref().map_or(Value::Null, Value::from)),
            ("body", self.body.clone()),
            ("status", Value::from(self.status)),
            ("replayed", Value::from(self.is_replay)),
        ])
    }
}

/// The latest calls.
#[derive(Debug, Default)]
pub(super) struct Log {
    calls: VecDeque<Call>,
    count: u64,
}

impl Log {
    pub(super) fn note(&mut self, asked: &Asked, answer: &Answer) {
        self.count += 1;
        if self.calls.len() == KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(Call {
            number: self.count,
            method: asked.method.clone(),
            path: asked.whole_path(),
            key: asked.key.clone(),
            body: asked.body.clone(),
            status: answer.status.as_u16(),
            is_replay: answer.is_replay,
        });
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    /// The calls whose path begins so.
    pub(super) fn show(&self, path: Option<&str>) -> Answer {
        let calls = self.calls().filter(|call| path.is_none_or(|path| call.path.starts_with(path)));
        Answer::ok(Value::map([("count", Value::from(self.count)), ("calls", Value::list(calls.map(Call::show)))]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_too_much() {
        let mut shelf = Shelf::default();
        for _ in 0..KEPT + 2 {
            let id = shelf.new_id("X");
            assert!(shelf.put(id, Value::Null));
        }
        assert_eq!(shelf.list().as_list().map(<[Value]>::len), Some(KEPT));
        assert!(shelf.get("X-0002").is_none() && shelf.get("X-0003").is_some());
    }

    #[test]
    fn the_id_is_the_shelfs() {
        let given = Value::map([("id", "mine"), ("a", "b")]);
        assert_eq!(with_id("id", "X-1", &given).to_json(), r#"{"id":"X-1","a":"b"}"#);
    }
}
