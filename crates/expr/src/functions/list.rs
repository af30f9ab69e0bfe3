//! Lists: made, cut, joined and ordered. Some of these take strings, too.

use std::sync::Arc;

use model::Value;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::compare;
use crate::stop::{Halt, Outcome};

pub(super) const FUNCTIONS: &[Function] = &[
    strict(Kind::List, "list(items...)", "A list of the values.", r#"list 1 "a" null"#, r#"[1,"a",null]"#, list)
        .alias(&["array"]),
    strict(
        Kind::List,
        "length(value)",
        "How many characters a string, items a list or fields an object has.",
        r#"length "äöü""#,
        "3",
        length,
    )
    .alias(&["len", "size", "count"]),
    strict(
        Kind::List,
        "first(list)",
        "The first item of a list, or character of a string.",
        "first (list 1 2)",
        "1",
        |of, budget| end(of, budget, true),
    )
    .alias(&["head"]),
    strict(
        Kind::List,
        "last(list)",
        "The last item of a list, or character of a string.",
        "last (list 1 2)",
        "2",
        |of, budget| end(of, budget, false),
    ),
    strict(Kind::List, "rest(list)", "All items but the first.", "rest (list 1 2 3)", "[2,3]", |of, budget| {
        cut(of, budget, 1, None)
    })
    .alias(&["tail"]),
    strict(Kind::List, "initial(list)", "All items but the last.", "initial (list 1 2 3)", "[1,2]", |of, budget| {
        cut(of, budget, 0, Some(-1))
    }),
    strict(
        Kind::List,
        "slice(from, to?, value)",
        "The items, or characters, from one position up to but without another; negative ones count from the end.",
        "slice 1 -1 (list 1 2 3 4)",
        "[2,3]",
        slice,
    )
    .alias(&["substr", "substring"])
    .subject(super::is_sequence),
    strict(
        Kind::List,
        "take(count, value)",
        "The first items of a list, or characters of a string; the last ones where the count is negative.",
        "take 2 (list 1 2 3)",
        "[1,2]",
        take,
    )
    .subject(super::is_sequence),
    strict(
        Kind::List,
        "drop(count, value)",
        "What is left without the first items or characters; without the last ones where the count is negative.",
        r#"drop 2 "invoice""#,
        r#""voice""#,
        drop,
    )
    .subject(super::is_sequence),
    strict(Kind::List, "reverse(value)", "A list or a string backwards.", "reverse (list 1 2 3)", "[3,2,1]", reverse),
    strict(
        Kind::List,
        "sort(list)",
        "A list of numbers or of strings in rising order.",
        "sort (list 3 1 2)",
        "[1,2,3]",
        sort,
    )
    .alias(&["sortAlpha"]),
    strict(
        Kind::List,
        "concat(lists...)",
        "The items of all lists in one.",
        "concat (list 1) (list 2 3)",
        "[1,2,3]",
        concat,
    ),
    strict(
        Kind::List,
        "append(item, list)",
        "The list with the item behind it.",
        "append 3 (list 1 2)",
        "[1,2,3]",
        |of, budget| join(of, budget, false),
    )
    .alias(&["push"])
    .subject(super::is_list),
    strict(
        Kind::List,
        "prepend(item, list)",
        "The list with the item in front.",
        "prepend 0 (list 1 2)",
        "[0,1,2]",
        |of, budget| join(of, budget, true),
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "flatten(depth?, list)",
        "The list with the items of lists in it in their place, one level deep unless told otherwise.",
        "flatten (list 1 (list 2 (list 3)))",
        "[1,2,[3]]",
        flatten,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "range(from?, to, step?)",
        "The numbers from one (0) up to, but without, another.",
        "range 1 10 3",
        "[1,4,7]",
        range,
    )
    .alias(&["until"]),
    strict(
        Kind::List,
        "chunk(size, list)",
        "The list as lists of so many items; the last may be shorter.",
        "chunk 2 (list 1 2 3)",
        "[[1,2],[3]]",
        chunk,
    )
    .subject(super::is_list),
    strict(
        Kind::List,
        "zip(a, b)",
        "A list of pairs of the items at the same position, as long as the shorter list.",
        r#"zip (list 1 2) (list "a" "b")"#,
        r#"[[1,"a"],[2,"b"]]"#,
        zip,
    ),
    strict(
        Kind::List,
        "compact(list)",
        r#"The list without the items that are null, "", an empty list or an empty object."#,
        r#"compact (list 1 null "" 0)"#,
        "[1,0]",
        compact,
    ),
];

fn list(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.list(of.len())?;
    Ok(of.all().to_vec().into())
}

fn length(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    Ok(match of.value(0) {
        Value::Text(text) => {
            budget.scan(text.len())?;
            text.chars().count()
        }
        Value::List(items) => items.len(),
        Value::Map(fields) => fields.len(),
        _ => return Err(of.wrong(0, "a string, a list or an object")),
    }
    .into())
}

fn end(of: &Operands<'_>, budget: &mut Budget, first: bool) -> Outcome {
    let found = match of.value(0) {
        Value::Text(text) => {
            let char = if first { text.chars().next() } else { text.chars().next_back() };
            budget.text(4)?;
            char.map(|char| Value::from(char.to_string()))
        }
        Value::List(items) => if first { items.first() } else { items.last() }.cloned(),
        _ => return Err(of.wrong(0, "a list or a string")),
    };
    found.ok_or_else(|| Halt::missing("it is empty, so it has neither first nor last"))
}

/// A position as one from the start, within the length.
fn position(position: i64, length: usize) -> usize {
    match usize::try_from(position) {
        Ok(position) => position.min(length),
        Err(_) => length.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX)),
    }
}

/// A part of the last operand: items of a list, characters of a text.
fn cut(of: &Operands<'_>, budget: &mut Budget, from: i64, to: Option<i64>) -> Outcome {
    match of.value(of.last()) {
        Value::List(items) => {
            let to = to.map_or(items.len(), |to| position(to, items.len()));
            let from = position(from, items.len()).min(to);
            if to - from == items.len() {
                return Ok(Value::List(items.clone()));
            }
            budget.list(to - from)?;
            Ok(items[from..to].to_vec().into())
        }
        Value::Text(text) => {
            budget.scan(text.len())?;
            let count = text.chars().count();
            let to = to.map_or(count, |to| position(to, count));
            let from = position(from, count).min(to);
            let byte = |char: usize| text.char_indices().nth(char).map_or(text.len(), |(at, _)| at);
            super::text::part(text, &text[byte(from)..byte(to)], budget)
        }
        _ => Err(of.wrong(of.last(), "a list or a string")),
    }
}

fn slice(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let to = if of.last() > 1 { Some(of.whole(1)?) } else { None };
    cut(of, budget, of.whole(0)?, to)
}

fn take(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    match of.whole(0)? {
        count if count < 0 => cut(of, budget, count, None),
        count => cut(of, budget, 0, Some(count)),
    }
}

fn drop(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    match of.whole(0)? {
        count if count < 0 => cut(of, budget, 0, Some(count)),
        count => cut(of, budget, count, None),
    }
}

fn reverse(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    match of.value(0) {
        Value::List(items) => {
            budget.list(items.len())?;
            Ok(items.iter().rev().cloned().collect::<Vec<_>>().into())
        }
        Value::Text(text) => {
            budget.text(text.len())?;
            Ok(text.chars().rev().collect::<String>().into())
        }
        _ => Err(of.wrong(0, "a list or a string")),
    }
}

/// Pays for putting so many items in order.
pub(super) fn pay_for_sorting(items: usize, budget: &mut Budget) -> Outcome<()> {
    let rounds = usize::BITS - items.leading_zeros();
    budget.go_through(items.saturating_mul(rounds as usize))
}

/// What a list is ordered by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Number(rust_decimal::Decimal),
    Text(Arc<str>),
}

/// The ranks of values that are all numbers or all strings.
pub(super) fn ranks<'v>(values: impl Iterator<Item = &'v Value>) -> Outcome<Vec<Rank>> {
    let mut ranks: Vec<Rank> = Vec::new();
    for (at, value) in values.enumerate() {
        let rank = match value {
            Value::Number(number) => Rank::Number(compare::decimal(number)?),
            Value::Text(text) => Rank::Text(text.clone()),
            other => {
                return Err(Halt::operand(format!(
                    "only numbers or strings have an order; of item [{at}] it is {}",
                    compare::described(other)
                )));
            }
        };
        if let Some(first) = ranks.first()
            && std::mem::discriminant(first) != std::mem::discriminant(&rank)
        {
            return Err(Halt::operand(format!(
                "numbers and strings have no common order; item [{at}] is of the other type"
            )));
        }
        ranks.push(rank);
    }
    Ok(ranks)
}

/// The items in the order of their ranks; equal ones stay in their order.
pub(super) fn sorted(items: &[Value], ranks: Vec<Rank>, budget: &mut Budget) -> Outcome {
    let text: usize = ranks.iter().map(|rank| if let Rank::Text(text) = rank { text.len() } else { 0 }).sum();
    budget.list(items.len())?;
    budget.scan(text)?;
    pay_for_sorting(items.len(), budget)?;
    let mut ranked: Vec<(Rank, &Value)> = ranks.into_iter().zip(items).collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(ranked.into_iter().map(|(_, item)| item.clone()).collect::<Vec<_>>().into())
}

fn sort(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let items = of.list(0)?;
    budget.list(items.len())?;
    sorted(items, ranks(items.iter())?, budget)
}

fn concat(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let lists: Vec<&[Value]> = (0..of.len()).map(|index| of.list(index)).collect::<Outcome<_>>()?;
    budget.list(lists.iter().map(|list| list.len()).fold(0, usize::saturating_add))?;
    Ok(lists.concat().into())
}

/// One item more, in front or behind.
fn join(of: &mut Operands<'_>, budget: &mut Budget, in_front: bool) -> Outcome {
    budget.list(of.list(1)?.len().saturating_add(1))?;
    let (item, list) = (of.take(0), of.take(1));
    let Value::List(items) = list else { return Ok(Value::Null) };
    let mut items = Arc::unwrap_or_clone(items);
    let at = if in_front { 0 } else { items.len() };
    items.insert(at, item);
    Ok(items.into())
}

fn flatten(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let depth = if of.len() > 1 { of.count(0)? } else { 1 };
    let mut out = Vec::new();
    flatten_into(of.list(of.last())?, depth, &mut out, budget)?;
    Ok(out.into())
}

fn flatten_into(items: &[Value], depth: usize, out: &mut Vec<Value>, budget: &mut Budget) -> Outcome<()> {
    budget.list(items.len())?;
    for item in items {
        match item {
            Value::List(inner) if depth > 0 => flatten_into(inner, depth - 1, out, budget)?,
            other => out.push(other.clone()),
        }
    }
    Ok(())
}

fn range(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (from, to) = if of.len() == 1 { (0, of.whole(0)?) } else { (of.whole(0)?, of.whole(1)?) };
    let step = if of.len() == 3 { of.whole(2)? } else { 1 };
    if step == 0 {
        return Err(of.refuse(2, "must not be zero"));
    }
    // As wide as it takes: neither the distance nor the last step can overflow.
    let (wide_from, wide_to, wide_step) = (i128::from(from), i128::from(to), i128::from(step));
    let distance = if step > 0 { wide_to - wide_from } else { wide_from - wide_to };
    let count = if distance <= 0 { 0 } else { (distance - 1) / wide_step.abs() + 1 };
    budget.list(usize::try_from(count).unwrap_or(usize::MAX))?;
    let numbers = (0..count).filter_map(|at| i64::try_from(wide_from + at * wide_step).ok());
    Ok(Value::list(numbers))
}

fn chunk(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (size, items) = (of.count(0)?, of.list(1)?);
    if size == 0 {
        return Err(of.refuse(0, "must be at least 1"));
    }
    budget.list(items.len().saturating_add(items.len().div_ceil(size)))?;
    Ok(Value::list(items.chunks(size).map(<[Value]>::to_vec)))
}

fn zip(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (a, b) = (of.list(0)?, of.list(1)?);
    budget.list(a.len().min(b.len()).saturating_mul(3))?;
    Ok(Value::list(a.iter().zip(b).map(|(a, b)| Value::list([a.clone(), b.clone()]))))
}

fn compact(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let items = of.list(0)?;
    budget.list(items.len())?;
    Ok(items.iter().filter(|item| !compare::is_empty(item)).cloned().collect::<Vec<_>>().into())
}
