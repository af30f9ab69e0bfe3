//! [`take_apart`]: from the bytes of a mail to what flows get. Pure, and within bounds whatever the bytes are.
//!
//! Headers, encoded words and charsets are read by `mail-parser`. The parts are not: there is a mail in a mail in a
//! mail, and whoever takes these apart by themselves nests as deep as somebody wants. Here a mail in a mail is a file.

mod body;
#[cfg(test)]
mod fuzz;
mod parts;

use std::collections::BTreeMap;
use std::fmt;

use mail_parser::{Address, DateTime, HeaderName, HeaderValue, Message, MessageParser, MessagePart};
use model::limits::{MAILBOX_FILES, MAILBOX_HEADER_BYTES, MAILBOX_PARTS};
use model::value::Value;
use sdk::intake::File;

use self::body::Body;

/// A mail, taken apart.
#[derive(Debug)]
pub(crate) struct Taken {
    /// All headers, names in lower case, encoded words as they are meant; those that come twice with a comma.
    pub(crate) headers: BTreeMap<String, String>,
    /// Who, to whom, what.
    pub(crate) value: Value,
    /// Its files, in the order of `attachments`.
    pub(crate) files: Vec<File>,
}

/// What a mail has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooMuch {
    Headers,
    Parts,
    Files,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers => write!(f, "its headers, or those of a part, have more than {MAILBOX_HEADER_BYTES} bytes"),
            Self::Parts => write!(f, "it has more than {MAILBOX_PARTS} parts"),
            Self::Files => write!(f, "it has more than {MAILBOX_FILES} files"),
        }
    }
}

/// Takes a mail apart.
///
/// # Errors
/// Where it has more of something than is taken.
pub(crate) fn take_apart(mail: &[u8]) -> Result<Taken, TooMuch> {
    let parts = parts::of(mail)?;
    let head = parts.head;
    let body = Body::of(parts)?;
    let known = known(&structured(), head);
    let people = |name: HeaderName<'static>| {
        let lists = known.headers().iter().filter(move |header| header.name == name);
        Value::list(lists.filter_map(|header| header.value.as_address()).flat_map(addresses).collect::<Vec<_>>())
    };
    let files = &body.files;
    let attachments = files.iter().map(|(file, content_id)| {
        let mut fields = vec![
            ("name", Value::from(file.name.as_str())),
            ("contentType", file.content_type.as_str().into()),
            ("size", file.bytes.len().into()),
        ];
        fields.extend(content_id.as_deref().map(|id| ("contentId", id.into())));
        Value::map(fields)
    });
    let value = Value::map([
        ("messageId", ids(&known, &HeaderName::MessageId).next().into()),
        ("from", people(HeaderName::From)),
        ("to", people(HeaderName::To)),
        ("cc", people(HeaderName::Cc)),
        ("replyTo", people(HeaderName::ReplyTo)),
        ("subject", known.subject().map(str::to_owned).into()),
        ("date", known.date().filter(|date| date.is_valid()).map(|date| date.to_rfc3339()).into()),
        ("text", body.text.clone().into()),
        ("html", body.html.clone().into()),
        ("inReplyTo", ids(&known, &HeaderName::InReplyTo).next().into()),
        ("references", Value::list(ids(&known, &HeaderName::References).collect::<Vec<_>>())),
        ("attachments", Value::list(attachments.collect::<Vec<_>>())),
    ]);
    let files = body.files.into_iter().map(|(file, _)| file).collect();
    Ok(Taken { headers: headers(head), value, files })
}

/// A moment as servers tell it, `21-Nov-2026 10:00:00 +0100`, as others write it; none where it is no such.
pub(crate) fn moment(told: &str) -> Option<String> {
    let (day, time) = told.trim().split_once(' ')?;
    let date = DateTime::parse_rfc822(&format!("{} {time}", day.replace('-', " ")))?;
    date.is_valid().then(|| date.to_rfc3339())
}

/// Headers, as that parser reads them; none where there are none.
fn known<'a>(parser: &MessageParser, head: &'a [u8]) -> Message<'a> {
    // Whoever asks a mail without parts for its headers looks at the first part all the same.
    parser.parse_headers(head).unwrap_or_else(|| Message { parts: vec![MessagePart::default()], ..Message::default() })
}

/// Reads the headers that say something as what they say.
fn structured() -> MessageParser {
    MessageParser::new().with_minimal_headers().with_message_ids().default_header_ignore()
}

fn addresses<'a>(all: &'a Address<'_>) -> impl Iterator<Item = Value> + 'a {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| Value::from(text.as_deref());
    all.iter().map(move |one| Value::map([("name", text(&one.name)), ("address", text(&one.address))]))
}

/// The ids in a header, without what is around them.
fn ids<'a>(known: &'a Message<'_>, name: &HeaderName<'static>) -> impl Iterator<Item = String> + 'a {
    let texts: Vec<String> = match known.header(name.clone()) {
        Some(HeaderValue::Text(text)) => vec![text.to_string()],
        Some(HeaderValue::TextList(texts)) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    };
    texts.into_iter()
}

/// All headers as text.
fn headers(head: &[u8]) -> BTreeMap<String, String> {
    let all = MessageParser::new().header_text(HeaderName::Subject).default_header_text();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for header in known(&all, head).headers() {
        let text = header.value.as_text().unwrap_or_default();
        let name = header.name.as_str().to_ascii_lowercase();
        headers
            .entry(name)
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(text);
            })
            .or_insert_with(|| text.to_owned());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mail: &str) -> Taken {
        take_apart(mail.replace('\n', "\r\n").as_bytes()).expect("is taken apart")
    }

    fn text(value: &Value, at: &str) -> String {
        value.pointer(at).map(Value::to_json).unwrap_or_default()
    }

    #[test]
    fn who_wrote_what_to_whom_is_told() {
        let taken = taken(
            "From: =?utf-8?q?J=C3=BCrgen?= <j@a.test>\nTo: Ada <ada@a.test>, bob@b.test\nTo: third@c.test\n\
             Cc: Group: eve@c.test;\nSubject: =?iso-8859-1?q?Gr=FC=DFe?= to\n you\nDate: Sat, 21 Nov 2026 10:00:00 +0100\n\
             Message-ID: <1@a.test>\nIn-Reply-To: <0@a.test>\nReferences: <x@a.test> <0@a.test>\nX-A: 1\nx-a: 2\n\nHello\n",
        );
        let value = &taken.value;
        for (at, told) in [
            ("/from", r#"[{"name":"Jürgen","address":"j@a.test"}]"#),
            ("/to/0", r#"{"name":"Ada","address":"ada@a.test"}"#),
            ("/to/1", r#"{"name":null,"address":"bob@b.test"}"#),
            ("/to/2/address", r#""third@c.test""#),
            ("/cc/0/address", r#""eve@c.test""#),
            ("/replyTo", "[]"),
            ("/subject", r#""Grüße to you""#),
            ("/date", r#""2026-11-21T10:00:00+01:00""#),
            ("/messageId", r#""1@a.test""#),
            ("/inReplyTo", r#""0@a.test""#),
            ("/references", r#"["x@a.test","0@a.test"]"#),
            ("/text", r#""Hello\n""#),
            ("/html", "null"),
            ("/attachments", "[]"),
        ] {
            assert_eq!(text(value, at), told, "{at}");
        }
        assert_eq!(taken.headers["x-a"], "1, 2");
        assert_eq!(taken.headers["subject"], "Grüße to you");
        assert_eq!(taken.headers["from"], "Jürgen <j@a.test>");
    }

    #[test]
    fn moments_are_told_as_others_write_them() {
        assert_eq!(moment("21-Nov-2026 10:00:00 +0100").as_deref(), Some("2026-11-21T10:00:00+01:00"));
        assert_eq!(moment(" 1-Feb-2026 10:00:00 +0000").as_deref(), Some("2026-02-01T10:00:00Z"));
        assert_eq!(["", "never", "99-Nov-2026 10:00:00 +0100"].map(moment), [None, None, None]);
    }

    #[test]
    fn a_mail_without_anything_is_a_mail() {
        for mail in ["", "\n", "\n\n", "hello", ":", "Subject", "Date: never\nTo: \n\n"] {
            let taken = taken(mail);
            assert_eq!(text(&taken.value, "/to"), "[]", "{mail:?}");
            assert_eq!(text(&taken.value, "/date"), "null", "{mail:?}");
        }
    }
}
