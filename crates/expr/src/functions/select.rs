//! Lists of objects, and lists as sets: by a field, by equality.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use model::{Map, Value};

use super::list::{ranks, sorted};
use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::{compare, write};
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::List,
        "pluck(field, list)",
        "The field of every object in the list; null where one does not have it.",
        r#"pluck "a" (list (dict "a" 1) (dict "b" 2))"#,
        "[1,null]",
        pluck,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "where(field, value, list)",
        "The objects in the list whose field equals the value.",
        r#"where "a" 2 (list (dict "a" 1) (dict "a" 2))"#,
        r#"[{"a":2}]"#,
        |of, budget| filter(of, budget, true),
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "whereNot(field, value, list)",
        "The objects in the list whose field does not equal the value.",
        r#"whereNot "a" 2 (list (dict "a" 1) (dict "a" 2))"#,
        r#"[{"a":1}]"#,
        |of, budget| filter(of, budget, false),
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "sortBy(field, list)",
        "The objects in the rising order of a field: all numbers or all strings.",
        r#"sortBy "a" (list (dict "a" 2) (dict "a" 1))"#,
        r#"[{"a":1},{"a":2}]"#,
        sort_by,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "groupBy(field, list)",
        "An object with a list for every value of the field.",
        r#"groupBy "a" (list (dict "a" "x") (dict "a" "y"))"#,
        r#"{"x":[{"a":"x"}],"y":[{"a":"y"}]}"#,
        group_by,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "keyBy(field, list)",
        "An object with the last object for every value of the field.",
        r#"keyBy "a" (list (dict "a" "x"))"#,
        r#"{"x":{"a":"x"}}"#,
        key_by,
    )
    .alias(&["indexBy"])
    .subject(super::is_list),
    strict(
        Kind::List,
        "uniq(list)",
        "The list without items that equal an earlier one.",
        "uniq (list 1 2 1.0)",
        "[1,2]",
        uniq,
    )
    .alias(&["unique", "distinct"]),
    strict(
        Kind::List,
        "uniqBy(field, list)",
        "The objects whose field does not equal that of an earlier one.",
        r#"uniqBy "a" (list (dict "a" 1 "b" 1) (dict "a" 1 "b" 2))"#,
        r#"[{"a":1,"b":1}]"#,
        uniq_by,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "without(item, list)",
        "The list without the items that equal this one.",
        "without 1 (list 1 2 1)",
        "[2]",
        without,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "union(a, b)",
        "The items of both lists, each once.",
        "union (list 1 2) (list 2 3)",
        "[1,2,3]",
        union,
    ),
    strict(
        Kind::List,
        "intersect(a, b)",
        "The items of the first list that the second has, too.",
        "intersect (list 1 2) (list 2 3)",
        "[2]",
        |of, budget| compare_sets(of, budget, true),
    ),
    strict(
        Kind::List,
        "difference(a, b)",
        "The items of the first list that the second does not have.",
        "difference (list 1 2) (list 2 3)",
        "[1]",
        |of, budget| compare_sets(of, budget, false),
    ),
    strict(
        Kind::List,
        "all(list)",
        "Whether every item is true; so it is of an empty list.",
        "all (list true false)",
        "false",
        |of, budget| every(of, budget, true),
    ),
    strict(Kind::List, "any(list)", "Whether any item is true.", "any (list true false)", "true", |of, budget| {
        every(of, budget, false)
    }),
];

/// The objects of the last operand, and the name of the field in the first.
fn rows<'o>(of: &'o Operands<'_>, budget: &mut Budget) -> Outcome<(&'o str, &'o [Value])> {
    let (field, items) = (of.text(0)?, of.list(of.last())?);
    budget.list(items.len())?;
    if let Some((at, other)) = items.iter().enumerate().find(|(_, item)| !super::is_map(item)) {
        return Err(of.refuse(of.last(), &format!("must hold objects only; [{at}] is {}", compare::described(other))));
    }
    Ok((field, items))
}

fn field<'v>(row: &'v Value, name: &str) -> &'v Value {
    row.get(name).unwrap_or(&Value::Null)
}

fn pluck(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    Ok(Value::list(rows.iter().map(|row| field(row, name).clone())))
}

fn filter(of: &Operands<'_>, budget: &mut Budget, wanted: bool) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    let mut found = Vec::new();
    for row in rows {
        if compare::equal(field(row, name), of.value(1), budget)? == wanted {
            found.push(row.clone());
        }
    }
    Ok(found.into())
}

fn sort_by(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    let ranks = ranks(rows.iter().map(|row| field(row, name)))?;
    sorted(rows, ranks, budget)
}

/// The text of a value as a key: a string as it is, a number in its shortest form.
fn key(value: &Value, budget: &mut Budget) -> Outcome<Arc<str>> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        other => fingerprint(other, budget).map(Arc::from),
    }
}

fn group_by(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    let mut groups: Vec<(Arc<str>, Vec<Value>)> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for row in rows {
        let key = key(field(row, name), budget)?;
        budget.scan(key.len())?;
        let place = *places.entry(key.clone()).or_insert(groups.len());
        if place == groups.len() {
            budget.map(1)?;
            groups.push((key, Vec::new()));
        }
        groups[place].1.push(row.clone());
    }
    Ok(Value::map(groups))
}

fn key_by(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    budget.map(rows.len())?;
    let mut map = Map::default();
    for row in rows {
        let key = key(field(row, name), budget)?;
        budget.scan(key.len())?;
        map.insert(key, row.clone());
    }
    Ok(map.into())
}

/// A text that equal values share.
fn fingerprint(value: &Value, budget: &mut Budget) -> Outcome<String> {
    let length = write::json_length(value, budget)?;
    budget.text(length)?;
    Ok(value.to_canonical_json())
}

/// The items whose fingerprint has not been seen; and now it has.
fn unseen(items: &[Value], seen: &mut HashSet<String>, budget: &mut Budget) -> Outcome<Vec<Value>> {
    budget.list(items.len())?;
    let mut found = Vec::new();
    for item in items {
        if seen.insert(fingerprint(item, budget)?) {
            found.push(item.clone());
        }
    }
    Ok(found)
}

fn uniq(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    unseen(of.list(0)?, &mut HashSet::new(), budget).map(Value::from)
}

fn uniq_by(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (name, rows) = rows(of, budget)?;
    let (mut seen, mut found) = (HashSet::new(), Vec::new());
    for row in rows {
        if seen.insert(fingerprint(field(row, name), budget)?) {
            found.push(row.clone());
        }
    }
    Ok(found.into())
}

fn without(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let items = of.list(1)?;
    budget.list(items.len())?;
    let mut left = Vec::new();
    for item in items {
        if !compare::equal(item, of.value(0), budget)? {
            left.push(item.clone());
        }
    }
    Ok(left.into())
}

fn union(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let mut seen = HashSet::new();
    let mut items = unseen(of.list(0)?, &mut seen, budget)?;
    items.extend(unseen(of.list(1)?, &mut seen, budget)?);
    Ok(items.into())
}

fn compare_sets(of: &Operands<'_>, budget: &mut Budget, wanted: bool) -> Outcome {
    let (items, others) = (of.list(0)?, of.list(1)?);
    let mut known = HashSet::new();
    unseen(others, &mut known, budget)?;
    budget.list(items.len())?;
    let mut found = Vec::new();
    for item in items {
        if known.contains(&fingerprint(item, budget)?) == wanted {
            found.push(item.clone());
        }
    }
    Ok(found.into())
}

/// Whether all conditions hold, or any does.
fn every(of: &Operands<'_>, budget: &mut Budget, all: bool) -> Outcome {
    let items = of.list(0)?;
    budget.go_through(items.len())?;
    for item in items {
        if compare::truth(item)? != all {
            return Ok((!all).into());
        }
    }
    Ok(all.into())
}
