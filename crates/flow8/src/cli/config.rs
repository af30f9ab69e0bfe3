//! `flow8 config`: checks the configuration, prints it, and lists the settings.

use serde_json::json;

use super::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::config::{self, SETTINGS, reference, to_json, to_yaml};

/// Check the configuration, print it, or list the settings
#[derive(Debug, clap::Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Say what is wrong with the configuration that `serve` would find
    Check(SettingFlags),
    /// Print that configuration and where everything in it comes from, secrets masked
    Print(SettingFlags),
    /// List the settings, with their variables and defaults, as Markdown
    List,
}

impl ConfigCommand {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        match &self.action {
            Action::Check(flags) => check(session, flags),
            Action::Print(flags) => print(session, flags),
            Action::List => list(session),
        }
    }
}

fn check(session: &mut Session<'_, '_>, flags: &SettingFlags) -> Answer {
    let checked = config::check(&session.inputs(flags));
    if session.globals.json {
        let result = match &checked {
            Ok(loaded) => json!({"sound": true, "file": loaded.file, "problems": [], "warnings": loaded.warnings}),
            Err(problems) => json!({"sound": false, "problems": problems.0}),
        };
        session.console.json(&result)?;
        return Ok(if checked.is_ok() { Exit::Ok } else { Exit::Usage });
    }
    let loaded = checked.map_err(|problems| CommandError::usage(problems.to_string()))?;
    session.warn(&loaded.warnings)?;
    let from = loaded.file.map_or_else(|| "no configuration file".to_owned(), |path| path.display().to_string());
    writeln!(session.console.out, "the configuration is sound ({from})")?;
    Ok(Exit::Ok)
}

fn print(session: &mut Session<'_, '_>, flags: &SettingFlags) -> Answer {
    let loaded = session.config(flags)?;
    if session.globals.json {
        session.console.json(&to_json(&loaded))?;
    } else {
        write!(session.console.out, "{}", to_yaml(&loaded))?;
    }
    Ok(Exit::Ok)
}

fn list(session: &mut Session<'_, '_>) -> Answer {
    if !session.globals.json {
        write!(session.console.out, "{}", reference())?;
        return Ok(Exit::Ok);
    }
    let rows = SETTINGS.iter().map(|setting| {
        let default = (!setting.default.is_empty()).then_some(setting.default);
        json!({
            "key": setting.key,
            "environment": setting.env,
            "flag": setting.flag.map(|flag| format!("--{flag}")),
            "default": default,
            "takes": setting.expected(),
            "summary": setting.summary,
            "secret": setting.is_secret(),
            "live": setting.live,
        })
    });
    session.console.json(&rows.collect::<Vec<_>>())?;
    Ok(Exit::Ok)
}
