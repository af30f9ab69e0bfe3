//! Regular expressions, matched in time linear in the text.
//!
//! A pattern that is written out is compiled with the expression; one that is computed is
//! compiled when it is used, and costs for it.

use std::borrow::Cow;

use model::limits::PATTERN_BYTES;
use model::{Map, Value};
use regex::{Captures, Regex, RegexBuilder};

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::write;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Pattern,
        "regexMatch(pattern, text)",
        "Whether the pattern is found in the text.",
        r#"regexMatch "^INV-\\d+$" "INV-17""#,
        "true",
        is_match,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexFind(pattern, text)",
        "The first part of the text that matches; null where none does.",
        r#"regexFind "\\d+" "a1b22""#,
        r#""1""#,
        find,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexFindAll(pattern, text)",
        "Every part of the text that matches.",
        r#"regexFindAll "\\d+" "a1b22""#,
        r#"["1","22"]"#,
        find_all,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexGroups(pattern, text)",
        "The first match and its groups, as a list; null where there is none.",
        r#"regexGroups "(\\w+)@(\\w+)" "ada@home""#,
        r#"["ada@home","ada","home"]"#,
        groups,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexNamedGroups(pattern, text)",
        "The named groups of the first match, as an object; null where there is none.",
        r#"regexNamedGroups "(?<user>\\w+)@" "ada@home""#,
        r#"{"user":"ada"}"#,
        named_groups,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexReplace(pattern, replacement, text)",
        "The text with every match replaced; $1 and ${name} stand for groups, $$ for a dollar sign.",
        r#"regexReplace "(\\d+)-(\\d+)" "$2/$1" "12-34""#,
        r#""34/12""#,
        replace,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexSplit(pattern, text)",
        "The parts of the text between the matches.",
        r#"regexSplit "[,;] *" "a, b;c""#,
        r#"["a","b","c"]"#,
        split,
    )
    .with_pattern(),
    strict(
        Kind::Pattern,
        "regexEscape(text)",
        "The text as a pattern that matches just itself.",
        r#"regexEscape "1.5""#,
        r#""1\\.5""#,
        escape,
    )
    .alias(&["regexQuoteMeta"]),
];

/// Steps that compiling a pattern costs during an evaluation.
const COMPILING_STEPS: u64 = 1000;

/// The pattern of a text; what is wrong with it otherwise.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build().map_err(|error| match error
    {
        regex::Error::CompiledTooBig(_) => "this regular expression is too large; count fewer repetitions".to_owned(),
        other => {
            let told = other.to_string();
            let cause = told.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("this is not a regular expression: {cause}")
        }
    })
}

/// The pattern in the first operand.
fn pattern<'e>(of: &Operands<'e>, budget: &mut Budget) -> Outcome<Cow<'e, Regex>> {
    if let Some(compiled) = of.pattern() {
        return Ok(Cow::Borrowed(compiled));
    }
    let text = of.text(0)?;
    budget.step(COMPILING_STEPS)?;
    budget.scan(text.len())?;
    compile(text).map(Cow::Owned).map_err(|message| of.refuse(0, &message))
}

fn is_match(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    Ok(pattern.is_match(text).into())
}

fn find(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    let Some(found) = pattern.find(text) else { return Ok(Value::Null) };
    budget.text(found.len())?;
    Ok(found.as_str().into())
}

/// A list of parts of a text, paid for one by one.
fn parts<'t>(parts: impl Iterator<Item = &'t str>, budget: &mut Budget) -> Outcome {
    let mut list = Vec::new();
    for part in parts {
        budget.list(1)?;
        budget.text(part.len())?;
        list.push(Value::from(part));
    }
    Ok(list.into())
}

fn find_all(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    parts(pattern.find_iter(text).map(|found| found.as_str()), budget)
}

fn split(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    parts(pattern.split(text), budget)
}

fn group(captures: &Captures<'_>, index: usize, budget: &mut Budget) -> Outcome {
    let Some(group) = captures.get(index) else { return Ok(Value::Null) };
    budget.text(group.len())?;
    Ok(group.as_str().into())
}

fn groups(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    let Some(captures) = pattern.captures(text) else { return Ok(Value::Null) };
    budget.list(captures.len())?;
    let groups: Vec<Value> =
        (0..captures.len()).map(|index| group(&captures, index, budget)).collect::<Outcome<_>>()?;
    Ok(groups.into())
}

fn named_groups(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, text) = (pattern(of, budget)?, of.text(1)?);
    budget.scan(text.len())?;
    let Some(captures) = pattern.captures(text) else { return Ok(Value::Null) };
    budget.map(captures.len())?;
    let mut groups = Map::default();
    for (index, name) in pattern.capture_names().enumerate() {
        if let Some(name) = name {
            budget.text(name.len())?;
            groups.insert(name.into(), group(&captures, index, budget)?);
        }
    }
    Ok(groups.into())
}

/// A part of a replacement.
#[derive(Debug, PartialEq)]
enum Piece<'r> {
    Text(&'r str),
    /// `$1`, `${1}`
    Number(usize),
    /// `$name`, `${name}`
    Name(&'r str),
}

/// The parts of a replacement. A `$` that names no group stands for itself.
fn pieces(mut rest: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    while let Some(at) = rest.find('$') {
        pieces.push(Piece::Text(&rest[..at]));
        let behind = &rest[at + 1..];
        let (name, length) = match behind.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, _)) => (name, name.len() + 2),
            None => {
                let end =
                    behind.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(behind.len());
                let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
                let end = if digits > 0 { digits } else { end };
                (&behind[..end], end)
            }
        };
        if let Some(escaped) = behind.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            rest = escaped;
        } else if name.is_empty() {
            pieces.push(Piece::Text("$"));
            rest = behind;
        } else {
            pieces.push(name.parse().map_or(Piece::Name(name), Piece::Number));
            rest = &behind[length..];
        }
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn replace(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (pattern, replacement, text) = (pattern(of, budget)?, of.text(1)?, of.shared_text(2)?);
    budget.scan(text.len().saturating_add(replacement.len()))?;
    let pieces = pieces(replacement);
    let (mut out, mut from) = (String::new(), 0);
    for captures in pattern.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        budget.go_through(pieces.len())?;
        write::push(&text[from..whole.start()], &mut out, budget)?;
        for piece in &pieces {
            let piece = match piece {
                Piece::Text(text) => text,
                Piece::Number(index) => captures.get(*index).map_or("", |group| group.as_str()),
                Piece::Name(name) => captures.name(name).map_or("", |group| group.as_str()),
            };
            budget.build(piece.len())?;
            out.push_str(piece);
        }
        from = whole.end();
    }
    if from == 0 && out.is_empty() {
        return Ok(Value::Text(text.clone()));
    }
    write::push(&text[from..], &mut out, budget)?;
    Ok(out.into())
}

fn escape(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(2))?;
    Ok(regex::escape(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_names_groups() {
        use Piece::{Name, Number, Text};
        assert_eq!(pieces("a$1b"), [Text("a"), Number(1), Text("b")]);
        assert_eq!(pieces("${1}0"), [Text(""), Number(1), Text("0")]);
        assert_eq!(pieces("$name-$$"), [Text(""), Name("name"), Text("-"), Text("$"), Text("")]);
        assert_eq!(pieces("5$ ${x"), [Text("5"), Text("$"), Text(" "), Text("$"), Text("{x")]);
    }

    #[test]
    fn a_bad_pattern_is_explained_in_one_line() {
        assert_eq!(compile("a(b").expect_err("refused"), "this is not a regular expression: unclosed group");
        assert!(compile(r"\w{1000}{1000}").expect_err("refused").contains("too large"));
    }
}
