//! Regular expressions of JSONPath (RFC 9485) as those of the library.

use model::limits::PATTERN_BYTES;
use regex::{Regex, RegexBuilder};

/// The regular expression; `None` where it is none, which matches nothing.
pub(super) fn compile(text: &str, whole: bool) -> Option<Regex> {
    let inner = without_line_breaks(text);
    let text = if whole { format!("^(?:{inner})$") } else { inner };
    RegexBuilder::new(&text).size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES).build().ok()
}

/// A dot stands for neither a line feed nor a carriage return.
fn without_line_breaks(text: &str) -> String {
    let (mut out, mut in_class, mut is_escaped) = (String::with_capacity(text.len()), false, false);
    for char in text.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '.' if !in_class => {
                out.push_str(r"[^\n\r]");
                continue;
            }
            _ => {}
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_is_within_a_line() {
        assert_eq!(without_line_breaks(r"a.b[.\]]\.c"), r"a[^\n\r]b[.\]]\.c");
        let whole = compile("a.b", true).expect("a pattern");
        assert!(whole.is_match("axb") && !whole.is_match("a\rb") && !whole.is_match("xaxb"));
        assert!(compile("a|b", true).is_some_and(|pattern| !pattern.is_match("ab")));
        assert!(compile("(", true).is_none());
    }
}
