//! [`write`]: a value as YAML in block style, for people to read and change.

use std::fmt::Write as _;

use model::{Map, Value};

use crate::scalar;

/// The value as YAML that [`crate::read`] reads back as the same value.
///
/// Quotes stand only where they are needed; text of several lines is written as such.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::List(items) if !items.is_empty() => list(items, 0, &mut out),
        Value::Map(fields) if !fields.is_empty() => map(fields, 0, &mut out),
        scalar => {
            inline(scalar, 0, &mut out);
            out.push('\n');
        }
    }
    out
}

/// How far the parts of something are indented behind it.
const STEP: usize = 2;

/// A longer key is written with a `?`: YAML has no other way beyond 1,024 characters.
const KEY_BYTES: usize = 512;

fn indent(by: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', by));
}

/// The items, one below the other; the first where the line is.
fn list(items: &[Value], at: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            indent(at, out);
        }
        out.push_str("- ");
        below(item, at + STEP, out);
    }
}

/// The fields, one below the other; the first where the line is.
fn map(fields: &Map, at: usize, out: &mut String) {
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            indent(at, out);
        }
        if key.len() > KEY_BYTES {
            out.push_str("? ");
            quoted(key, out);
            out.push('\n');
            indent(at, out);
        } else {
            text_in_line(key, out);
        }
        out.push(':');
        match value {
            Value::List(items) if !items.is_empty() => {
                out.push('\n');
                indent(at + STEP, out);
                list(items, at + STEP, out);
            }
            Value::Map(fields) if !fields.is_empty() => {
                out.push('\n');
                indent(at + STEP, out);
                map(fields, at + STEP, out);
            }
            scalar => {
                out.push(' ');
                inline(scalar, at + STEP, out);
                out.push('\n');
            }
        }
    }
}

/// A value behind the dash of an item, whose column is where the value starts.
fn below(value: &Value, at: usize, out: &mut String) {
    match value {
        Value::List(items) if !items.is_empty() => list(items, at, out),
        Value::Map(fields) if !fields.is_empty() => map(fields, at, out),
        scalar => {
            inline(scalar, at, out);
            out.push('\n');
        }
    }
}

/// A scalar, or an empty list or object; lines below the first are indented.
fn inline(value: &Value, at: usize, out: &mut String) {
    match value {
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        Value::Text(text) if is_block(text) => block(text, at.max(STEP), out),
        Value::Text(text) => text_in_line(text, out),
        scalar => scalar.write_json(out),
    }
}

/// Whether a text is best written as lines.
fn is_block(text: &str) -> bool {
    let is_plain = |char: char| char == '\n' || char == '\t' || is_printed(char);
    // A line that starts white could be taken for indentation, and one that ends white is
    // better seen in quotes.
    let is_plain_line = |line: &str| line.trim_end_matches([' ', '\t']) == line;
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\t', '\n'])
        && text.chars().all(is_plain)
        && text.split('\n').all(is_plain_line)
}

/// A text as it is, line by line.
fn block(text: &str, at: usize, out: &mut String) {
    let (body, behind) = match text.strip_suffix('\n') {
        None => (text, "-"),
        Some(body) if body.ends_with('\n') => (body, "+"),
        Some(body) => (body, ""),
    };
    out.push('|');
    out.push_str(behind);
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(at, out);
            out.push_str(line);
        }
    }
}

fn text_in_line(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else if text.contains(['"', '\\']) && text.chars().all(is_printed) {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        quoted(text, out);
    }
}

/// Whether a text can stand without quotes and still be text.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let starts_plain = match first {
        '-' | '?' | ':' => chars.next().is_some_and(|second| second != ' ' && is_printed(second)),
        '!' | '"' | '#' | '%' | '&' | '\'' | '*' | ',' | '>' | '@' | '[' | ']' | '`' | '{' | '|' | '}' => false,
        _ => true,
    };
    starts_plain
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
        && text.chars().all(is_printed)
        && matches!(scalar::plain(text), Ok(Value::Text(_)))
        && !is_old_boolean(text)
}

/// What readers of YAML 1.1 take for a boolean, or for the key of a merge.
fn is_old_boolean(text: &str) -> bool {
    ["yes", "no", "on", "off", "<<", "="].iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether a character can be written as it is, within a line.
fn is_printed(char: char) -> bool {
    !char.is_control() && !matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text in double quotes.
fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            char if is_printed(char) => out.push(char),
            // Writing to a string cannot fail.
            char => drop(write!(out, "\\u{:04x}", u32::from(char))),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(json: &str) -> String {
        write(&Value::from_json(json.as_bytes()).expect("JSON"))
    }

    #[test]
    fn a_flow_looks_as_people_write_it() {
        let json = r#"{"name":"Invoice: approval","enabled":true,"groupId":null,"layers":[
            {"ref":"fetch","index":0,"dependsOn":[],"args":{"url":"https://example.com/{{ $prev.args.id }}","n":1.10}},
            {"ref":"sum","args":{"text":"{{ $prev.fetch.body }}","source":"let x = 1;\n\nreturn x;\n"},"filters":[]}],
            "labels":{},"matrix":[[1,2],[3]]}"#;
        let yaml = r#"name: "Invoice: approval"
enabled: true
groupId: null
layers:
  - ref: fetch
    index: 0
    dependsOn: []
    args:
      url: https://example.com/{{ $prev.args.id }}
      n: 1.10
  - ref: sum
    args:
      text: "{{ $prev.fetch.body }}"
      source: |
        let x = 1;

        return x;
    filters: []
labels: {}
matrix:
  - - 1
    - 2
  - - 3
"#;
        assert_eq!(written(json), yaml);
    }

    #[test]
    fn quotes_stand_only_where_they_are_needed() {
        for (json, yaml) in [
            (r#""plain text""#, "plain text\n"),
            (r#""""#, "\"\"\n"),
            (r#""1.10""#, "\"1.10\"\n"),
            (r#""007""#, "\"007\"\n"),
            (r#""true""#, "\"true\"\n"),
            (r#""off""#, "\"off\"\n"),
            (r#""a: b""#, "\"a: b\"\n"),
            (r#""a:b""#, "a:b\n"),
            (r#""a #b""#, "\"a #b\"\n"),
            (r##""#b""##, "\"#b\"\n"),
            (r#""- a""#, "\"- a\"\n"),
            (r#""-a""#, "-a\n"),
            (r#""say \"hi\", it's""#, "say \"hi\", it's\n"),
            (r#""\"hi\", it's""#, "'\"hi\", it''s'\n"),
            (r#"" a""#, "\" a\"\n"),
            (r#""a\tb""#, "\"a\\tb\"\n"),
            (r#""a\nb""#, "|-\n  a\n  b\n"),
            (r#""a\nb\n\n""#, "|+\n  a\n  b\n\n"),
            (r#""a\n""#, "\"a\\n\"\n"),
            (r#"[]"#, "[]\n"),
            (r#"[{"a":[]},{}]"#, "- a: []\n- {}\n"),
        ] {
            assert_eq!(written(json), yaml, "{json}");
        }
    }
}
