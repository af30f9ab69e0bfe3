//! The files of `integrations.dir`: components that are declared, and cannot be changed through the API.
//!
//! A file holds one component or a list of them: `name`, `kind`, `provider`, `config`, `secretRef`. What
//! is secret stands in no file: `secretRef` names a variable, or a file of that name in
//! CREDENTIALS_DIRECTORY, for each secret setting; or one that holds all of them as a JSON object.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use model::Value;
use model::limits::{COMPONENT_BYTES, COMPONENTS};
use model::value::from_value;
use sdk::component::Kind;
use serde::Deserialize;

use super::Environment;
use super::problem::{Problem, Source};

/// A component that a file declares.
#[derive(Clone, PartialEq)]
pub struct Declaration {
    /// Its name, unique among those of its kind.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// What it speaks; the usual one of its kind where none is given.
    pub provider: Option<String>,
    /// Its settings.
    pub config: Value,
    /// Its secret settings.
    pub secret: Value,
    /// The file that declares it.
    pub file: PathBuf,
}

/// Without what is secret.
impl fmt::Debug for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaration").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    name: String,
    kind: Kind,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default = "Value::empty_map")]
    config: Value,
    #[serde(default)]
    secret_ref: Option<Value>,
}

/// Reads all files of the folder. One that is not there declares nothing.
pub(super) fn read(folder: &Path, environment: &Environment) -> Result<Vec<Declaration>, Vec<Problem>> {
    let source = |file: &Path| Source::File { path: file.to_owned(), line: 1, column: 1 };
    let problem = |file: &Path, message: String| vec![Problem::new(KEY, message, source(file))];
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(problem(folder, format!("the folder cannot be read: {error}"))),
    };
    let is_ours = |path: &PathBuf| path.extension().is_some_and(|is| is == "yml" || is == "yaml" || is == "json");
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours).collect();
    files.sort();
    let (mut declared, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        match of_file(&file, environment) {
            Ok(found) => declared.extend(found),
            Err(message) => problems.extend(problem(&file, message)),
        }
    }
    let mut seen = BTreeMap::new();
    for one in &declared {
        if let Some(first) = seen.insert((one.kind, &one.name), &one.file) {
            let message = format!("{} {:?} is declared in {}, too", one.kind, one.name, first.display());
            problems.extend(problem(&one.file, message));
        }
    }
    if declared.len() > COMPONENTS {
        problems.extend(problem(folder, format!("declares more than {COMPONENTS} components")));
    }
    if problems.is_empty() { Ok(declared) } else { Err(problems) }
}

/// The key of the setting.
const KEY: &str = "integrations.dir";

fn of_file(file: &Path, environment: &Environment) -> Result<Vec<Declaration>, String> {
    let size = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > COMPONENT_BYTES as u64 * 4 {
        return Err(format!("is larger than {} KiB", (COMPONENT_BYTES * 4) >> 10));
    }
    let text = fs::read_to_string(file).map_err(|error| format!("cannot be read: {error}"))?;
    let value = yaml::read(&text).map_err(|error| error.to_string())?.value;
    let items = value.as_list().map_or_else(|| vec![value.clone()], <[Value]>::to_vec);
    items.iter().map(|item| declaration(item, file, environment)).collect()
}

fn declaration(item: &Value, file: &Path, environment: &Environment) -> Result<Declaration, String> {
    let Written { name, kind, provider, config, secret_ref } = from_value(item).map_err(|error| error.to_string())?;
    if name.trim().is_empty() || config.as_map().is_none() {
        return Err("a component has a name, and config is an object".into());
    }
    let secret = match secret_ref {
        None | Some(Value::Null) => Value::empty_map(),
        Some(Value::Text(variable)) => {
            let text = secret_of(&variable, environment)?;
            let value = Value::from_json(text.as_bytes()).ok().filter(|value| value.as_map().is_some());
            value.ok_or_else(|| format!("secretRef: {variable} does not hold a JSON object"))?
        }
        Some(Value::Map(names)) => {
            let mut fields = Vec::new();
            for (name, variable) in names.iter() {
                let variable =
                    variable.as_str().ok_or_else(|| format!("secretRef.{name}: is the name of a variable"))?;
                fields.push((name.clone(), secret_of(variable, environment)?));
            }
            Value::map(fields)
        }
        Some(_) => return Err("secretRef: is the name of a variable, or one for each secret setting".into()),
    };
    Ok(Declaration { name, kind, provider, config, secret, file: file.to_owned() })
}

/// What a variable says, or a credential file of its name.
fn secret_of(name: &str, environment: &Environment) -> Result<String, String> {
    if let Some(value) = environment.given(name) {
        return Ok(value.to_owned());
    }
    let is_name = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char));
    let folder = environment.given("CREDENTIALS_DIRECTORY").filter(|_| is_name && !name.starts_with('.'));
    let found = folder.and_then(|folder| fs::read_to_string(Path::new(folder).join(name)).ok());
    let found = found.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    found.ok_or_else(|| {
        format!("secretRef: there is no variable {name}, and no file of that name in CREDENTIALS_DIRECTORY")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_declare_components_and_hold_no_secret() {
        let (folder, credentials) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("writes");
        fs::write(credentials.path().join("MAIL_SECRET"), "{\"password\":\"m\"}\n").expect("writes");
        let environment = Environment::of([
            ("BOOKS_PASSWORD", "b".to_owned()),
            ("CREDENTIALS_DIRECTORY", credentials.path().display().to_string()),
        ]);
        write("books.yml", "name: books\nkind: db\nconfig: {host: db}\nsecretRef: {password: BOOKS_PASSWORD}\n");
        write("mail.yaml", "- name: post\n  kind: mail\n  secretRef: MAIL_SECRET\n- {name: post, kind: db}\n");
        write("notes.txt", "not ours");
        let found = read(folder.path(), &environment).expect("reads");
        let shown: Vec<String> =
            found.iter().map(|one| format!("{} {} {}", one.kind, one.name, one.secret.to_json())).collect();
        assert_eq!(shown, [r#"db books {"password":"b"}"#, r#"mail post {"password":"m"}"#, "db post {}"]);
        assert!(!format!("{found:?}").contains("password"));
        write("twice.yml", "{name: books, kind: db}");
        assert!(read(folder.path(), &environment).expect_err("refused")[0].to_string().contains("books.yml"));
        for text in [
            "{name: x}",
            "{name: x, kind: cellar}",
            "{name: x, kind: db, secretRef: NOT_SET}",
            "name: x: y",
            "{name: x, kind: db, secretRef: {password: ../../etc/hostname}}",
        ] {
            write("twice.yml", text);
            assert!(read(folder.path(), &environment).is_err(), "{text}");
        }
        assert!(read(&folder.path().join("none"), &environment).expect("reads").is_empty());
    }
}
