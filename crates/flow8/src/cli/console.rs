//! [`Console`]: where a command prints. Its streams are handed in, so that tests read them.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// Where a command prints: results to `out`, everything else to `err`.
pub struct Console<'a> {
    /// For results.
    pub out: &'a mut dyn Write,
    /// For people: errors and warnings.
    pub err: &'a mut dyn Write,
    /// Whether results are coloured.
    pub colour_out: bool,
    /// Whether errors are.
    pub colour_err: bool,
}

impl std::fmt::Debug for Console<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("colour_out", &self.colour_out).finish_non_exhaustive()
    }
}

impl Console<'_> {
    /// Prints a result as JSON.
    ///
    /// # Errors
    /// Where the stream cannot be written to.
    pub fn json(&mut self, result: &(impl Serialize + ?Sized)) -> io::Result<()> {
        let text = serde_json::to_string_pretty(result).map_err(io::Error::other)?;
        writeln!(self.out, "{text}")
    }

    /// How results are coloured.
    pub fn paint_out(&self) -> Paint {
        Paint { colour: self.colour_out }
    }

    /// How errors are coloured.
    pub fn paint_err(&self) -> Paint {
        Paint { colour: self.colour_err }
    }
}

/// Colours text, where colours are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    colour: bool,
}

impl Paint {
    /// For headings and names.
    pub fn strong(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// For what is of less weight.
    pub fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// For what is wrong.
    pub fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    /// For what may be wrong.
    pub fn doubtful(self, text: &str) -> String {
        self.with(AnsiColor::Yellow.on_default().bold(), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert_eq!(Paint { colour: false }.bad("x"), "x");
        assert_eq!(Paint { colour: true }.bad("x"), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
    }
}
