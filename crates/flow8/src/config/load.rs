//! [`load`]: from everywhere a setting may be given to one [`Config`].

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use model::Value;

use super::problem::{Problem, Problems, Source};
use super::{Config, DEFAULT_FILES, Environment, SETTINGS, Setting, file, integrations, rules};

/// Everything that a configuration is made of.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// What `--config` names; it must be there.
    pub file: Option<PathBuf>,
    /// Where a file is looked for otherwise; none of them need be there.
    pub default_files: Vec<PathBuf>,
    /// The environment; it also says where credential files are.
    pub environment: &'a Environment,
    /// What stands on the command line.
    pub flags: Vec<FlagValue>,
}

/// What the command line gives for a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// The key.
    pub key: String,
    /// What was given.
    pub value: String,
    /// The flag, as it was written: `--port`, `--set server.port`.
    pub flag: String,
}

impl<'a> Inputs<'a> {
    /// The environment, and whatever file is where one is looked for.
    pub fn new(environment: &'a Environment) -> Self {
        let default_files = DEFAULT_FILES.iter().map(PathBuf::from).collect();
        Self { file: None, default_files, environment, flags: Vec::new() }
    }
}

/// A configuration, and where everything in it comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is taken, but better put otherwise.
    pub warnings: Vec<String>,
    sources: BTreeMap<&'static str, Source>,
}

impl Loaded {
    /// Where a setting was given.
    pub fn source(&self, setting: &Setting) -> &Source {
        self.sources.get(setting.key).unwrap_or(&Source::Default)
    }
}

/// Reads the configuration.
///
/// # Errors
/// Everything that is wrong with it, wherever it was given.
pub fn load(inputs: &Inputs<'_>) -> Result<Loaded, Problems> {
    let mut loading =
        Loading { config: Config::default(), sources: BTreeMap::new(), problems: Vec::new(), warnings: Vec::new() };
    let file = loading.file(inputs);
    loading.environment(inputs.environment);
    for flag in &inputs.flags {
        loading.flag(flag);
    }
    let Loading { mut config, sources, mut problems, warnings } = loading;
    let names = config.expressions.env.iter().map(|name| name.as_str().to_owned());
    config.expressions.variables =
        names.filter_map(|name| Some((name.clone(), inputs.environment.get(&name)?.to_owned()))).collect();
    let identity = objects::IDENTITY.iter();
    config.storage.identity =
        identity.filter_map(|name| Some(((*name).to_owned(), inputs.environment.given(name)?.to_owned()))).collect();
    match integrations::read(&config.integrations.dir, inputs.environment) {
        Ok(declared) => config.integrations.declared = declared,
        Err(found) => problems.extend(found),
    }
    let mut loaded = Loaded { config, file, warnings: Vec::new(), sources };
    // A rule over several settings says nothing sensible where one of them was not taken.
    if problems.is_empty() {
        problems = rules::broken(&loaded);
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    loaded.warnings = warnings;
    loaded.warnings.extend(rules::warnings(&loaded, inputs.environment));
    Ok(loaded)
}

/// Whether people of neither the owner nor its group may read a file.
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0)
}

/// Reads the configuration and derives the master key, too, as a start does.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(inputs: &Inputs<'_>) -> Result<Loaded, Problems> {
    let loaded = load(inputs)?;
    match rules::weak_key(&loaded) {
        Some(weak) => Err(Problems(vec![weak])),
        None => Ok(loaded),
    }
}

struct Loading {
    config: Config,
    sources: BTreeMap<&'static str, Source>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Loading {
    fn take(&mut self, setting: &'static Setting, value: &Value, source: Source) {
        match setting.set(&mut self.config, value) {
            Ok(()) => {
                self.sources.insert(setting.key, source);
            }
            Err(message) => self.problems.push(Problem::new(setting.key, message, source)),
        }
    }

    fn file(&mut self, inputs: &Inputs<'_>) -> Option<PathBuf> {
        let found = match &inputs.file {
            Some(path) => file::exactly(path).map(Some),
            None => file::first_of(&inputs.default_files),
        };
        let (path, text) = match found {
            Ok(found) => found?,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let (values, problems) = file::read(&path, &text);
        self.problems.extend(problems);
        for given in values {
            self.take(given.setting, &given.value, given.source);
        }
        Some(path)
    }

    fn environment(&mut self, environment: &Environment) {
        let credentials = environment.given("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        for setting in SETTINGS {
            let from_variable = |name: &&str| {
                let value = environment.given(name)?;
                Some((Value::from(value), Source::Environment((*name).to_owned())))
            };
            let given = setting.env.iter().find_map(from_variable);
            let given = given.or_else(|| {
                let folder = credentials.as_ref()?;
                setting.env.iter().find_map(|name| self.credential(setting, folder.join(name)))
            });
            if let Some((value, source)) = given {
                self.take(setting, &value, source);
            }
        }
    }

    /// What a credential file gives, if there is one.
    fn credential(&mut self, setting: &Setting, path: PathBuf) -> Option<(Value, Source)> {
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => {
                if setting.is_secret() && is_open_to_all(&path) {
                    let message = format!("everybody on this machine may read {}; chmod o= it", path.display());
                    self.warnings.push(message);
                }
                Some((text.trim().into(), Source::Credential(path)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let message = format!("cannot be read: {error}");
                self.problems.push(Problem::new(setting.key, message, Source::Credential(path)));
                None
            }
        }
    }

    fn flag(&mut self, given: &FlagValue) {
        let source = Source::Flag(given.flag.clone());
        let Some(setting) = Setting::find(&given.key) else {
            self.problems.push(Problem::new(given.key.as_str(), file::unknown(&given.key), source));
            return;
        };
        if setting.is_secret() {
            let message = format!(
                "is secret, and a command line can be seen by others; give it as {}, or as a file of that name in CREDENTIALS_DIRECTORY",
                setting.env[0]
            );
            self.problems.push(Problem::new(setting.key, message, source));
            return;
        }
        self.take(setting, &given.value.as_str().into(), source);
    }
}
