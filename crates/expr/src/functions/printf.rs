//! `format`: text with `%` verbs, as in Go and C.

use model::Value;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Function, Kind, Operands, strict};
use crate::budget::Budget;
use crate::eval::{compare, write};
use crate::stop::Outcome;

pub(super) const FUNCTIONS: &[Function] = &[strict(
    Kind::Text,
    "format(pattern, values...)",
    "The pattern with values in it: %s as text, %d whole, %.2f with places, %q quoted, %5d and %-5s with a width.",
    r#"format "%s owes %.2f (%03d)" "Ada" 12.5 7"#,
    r#""Ada owes 12.50 (007)""#,
    format,
)
.alias(&["printf"])];

/// The widest field and the most places that a verb may ask for.
const WIDEST: usize = 1000;

/// One verb: `%-08.2f`.
#[derive(Debug, Default, PartialEq)]
struct Verb {
    left: bool,
    zeros: bool,
    plus: bool,
    width: usize,
    places: Option<usize>,
    letter: char,
}

/// The verb behind a `%`, and how many bytes it takes.
fn read_verb(text: &str) -> Option<(Verb, usize)> {
    let mut verb = Verb::default();
    let flags = text.bytes().take_while(|byte| matches!(byte, b'-' | b'0' | b'+')).count();
    for flag in text[..flags].bytes() {
        match flag {
            b'-' => verb.left = true,
            b'0' => verb.zeros = true,
            _ => verb.plus = true,
        }
    }
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let mut at = flags;
    let width = digits(at);
    if width > 0 {
        verb.width = text[at..at + width].parse().ok().filter(|width| *width <= WIDEST)?;
        at += width;
    }
    if text[at..].starts_with('.') {
        let places = digits(at + 1);
        let asked = if places == 0 { 0 } else { text[at + 1..at + 1 + places].parse().ok()? };
        verb.places = Some(asked).filter(|places| *places <= WIDEST);
        verb.places?;
        at += 1 + places;
    }
    verb.letter = text[at..].chars().next()?;
    let length = at + verb.letter.len_utf8();
    Some((verb, length))
}

fn format(of: &mut Operands<'_>, budget: &mut Budget) -> Outcome {
    let pattern = of.text(0)?;
    budget.scan(pattern.len())?;
    let (mut out, mut rest, mut used) = (String::new(), pattern, 1);
    while let Some(at) = rest.find('%') {
        write::push(&rest[..at], &mut out, budget)?;
        let Some((verb, length)) = read_verb(&rest[at + 1..]) else {
            return Err(of.refuse(0, "has a % that no verb follows; %% writes one"));
        };
        rest = &rest[at + 1 + length..];
        if verb.letter == '%' {
            write::push("%", &mut out, budget)?;
            continue;
        }
        if used >= of.len() {
            return Err(of.refuse(0, &format!("has more verbs than the {} values behind it", of.len() - 1)));
        }
        let text = verb_text(of, used, &verb, budget)?;
        pad(&text, &verb, &mut out, budget)?;
        used += 1;
    }
    write::push(rest, &mut out, budget)?;
    if used < of.len() {
        return Err(of.refuse(used, "has no verb in the pattern"));
    }
    Ok(out.into())
}

/// A value as its verb writes it, before it is filled up to the width.
fn verb_text(of: &Operands<'_>, index: usize, verb: &Verb, budget: &mut Budget) -> Outcome<String> {
    let number = |decimal: Decimal, places: usize| {
        let strategy = RoundingStrategy::MidpointAwayFromZero;
        let rounded = decimal.round_dp_with_strategy(places.min(Decimal::MAX_SCALE as usize) as u32, strategy);
        let rounded = if rounded.is_zero() { rounded.abs() } else { rounded };
        let plus = if verb.plus && !rounded.is_sign_negative() { "+" } else { "" };
        format!("{plus}{rounded:.places$}")
    };
    match verb.letter {
        's' | 'v' => {
            let text = write::text_of(of.value(index), budget)?;
            let shown = verb.places.and_then(|most| text.char_indices().nth(most)).map_or(text.len(), |(end, _)| end);
            budget.text(shown)?;
            Ok(text[..shown].to_owned())
        }
        'q' => Ok(write::json_of(&Value::Text(write::text_of(of.value(index), budget)?), None, budget)?),
        'd' => {
            of.whole(index)?;
            Ok(number(of.decimal(index)?, 0))
        }
        'f' => Ok(number(of.decimal(index)?, verb.places.unwrap_or(6))),
        't' => match of.value(index) {
            Value::Bool(truth) => Ok(truth.to_string()),
            _ => Err(of.wrong(index, "a boolean")),
        },
        'x' | 'X' => {
            let whole = of.whole(index)?;
            let sign = if whole < 0 { "-" } else { "" };
            let digits = format!("{:x}", whole.unsigned_abs());
            Ok(format!("{sign}{}", if verb.letter == 'X' { digits.to_uppercase() } else { digits }))
        }
        other => Err(of.refuse(
            0,
            &format!(
                "has the verb %{other}, for {}; there are %s %v %d %f %q %t %x %X %%",
                compare::described(of.value(index))
            ),
        )),
    }
}

/// Appends a text, filled up to the verb's width.
fn pad(text: &str, verb: &Verb, out: &mut String, budget: &mut Budget) -> Outcome<()> {
    let missing = verb.width.saturating_sub(text.chars().count());
    budget.text(text.len() + missing)?;
    if verb.left {
        out.push_str(text);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if verb.zeros {
        let digits = text.trim_start_matches(['-', '+']);
        out.push_str(&text[..text.len() - digits.len()]);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(digits);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_with_flags_width_and_places() {
        let verb = |text| read_verb(text).map(|(verb, _)| verb);
        assert_eq!(verb("s"), Some(Verb { letter: 's', ..Verb::default() }));
        assert_eq!(
            verb("-08.2f"),
            Some(Verb { left: true, zeros: true, width: 8, places: Some(2), letter: 'f', ..Verb::default() })
        );
        assert_eq!(verb("5.d"), Some(Verb { width: 5, places: Some(0), letter: 'd', ..Verb::default() }));
        assert_eq!(verb(""), None);
        assert_eq!(verb("99999d"), None);
        assert_eq!(verb("5"), None);
    }
}
