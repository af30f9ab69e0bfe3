//! [`Response`]: one thing that a server says, as far as it matters here.
//!
//! Whatever is not known is passed over, as the standard wants it. Nothing in here nests without a bound.

#[cfg(test)]
mod fuzz;

use std::ops::Range;

use bytes::Bytes;

/// How deep lists in an answer may nest.
const DEPTH: usize = 16;

/// Words and lists of one answer.
const TOKENS: usize = 10_000;

/// Characters of what a server says for people that are told.
const SAID_CHARS: usize = 300;

/// One thing that a server says.
#[derive(Debug, PartialEq)]
pub(crate) enum Response {
    /// It waits for more of the command.
    Continue,
    /// How something went: the command of that tag, or else all of it.
    Status(Status),
    /// So many mails are in the folder.
    Exists(u32),
    /// Something of one mail.
    Fetch(Fetch),
    /// The numbers of the mails that were searched for.
    Search(Vec<u32>),
    /// What the server can do, in capitals.
    Able(Vec<String>),
    /// Something else.
    Other,
}

/// How something went.
#[derive(Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) tag: Option<String>,
    pub(crate) word: Word,
    /// What programs are told, as it stands between brackets.
    pub(crate) code: String,
    /// What people are told: of one line, and not too long.
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Ok,
    No,
    Bad,
    Bye,
    Preauth,
}

/// What is told of one mail.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fetch {
    pub(crate) uid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) date: Option<String>,
    /// In small letters.
    pub(crate) flags: Option<Vec<String>>,
    pub(crate) body: Option<Bytes>,
}

enum Token {
    Word(Bytes),
    List(Vec<Token>),
}

impl Response {
    /// Reads a whole answer with its counted pieces; none where it is none.
    pub(crate) fn read(answer: &Bytes, literals: &[Range<usize>]) -> Option<Self> {
        let line = answer.trim_ascii_end();
        if line.first() == Some(&b'+') {
            return Some(Self::Continue);
        }
        let (first, rest) = word(line);
        let tag = (first != b"*").then(|| lossy(first));
        let (name, after) = word(rest);
        if let Some(word) = status_word(name) {
            return Some(Self::Status(status(tag, word, after)));
        }
        if tag.is_some() {
            return None;
        }
        if let Some(number) = number(name) {
            return Some(match word(after).0.to_ascii_uppercase().as_slice() {
                b"EXISTS" => Self::Exists(number),
                b"FETCH" => {
                    let at = line.iter().position(|byte| *byte == b'(')?;
                    let mut reader = Reader { answer, literals, at, end: line.len(), left: TOKENS };
                    match reader.token(0)? {
                        Token::List(items) => Self::Fetch(fetch(&items)),
                        Token::Word(_) => return None,
                    }
                }
                _ => Self::Other,
            });
        }
        Some(match name.to_ascii_uppercase().as_slice() {
            b"SEARCH" => {
                // After the numbers some tell of changes, in parentheses.
                let numbers = after.split(|byte| *byte == b' ').take_while(|part| !part.starts_with(b"("));
                Self::Search(numbers.filter_map(number).collect())
            }
            b"CAPABILITY" => Self::Able(able(after)),
            _ => Self::Other,
        })
    }
}

fn able(text: &[u8]) -> Vec<String> {
    text.split(|byte| *byte == b' ').take(TOKENS).map(|name| lossy(name).to_ascii_uppercase()).collect()
}

fn status_word(name: &[u8]) -> Option<Word> {
    let words =
        [("OK", Word::Ok), ("NO", Word::No), ("BAD", Word::Bad), ("BYE", Word::Bye), ("PREAUTH", Word::Preauth)];
    words.into_iter().find(|(text, _)| name.eq_ignore_ascii_case(text.as_bytes())).map(|(_, word)| word)
}

fn status(tag: Option<String>, word: Word, rest: &[u8]) -> Status {
    let inner = rest.strip_prefix(b"[").and_then(|inner| Some(inner.split_at(inner.iter().position(|b| *b == b']')?)));
    let (code, text) = inner.map_or((&b""[..], rest), |(code, text)| (code, text[1..].trim_ascii_start()));
    let text: String = lossy(text).chars().take(SAID_CHARS).collect();
    let text = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    Status { tag, word, code: lossy(code), text }
}

fn fetch(items: &[Token]) -> Fetch {
    let mut fetch = Fetch::default();
    let mut items = items.iter();
    while let (Some(Token::Word(name)), Some(value)) = (items.next(), items.next()) {
        let name = name.to_ascii_uppercase();
        match (name.as_slice(), value) {
            (b"UID", Token::Word(text)) => fetch.uid = number(text),
            (b"RFC822.SIZE", Token::Word(text)) => fetch.size = lossy(text).parse().ok(),
            (b"INTERNALDATE", Token::Word(text)) => fetch.date = Some(lossy(text)),
            (b"FLAGS", Token::List(flags)) => {
                let words = flags.iter().filter_map(|flag| match flag {
                    Token::Word(text) => Some(lossy(text).to_ascii_lowercase()),
                    Token::List(_) => None,
                });
                fetch.flags = Some(words.collect());
            }
            (name, Token::Word(bytes)) if name.starts_with(b"BODY[]") => fetch.body = Some(bytes.clone()),
            _ => {}
        }
    }
    fetch
}

/// Up to the next space, and what comes after it.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    (&line[..end], line.get(end + 1..).unwrap_or_default())
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// Reads words and lists.
struct Reader<'a> {
    answer: &'a Bytes,
    literals: &'a [Range<usize>],
    at: usize,
    end: usize,
    /// Tokens that may still come.
    left: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.answer.get(self.at).copied().filter(|_| self.at < self.end)
    }

    fn token(&mut self, depth: usize) -> Option<Token> {
        self.left = self.left.checked_sub(1)?;
        match self.peek()? {
            b'(' if depth < DEPTH => self.list(depth),
            b'(' => None,
            b'"' => self.quoted(),
            b'{' | b'~' => self.literal(),
            _ => self.atom(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Token> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            match self.peek()? {
                b')' => {
                    self.at += 1;
                    return Some(Token::List(items));
                }
                b' ' => self.at += 1,
                _ => items.push(self.token(depth + 1)?),
            }
        }
    }

    fn quoted(&mut self) -> Option<Token> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Some(Token::Word(text.into())),
                b'\\' => {
                    text.push(self.peek()?);
                    self.at += 1;
                }
                byte => text.push(byte),
            }
        }
    }

    fn literal(&mut self) -> Option<Token> {
        let (first, rest) = self.literals.split_first()?;
        if first.start < self.at {
            return None;
        }
        self.literals = rest;
        self.at = first.end;
        Some(Token::Word(self.answer.slice(first.clone())))
    }

    /// A word; what stands in brackets belongs to it.
    fn atom(&mut self) -> Option<Token> {
        let (start, mut is_inside) = (self.at, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'[' => is_inside = true,
                b']' => is_inside = false,
                b' ' | b'(' | b')' if !is_inside => break,
                _ => {}
            }
            self.at += 1;
        }
        // What begins with a parenthesis that closes is no word.
        (self.at > start).then(|| Token::Word(self.answer.slice(start..self.at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Found, Frame};

    fn read(text: &str) -> Option<Response> {
        let answer = Bytes::copy_from_slice(text.as_bytes());
        match Frame::default().find(&answer) {
            Found::Whole(bytes, literals) => {
                assert_eq!(bytes, text.len(), "{text:?}");
                Response::read(&answer, &literals)
            }
            Found::Part => panic!("{text:?} is no whole answer"),
            Found::Odd(_) => None,
        }
    }

    #[test]
    fn what_servers_say_is_understood() {
        let status = |tag: Option<&str>, word, code: &str, text: &str| {
            let tag = tag.map(str::to_owned);
            Some(Response::Status(Status { tag, word, code: code.into(), text: text.into() }))
        };
        assert_eq!(
            read("* OK [UIDVALIDITY 7] UIDs valid {5}\r\n"),
            status(None, Word::Ok, "UIDVALIDITY 7", "UIDs valid {5}")
        );
        assert_eq!(
            read("a3 no [AUTHENTICATIONFAILED] No.\r\n"),
            status(Some("a3"), Word::No, "AUTHENTICATIONFAILED", "No.")
        );
        assert_eq!(read("* BYE\r\n"), status(None, Word::Bye, "", ""));
        assert_eq!(read("+ idling\r\n"), Some(Response::Continue));
        assert_eq!(read("* 23 EXISTS\r\n"), Some(Response::Exists(23)));
        assert_eq!(read("* SEARCH\r\n"), Some(Response::Search(vec![])));
        assert_eq!(read("* SEARCH 2 84 882 (MODSEQ 917)\r\n"), Some(Response::Search(vec![2, 84, 882])));
        assert_eq!(
            read("* CAPABILITY IMAP4rev1 Idle\r\n"),
            Some(Response::Able(vec!["IMAP4REV1".into(), "IDLE".into()]))
        );
        assert_eq!(read("* LIST () \"/\" {5}\r\na (b)\r\n"), Some(Response::Other));
        let mail = "* 1 FETCH (UID 5 BODY[]<0> {6}\r\n(\"x)\r\n FLAGS (\\Seen $A) RFC822.SIZE 70 X[1 (2)] NIL INTERNALDATE \"a\\\"b\")\r\n";
        let Some(Response::Fetch(fetch)) = read(mail) else { panic!("is a mail") };
        assert_eq!((fetch.uid, fetch.size, fetch.body.as_deref()), (Some(5), Some(70), Some(&b"(\"x)\r\n"[..])));
        assert_eq!((fetch.flags, fetch.date.as_deref()), (Some(vec!["\\seen".into(), "$a".into()]), Some("a\"b")));
        assert_eq!(read("* 1 FETCH (BODY[] \"short\")\r\n").map(|read| matches!(read, Response::Fetch(_))), Some(true));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for text in [
            "\r\n",
            "hello\r\n",
            "a1 HELLO\r\n",
            "* 1 FETCH (UID 5\r\n",
            "* 1 FETCH )\r\n",
            "* 1 FETCH (BODY[] {99999999999}\r\n",
        ] {
            assert!(read(text).is_none_or(|read| read == Response::Other), "{text:?}: {:?}", read(text));
        }
        let deep = format!("* 1 FETCH {}\r\n", "(".repeat(100_000));
        assert_eq!(read(&deep), None);
        let many = format!("* 1 FETCH ({})\r\n", "a ".repeat(100_000));
        assert_eq!(read(&many), None);
    }
}
