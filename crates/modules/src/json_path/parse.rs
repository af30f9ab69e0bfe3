//! Reads queries: the grammar and the types of RFC 9535.

mod filter;

use super::{Comparable, Logical, Query, Segment, Selector};

/// Bytes of a query.
const LENGTH: usize = 4_096;

/// How deep filters, parentheses and functions may nest.
const DEPTH: usize = 16;

/// The largest position: what every reader of JSON takes for a whole number.
const LARGEST: i64 = (1 << 53) - 1;

/// Reads a whole query.
pub(super) fn query(text: &str) -> Result<Query, String> {
    let text = text.trim();
    if text.len() > LENGTH {
        return Err(format!("a query has at most {LENGTH} bytes"));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let query = match parser.peek() {
        Some('$') => parser.query()?,
        _ => return Err(parser.wrong("a query starts with $")),
    };
    if parser.at < text.len() { Err(parser.wrong("expected . or [ or the end")) } else { Ok(query) }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

/// What a function gives or takes.
enum Argument {
    Value(Comparable),
    Nodes(Query),
    Logical(Logical),
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn wrong(&self, what: &str) -> String {
        format!("{what} (column {})", self.text[..self.at].chars().count() + 1)
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.eat(wanted) { Ok(()) } else { Err(self.wrong(&format!("expected {wanted}"))) }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if self.depth == DEPTH {
            return Err(self.wrong(&format!("filters nest deeper than {DEPTH} levels")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// `$` or `@` and segments.
    fn query(&mut self) -> Result<Query, String> {
        let relative = self.next() == Some('@');
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            match self.segment()? {
                Some(segment) => segments.push(segment),
                None => {
                    self.at = before;
                    return Ok(Query { relative, segments });
                }
            }
        }
    }

    fn segment(&mut self) -> Result<Option<Segment>, String> {
        let descends = self.eat("..");
        let selectors = if self.eat("[") {
            self.selectors()?
        } else if descends || self.eat(".") {
            if self.eat("*") { vec![Selector::Wildcard] } else { vec![Selector::Name(self.shorthand()?)] }
        } else {
            return Ok(None);
        };
        Ok(Some(Segment { descends, selectors }))
    }

    /// A name after a dot.
    fn shorthand(&mut self) -> Result<String, String> {
        let is_first = |char: char| char.is_ascii_alphabetic() || char == '_' || !char.is_ascii();
        let name = self.rest().split(|char: char| !is_first(char) && !char.is_ascii_digit()).next().unwrap_or_default();
        if !name.starts_with(is_first) {
            return Err(self.wrong("expected a name or *; other names are written as ['…']"));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    /// What is inside of brackets.
    fn selectors(&mut self) -> Result<Vec<Selector>, String> {
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if self.eat("]") {
                return Ok(selectors);
            }
            if !self.eat(",") {
                return Err(self.wrong("expected , or ]"));
            }
        }
    }

    fn selector(&mut self) -> Result<Selector, String> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some('?') => {
                self.at += 1;
                self.blanks();
                self.deeper(Self::logical).map(Selector::Filter)
            }
            Some('"' | '\'') => self.string().map(Selector::Name),
            Some('-' | ':' | '0'..='9') => self.index_or_slice(),
            _ => Err(self.wrong("expected a name in quotes, a position, *, a slice or a filter")),
        }
    }

    fn index_or_slice(&mut self) -> Result<Selector, String> {
        let start = self.position()?;
        let before = self.at;
        self.blanks();
        if !self.eat(":") {
            self.at = before;
            return start.map(Selector::Index).ok_or_else(|| self.wrong("expected a position"));
        }
        self.blanks();
        let end = self.position()?;
        let before = self.at;
        self.blanks();
        let mut step = None;
        if self.eat(":") {
            let before = self.at;
            self.blanks();
            step = self.position()?;
            if step.is_none() {
                self.at = before;
            }
        } else {
            self.at = before;
        }
        Ok(Selector::Slice { start, end, step: step.unwrap_or(1) })
    }

    /// A whole number, where there is one.
    fn position(&mut self) -> Result<Option<i64>, String> {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        let length = rest.len() - digits.len() + count;
        if length == 0 {
            return Ok(None);
        }
        let text = &rest[..length];
        let is_proper = count > 0 && text != "-0" && (count == 1 || !digits.starts_with('0'));
        let number = text.parse::<i64>().ok().filter(|number| is_proper && number.abs() <= LARGEST);
        let number = number.ok_or_else(|| self.wrong("this is no position"))?;
        self.at += length;
        Ok(Some(number))
    }

    /// A text in quotes.
    fn string(&mut self) -> Result<String, String> {
        let quote = self.next().unwrap_or_default();
        let mut out = String::new();
        loop {
            match self.next() {
                Some(char) if char == quote => return Ok(out),
                Some('\\') => out.push(self.escape(quote)?),
                Some(char) if char >= ' ' => out.push(char),
                Some(_) => return Err(self.wrong("a control character must be escaped")),
                None => return Err(self.wrong("the quotes are not closed")),
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<char, String> {
        Ok(match self.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => return self.unicode(),
            Some(char @ ('/' | '\\')) => char,
            Some(char) if char == quote => char,
            _ => return Err(self.wrong("there is no such escape")),
        })
    }

    /// The four digits of an escape, and of the second one where they are half of a pair.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                self.expect("\\u")?;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.wrong("expected the other half of a pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.wrong("half of a pair stands alone"))
    }

    fn hex(&mut self) -> Result<u32, String> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("expected four hex digits"))?;
        self.at += 4;
        Ok(code)
    }
}
