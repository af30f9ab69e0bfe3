//! Reading config.yml: what it gives, each with its line; and the keys that are no settings.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use model::Value;
use yaml::Document;

use super::problem::{Problem, Source};
use super::{SETTINGS, Setting};

/// Where config.yml is looked for when nobody says.
pub const DEFAULT_FILES: [&str; 2] = ["/app/config/config.yml", "./config.yml"];

/// What a file gives for a setting.
pub(super) struct FileValue {
    pub(super) setting: &'static Setting,
    pub(super) value: Value,
    pub(super) source: Source,
}

/// The first of the files that is there, and what it says.
///
/// # Errors
/// Where one is there and cannot be read.
pub(super) fn first_of(files: &[PathBuf]) -> Result<Option<(PathBuf, String)>, Problem> {
    for path in files {
        match fs::read_to_string(path) {
            Ok(text) => return Ok(Some((path.clone(), text))),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(path, &error)),
        }
    }
    Ok(None)
}

/// What the file says that was asked for.
///
/// # Errors
/// Where it is not there, or cannot be read.
pub(super) fn exactly(path: &Path) -> Result<(PathBuf, String), Problem> {
    match fs::read_to_string(path) {
        Ok(text) => Ok((path.to_owned(), text)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let message = format!("the configuration file {} cannot be read: {error}", path.display());
    Problem::new("", message, Source::Flag("--config".into()))
}

/// What the text of a file gives. Whether it fits is not looked at here.
pub(super) fn read(path: &Path, text: &str) -> (Vec<FileValue>, Vec<Problem>) {
    let document = match yaml::read(text) {
        Ok(document) => document,
        Err(error) => {
            let source = Source::File { path: path.to_owned(), line: error.line, column: error.column };
            return (Vec::new(), vec![Problem::new("", error.message, source)]);
        }
    };
    let mut reader = Reader { path, document: &document, values: Vec::new(), problems: Vec::new() };
    reader.section("", &document.value);
    (reader.values, reader.problems)
}

struct Reader<'a> {
    path: &'a Path,
    document: &'a Document,
    values: Vec<FileValue>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn section(&mut self, section: &str, value: &Value) {
        let fields = match value {
            Value::Null => return,
            Value::Map(fields) => fields,
            other => {
                let what = if section.is_empty() { "the file" } else { "this" };
                let message = format!("{what} is a section and holds settings by name, not a {}", other.type_name());
                return self.problem(section, message);
            }
        };
        for (name, value) in fields.iter() {
            let key = if section.is_empty() { name.to_string() } else { format!("{section}.{name}") };
            // A name with a dot in it would stand for two.
            if name.contains('.') {
                let written = key.replace('.', ": {") + ": …" + &"}".repeat(key.matches('.').count());
                self.problem(&key, format!("a key has no dots; write it as {written}"));
            } else if let Some(setting) = Setting::find(&key) {
                let source = self.source(&key);
                self.values.push(FileValue { setting, value: value.clone(), source });
            } else if SETTINGS.iter().any(|setting| is_below(setting.key, &key)) {
                self.section(&key, value);
            } else {
                self.problem(&key, unknown(&key));
            }
        }
    }

    fn source(&self, key: &str) -> Source {
        let at = self.document.position(key);
        Source::File { path: self.path.to_owned(), line: at.line, column: at.column }
    }

    fn problem(&mut self, key: &str, message: String) {
        self.problems.push(Problem::new(key, message, self.source(key)));
    }
}

fn is_below(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// Says that a key is no setting, and which one may have been meant.
pub(super) fn unknown(key: &str) -> String {
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    // Sections, too, may be mistyped; so every prefix of a key is a candidate.
    let prefixes = |full: &'static str| full.match_indices('.').map(|(at, _)| &full[..at]).chain([full]);
    let near = |known: &&str| {
        let (known_section, known_name) = known.rsplit_once('.').unwrap_or(("", known));
        let by_spelling = strsim::damerau_levenshtein(known, key);
        if known_name == name || (known_section == section && by_spelling <= 2) { by_spelling } else { usize::MAX }
    };
    let known = SETTINGS.iter().flat_map(|setting| prefixes(setting.key));
    match known.map(|known| (near(&known), known)).filter(|(distance, _)| *distance < usize::MAX).min() {
        Some((_, known)) => format!("is no setting; did you mean {known}?"),
        None => "is no setting; `flow8 config list` shows all of them".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_suggests_the_one_that_was_meant() {
        for (key, meant) in [
            ("server.prot", Some("server.port")),
            ("sever", Some("server")),
            ("server.max_pool_size", Some("mongodb.max_pool_size")),
            ("cadence", Some("retention.policies.plays.cadence")),
            ("server.colour", None),
        ] {
            let message = unknown(key);
            assert_eq!(meant.is_some(), message.contains("did you mean"), "{message}");
            assert!(message.contains(meant.unwrap_or("config list")), "{message}");
        }
    }
}
