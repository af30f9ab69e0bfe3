//! What the parser says of a token that does not belong where it is.

use super::BinaryOp;
use super::lex::{Kind, Token};
use crate::fault::Problem;

/// Nothing between the braces.
pub(super) fn empty(column: u32) -> Problem {
    Problem::new(column, "the expression is empty")
}

/// A value should be here.
pub(super) fn no_value(token: &Token<'_>) -> Problem {
    let message = match &token.kind {
        Kind::End => "the expression ends where a value is missing".to_owned(),
        Kind::Sign("[") => "a list is written as list(a, b)".to_owned(),
        Kind::Sign(sign) => format!("a value is missing before {sign}"),
        other => format!("a value is missing before {}", named(other)),
    };
    Problem::new(token.column, message)
}

/// The expression should have ended here.
pub(super) fn leftover(token: &Token<'_>) -> Problem {
    let message = match &token.kind {
        Kind::Name(word @ ("and" | "or")) => {
            let sign = if *word == "and" { "&&" } else { "||" };
            format!("{word} is a function: write a {sign} b, or {word}(a, b)")
        }
        Kind::Name(word @ ("in" | "contains" | "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "add" | "sub" | "mul")) => {
            format!("{word} is a function and comes first: {word}(a, b), or {word} a b")
        }
        Kind::Sign(close @ (")" | "]")) => format!("nothing is open that {close} closes"),
        Kind::Sign(",") => "a comma only stands between the operands of f(a, b)".to_owned(),
        Kind::Sign(":") => "there is no ? that this : belongs to".to_owned(),
        Kind::Sign("(") if !token.spaced => {
            "values have no methods: a function is written f(a, b), or with a pipe: a | f".to_owned()
        }
        Kind::Sign("!") => "! stands before a value; \"not equal\" is !=".to_owned(),
        Kind::Sign(sign) => format!("{sign} cannot stand here"),
        other => format!("an operator or a | is missing before {}", named(other)),
    };
    Problem::new(token.column, message)
}

/// One token should be here and another one is.
pub(super) fn expected(sign: &str, token: &Token<'_>) -> Problem {
    if token.kind == Kind::End {
        return Problem::new(token.column, format!("the expression ends where {sign} is missing"));
    }
    match (sign, &token.kind) {
        (")", Kind::Sign(",")) => Problem::new(
            token.column,
            "parentheses hold one value; in f(a, b) the ( stands right behind the function's name",
        ),
        (_, Kind::Sign("|")) => {
            Problem::new(token.column, format!("{sign} is missing; put what belongs to | in parentheses"))
        }
        _ => {
            let cause = leftover(token).message;
            Problem::new(token.column, format!("{sign} is missing here: {cause}"))
        }
    }
}

/// An operator behind `f a b`.
pub(super) fn operator_in_command(token: &Token<'_>, function: &str) -> Option<Problem> {
    let Kind::Sign(sign) = token.kind else { return None };
    let refused = BinaryOp::of(sign).is_some() || matches!(sign, "?" | "!");
    refused.then(|| {
        Problem::new(
            token.column,
            format!(
                "use parentheses: in a command such as \"{function} a b\" the operands are paths, literals and \
                 parentheses, so {sign} needs ({function} …) before it, or (… {sign} …) around it"
            ),
        )
    })
}

/// A call without parentheses as an operand of `f a b`.
pub(super) fn call_in_command(column: u32, function: &str) -> Problem {
    Problem::new(column, format!("use parentheses around a call inside a command: ({function} …)"))
}

/// How a token is named in a message.
fn named(kind: &Kind<'_>) -> String {
    match kind {
        Kind::Number(text) | Kind::Name(text) => (*text).to_owned(),
        Kind::Text(_) => "this text".to_owned(),
        Kind::Root(name) => format!("${name}"),
        Kind::Field(name) => format!(".{name}"),
        Kind::Dot => "the dot".to_owned(),
        Kind::Sign(sign) => (*sign).to_owned(),
        Kind::End => "the end".to_owned(),
    }
}
