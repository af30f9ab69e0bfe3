//! Where in the text of a flow file a problem is.

use engine::plan::Problem;
use model::Value;
use yaml::Document;

use super::Finding;

/// The problems with their places, in the order of the text.
pub(super) fn all(text: &str, document: &Document, problems: Vec<Problem>) -> Vec<Finding> {
    let mut found: Vec<Finding> = problems.into_iter().map(|problem| one(text, document, problem)).collect();
    found.sort_by_key(|finding| (finding.line, finding.column));
    found
}

fn one(text: &str, document: &Document, problem: Problem) -> Finding {
    let Problem { layer, path, mut message, column } = problem;
    let mut at = document.position(&path);
    if let Some(column) = column {
        match start_of_text(text, document, &path) {
            Some(start) => at.column = start + column - 1,
            None => message.push_str(&format!(" (at character {column} of the text)")),
        }
    }
    Finding { line: at.line, column: at.column, layer, path, message }
}

/// The column at which the text at a path begins, where it stands on one line as it is.
fn start_of_text(text: &str, document: &Document, path: &str) -> Option<usize> {
    let at = document.position(path);
    let wanted = value_at(&document.value, path)?.as_str().filter(|wanted| !wanted.is_empty())?;
    let line: Vec<char> = text.lines().nth(at.line - 1)?.chars().collect();
    let behind: String = line.get(at.column - 1..)?.iter().collect();
    // Behind the key: the text may well begin with the same word.
    let key = path.rsplit(['.', ']']).next().unwrap_or_default();
    let skipped = if behind.starts_with(key) { key.len() } else { 0 };
    let found = skipped + behind.get(skipped..)?.find(wanted)?;
    Some(at.column + behind[..found].chars().count())
}

/// The value that a path leads to; none where a key in it has dots or brackets of its own.
fn value_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.into_iter().try_fold(value, |at, step| match step.strip_suffix(']') {
        Some(index) => at.as_list()?.get(index.parse::<usize>().ok()?),
        None => at.get(step),
    })
}
