//! The line that a problem is in, with a caret below the place.

use crate::cli::Paint;

/// Characters of a line that are shown; one that is longer is cut on both sides of the place.
const SHOWN: usize = 120;

/// The line, and a caret below the column. Nothing where the text has no such line.
pub(super) fn of(text: &str, line: usize, column: usize, paint: Paint) -> String {
    let Some(shown) = line.checked_sub(1).and_then(|at| text.lines().nth(at)) else { return String::new() };
    let at = column.saturating_sub(1);
    let skipped = if at < SHOWN { 0 } else { at - SHOWN / 2 };
    let shown: String = shown.chars().skip(skipped).take(SHOWN).collect();
    // Whatever stands before the place is kept as wide as it is: a tab stays a tab.
    let before: String = shown.chars().take(at - skipped).map(|char| if char == '\t' { char } else { ' ' }).collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let bar = paint.faint("|");
    format!("  {} {bar} {}\n  {margin} {bar} {before}{}\n", paint.faint(&number), shown.trim_end(), paint.bad("^"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Console;

    fn plain() -> Paint {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        Console { out: &mut out, err: &mut err, colour_out: false, colour_err: false }.paint_out()
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        assert_eq!(of("a\nbé: x\n", 2, 3, plain()), "  2 | bé: x\n    |   ^\n");
        assert_eq!(of("\ta: x", 1, 2, plain()), "  1 | \ta: x\n    | \t^\n");
        assert_eq!(of("a", 1, 9, plain()), "  1 | a\n    |  ^\n");
        assert_eq!(of("a", 9, 1, plain()), "");
        let long = of(&"x".repeat(1000), 1, 500, plain());
        assert!(long.lines().all(|line| line.chars().count() <= SHOWN + 6), "{long}");
    }
}
