//! Strings as words: capitals, names in other spellings, lines, and texts made shorter.

use model::Value;

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[
    strict(
        Kind::Text,
        "title(text)",
        "The text with a capital at the start of each word.",
        r#"title "hello big world""#,
        r#""Hello Big World""#,
        |of, budget| capitals(of, budget, true),
    ),
    strict(
        Kind::Text,
        "capitalize(text)",
        "The text with a capital at its start.",
        r#"capitalize "hello world""#,
        r#""Hello world""#,
        |of, budget| capitals(of, budget, false),
    ),
    strict(
        Kind::Text,
        "words(text)",
        "The words of a text or a name: runs of letters and digits, also at a change to capitals.",
        r#"words "orderId, total-sum""#,
        r#"["order","Id","total","sum"]"#,
        list_words,
    ),
    strict(
        Kind::Text,
        "camelCase(text)",
        "The words joined, each but the first with a capital.",
        r#"camelCase "order total""#,
        r#""orderTotal""#,
        |of, budget| spell(of, budget, "", true),
    ),
    strict(
        Kind::Text,
        "snakeCase(text)",
        r#"The words in small letters, joined by "_"."#,
        r#"snakeCase "orderTotal""#,
        r#""order_total""#,
        |of, budget| spell(of, budget, "_", false),
    ),
    strict(
        Kind::Text,
        "kebabCase(text)",
        r#"The words in small letters, joined by "-"."#,
        r#"kebabCase "orderTotal""#,
        r#""order-total""#,
        |of, budget| spell(of, budget, "-", false),
    ),
    strict(
        Kind::Text,
        "slug(text)",
        r#"Letters and digits in small letters, everything else as one "-"; fit for a link or a file name."#,
        r#"slug " Hello, World! ""#,
        r#""hello-world""#,
        slug,
    ),
    strict(Kind::Text, "lines(text)", "The lines of a text.", r#"lines "a\nb\r\n""#, r#"["a","b"]"#, lines),
    strict(
        Kind::Text,
        "normalizeSpace(text)",
        "The text with every run of white space as one space, and none at its ends.",
        r#"normalizeSpace " a \n  b ""#,
        r#""a b""#,
        normalize_space,
    ),
    strict(
        Kind::Text,
        "truncate(length, text)",
        "The first characters of a text, so many at most.",
        r#"truncate 3 "invoice""#,
        r#""inv""#,
        truncate,
    )
    .alias(&["trunc"])
    .subject(super::is_text),
    strict(
        Kind::Text,
        "abbreviate(length, text)",
        r#"The text with so many characters at most; a cut is shown by "…"."#,
        r#"abbreviate 5 "invoice""#,
        r#""invo…""#,
        abbreviate,
    )
    .alias(&["abbrev"])
    .subject(super::is_text),
    strict(
        Kind::Text,
        "mask(shown, text)",
        r#"The text with every character but the last few as "*"."#,
        r#"mask 4 "DE8937040044""#,
        r#""********0044""#,
        mask,
    )
    .subject(super::is_text),
    strict(
        Kind::Text,
        "indent(spaces, text)",
        "The text with so many spaces in front of each line.",
        r#"indent 2 "a\nb""#,
        r#""  a\n  b""#,
        indent,
    )
    .subject(super::is_text),
];

/// Changing letters makes three of one at most.
const GROWTH: usize = 3;

fn capitals(of: &Operands<'_>, budget: &mut Budget, every: bool) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(GROWTH))?;
    let (mut out, mut starts) = (String::with_capacity(text.len()), true);
    for char in text.chars() {
        if starts && char.is_alphanumeric() {
            out.extend(char.to_uppercase());
            starts = false;
        } else {
            out.push(char);
            starts = starts || (every && char.is_whitespace());
        }
    }
    Ok(out.into())
}

/// The words of a text, in small letters.
fn split_words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for run in text.split(|char: char| !char.is_alphanumeric()).filter(|run| !run.is_empty()) {
        let mut from = 0;
        let mut before = None;
        let mut chars = run.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            let next_is_small = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            // orderId: before I; HTTPServer: before S.
            let breaks =
                char.is_uppercase() && before.is_some_and(|before: char| !before.is_uppercase() || next_is_small);
            if breaks {
                words.push(&run[from..at]);
                from = at;
            }
            before = Some(char);
        }
        words.push(&run[from..]);
    }
    words
}

fn list_words(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    let words = split_words(text);
    budget.list(words.len())?;
    Ok(Value::list(words))
}

fn spell(of: &Operands<'_>, budget: &mut Budget, between: &str, capitals: bool) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(GROWTH + 1))?;
    let mut out = String::with_capacity(text.len());
    for (at, word) in split_words(text).into_iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        let mut chars = word.chars();
        if let Some(first) = chars.next().filter(|_| capitals && at > 0) {
            out.extend(first.to_uppercase());
            out.push_str(&chars.as_str().to_lowercase());
        } else {
            out.push_str(&word.to_lowercase());
        }
    }
    Ok(out.into())
}

fn slug(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len().saturating_mul(GROWTH))?;
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_alphanumeric() {
            out.extend(char.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    Ok(out.trim_end_matches('-').into())
}

fn lines(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    budget.list(1 + text.bytes().filter(|byte| *byte == b'\n').count())?;
    Ok(Value::list(text.lines()))
}

fn normalize_space(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let text = of.text(0)?;
    budget.text(text.len())?;
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Ok(out.into())
}

/// The first characters of a text, so many at most.
fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn truncate(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (length, text) = (of.count(0)?, of.shared_text(1)?);
    budget.scan(text.len())?;
    super::text::part(text, first_chars(text, length), budget)
}

fn abbreviate(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (length, text) = (of.count(0)?, of.shared_text(1)?);
    budget.text(text.len().saturating_add(3))?;
    let shown = first_chars(text, length);
    if shown.len() == text.len() {
        return Ok(Value::Text(text.clone()));
    }
    let Some(room) = length.checked_sub(1) else { return Ok("".into()) };
    Ok(format!("{}…", first_chars(shown, room)).into())
}

fn mask(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (shown, text) = (of.count(0)?, of.text(1)?);
    budget.text(text.len())?;
    let hidden = text.chars().count().saturating_sub(shown);
    let tail = &text[first_chars(text, hidden).len()..];
    Ok(format!("{}{tail}", "*".repeat(hidden)).into())
}

fn indent(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let (spaces, text) = (of.count(0)?, of.text(1)?);
    let lines = 1 + text.bytes().filter(|byte| *byte == b'\n').count();
    budget.text(text.len().saturating_add(lines.saturating_mul(spaces)))?;
    let front = " ".repeat(spaces);
    Ok(format!("{front}{}", text.replace('\n', &format!("\n{front}"))).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_break_at_capitals() {
        for (text, words) in [
            ("orderTotal", vec!["order", "Total"]),
            ("HTTPServer", vec!["HTTP", "Server"]),
            ("a1B2", vec!["a1", "B2"]),
            ("", vec![]),
            ("--", vec![]),
            ("ÄpfelÖl", vec!["Äpfel", "Öl"]),
        ] {
            assert_eq!(split_words(text), words, "{text}");
        }
    }
}
