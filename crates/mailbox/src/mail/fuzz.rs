//! Any bytes at all as a mail: taking it apart never panics, ends, and what comes of it stays within its bounds.
//!
//! A short run is part of every test run. A longer one: `FLOW8_FUZZ_SECONDS=60 cargo test -p flow8-mailbox fuzz`.

use fuzz::Target;
use model::limits::{MAILBOX_FILE_NAME_CHARS, MAILBOX_FILES};
use model::value::Value;

use super::take_apart;

/// What belongs into mails.
const WORDS: [&str; 24] = [
    "\r\n",
    "\n\n",
    "\r\n--x\r\n",
    "\r\n--x--\r\n",
    "Content-Type: multipart/mixed; boundary=x\r\n",
    "Content-Type: multipart/digest; boundary=\"x\"\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: text/html; charset=utf-7\r\n",
    "; charset=iso-2022-jp",
    "; name*0*=utf-8''%C3; name*1*=%BC",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Disposition: attachment; filename=\"a\"\r\n",
    "Content-ID: <a@b>\r\n",
    "=?utf-8?q?=C3=BC?=",
    "=?utf-8?b?w7w=?=",
    "=?",
    "From: a <a@b>, c: d@e;\r\n",
    "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\n",
    "References: <a@b> <c@d>\r\n",
    "=\r\n",
    "=C3",
    "\0",
    "(((((",
];

#[test]
fn any_mail() {
    let target = Target::new(env!("CARGO_MANIFEST_DIR"), "mail").words(WORDS);
    target.holds(|input| {
        let Ok(taken) = take_apart(input) else { return };
        let listed = taken.value.get("attachments").and_then(Value::as_list).map(<[Value]>::len);
        assert!(taken.files.len() <= MAILBOX_FILES && listed == Some(taken.files.len()));
        // Decoding makes nothing out of nothing: a byte of some charset is three of UTF-8 at most, or five that say
        // that it is none.
        let text = |field: &str| taken.value.get(field).and_then(Value::as_str).map_or(0, str::len);
        let files: usize = taken.files.iter().map(|file| file.bytes.len()).sum();
        assert!(text("text") + text("html") + files <= 6 * input.len() + 1_000, "more than came in");
        for file in &taken.files {
            assert!(!file.name.is_empty() && file.name.chars().count() <= MAILBOX_FILE_NAME_CHARS);
            assert!(!file.name.chars().any(char::is_control) && file.content_type.contains('/'));
        }
        assert!(taken.headers.keys().all(|name| *name == name.to_ascii_lowercase()));
        assert_eq!(take_apart(input).expect("as before").value, taken.value);
    });
}
