//! Strings cut up, joined, filled up and repeated.

use model::Value;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::write;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Text,
        "split(separator, text)",
        r#"The parts of a text between the separators; its characters where the separator is ""."#,
        r#"split "," "a,b""#,
        r#"["a","b"]"#,
        split,
    )
    .alias(&["splitList"]),
    strict(
        Kind::Text,
        "join(separator, list)",
        "The items as text, with the separator between them.",
        r#"join ", " (list "a" 1 true)"#,
        r#""a, 1, true""#,
        join,
    )
    .subject(super::is_list),
    strict(
        Kind::Text,
        "replace(old, new, text)",
        "The text with every old part replaced by the new.",
        r#"replace "-" "" "12-34-5""#,
        r#""12345""#,
        replace,
    )
    .alias(&["replaceAll"]),
    strict(
        Kind::Text,
        "replaceFirst(old, new, text)",
        "The text with the first old part replaced by the new.",
        r#"replaceFirst "-" "" "12-34-5""#,
        r#""1234-5""#,
        replace_first,
    ),
    strict(Kind::Text, "repeat(count, text)", "The text so many times.", r#"repeat 3 "ab""#, r#""ababab""#, repeat)
        .subject(super::is_text),
    strict(
        Kind::Text,
        "padLeft(width, fill?, text)",
        "The text filled up in front to so many characters; with spaces unless told otherwise.",
        r#"padLeft 5 "0" "42""#,
        r#""00042""#,
        |of, budget| pad(of, budget, true),
    )
    .alias(&["padStart"])
    .subject(super::is_text),
    strict(
        Kind::Text,
        "padRight(width, fill?, text)",
        "The text filled up behind to so many characters; with spaces unless told otherwise.",
        r#"padRight 4 "ab""#,
        r#""ab  ""#,
        |of, budget| pad(of, budget, false),
    )
    .alias(&["padEnd"])
    .subject(super::is_text),
    strict(
        Kind::Text,
        "quote(text)",
        "The text in double quotes, with escapes as JSON has them.",
        r#"quote "a\"b""#,
        r#""\"a\\\"b\"""#,
        quote,
    ),
];

fn split(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (separator, text) = (of.text(0)?, of.text(1)?);
    budget.text(text.len().saturating_add(separator.len()))?;
    if separator.is_empty() {
        budget.list(text.chars().count())?;
        let mut bytes = [0; 4];
        let characters: Vec<Value> = text.chars().map(|char| Value::from(&*char.encode_utf8(&mut bytes))).collect();
        return Ok(characters.into());
    }
    budget.list(1 + text.matches(separator).count())?;
    Ok(Value::list(text.split(separator)))
}

fn join(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (separator, items) = (of.text(0)?, of.list(1)?);
    budget.go_through(items.len())?;
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            write::push(separator, &mut out, budget)?;
        }
        write::write_text(item, &mut out, budget)?;
    }
    Ok(out.into())
}

/// Pays for a text in which so many parts are replaced.
fn pay_for_replacing(text: &str, old: &str, new: &str, count: usize, budget: &mut Budget) -> Outcome<()> {
    let grown = count.saturating_mul(new.len().saturating_sub(old.len()));
    budget.text(text.len().saturating_add(grown))
}

/// The part that is to be replaced: not nothing.
fn old<'o>(of: &'o Operands<'_>) -> Outcome<&'o str> {
    let old = of.text(0)?;
    if old.is_empty() { Err(of.refuse(0, "must not be \"\"")) } else { Ok(old) }
}

fn replace(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (old, new, text) = (old(of)?, of.text(1)?, of.shared_text(2)?);
    budget.scan(text.len().saturating_add(old.len()))?;
    match text.matches(old).count() {
        0 => Ok(Value::Text(text.clone())),
        count => {
            pay_for_replacing(text, old, new, count, budget)?;
            Ok(text.replace(old, new).into())
        }
    }
}

fn replace_first(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (old, new, text) = (old(of)?, of.text(1)?, of.text(2)?);
    budget.scan(text.len().saturating_add(old.len()))?;
    pay_for_replacing(text, old, new, 1, budget)?;
    Ok(text.replacen(old, new, 1).into())
}

fn repeat(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (count, text) = (of.count(0)?, of.text(1)?);
    budget.text(text.len().saturating_mul(count))?;
    Ok(text.repeat(count).into())
}

fn pad(of: &Operands<'_>, budget: &mut Budget, in_front: bool) -> Outcome {
    let last = of.last();
    let (width, text) = (of.count(0)?, of.shared_text(last)?);
    let fill = if last > 1 { of.text(1)? } else { " " };
    let Some(widest) = fill.chars().map(char::len_utf8).max() else {
        return Err(of.refuse(1, "must not be \"\""));
    };
    budget.scan(text.len())?;
    let missing = width.saturating_sub(text.chars().count());
    if missing == 0 {
        return Ok(Value::Text(text.clone()));
    }
    budget.text(text.len().saturating_add(missing.saturating_mul(widest)))?;
    let filling: String = fill.chars().cycle().take(missing).collect();
    Ok(if in_front { format!("{filling}{text}") } else { format!("{text}{filling}") }.into())
}

fn quote(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.shared_text(0)?;
    Ok(write::json_of(&Value::Text(text.clone()), None, budget)?.into())
}
