//! Forms with files (RFC 7578): parts between boundaries. Strict, and bounded everywhere; the bytes of files
//! are not copied.

use bytes::Bytes;
use model::limits::{ARGS_BYTES, FORM_HEADER_BYTES, FORM_PARTS};

use super::malformed;
use crate::answer::Problem;

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// What the field is called.
    pub(crate) name: String,
    /// What the sender calls the file; none for a field that is none.
    pub(crate) file_name: Option<String>,
    /// What the sender says it is.
    pub(crate) content_type: Option<String>,
    pub(crate) bytes: Bytes,
}

/// Characters of the name of a field or a file.
const NAME_CHARS: usize = 255;

/// Reads a form.
///
/// # Errors
/// Where it is malformed, or has too many parts.
pub(crate) fn read(content_type: &str, body: &Bytes) -> Result<Vec<Part>, Problem> {
    let boundary = parameters(content_type).find(|(name, _)| name == "boundary").map(|(_, value)| value);
    let boundary = boundary.filter(|text| (1..=70).contains(&text.len()));
    let boundary = boundary.ok_or_else(|| malformed("Content-Type names no boundary of the form's parts"))?;
    let (first, between) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let Some(mut at) = after_first(body, first.as_bytes()) else {
        return Err(malformed("the form does not begin with its boundary"));
    };
    let mut parts = Vec::new();
    let mut text = 0_usize;
    loop {
        match body.get(at..at + 2) {
            Some(b"--") => return Ok(parts),
            Some(b"\r\n") => at += 2,
            _ => return Err(malformed("the form breaks off after a boundary")),
        }
        if parts.len() == FORM_PARTS {
            return Err(malformed(format!("the form has more than {FORM_PARTS} parts")));
        }
        let window = &body[at..body.len().min(at + FORM_HEADER_BYTES)];
        // A part without headers begins with the empty line at once.
        let head = if window.starts_with(b"\r\n") { Some(0) } else { find(window, b"\r\n\r\n").map(|head| head + 2) };
        let head = head.ok_or_else(|| malformed("the headers of a part of the form do not end"))?;
        let begin = at + head + 2;
        let length = find(&body[begin..], between.as_bytes());
        let length = length.ok_or_else(|| malformed("the form ends within a part"))?;
        let part = part(&body[at..at + head], body.slice(begin..begin + length))?;
        text += if part.file_name.is_none() { part.bytes.len() } else { 0 };
        if text > ARGS_BYTES {
            return Err(malformed(format!("the fields of the form are larger than {} MiB", ARGS_BYTES >> 20)));
        }
        parts.push(part);
        at = begin + length + between.len();
    }
}

/// Where the first boundary ends: it is at the very beginning, or begins a line.
fn after_first(body: &[u8], first: &[u8]) -> Option<usize> {
    if body.starts_with(first) {
        return Some(first.len());
    }
    let window = &body[..body.len().min(FORM_HEADER_BYTES)];
    let line = [b"\r\n", first].concat();
    find(window, &line).map(|at| at + line.len())
}

fn part(head: &[u8], bytes: Bytes) -> Result<Part, Problem> {
    let head = std::str::from_utf8(head).map_err(|_| malformed("the headers of a part of the form are not UTF-8"))?;
    let mut disposition = None;
    let mut content_type = None;
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) =
            line.split_once(':').ok_or_else(|| malformed("a header of a part of the form has no colon"))?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => disposition = Some(value.trim()),
            "content-type" => content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let disposition = disposition.filter(|text| text.to_ascii_lowercase().starts_with("form-data"));
    let disposition = disposition.ok_or_else(|| malformed("a part of the form says not what it is"))?;
    let (mut name, mut file_name) = (None, None);
    for (parameter, value) in parameters(disposition) {
        match parameter.as_str() {
            "name" => name = Some(value),
            "filename" => file_name = Some(value),
            _ => {}
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| malformed("a part of the form has no name"))?;
    if [Some(&name), file_name.as_ref()].into_iter().flatten().any(|text| text.chars().count() > NAME_CHARS) {
        return Err(malformed(format!("a name in the form is longer than {NAME_CHARS} characters")));
    }
    if file_name.is_none() && std::str::from_utf8(&bytes).is_err() {
        return Err(malformed("a field of the form is neither UTF-8 nor a file"));
    }
    let content_type = content_type.map(|text| text.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect());
    Ok(Part { name, file_name, content_type, bytes })
}

/// The parameters after the first `;` of a header: `name=word` or `name="text"`.
fn parameters(header: &str) -> impl Iterator<Item = (String, String)> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let (name, after) = rest.split_once('=')?;
        let name = name.trim().to_ascii_lowercase();
        let Some(quoted) = after.strip_prefix('"') else {
            let end = after.find(';').unwrap_or(after.len());
            rest = &after[end..];
            return Some((name, after[..end].trim().to_owned()));
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    rest = &quoted[at + 1..];
                    return Some((name, value));
                }
                // Browsers write a quote as %22 and escape nothing else; programs escape with a backslash.
                '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                    value.extend(chars.next().map(|(_, char)| char));
                }
                other => value.push(other),
            }
        }
        None
    })
}

/// Where a pattern begins. The first byte is looked for first, which is fast enough for what is sent.
fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    let first = *pattern.first()?;
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(pattern) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"X y\"";

    fn parts(body: &str) -> Result<Vec<Part>, String> {
        read(TYPE, &Bytes::from(body.to_owned())).map_err(|problem| problem.message)
    }

    #[test]
    fn fields_and_files() {
        let body = "preamble\r\n--X y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --X y\r\ncontent-disposition: form-data; filename=\"q\\\"; x.txt\"; name=f\r\nContent-Type: text/plain\r\n\
            \r\n--X\r\n-- y\r\n--X y--\r\nepilogue";
        let parts = parts(body).expect("a form");
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), &parts[0].bytes[..], &parts[0].file_name), ("a", b"1".as_slice(), &None));
        assert_eq!((parts[1].name.as_str(), &parts[1].bytes[..]), ("f", b"--X\r\n-- y".as_slice()));
        assert_eq!(parts[1].file_name.as_deref(), Some("q\"; x.txt"));
        assert_eq!(parts[1].content_type.as_deref(), Some("text/plain"));
        assert_eq!(super::read(TYPE, &Bytes::from_static(b"--X y--")).expect("a form"), []);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let named = "Content-Disposition: form-data; name=a";
        for body in [
            String::new(),
            "--X".into(),
            "--X y".into(),
            "--X y\r\n".into(),
            "--X yz\r\n".into(),
            format!("--X y\r\n{named}\r\n\r\n1"),
            format!("--X y\r\n{named}\r\n\r\n1\r\n--X y"),
            format!("--X y\r\n{named}\r\n1\r\n--X y--"),
            "--X y\r\n\r\n1\r\n--X y--".into(),
            "--X y\r\nnothing\r\n\r\n1\r\n--X y--".into(),
            "--X y\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n1\r\n--X y--".into(),
            "--X y\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--X y--".into(),
            "--X y\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--X y--".into(),
            format!("--X y\r\n{}: a\r\n\r\n1\r\n--X y--", "h".repeat(FORM_HEADER_BYTES)),
            format!("{}--", format!("--X y\r\n{named}\r\n\r\n1\r\n").repeat(FORM_PARTS + 1)),
        ] {
            assert!(parts(&body).is_err(), "{body:.200}");
        }
        for content_type in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary"] {
            assert!(read(content_type, &Bytes::from_static(b"----")).is_err());
        }
    }
}
