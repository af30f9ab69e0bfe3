//! The functions of the language: one sorted table, [`functions`].
//!
//! Each says its name, operands, meaning and an example in the table; the parser resolves names
//! here, and docs and completion are made from it. A function is total: it gives a value or says
//! which operand it does not take, and pays for every loop and growth beforehand.

mod casts;
mod date;
mod encoding;
mod hash;
mod json;
mod list;
mod logic;
mod map;
mod number;
mod operands;
mod pattern;
mod printf;
mod select;
mod strings;
mod table;
mod text;
mod types;
mod words;

use model::Value;

pub(crate) use casts::{as_boolean, as_number};
pub(crate) use operands::Operands;
pub(crate) use pattern::compile as compile_pattern;
pub use table::functions;
pub(crate) use table::{find, unknown};

use crate::budget::Budget;
use crate::eval::Evaluator;
use crate::stop::Outcome;
use crate::syntax::Expr;

/// A function of the language, as it is documented and called.
#[derive(Clone, Copy)]
pub struct Function {
    /// What it is called by.
    pub name: &'static str,
    /// Other names that it answers to.
    pub aliases: &'static [&'static str],
    /// What it is about.
    pub kind: Kind,
    /// Name and operands: in `substr(start, length?, text)` the second may be left out; `...`
    /// behind an operand means any number of it, or none.
    pub signature: &'static str,
    /// What it gives, in one line.
    pub doc: &'static str,
    /// A call.
    pub example: &'static str,
    /// What that call gives, as JSON.
    pub result: &'static str,
    /// How many operands it takes at least.
    pub least: usize,
    /// How many operands it takes at most; `usize::MAX` for any number.
    pub most: usize,
    /// Whether the operands come in twos.
    pub(crate) pairs: bool,
    /// Whether the first operand is a regular expression.
    pub(crate) pattern: bool,
    /// Whether it draws a uuid.
    pub(crate) draws: bool,
    /// How the operand that it works on, its last, can be told from the others; where only the
    /// first one looks so, it was put first and goes to the end.
    pub(crate) subject: Option<fn(&Value) -> bool>,
    pub(crate) run: Run,
}

/// What a function is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Conditions, comparisons and fallbacks.
    Logic,
    /// What a value is, and turning it into another type.
    Type,
    /// Arithmetic.
    Number,
    /// Strings.
    Text,
    /// Regular expressions.
    Pattern,
    /// Lists.
    List,
    /// Objects.
    Object,
    /// Reading and writing JSON.
    Json,
    /// Times, `$date.…`
    Date,
    /// Base64, hex, URLs, HTML.
    Encoding,
    /// Digests, signatures and uuids.
    Hash,
}

impl Kind {
    /// A heading for the functions of this kind.
    pub fn title(self) -> &'static str {
        match self {
            Self::Logic => "Conditions and fallbacks",
            Self::Type => "Types",
            Self::Number => "Numbers",
            Self::Text => "Strings",
            Self::Pattern => "Regular expressions",
            Self::List => "Lists",
            Self::Object => "Objects",
            Self::Json => "JSON",
            Self::Date => "Dates and times",
            Self::Encoding => "Encodings",
            Self::Hash => "Digests and uuids",
        }
    }
}

/// How a function is called.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// With the values of its operands.
    Strict(Strict),
    /// With its operands as they are written, to evaluate those that it wants.
    Lazy(Lazy),
}

/// What a function does with the values of its operands.
type Strict = fn(&mut Operands<'_>, &mut Budget) -> Outcome;

/// What a function does with its operands as they are written.
type Lazy = fn(&mut Evaluator<'_>, &[Expr]) -> Outcome;

/// A function of values.
const fn strict(
    kind: Kind,
    signature: &'static str,
    doc: &'static str,
    example: &'static str,
    result: &'static str,
    run: Strict,
) -> Function {
    Function::new(kind, signature, doc, example, result, Run::Strict(run))
}

/// A function that evaluates its own operands.
const fn lazy(
    kind: Kind,
    signature: &'static str,
    doc: &'static str,
    example: &'static str,
    result: &'static str,
    run: Lazy,
) -> Function {
    Function::new(kind, signature, doc, example, result, Run::Lazy(run))
}

impl Function {
    /// A function; its name and how many operands it takes are in its signature.
    const fn new(
        kind: Kind,
        signature: &'static str,
        doc: &'static str,
        example: &'static str,
        result: &'static str,
        run: Run,
    ) -> Self {
        let (name, least, most) = read_signature(signature);
        Self {
            name,
            aliases: &[],
            kind,
            signature,
            doc,
            example,
            result,
            least,
            most,
            pairs: false,
            pattern: false,
            draws: false,
            subject: None,
            run,
        }
    }

    /// Answers to these names, too.
    const fn alias(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The operand that it works on may come first where it is told by its look.
    const fn subject(self, subject: fn(&Value) -> bool) -> Self {
        Self { subject: Some(subject), ..self }
    }

    /// Its operands come in twos.
    const fn in_pairs(self) -> Self {
        Self { pairs: true, ..self }
    }

    /// Draws uuids.
    const fn draws(self) -> Self {
        Self { draws: true, ..self }
    }

    /// The first operand is a regular expression.
    const fn with_pattern(self) -> Self {
        Self { pattern: true, ..self }
    }

    /// The names of its operands, as the signature gives them.
    pub fn operand_names(&self) -> impl Iterator<Item = &'static str> {
        let inside = self.signature[self.name.len()..].trim_matches(['(', ')']);
        inside.split(", ").filter(|name| !name.is_empty())
    }

    /// Whether it takes so many operands; what it takes instead.
    pub(crate) fn takes(&self, count: usize) -> Result<(), String> {
        if count < self.least || count > self.most {
            let (least, most) = (self.least, self.most);
            let plural = if most == 1 || (most == usize::MAX && least == 1) { "" } else { "s" };
            let takes = match (least, most) {
                (0, 0) => "no operands".to_owned(),
                (_, usize::MAX) => format!("at least {least} operand{plural}"),
                _ if least == most => format!("{least} operand{plural}"),
                _ => format!("{least} to {most} operands"),
            };
            return Err(format!("{} takes {takes}, not {count}: {}", self.name, self.signature));
        }
        if self.pairs && !count.is_multiple_of(2) {
            return Err(format!("{} takes its operands in twos, not {count}: {}", self.name, self.signature));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.signature)
    }
}

/// The name, and how many operands a signature has at least and at most.
const fn read_signature(signature: &'static str) -> (&'static str, usize, usize) {
    let bytes = signature.as_bytes();
    let mut open = 0;
    while bytes[open] != b'(' {
        open += 1;
    }
    let (mut least, mut most, mut at) = (0, 0, open + 1);
    while bytes[open + 1] != b')' && at < bytes.len() {
        if bytes[at] == b',' || bytes[at] == b')' {
            match bytes[at - 1] {
                b'.' => most = usize::MAX,
                b'?' => most += 1,
                _ => {
                    least += 1;
                    most = if most == usize::MAX { most } else { most + 1 };
                }
            }
        }
        at += 1;
    }
    (signature.split_at(open).0, least, most)
}

/// Whether a value is a list.
fn is_list(value: &Value) -> bool {
    matches!(value, Value::List(_))
}

/// Whether a value is an object.
fn is_map(value: &Value) -> bool {
    matches!(value, Value::Map(_))
}

/// Whether a value is a list or an object.
fn is_container(value: &Value) -> bool {
    is_list(value) || is_map(value)
}

/// Whether a value is a text.
fn is_text(value: &Value) -> bool {
    matches!(value, Value::Text(_))
}

/// Whether a value is a list or a text.
fn is_sequence(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Text(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_says_what_is_taken() {
        assert_eq!(read_signature("f()"), ("f", 0, 0));
        assert_eq!(read_signature("f(a)"), ("f", 1, 1));
        assert_eq!(read_signature("f(a, b?, c)"), ("f", 2, 3));
        assert_eq!(read_signature("f(a, b...)"), ("f", 1, usize::MAX));
        assert_eq!(read_signature("f(a..., b)"), ("f", 1, usize::MAX));
        assert_eq!(read_signature("$date.f(a?)"), ("$date.f", 0, 1));
    }
}
