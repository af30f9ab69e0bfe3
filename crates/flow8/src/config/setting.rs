//! [`Setting`]: a row of the table.

use std::fmt;

use model::Value;

use super::kind::Field;
use super::{Config, SETTINGS};

/// A setting: its names, its default, and its place in [`Config`].
#[derive(Clone, Copy)]
pub struct Setting {
    /// Its key in config.yml, and its path in [`Config`]: `server.port`.
    pub key: &'static str,
    /// Its environment variables; of several that are set, the first counts.
    pub env: &'static [&'static str],
    /// Its own flag of the command line, without the dashes; `--set` takes every setting.
    pub flag: Option<&'static str>,
    /// Its default, as the environment would give it; unset where it is empty.
    pub default: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// Whether a change is taken over while flow8 runs.
    pub live: bool,
    pub(super) field: fn(&Config) -> &dyn Field,
    pub(super) field_mut: fn(&mut Config) -> &mut dyn Field,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("key", &self.key).finish_non_exhaustive()
    }
}

/// What a secret is shown as.
pub(super) const MASK: &str = "***";

impl Setting {
    /// The same, with a flag of its own.
    pub(super) const fn flag(self, flag: &'static str) -> Self {
        Self { flag: Some(flag), ..self }
    }

    /// The same, taken over while flow8 runs.
    pub(super) const fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// The setting of that key.
    pub fn find(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// What it takes, in words.
    pub fn expected(&self) -> String {
        (self.field)(&Config::default()).expected()
    }

    /// Whether it is masked wherever it is shown.
    pub fn is_secret(&self) -> bool {
        (self.field)(&Config::blank()).is_secret()
    }

    /// Its value, as config.yml would hold it; null where it is not set, masked where it is secret.
    pub fn shown(&self, config: &Config) -> Value {
        let field = (self.field)(config);
        let value = field.show();
        if field.is_secret() && !value.is_null() { MASK.into() } else { value }
    }

    /// Takes what was given for it.
    pub(super) fn set(&self, config: &mut Config, given: &Value) -> Result<(), String> {
        (self.field_mut)(config).set(given)
    }
}

/// The settings that differ between two configurations.
pub fn changes<'a>(from: &'a Config, to: &'a Config) -> impl Iterator<Item = &'static Setting> + 'a {
    SETTINGS.iter().filter(|setting| (setting.field)(from).show() != (setting.field)(to).show())
}

impl Default for Config {
    /// The defaults of the table.
    fn default() -> Self {
        let mut config = Self::blank();
        for setting in SETTINGS {
            // That every default fits its own setting is a test of the table.
            let _fits = setting.set(&mut config, &setting.default.into());
        }
        config
    }
}
