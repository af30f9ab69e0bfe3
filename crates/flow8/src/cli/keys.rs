//! `flow8 keys`: makes a new master key, lists the data keys, moves them from one master key to the next.

use std::io::Write as _;

use model::Value;
use serde_json::json;
use vault::MasterKey;

use super::plays::text;
use super::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::client::Api;
use crate::config::Config;
use crate::installation::{OpenError, moving, replace_key_in};

/// Make, list and rotate the keys that secrets are sealed with
#[derive(Debug, clap::Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the data keys, and which master key wraps each
    List,
    /// Make a new master key: in the data folder, or as settings to give to every replica
    New,
    /// Wrap every data key with the newest master key, while plays run
    Rotate,
}

impl Keys {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        match self.command {
            Verb::New => new(session),
            Verb::List => super::with_api(session, async |session, api| list(session, api).await),
            Verb::Rotate => super::with_api(session, async |session, api| rotate(session, api).await),
        }
    }
}

fn new(session: &mut Session<'_, '_>) -> Answer {
    let config = session.config(&SettingFlags::default())?.config;
    if keeps_its_own(&config) { new_in_folder(session, &config.data_dir) } else { new_settings(session) }
}

/// Whether the master key is the one that the embedded store made.
fn keeps_its_own(config: &Config) -> bool {
    let encryption = &config.encryption;
    config.mongodb.uri.is_none() && encryption.key.is_none() && encryption.master_key.is_none()
}

fn new_in_folder(session: &mut Session<'_, '_>, folder: &std::path::Path) -> Answer {
    let previous = replace_key_in(folder).map_err(|error| {
        let exit = match error {
            OpenError::OldKey(_) => Exit::Negative,
            OpenError::NoKey(_) => Exit::Usage,
            _ => Exit::Unreachable,
        };
        CommandError { exit, message: error.to_string() }
    })?;
    if session.globals.json {
        session.console.json(&json!({ "previous": previous }))?;
        return Ok(Exit::Ok);
    }
    writeln!(session.console.out, "there is a new master key; the one before is in {}", previous.display())?;
    writeln!(session.console.err, "restart flow8, run flow8 keys rotate, then remove that file")?;
    Ok(Exit::Ok)
}

fn new_settings(session: &mut Session<'_, '_>) -> Answer {
    let none = |error: vault::KeyError| CommandError { exit: Exit::Fault, message: error.to_string() };
    let [key, salt] = MasterKey::fresh_settings().map_err(none)?;
    if session.globals.json {
        session.console.json(&json!({ "ENCRYPTION_KEY": *key, "ENCRYPTION_KEY_SALT": *salt }))?;
        return Ok(Exit::Ok);
    }
    writeln!(session.console.out, "ENCRYPTION_KEY={}\nENCRYPTION_KEY_SALT={}", *key, *salt)?;
    let err = &mut session.console.err;
    writeln!(err, "give these to every replica, and what they are now as ENCRYPTION_PREVIOUS_KEY and")?;
    writeln!(err, "ENCRYPTION_PREVIOUS_KEY_SALT (a master key: as ENCRYPTION_PREVIOUS_MASTER_KEY); then run")?;
    writeln!(err, "flow8 keys rotate, and take the previous ones away")?;
    Ok(Exit::Ok)
}

async fn list(session: &mut Session<'_, '_>, api: &Api) -> Answer {
    let keys = api.get("/data-keys").await?;
    if session.globals.json {
        session.console.json(&keys)?;
        return Ok(Exit::Ok);
    }
    let paint = session.console.paint_out();
    let out = &mut session.console.out;
    writeln!(out, "{}", paint.strong(&format!("{:24}  {:24}  MASTER KEY", "COMPANY", "DATA KEY")))?;
    for key in keys.get("data").and_then(Value::as_list).unwrap_or_default() {
        let note = if key.get("isCurrent") == Some(&Value::from(true)) { "" } else { "  the one before" };
        writeln!(out, "{:24}  {:24}  {}{note}", text(key, "companyId"), text(key, "id"), text(key, "master"))?;
    }
    Ok(Exit::Ok)
}

async fn rotate(session: &mut Session<'_, '_>, api: &Api) -> Answer {
    let done = api.post("/data-keys/rotate", Value::Null).await?;
    let newest = newest_in_folder(session)?;
    if newest.is_some_and(|newest| newest != text(&done, "master")) {
        // Whoever took the key before away now would lose what it wraps.
        let message = "flow8 runs with the master key before; restart it, and run flow8 keys rotate again".to_owned();
        return Err(CommandError { exit: Exit::Negative, message });
    }
    if session.globals.json {
        session.console.json(&done)?;
        return Ok(Exit::Ok);
    }
    let (rotated, total) = (text(&done, "rotated"), text(&done, "total"));
    let master = text(&done, "master");
    writeln!(session.console.out, "{rotated} of {total} data keys wrapped anew, all by the master key {master}")?;
    writeln!(
        session.console.err,
        "the previous master key opens nothing more of this store; backups keep needing theirs"
    )?;
    Ok(Exit::Ok)
}

/// The id of the master key that is kept in the data folder, where it is the one that counts.
fn newest_in_folder(session: &mut Session<'_, '_>) -> Result<Option<String>, CommandError> {
    let config = session.config(&SettingFlags::default())?.config;
    if session.remote()?.is_some() || !keeps_its_own(&config) {
        return Ok(None);
    }
    match moving::master(&config) {
        Ok(master) => Ok(Some(master.id().to_owned())),
        // The server has its key from its own settings.
        Err(OpenError::NoKey(_)) => Ok(None),
        Err(error) => Err(CommandError { exit: Exit::Unreachable, message: error.to_string() }),
    }
}
