//! Objects: made, read, changed and merged. A changed object is a new one.

use std::sync::Arc;

use model::suggest::did_you_mean;
use model::{Map, Value};

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::compare;
use crate::stop::{Halt, Outcome};

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Object,
        "dict(keys and values...)",
        "An object of keys and values in turn.",
        r#"dict "a" 1 "b" 2"#,
        r#"{"a":1,"b":2}"#,
        dict,
    )
    .alias(&["object"])
    .in_pairs(),
    strict(
        Kind::Object,
        "keys(object)",
        "The keys of an object, as a list.",
        r#"keys (dict "a" 1 "b" 2)"#,
        r#"["a","b"]"#,
        keys,
    ),
    strict(
        Kind::Object,
        "values(object)",
        "The values of an object, as a list.",
        r#"values (dict "a" 1 "b" 2)"#,
        "[1,2]",
        values,
    ),
    strict(
        Kind::Object,
        "get(key, value)",
        "The field of an object, or the item of a list, like value[key].",
        r#"get "a" (dict "a" 1)"#,
        "1",
        get,
    )
    .subject(super::is_container),
    strict(
        Kind::Object,
        "index(value, keys...)",
        "What lies below a value, key by key and position by position.",
        r#"index (dict "a" (list 5 6)) "a" 1"#,
        "6",
        index,
    ),
    strict(
        Kind::Object,
        "pointer(pointer, value)",
        "What a JSON pointer leads to.",
        r#"pointer "/a/0" (dict "a" (list 5))"#,
        "5",
        pointer,
    )
    .subject(super::is_container),
    strict(
        Kind::Object,
        "set(key, value, object)",
        "The object with the key set to the value.",
        r#"set "b" 2 (dict "a" 1)"#,
        r#"{"a":1,"b":2}"#,
        set,
    )
    .subject(super::is_map),
    strict(
        Kind::Object,
        "rename(old, new, object)",
        "The object with a key called differently, in the same place.",
        r#"rename "a" "b" (dict "a" 1)"#,
        r#"{"b":1}"#,
        rename,
    )
    .subject(super::is_map),
    strict(
        Kind::Object,
        "pick(keys..., object)",
        "The object with these keys only.",
        r#"pick "a" "c" (dict "a" 1 "b" 2)"#,
        r#"{"a":1}"#,
        |of, budget| keep(of, budget, true),
    )
    .subject(super::is_map),
    strict(
        Kind::Object,
        "omit(keys..., object)",
        "The object without these keys.",
        r#"omit "a" (dict "a" 1 "b" 2)"#,
        r#"{"b":2}"#,
        |of, budget| keep(of, budget, false),
    )
    .alias(&["unset"])
    .subject(super::is_map),
    strict(
        Kind::Object,
        "merge(objects...)",
        "One object of all fields; a later one wins.",
        r#"merge (dict "a" 1 "b" 1) (dict "b" 2)"#,
        r#"{"a":1,"b":2}"#,
        |of, budget| merge(of, budget, false),
    ),
    strict(
        Kind::Object,
        "mergeDeep(objects...)",
        "One object of all fields; objects at the same key are merged, else a later one wins.",
        r#"mergeDeep (dict "a" (dict "x" 1)) (dict "a" (dict "y" 2))"#,
        r#"{"a":{"x":1,"y":2}}"#,
        |of, budget| merge(of, budget, true),
    ),
    strict(
        Kind::Object,
        "entries(object)",
        "The fields as a list of objects of key and value.",
        r#"entries (dict "a" 1)"#,
        r#"[{"key":"a","value":1}]"#,
        entries,
    )
    .alias(&["toEntries"]),
    strict(
        Kind::Object,
        "fromEntries(list)",
        "The object of a list of objects of key and value, or of pairs; a later one wins.",
        r#"fromEntries (list (list "a" 1))"#,
        r#"{"a":1}"#,
        from_entries,
    ),
];

/// A key, which is paid for as text.
fn key<'o>(of: &'o Operands<'_>, index: usize, budget: &mut Budget) -> Outcome<&'o Arc<str>> {
    let key = of.shared_text(index)?;
    budget.scan(key.len())?;
    Ok(key)
}

fn dict(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.map(of.len() / 2)?;
    let mut map = Map::default();
    for index in (0..of.len()).step_by(2) {
        let key = key(of, index, budget)?.clone();
        map.insert(key, of.value(index + 1).clone());
    }
    Ok(map.into())
}

fn keys(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let map = of.map(0)?;
    budget.list(map.len())?;
    Ok(Value::list(map.keys().cloned()))
}

fn values(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let map = of.map(0)?;
    budget.list(map.len())?;
    Ok(Value::list(map.values().cloned()))
}

/// What lies below a value at the key in an operand.
fn below(of: &Operands<'_>, value: &Value, index: usize) -> Outcome {
    match value {
        Value::Map(fields) => {
            let key = of.text(index)?;
            let near = || did_you_mean(key, fields.keys().map(|key| &**key));
            let missing = || Halt::missing(format!("there is no field {}{}", of.shown(index), near()));
            fields.get(key).cloned().ok_or_else(missing)
        }
        Value::List(items) => {
            let position = of.whole(index)?;
            let missing =
                || Halt::missing(format!("there is no item {}; the list has {}", of.shown(index), items.len()));
            crate::eval::element(value, position).cloned().ok_or_else(missing)
        }
        Value::Null => Err(Halt::missing("the value is null, so nothing is below it")),
        other => Err(Halt::operand(format!("nothing lies below {}", compare::described(other)))),
    }
}

fn get(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    below(of, of.value(1), 0)
}

fn index(of: &mut Operands<'_>, _: &mut Budget) -> Outcome {
    (1..of.len()).try_fold(of.value(0).clone(), |value, index| below(of, &value, index))
}

fn pointer(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let pointer = of.text(0)?;
    budget.text(pointer.len())?;
    let found = of.value(1).pointer(pointer);
    found.cloned().ok_or_else(|| Halt::missing(format!("the pointer {} leads nowhere", of.shown(0))))
}

/// An object in the last operand, to be changed; paid for as a new one.
fn changed(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome<Map> {
    let last = of.last();
    budget.map(of.map(last)?.len().saturating_add(1))?;
    match of.take(last) {
        Value::Map(fields) => Ok(Arc::unwrap_or_clone(fields)),
        _ => Ok(Map::default()),
    }
}

fn set(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let key = key(of, 0, budget)?.clone();
    let mut map = changed(of, budget)?;
    map.insert(key, of.take(1));
    Ok(map.into())
}

fn rename(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (old, new) = (key(of, 0, budget)?.clone(), key(of, 1, budget)?.clone());
    let fields = changed(of, budget)?;
    if old == new || !fields.contains_key(&old) {
        return Ok(fields.into());
    }
    // What was called so before gives way.
    let kept = fields.into_iter().filter(|(key, _)| *key != new);
    let renamed: Map = kept.map(|(key, value)| if key == old { (new.clone(), value) } else { (key, value) }).collect();
    Ok(renamed.into())
}

fn keep(of: &Operands<'_>, budget: &mut Budget, named: bool) -> Outcome {
    let last = of.last();
    let fields = of.map(last)?;
    budget.map(fields.len().saturating_add(last))?;
    let keys: std::collections::HashSet<&str> = (0..last).map(|index| of.text(index)).collect::<Outcome<_>>()?;
    let kept: Map = fields
        .iter()
        .filter(|(key, _)| keys.contains(&***key) == named)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Ok(kept.into())
}

fn merge(of: &Operands<'_>, budget: &mut Budget, deep: bool) -> Outcome {
    let mut merged = Map::default();
    for index in 0..of.len() {
        merge_into(&mut merged, of.map(index)?, deep, budget)?;
    }
    Ok(merged.into())
}

fn merge_into(merged: &mut Map, fields: &Map, deep: bool, budget: &mut Budget) -> Outcome<()> {
    budget.map(fields.len())?;
    for (key, value) in fields {
        match (merged.get_mut(key), value) {
            (Some(Value::Map(below)), Value::Map(fields)) if deep => {
                // It may be shared, and then it is copied.
                budget.map(below.len())?;
                merge_into(Arc::make_mut(below), fields, deep, budget)?;
            }
            (Some(old), value) => *old = value.clone(),
            (None, value) => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

fn entries(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let map = of.map(0)?;
    budget.list(map.len())?;
    budget.map(map.len().saturating_mul(2))?;
    let (key_name, value_name): (Arc<str>, Arc<str>) = ("key".into(), "value".into());
    let entry = |(key, value): (&Arc<str>, &Value)| {
        Value::map([(key_name.clone(), Value::Text(key.clone())), (value_name.clone(), value.clone())])
    };
    Ok(Value::list(map.iter().map(entry)))
}

fn from_entries(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let items = of.list(0)?;
    budget.map(items.len())?;
    let mut map = Map::default();
    for (at, item) in items.iter().enumerate() {
        let pair = match item {
            Value::List(pair) => pair.first().zip(pair.get(1)).filter(|_| pair.len() == 2),
            Value::Map(fields) => fields.get("key").zip(fields.get("value")),
            _ => None,
        };
        match pair {
            Some((Value::Text(key), value)) => {
                budget.scan(key.len())?;
                map.insert(key.clone(), value.clone());
            }
            _ => {
                let why =
                    format!("must hold {{key, value}} objects or [key, value] lists, with text as key; [{at}] is none");
                return Err(of.refuse(0, &why));
            }
        }
    }
    Ok(map.into())
}
