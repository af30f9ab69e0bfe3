//! [`Body`]: what the parts of a mail say, decoded: a text, the same as HTML, and files.

use std::borrow::Cow;

use bytes::Bytes;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use model::limits::{MAILBOX_FILE_NAME_CHARS, MAILBOX_FILES};
use sdk::intake::File;

use super::TooMuch;
use super::parts::{Leaf, Parts};

/// Which charset bytes most likely have that are no UTF-8 and do not say.
const LIKELY: &[u8] = b"windows-1252";

/// What a mail says.
#[derive(Default)]
pub(super) struct Body {
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    /// Files, and what the mail itself calls them.
    pub(super) files: Vec<(File, Option<String>)>,
}

impl Body {
    /// Decodes the parts of a mail.
    ///
    /// # Errors
    /// Where there are too many files.
    pub(super) fn of(parts: Parts<'_>) -> Result<Self, TooMuch> {
        let mut body = Self::default();
        for leaf in parts.leaves {
            let is_said = !leaf.is_attached && leaf.name.is_none();
            match leaf.content_type.as_str() {
                "text/plain" if is_said => add(&mut body.text, text(&leaf)),
                "text/html" if is_said => add(&mut body.html, text(&leaf)),
                _ if body.files.len() == MAILBOX_FILES => return Err(TooMuch::Files),
                _ => {
                    let file = file(leaf, body.files.len() + 1);
                    body.files.push(file);
                }
            }
        }
        Ok(body)
    }
}

/// What is said in several parts is said one after the other.
fn add(all: &mut Option<String>, text: String) {
    match all {
        None => *all = Some(text),
        Some(all) => {
            if !all.ends_with('\n') {
                all.push('\n');
            }
            all.push_str(&text);
        }
    }
}

/// The bytes of a part. What cannot be decoded is given as it came: nothing is lost by it.
fn bytes<'a>(leaf: &Leaf<'a>) -> Cow<'a, [u8]> {
    let decoded = match leaf.encoding.as_str() {
        "base64" => base64_decode(leaf.body),
        "quoted-printable" => quoted_printable_decode(leaf.body),
        _ => None,
    };
    decoded.map_or(Cow::Borrowed(leaf.body), Cow::Owned)
}

fn text(leaf: &Leaf<'_>) -> String {
    let bytes = bytes(leaf);
    let told = leaf.charset.as_deref().and_then(|charset| charset_decoder(charset.as_bytes()));
    let text = match (told, std::str::from_utf8(&bytes)) {
        (Some(decode), _) => decode(&bytes),
        (None, Ok(text)) => text.to_owned(),
        (None, Err(_)) => match charset_decoder(LIKELY) {
            Some(decode) => decode(&bytes),
            None => String::from_utf8_lossy(&bytes).into_owned(),
        },
    };
    if text.contains('\r') { text.replace("\r\n", "\n") } else { text }
}

fn file(leaf: Leaf<'_>, number: usize) -> (File, Option<String>) {
    let bytes = match bytes(&leaf) {
        Cow::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
        Cow::Owned(bytes) => Bytes::from(bytes),
    };
    let ending = match leaf.content_type.as_str() {
        "message/rfc822" => ".eml",
        "text/calendar" => ".ics",
        "text/html" => ".html",
        "text/plain" => ".txt",
        _ => "",
    };
    let name = leaf.name.as_deref().map(printable).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("part-{number}{ending}"));
    (File { name, content_type: leaf.content_type, bytes }, leaf.content_id)
}

/// A name of one line, and not too long. Its end tells what it is, and is kept.
fn printable(name: &str) -> String {
    let name: Vec<char> = name.trim().chars().map(|char| if char.is_control() { '_' } else { char }).collect();
    name[name.len().saturating_sub(MAILBOX_FILE_NAME_CHARS)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Taken, TooMuch, take_apart};

    fn taken(mail: &str) -> Taken {
        take_apart(mail.replace('\n', "\r\n").as_bytes()).expect("is taken apart")
    }

    fn text(taken: &Taken, field: &str) -> Option<String> {
        taken.value.get(field)?.as_str().map(str::to_owned)
    }

    #[test]
    fn text_html_and_files_are_told_apart() {
        let taken = taken(
            "Content-Type: multipart/mixed; boundary=\"a b\"\n\nbefore\n--a b\nContent-Type: multipart/alternative; boundary=c\n\n\
             --c\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe=\n!\n\
             --c\nContent-Type: multipart/related; boundary=d\n\n--d\nContent-Type: text/html; charset=shift_jis\n\
             Content-Transfer-Encoding: base64\n\ng26DjYFb\n--d\nContent-Type: image/png\nContent-ID: <logo@x>\n\
             Content-Disposition: inline; filename*=utf-8''%C3%BC.png\nContent-Transfer-Encoding: base64\n\nAJ+S\nlg==\n\
             --d--\n--c--\nafter\n--a b\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=e\n\n\
             --e\n\nin it\n--e--\n--a b\nContent-Type: text/plain; name=\"=?utf-8?b?w6QudHh0?=\"\n\nfile\n--a b--\nnever\n",
        );
        assert_eq!(text(&taken, "text").as_deref(), Some("Grüße!"));
        assert_eq!(text(&taken, "html").as_deref(), Some("ハロー"));
        let files: Vec<_> =
            taken.files.iter().map(|file| (&*file.name, &*file.content_type, file.bytes.len())).collect();
        assert_eq!(files[0], ("ü.png", "image/png", 4));
        assert_eq!((files[1].0, files[1].1), ("part-2.eml", "message/rfc822"));
        assert!(taken.files[1].bytes.starts_with(b"Subject: inner") && taken.files[1].bytes.ends_with(b"--e--"));
        assert_eq!(files[2], ("ä.txt", "text/plain", 4));
        let id = taken.value.pointer("/attachments/0/contentId").and_then(|id| id.as_str());
        assert_eq!((files.len(), id), (3, Some("logo@x")));
    }

    #[test]
    fn what_is_broken_is_told_as_far_as_it_goes() {
        for (mail, told) in [
            ("Content-Type: multipart/mixed; boundary=x\n\nno part\n", "no part\n"),
            ("Content-Type: multipart/mixed\n\n--x\n\npart\n", "--x\n\npart\n"),
            ("Content-Type: multipart/mixed; boundary=x\n\n--x\n\nnever ends", "never ends"),
            ("Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x\n\ntwo\n--x--", "one\ntwo"),
            ("Content-Transfer-Encoding: base64\n\n!!no base64!!\n", "!!no base64!!\n"),
            ("Content-Transfer-Encoding: quoted-printable\n\n=XY\n", "=XY\n"),
            ("Content-Type: text/plain; charset=klingon\n\nd\u{e9}j\u{e0}\n", "déjà\n"),
        ] {
            assert_eq!(text(&taken(mail), "text").as_deref(), Some(told), "{mail}");
        }
        let likely = take_apart(b"Subject: x\n\nGr\xfc\xdfe").expect("is taken apart");
        assert_eq!(text(&likely, "text").as_deref(), Some("Grüße"));
    }

    #[test]
    fn there_is_an_end_to_everything() {
        let parts = |parts: usize, head: &str| {
            format!(
                "Content-Type: multipart/mixed; boundary=x\n\n{}--x--\n",
                format!("--x\n{head}\n\nx\n").repeat(parts)
            )
        };
        let too = |mail: &str| take_apart(mail.as_bytes()).expect_err("is too much");
        assert_eq!(too(&parts(1_000, "X: y")), TooMuch::Parts);
        assert_eq!(too(&parts(101, "Content-Type: image/png")), TooMuch::Files);
        assert_eq!(too(&format!("X: {}\n\nx", "x".repeat(300 << 10))), TooMuch::Headers);
        assert_eq!(too(&"X: y\n".repeat(60_000)), TooMuch::Headers);
        assert_eq!(taken(&parts(100, "Content-Type: image/png")).files.len(), 100);
        // Deeper than is looked into: a file.
        let deep: String =
            (0..100).map(|level| format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n")).collect();
        let taken = taken(&deep);
        assert_eq!((taken.files.len(), &*taken.files[0].content_type), (1, "multipart/mixed"));
        let mails = "Content-Type: message/rfc822\n\n".repeat(100_000);
        assert_eq!(take_apart(mails.as_bytes()).expect("is taken apart").files.len(), 1);
    }
}
