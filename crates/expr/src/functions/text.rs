//! Strings: letters, ends, and what they hold.

use std::sync::Arc;

use model::Value;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::compare;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Text,
        "upper(text)",
        "The text in capital letters.",
        r#"upper "straße""#,
        r#""STRASSE""#,
        |of, budget| letters(of, budget, str::to_uppercase),
    )
    .alias(&["toUpper", "toUpperCase"]),
    strict(Kind::Text, "lower(text)", "The text in small letters.", r#"lower "ÄB""#, r#""äb""#, |of, budget| {
        letters(of, budget, str::to_lowercase)
    })
    .alias(&["toLower", "toLowerCase"]),
    strict(
        Kind::Text,
        "trim(text)",
        "The text without white space at its ends.",
        r#"trim "  a b ""#,
        r#""a b""#,
        |of, budget| cut(of, budget, str::trim),
    ),
    strict(
        Kind::Text,
        "trimStart(text)",
        "The text without white space in front.",
        r#"trimStart "  a ""#,
        r#""a ""#,
        |of, budget| cut(of, budget, str::trim_start),
    )
    .alias(&["trimLeft"]),
    strict(
        Kind::Text,
        "trimEnd(text)",
        "The text without white space behind.",
        r#"trimEnd "  a ""#,
        r#""  a""#,
        |of, budget| cut(of, budget, str::trim_end),
    )
    .alias(&["trimRight"]),
    strict(
        Kind::Text,
        "trimPrefix(prefix, text)",
        "The text without the prefix, where it starts with it.",
        r#"trimPrefix "INV-" "INV-17""#,
        r#""17""#,
        trim_prefix,
    ),
    strict(
        Kind::Text,
        "trimSuffix(suffix, text)",
        "The text without the suffix, where it ends with it.",
        r#"trimSuffix ".pdf" "a.pdf""#,
        r#""a""#,
        trim_suffix,
    ),
    strict(
        Kind::Text,
        "trimChars(characters, text)",
        "The text without any of these characters at its ends.",
        r#"trimChars "/-" "/-a-b/""#,
        r#""a-b""#,
        trim_chars,
    )
    .alias(&["trimAll"]),
    strict(
        Kind::Text,
        "contains(part, whole)",
        "Whether a string holds a string, a list holds an item, or an object has a key.",
        r#"contains "voice" "invoice""#,
        "true",
        contains,
    )
    .alias(&["in", "includes", "has", "hasKey"])
    .subject(super::is_container),
    strict(
        Kind::Text,
        "hasPrefix(prefix, text)",
        "Whether the text starts with the prefix.",
        r#"hasPrefix "INV" "INV-17""#,
        "true",
        has_prefix,
    )
    .alias(&["startsWith"]),
    strict(
        Kind::Text,
        "hasSuffix(suffix, text)",
        "Whether the text ends with the suffix.",
        r#"hasSuffix ".pdf" "a.pdf""#,
        "true",
        has_suffix,
    )
    .alias(&["endsWith"]),
    strict(
        Kind::Text,
        "indexOf(part, whole)",
        "The position, from 0, of a string in a string or of an item in a list; -1 where it is not there.",
        r#"indexOf "o" "invoice""#,
        "3",
        index_of,
    )
    .subject(super::is_list),
];

fn letters(of: &Operands<'_>, budget: &mut Budget, change: fn(&str) -> String) -> Outcome {
    let text = of.text(0)?;
    // One letter becomes three at most.
    budget.text(text.len().saturating_mul(3))?;
    Ok(change(text).into())
}

/// A part of a text, sharing it where that is all of it.
pub(super) fn part(text: &Arc<str>, part: &str, budget: &mut Budget) -> Outcome {
    if part.len() == text.len() {
        return Ok(Value::Text(text.clone()));
    }
    budget.text(part.len())?;
    Ok(part.into())
}

fn cut(of: &Operands<'_>, budget: &mut Budget, change: fn(&str) -> &str) -> Outcome {
    let text = of.shared_text(0)?;
    budget.scan(text.len())?;
    part(text, change(text), budget)
}

fn trim_prefix(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (prefix, text) = (of.text(0)?, of.shared_text(1)?);
    budget.scan(prefix.len().min(text.len()))?;
    part(text, text.strip_prefix(prefix).unwrap_or(text), budget)
}

fn trim_suffix(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (suffix, text) = (of.text(0)?, of.shared_text(1)?);
    budget.scan(suffix.len().min(text.len()))?;
    part(text, text.strip_suffix(suffix).unwrap_or(text), budget)
}

fn trim_chars(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (characters, text) = (of.text(0)?, of.shared_text(1)?);
    budget.scan(characters.len().saturating_mul(text.len().saturating_add(1)))?;
    part(text, text.trim_matches(|char| characters.contains(char)), budget)
}

fn contains(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let holds = match of.value(1) {
        Value::List(items) => position(items, of.value(0), budget)?.is_some(),
        Value::Map(fields) => fields.contains_key(of.text(0)?),
        Value::Text(whole) => {
            let part = of.text(0)?;
            budget.scan(whole.len().saturating_add(part.len()))?;
            whole.contains(part)
        }
        _ => return Err(of.wrong(1, "a string, a list or an object")),
    };
    Ok(holds.into())
}

/// Where in a list a value is.
fn position(items: &[Value], wanted: &Value, budget: &mut Budget) -> Outcome<Option<usize>> {
    budget.go_through(items.len())?;
    for (at, item) in items.iter().enumerate() {
        if compare::equal(item, wanted, budget)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn has_prefix(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.scan(of.text(0)?.len())?;
    Ok(of.text(1)?.starts_with(of.text(0)?).into())
}

fn has_suffix(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    budget.scan(of.text(0)?.len())?;
    Ok(of.text(1)?.ends_with(of.text(0)?).into())
}

fn index_of(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let found = match of.value(1) {
        Value::List(items) => position(items, of.value(0), budget)?,
        Value::Text(whole) => {
            let part = of.text(0)?;
            budget.scan(whole.len().saturating_add(part.len()))?;
            whole.find(part).map(|at| whole[..at].chars().count())
        }
        _ => return Err(of.wrong(1, "a string or a list")),
    };
    Ok(found.map_or(Value::from(-1), Value::from))
}
