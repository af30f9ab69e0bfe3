//! Names of folders and other words, as commands have them.

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

/// Base64 with a comma in place of the slash, which parts the names of folders at many servers.
const WORDS: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// The name of a folder, in quotes: whatever is not ASCII is in the Base64 of its UTF-16, between `&` and `-`.
pub(crate) fn folder(name: &str) -> String {
    let mut coded = String::new();
    let mut odd: Vec<u8> = Vec::new();
    let close = |odd: &mut Vec<u8>, coded: &mut String| {
        if !odd.is_empty() {
            coded.push('&');
            coded.push_str(&WORDS.encode(&*odd));
            coded.push('-');
            odd.clear();
        }
    };
    for char in name.chars() {
        if matches!(char, ' '..='~') {
            close(&mut odd, &mut coded);
            coded.push(char);
            if char == '&' {
                coded.push('-');
            }
        } else {
            odd.extend(char.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    close(&mut odd, &mut coded);
    quoted(&coded)
}

/// A word in quotes. It is ASCII, and of one line.
pub(crate) fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_coded_as_servers_have_them() {
        for (name, coded) in [
            ("INBOX", r#""INBOX""#),
            ("Entwürfe", r#""Entw&APw-rfe""#),
            ("A & B", r#""A &- B""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("~peter/mail/台北/日本語", r#""~peter/mail/&U,BTFw-/&ZeVnLIqe-""#),
            ("🦀", r#""&2D7dgA-""#),
        ] {
            assert_eq!(folder(name), coded);
        }
    }
}
