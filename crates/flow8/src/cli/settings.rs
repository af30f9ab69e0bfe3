//! [`SettingFlags`]: the settings that a command line may give. They follow the table of settings:
//! a row with a flag of its own has it here, and `--set` takes all of them.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{FlagValue, SETTINGS, Setting};

/// The settings that a command line gives.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags {
    values: Vec<FlagValue>,
}

impl SettingFlags {
    /// Each of them, in the order in which the later ones count.
    pub fn values(&self) -> &[FlagValue] {
        &self.values
    }
}

const SET: &str = "set";
const HEADING: &str = "Settings";

/// The settings with a flag of their own; the data folder's stands with the global options.
fn flagged() -> impl Iterator<Item = (&'static Setting, &'static str)> {
    SETTINGS.iter().filter(|setting| setting.key != "data_dir").filter_map(|setting| Some((setting, setting.flag?)))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE, such as server.port=8080")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let arg = |(setting, flag): (&Setting, &'static str)| {
            let help = format!(
                "{} [env: {}] [default: {}]",
                setting.summary.trim_end_matches('.'),
                setting.env[0],
                setting.default
            );
            Arg::new(setting.key).long(flag).value_name("VALUE").help(help).help_heading(HEADING)
        };
        let set = Arg::new(SET)
            .long(SET)
            .value_name("KEY=VALUE")
            .action(ArgAction::Append)
            .value_parser(key_and_value)
            .help("Any setting, as in config.yml: --set server.drain_seconds=5")
            .help_heading(HEADING);
        command.args(flagged().map(arg)).arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let set = matches.get_many::<(String, String)>(SET).into_iter().flatten();
        let set =
            set.map(|(key, value)| FlagValue { key: key.clone(), value: value.clone(), flag: format!("--set {key}") });
        let own = flagged().filter_map(|(setting, flag)| {
            let value = matches.get_one::<String>(setting.key)?.clone();
            Some(FlagValue { key: setting.key.into(), value, flag: format!("--{flag}") })
        });
        Ok(Self { values: set.chain(own).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
