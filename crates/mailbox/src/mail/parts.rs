//! [`of`]: the parts of a mail, in one walk over its lines. Nothing is decoded here.
//!
//! A line that looks like the end of a part is looked up among the boundaries that are open, the innermost first. What
//! was not ended properly ends where something around it does.

use std::ops::Range;

use mail_parser::{ContentType, HeaderName, MessageParser, MimeHeaders as _};
use model::limits::{MAILBOX_DEPTH, MAILBOX_HEADER_BYTES, MAILBOX_PARTS};

use super::TooMuch;

/// Bytes of what parts are told apart by: of what mails may have, more than twice.
const BOUNDARY_BYTES: usize = 200;

/// A mail in its parts.
pub(super) struct Parts<'a> {
    /// Its own headers.
    pub(super) head: &'a [u8],
    /// What stands in it, without what only holds other parts.
    pub(super) leaves: Vec<Leaf<'a>>,
}

/// A part that holds no others.
pub(super) struct Leaf<'a> {
    /// What it is: `text/plain` …, in small letters.
    pub(super) content_type: String,
    /// The charset that it says it has.
    pub(super) charset: Option<String>,
    /// What it says it is called.
    pub(super) name: Option<String>,
    /// Whether it says that it is a file.
    pub(super) is_attached: bool,
    /// What others in the same mail call it.
    pub(super) content_id: Option<String>,
    /// How it is encoded, in small letters.
    pub(super) encoding: String,
    /// What is in it, encoded.
    pub(super) body: &'a [u8],
}

/// Parts that have a boundary in common.
struct Level {
    boundary: Vec<u8>,
    /// Its parts are mails where they do not say otherwise.
    is_digest: bool,
}

/// What the walk is in.
enum At {
    /// Headers that began there.
    Head(usize),
    /// A part that began there, and is this.
    Body(usize, Box<Leaf<'static>>),
    /// What belongs to no part: before the first, or after the last.
    Between,
}

struct Walk<'a> {
    mail: &'a [u8],
    levels: Vec<Level>,
    at: At,
    leaves: Vec<Leaf<'a>>,
    head: Option<Range<usize>>,
    parts: usize,
}

/// The parts of a mail.
///
/// # Errors
/// Where there are too many of them, or too many headers.
pub(super) fn of(mail: &[u8]) -> Result<Parts<'_>, TooMuch> {
    let mut walk = Walk { mail, levels: Vec::new(), at: At::Head(0), leaves: Vec::new(), head: None, parts: 0 };
    let mut start = 0;
    while start < mail.len() {
        let end = mail[start..].iter().position(|byte| *byte == b'\n').map_or(mail.len(), |at| start + at + 1);
        walk.line(start, end)?;
        start = end;
    }
    walk.close(mail.len())?;
    let head = walk.head.map_or(&mail[..0], |head| &mail[head]);
    if walk.leaves.is_empty() {
        // It says that it has parts, and none is there: what it says is told as it is.
        walk.leaves.push(Leaf { body: &mail[head.len()..], ..Leaf::text() });
    }
    Ok(Parts { head, leaves: walk.leaves })
}

impl<'a> Walk<'a> {
    fn line(&mut self, start: usize, end: usize) -> Result<(), TooMuch> {
        let line = self.mail[start..end].trim_ascii_end();
        if let Some(rest) = line.strip_prefix(b"--")
            && let Some((level, is_last)) = self.boundary(rest)
        {
            self.close(start)?;
            self.levels.truncate(if is_last { level } else { level + 1 });
            self.at = if is_last { At::Between } else { At::Head(end) };
            return Ok(());
        }
        if let At::Head(from) = self.at {
            if line.is_empty() {
                return self.begin(from, start, end);
            }
            if end - from > MAILBOX_HEADER_BYTES {
                return Err(TooMuch::Headers);
            }
        }
        Ok(())
    }

    /// Which of the open boundaries a line is, and whether it is the last one.
    fn boundary(&self, rest: &[u8]) -> Option<(usize, bool)> {
        self.levels.iter().enumerate().rev().find_map(|(level, Level { boundary, .. })| {
            let after = rest.strip_prefix(boundary.as_slice())?;
            (after.is_empty() || after == b"--").then_some((level, !after.is_empty()))
        })
    }

    /// Headers have ended: what they belong to begins.
    fn begin(&mut self, from: usize, to: usize, body: usize) -> Result<(), TooMuch> {
        self.parts += 1;
        if self.parts > MAILBOX_PARTS {
            return Err(TooMuch::Parts);
        }
        if self.head.is_none() {
            self.head = Some(from..body);
        }
        let is_digest = self.levels.last().is_some_and(|level| level.is_digest);
        let (leaf, boundary) = read(&self.mail[from..body.max(to)], is_digest);
        self.at = match boundary {
            Some(boundary) if self.levels.len() < MAILBOX_DEPTH => {
                let is_digest = leaf.content_type == "multipart/digest";
                self.levels.push(Level { boundary, is_digest });
                At::Between
            }
            _ => At::Body(body, Box::new(leaf)),
        };
        Ok(())
    }

    /// What is open ends here.
    fn close(&mut self, end: usize) -> Result<(), TooMuch> {
        if let At::Head(from) = self.at {
            // It has no body. Nothing at all is no part.
            if from >= end {
                return Ok(());
            }
            self.begin(from, end, end)?;
        }
        if let At::Body(start, leaf) = std::mem::replace(&mut self.at, At::Between) {
            // The end of the line before a boundary belongs to the boundary.
            let body = &self.mail[start..end.max(start)];
            let body = if self.levels.is_empty() { body } else { without_line_end(body) };
            self.leaves.push(Leaf { body, ..*leaf });
        }
        Ok(())
    }
}

fn without_line_end(body: &[u8]) -> &[u8] {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body)
}

impl Leaf<'_> {
    fn text() -> Self {
        Self {
            content_type: "text/plain".to_owned(),
            charset: None,
            name: None,
            is_attached: false,
            content_id: None,
            encoding: String::new(),
            body: b"",
        }
    }
}

/// What headers say of their part, and its boundary where it holds others.
fn read(head: &[u8], is_in_digest: bool) -> (Leaf<'static>, Option<Vec<u8>>) {
    let parser = MessageParser::new().with_mime_headers().default_header_ignore();
    let known = super::known(&parser, head);
    let mut leaf = Leaf::text();
    if is_in_digest {
        leaf.content_type = "message/rfc822".to_owned();
    }
    let Some(part) = known.parts.first() else { return (leaf, None) };
    let said = part.content_type();
    let attribute = |of: Option<&ContentType<'_>>, name| of.and_then(|of| of.attribute(name)).map(str::to_owned);
    if let Some(said) = said {
        let word = |text: &str| text.chars().all(|char| matches!(char, '!'..='~') && char != '/');
        let (first, second) = (said.ctype(), said.subtype().unwrap_or("plain"));
        leaf.content_type = if word(first) && word(second) && first.len() + second.len() < 100 {
            format!("{first}/{second}").to_ascii_lowercase()
        } else {
            "application/octet-stream".to_owned()
        };
        leaf.charset = attribute(Some(said), "charset");
    }
    let disposition = part.content_disposition();
    leaf.name = attribute(disposition, "filename").or_else(|| attribute(said, "name"));
    leaf.is_attached = disposition.is_some_and(|said| said.ctype().eq_ignore_ascii_case("attachment"));
    leaf.content_id = part.content_id().map(str::to_owned);
    let encoding = known.header(HeaderName::ContentTransferEncoding).and_then(|value| value.as_text());
    leaf.encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    // At the end of a line spaces do not count, and a boundary that has some there would never be found.
    let boundary = attribute(said, "boundary").map(|boundary| boundary.trim_end().as_bytes().to_vec());
    let boundary = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES);
    if !leaf.content_type.starts_with("multipart/") {
        return (leaf, None);
    }
    if boundary.is_none() {
        // It says that it has parts, and not how they are told apart.
        leaf.content_type = "text/plain".to_owned();
    }
    (leaf, boundary)
}
