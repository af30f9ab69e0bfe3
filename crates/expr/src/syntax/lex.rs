//! Cuts the text of an expression into [`Token`]s. It knows no grammar beyond a single token.

use std::sync::Arc;

use crate::fault::Problem;

/// One token, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    /// In characters of the whole source, from 1.
    pub(super) column: u32,
    /// Whether white space, or nothing at all, comes before it.
    pub(super) spaced: bool,
    /// The byte after it.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'t> {
    /// The text of a JSON number without a sign.
    Number(&'t str),
    /// A quoted text, with its escapes resolved.
    Text(Arc<str>),
    /// A bare name: a function, or `true`, `false`, `null`.
    Name(&'t str),
    /// `$name`
    Root(&'t str),
    /// `.name`
    Field(&'t str),
    /// A dot without a name.
    Dot,
    /// An operator, a bracket or a comma.
    Sign(&'static str),
    /// `}}`, or the end of a bare expression.
    End,
}

/// Longest first, so that `||` is not read as two bars.
const SIGNS: &[&str] = &[
    "??", "||", "&&", "==", "!=", "<=", ">=", "(", ")", "[", "]", ",", ":", "?", "|", "!", "<", ">", "+", "-", "*",
    "/", "%",
];

/// Reads tokens one after the other.
pub(super) struct Lexer<'t> {
    source: &'t str,
    at: usize,
    column: u32,
    /// Whether `}}` ends the expression; else the end of the source does.
    braces: bool,
}

/// Whether a name may start so.
pub(super) fn starts_name(char: char) -> bool {
    char.is_alphabetic() || char == '_'
}

fn continues_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// How many bytes of the text are a name; 0 where it starts with none. With `dashes`, a `-`
/// between two characters of a name belongs to it.
fn name_length(text: &str, dashes: bool) -> usize {
    let mut chars = text.char_indices().peekable();
    if !chars.next().is_some_and(|(_, first)| starts_name(first)) {
        return 0;
    }
    while let Some((at, char)) = chars.next() {
        let inside = continues_name(char)
            || (dashes && char == '-' && chars.peek().is_some_and(|(_, next)| continues_name(*next)));
        if !inside {
            return at;
        }
    }
    text.len()
}

/// Whether a text can stand after a dot.
pub(crate) fn is_field_name(text: &str) -> bool {
    !text.is_empty() && name_length(text, true) == text.len()
}

impl<'t> Lexer<'t> {
    /// A reader from a byte of the source, which is this column.
    pub(super) fn new(source: &'t str, at: usize, column: u32, braces: bool) -> Self {
        Self { source, at, column, braces }
    }

    /// Whether a digit comes right after what was read.
    pub(super) fn digit_follows(&self) -> bool {
        self.rest().starts_with(|char: char| char.is_ascii_digit())
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token<'t>, Problem> {
        let from = self.at;
        while let Some(char) = self.rest().chars().next().filter(|char| char.is_whitespace()) {
            self.skip(char);
        }
        let (spaced, column) = (self.at > from, self.column);
        let kind = self.kind()?;
        Ok(Token { kind, column, spaced, end: self.at })
    }

    fn rest(&self) -> &'t str {
        &self.source[self.at..]
    }

    fn skip(&mut self, char: char) {
        self.at += char.len_utf8();
        self.column += 1;
    }

    /// Takes so many bytes.
    fn take(&mut self, bytes: usize) -> &'t str {
        let taken = &self.rest()[..bytes];
        self.at += bytes;
        self.column += taken.chars().count() as u32;
        taken
    }

    fn problem<T>(&self, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem::new(self.column, message))
    }

    fn kind(&mut self) -> Result<Kind<'t>, Problem> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return if self.braces {
                self.problem("the expression is not closed: }} is missing")
            } else {
                Ok(Kind::End)
            };
        };
        if rest.starts_with("}}") && self.braces {
            self.take(2);
            return Ok(Kind::End);
        }
        match first {
            '"' | '\'' => self.text(first),
            '0'..='9' => self.number(),
            '.' => {
                self.take(1);
                match name_length(self.rest(), true) {
                    0 if self.digit_follows() => {
                        self.problem("a number starts with a digit (0.5), and a position is written in brackets ([0])")
                    }
                    0 => Ok(Kind::Dot),
                    length => Ok(Kind::Field(self.take(length))),
                }
            }
            '$' => {
                self.take(1);
                match name_length(self.rest(), false) {
                    0 => self.problem("a name must follow $, as in $prev, $kv or $item"),
                    length => Ok(Kind::Root(self.take(length))),
                }
            }
            _ if starts_name(first) => Ok(Kind::Name(self.take(name_length(rest, false)))),
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, first: char) -> Result<Kind<'t>, Problem> {
        let rest = self.rest();
        if rest.starts_with("===") || rest.starts_with("!==") {
            return self.problem("there is only == and !=; they compare by value and never convert");
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            self.take(sign.len());
            return Ok(Kind::Sign(sign));
        }
        self.problem(match first {
            '=' => "= does not compare; write ==".to_owned(),
            '&' => "& alone is no operator; write &&".to_owned(),
            '{' => "an object is written as dict(\"key\", value)".to_owned(),
            '}' => "an expression ends with two braces: }}".to_owned(),
            '`' | '“' | '”' | '‘' | '’' => "text is quoted with \" or '".to_owned(),
            other => format!("{other:?} has no meaning in an expression"),
        })
    }

    fn number(&mut self) -> Result<Kind<'t>, Problem> {
        let rest = self.rest();
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let mut length = digits(0);
        if length > 1 && rest.starts_with('0') {
            return self.problem("a number has no zeros in front");
        }
        if rest[length..].starts_with('.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
        }
        if rest[length..].starts_with(['e', 'E']) {
            let signed = usize::from(rest[length + 1..].starts_with(['+', '-']));
            match digits(length + 1 + signed) {
                0 => {}
                exponent => length += 1 + signed + exponent,
            }
        }
        if rest[length..].starts_with(continues_name) {
            return self.problem("a name cannot start with a digit; where this is text, quote it");
        }
        Ok(Kind::Number(self.take(length)))
    }

    /// A quoted text: JSON's escapes, and `\'`.
    fn text(&mut self, quote: char) -> Result<Kind<'t>, Problem> {
        let opened = self.column;
        self.take(1);
        let mut text = String::new();
        loop {
            let Some(char) = self.rest().chars().next() else {
                return Err(Problem::new(opened, "the text that starts here is not closed"));
            };
            if char == '\\' {
                text.push(self.escape()?);
                continue;
            }
            self.skip(char);
            if char == quote {
                return Ok(Kind::Text(text.into()));
            }
            text.push(char);
        }
    }

    fn escape(&mut self) -> Result<char, Problem> {
        let known = match self.rest().chars().nth(1) {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some(same @ ('"' | '\'' | '\\' | '/')) => same,
            Some('u') => return self.code_point(),
            _ => {
                return self.problem(
                    "after \\ comes one of n r t b f u / \\ or a quote; a backslash itself is written twice: \\\\",
                );
            }
        };
        self.take(2);
        Ok(known)
    }

    /// `\u` and four hex digits; two in a row where a character needs a surrogate pair.
    fn code_point(&mut self) -> Result<char, Problem> {
        let unit = |text: &str| {
            let digits = text.strip_prefix("\\u")?.get(..4)?;
            if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                u16::from_str_radix(digits, 16).ok()
            } else {
                None
            }
        };
        let Some(first) = unit(self.rest()) else {
            return self.problem("after \\u come four hex digits");
        };
        let second = unit(&self.rest()[6..]);
        let units = [first, second.unwrap_or_default()];
        let (char, length) = match char::decode_utf16(units).next() {
            Some(Ok(char)) => (char, if char.len_utf16() == 2 { 12 } else { 6 }),
            _ => return self.problem("half a surrogate pair is no character"),
        };
        self.take(length);
        Ok(char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Result<Vec<Kind<'_>>, String> {
        let mut lexer = Lexer::new(source, 0, 1, false);
        let mut kinds = Vec::new();
        loop {
            match lexer.next().map_err(|problem| format!("{}: {}", problem.column, problem.message))?.kind {
                Kind::End => return Ok(kinds),
                kind => kinds.push(kind),
            }
        }
    }

    fn text(source: &str) -> Kind<'_> {
        kinds(source).expect("lexes").remove(0)
    }

    #[test]
    fn names_after_a_dot_may_hold_dashes() {
        use Kind::{Field, Name, Number, Root, Sign};
        assert_eq!(kinds("$prev.a.x-request-id").expect("lexes"), [Root("prev"), Field("a"), Field("x-request-id")]);
        assert_eq!(kinds(".a - 5").expect("lexes"), [Field("a"), Sign("-"), Number("5")]);
        assert_eq!(kinds(".a-5").expect("lexes"), [Field("a-5")]);
        assert_eq!(kinds(".a-(5)").expect("lexes")[..2], [Field("a"), Sign("-")]);
        assert_eq!(kinds("a-b").expect("lexes"), [Name("a"), Sign("-"), Name("b")]);
        assert_eq!(kinds(".straße").expect("lexes"), [Field("straße")]);
    }

    #[test]
    fn numbers_keep_their_text() {
        for number in ["0", "10", "1.50", "1e5", "2E-3", "1.5e+10"] {
            assert_eq!(kinds(number).expect("lexes"), [Kind::Number(number)]);
        }
        assert_eq!(kinds("1.x").expect("lexes"), [Kind::Number("1"), Kind::Field("x")]);
        for (wrong, message) in [("007", "zeros"), ("5px", "digit"), (".5", "0.5"), ("1e", "digit")] {
            assert!(kinds(wrong).expect_err("refused").contains(message), "{wrong}");
        }
    }

    #[test]
    fn texts_take_escapes_of_json() {
        assert_eq!(text(r#""a\n\"\u00e9\\""#), Kind::Text("a\n\"é\\".into()));
        assert_eq!(text(r"'it\'s'"), Kind::Text("it's".into()));
        assert_eq!(text(r#""\ud83d\ude00""#), Kind::Text("😀".into()));
        assert_eq!(text("'}}'"), Kind::Text("}}".into()));
        for wrong in [r#""\d""#, r#""\u12""#, r#""\ud83d""#, r#""\ud83dx""#, r#""\u+123""#, "\"open", "'a\\"] {
            assert!(kinds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_other_languages_write_is_explained() {
        for (source, message) in [
            ("a === b", "only == and !="),
            ("a = b", "write =="),
            ("a & b", "write &&"),
            ("{}", "dict"),
            ("`x`", "quoted"),
            ("$", "a name must follow $"),
            ("#", "no meaning"),
        ] {
            assert!(kinds(source).expect_err("refused").contains(message), "{source}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let mut lexer = Lexer::new("'äö' + b", 0, 5, false);
        let columns: Vec<u32> = std::iter::from_fn(|| lexer.next().ok().filter(|token| token.kind != Kind::End))
            .map(|token| token.column)
            .collect();
        assert_eq!(columns, [5, 10, 12]);
    }
}
