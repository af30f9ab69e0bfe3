//! Key/values: where they lie, how they are sealed, which scope wins, and what a change makes of one.

use model::doc::{Doc, DocKey, DocKind, DocWrite, Expect};
use model::failure::{Failure, code};
use model::flow::KvConflict;
use model::ids::{CompanyId, FlowId, GroupId};
use model::limits::{JSON_DEPTH, KEY_CHARS, KV_VALUE_BYTES};
use model::seal::{Binding, Seal, Sealed};
use model::time::Timestamp;
use model::value::{Map, Number, Value};
use sdk::{KvChange, KvScope};
use serde::{Deserialize, Serialize};

use crate::pack::PackError;

/// Whose key/values a play works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvOwner {
    /// The company.
    pub company: CompanyId,
    /// The flow.
    pub flow: FlowId,
    /// The flow's group.
    pub group: Option<GroupId>,
}

/// What a key/value's document holds.
#[derive(Serialize, Deserialize)]
struct Body {
    sealed: Sealed,
}

/// The document of a key; none where the flow is in no group and its group's is asked for.
pub fn doc_key(owner: KvOwner, scope: KvScope, key: &str) -> Option<DocKey> {
    let id = match scope {
        KvScope::Flow => format!("{}{key}", prefix_of_flow(owner.flow)),
        KvScope::Group => format!("{}{key}", prefix_of_group(owner.group?)),
        KvScope::Global => format!("{PREFIX_OF_GLOBAL}{key}"),
    };
    Some(DocKey::new(owner.company, DocKind::Kv, id))
}

/// How the ids of the global keys begin.
pub const PREFIX_OF_GLOBAL: &str = "global/";

/// How the ids of a flow's keys begin.
pub fn prefix_of_flow(flow: FlowId) -> String {
    format!("flow/{flow}/")
}

/// How the ids of a group's keys begin.
pub fn prefix_of_group(group: GroupId) -> String {
    format!("group/{group}/")
}

/// The value in a document; none where it has expired.
///
/// # Errors
/// Where it does not open.
pub fn read(seal: &dyn Seal, doc: &Doc, now: Timestamp) -> Result<Option<Value>, PackError> {
    if doc.expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    // A document that does not read was altered: as such it is told.
    let body: Body = doc.read().map_err(|_| model::seal::SealError::Altered)?;
    let plain = seal.open(binding(&doc.key), &body.sealed)?;
    Ok(Some(model::codec::decode(&plain)?))
}

/// A write of a value.
///
/// # Errors
/// Where it cannot be sealed.
pub fn write(
    seal: &dyn Seal,
    key: DocKey,
    expect: Expect,
    value: &Value,
    expires_at: Option<Timestamp>,
) -> Result<DocWrite, PackError> {
    let sealed = seal.seal(binding(&key), &model::codec::encode(value)?)?;
    let write = DocWrite::put(key, expect, &Body { sealed });
    Ok(match expires_at {
        Some(at) => write.expiring(at),
        None => write,
    })
}

/// A sealed value opens only under its own key: the field names all of it.
fn binding(key: &DocKey) -> Binding<'_> {
    Binding { company: key.company, field: &key.id, id: key.company.0 }
}

/// Whether a key and its value are within their limits.
///
/// # Errors
/// With the limit that is passed.
pub fn check(key: &str, value: Option<&Value>) -> Result<(), Failure> {
    let too_much = |what: String| Err(Failure::new(code::LIMIT_EXCEEDED, what));
    if key.is_empty() || key.chars().count() > KEY_CHARS {
        return too_much(format!("a key has 1 to {KEY_CHARS} characters"));
    }
    let Some(value) = value else { return Ok(()) };
    let measure = value.measure(KV_VALUE_BYTES, JSON_DEPTH);
    if measure.bytes > KV_VALUE_BYTES || measure.depth > JSON_DEPTH {
        return too_much(format!("a key/value has at most {} KiB and {JSON_DEPTH} levels", KV_VALUE_BYTES >> 10));
    }
    Ok(())
}

/// Of the values that a key has in the scopes from narrow to wide, the one that counts.
pub fn resolve(narrow_to_wide: Vec<Value>, conflict: KvConflict) -> Option<Value> {
    match conflict {
        KvConflict::Child => narrow_to_wide.into_iter().next(),
        KvConflict::Parent => narrow_to_wide.into_iter().next_back(),
        KvConflict::Merge => {
            if !narrow_to_wide.iter().all(|value| value.as_map().is_some()) {
                return narrow_to_wide.into_iter().next();
            }
            let maps = narrow_to_wide.iter().rev().filter_map(Value::as_map);
            (!narrow_to_wide.is_empty()).then(|| {
                let mut merged = Map::default();
                maps.for_each(|map| merged.extend(map.iter().map(|(key, value)| (key.clone(), value.clone()))));
                merged.into()
            })
        }
    }
}

/// What a change makes of a key/value.
#[derive(Debug, PartialEq)]
pub enum Made {
    /// It becomes this, and expires then.
    Value(Value, Option<Timestamp>),
    /// It is gone.
    Nothing,
    /// It stays as it is.
    Same,
}

/// What a change makes of a key/value, and what the flowlet gives.
///
/// # Errors
/// Where the value is of a type that the change does not apply to.
pub fn change(change: &KvChange, current: Option<Value>, now: Timestamp) -> Result<(Made, Value), Failure> {
    let wrong_type = |wanted: &str, found: &Value| {
        Failure::new("KV_WRONG_TYPE", format!("the key holds a {}, not a {wanted}", found.type_name()))
    };
    Ok(match change {
        KvChange::Set(value, ttl) => {
            let out = Value::map([("value", value.clone())]);
            (Made::Value(value.clone(), ttl.map(|ttl| now.plus(ttl))), out)
        }
        KvChange::Append(item) => {
            let mut items = match &current {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::List(items)) => items.to_vec(),
                Some(other) => return Err(wrong_type("list", other)),
            };
            items.push(item.clone());
            let (count, value) = (items.len(), Value::from(items));
            (Made::Value(value.clone(), None), Value::map([("value", value), ("count", count.into())]))
        }
        KvChange::Delete => (Made::Nothing, Value::map([("deleted", current.is_some())])),
        KvChange::Increment(by) => {
            let zero = Value::from(0);
            let current = match &current {
                None | Some(Value::Null) => &zero,
                Some(value) => value,
            };
            let number = |value: &Value| value.as_number().cloned().ok_or_else(|| wrong_type("number", value));
            let sum: Option<Number> = number(current)?.checked_add(&number(by)?);
            let sum = sum.ok_or_else(|| Failure::new(code::LIMIT_EXCEEDED, "the sum has more than 28 digits"))?;
            (Made::Value(sum.clone().into(), None), Value::map([("value", sum)]))
        }
        KvChange::CompareAndSet(expected, value) => {
            let current = current.unwrap_or_default();
            if current == *expected {
                let out = Value::map([("swapped", Value::from(true)), ("value", value.clone())]);
                (Made::Value(value.clone(), None), out)
            } else {
                (Made::Same, Value::map([("swapped", Value::from(false)), ("value", current)]))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn made(this: KvChange, current: Option<Value>) -> (Made, String) {
        let (made, out) = change(&this, current, NOW).expect("changes");
        (made, out.to_json())
    }

    fn json(text: &str) -> Value {
        Value::from_json(text.as_bytes()).expect("JSON")
    }

    #[test]
    fn changes_do_what_they_say() {
        let set = KvChange::Set(Value::from(1), Some(Duration::from_secs(1)));
        assert_eq!(made(set, None), (Made::Value(Value::from(1), Some(Timestamp(2_000))), r#"{"value":1}"#.into()));
        let append = KvChange::Append(Value::from(2));
        assert_eq!(made(append.clone(), None).1, r#"{"value":[2],"count":1}"#);
        assert_eq!(made(append.clone(), Some(json("[1]"))).1, r#"{"value":[1,2],"count":2}"#);
        assert!(change(&append, Some(Value::from(1)), NOW).is_err());
        assert_eq!(made(KvChange::Delete, None).1, r#"{"deleted":false}"#);
        assert_eq!(made(KvChange::Delete, Some(Value::from(1))), (Made::Nothing, r#"{"deleted":true}"#.into()));
        let cent = KvChange::Increment(json("0.1"));
        assert_eq!(made(cent.clone(), Some(json("0.2"))).1, r#"{"value":0.3}"#);
        assert_eq!(made(cent.clone(), None).1, r#"{"value":0.1}"#);
        assert!(change(&cent, Some(Value::from("1")), NOW).is_err());
        let swap = KvChange::CompareAndSet(Value::Null, Value::from("x"));
        assert_eq!(made(swap.clone(), None).1, r#"{"swapped":true,"value":"x"}"#);
        assert_eq!(made(swap, Some(Value::from("y"))), (Made::Same, r#"{"swapped":false,"value":"y"}"#.into()));
    }

    #[test]
    fn scopes_are_resolved_as_the_flow_says() {
        let all = || vec![json(r#"{"a":1}"#), json(r#"{"a":2,"b":2}"#), json(r#"{"c":3}"#)];
        let resolved = |values, conflict| resolve(values, conflict).map(|value| value.to_canonical_json());
        assert_eq!(resolved(all(), KvConflict::Child).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(resolved(all(), KvConflict::Parent).as_deref(), Some(r#"{"c":3}"#));
        assert_eq!(resolved(all(), KvConflict::Merge).as_deref(), Some(r#"{"a":1,"b":2,"c":3}"#));
        assert_eq!(resolved(vec![Value::from(1), json("{}")], KvConflict::Merge).as_deref(), Some("1"));
        assert_eq!(resolved(vec![], KvConflict::Merge), None);
    }
}
