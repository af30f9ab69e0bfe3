//! Whether an installation has begun, and who was made its administrator when it did.

use std::io::{self, Write};

use gateway::Bootstrap;

use super::{CommandError, Exit, Session};
use crate::config::Config;
use crate::installation::moving;

/// Refuses to go on where there is no installation: whoever mistyped the folder wants none there.
pub(super) async fn expect_begun(config: &Config) -> Result<(), CommandError> {
    match moving::is_begun(config).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(not_begun(config)),
        Err(error) => Err(CommandError { exit: Exit::Unreachable, message: error.to_string() }),
    }
}

fn not_begun(config: &Config) -> CommandError {
    let (place, settings) = match &config.mongodb.uri {
        Some(_) => ("the database of MONGODB_URI".to_owned(), "MONGODB_URI and MONGODB_DB"),
        None => (config.data_dir.display().to_string(), "--data-dir or FLOW8_DATA_DIR"),
    };
    CommandError::usage(format!("there is no installation in {place}; check {settings}, or begin one with flow8 serve"))
}

/// Tells who was made administrator, and the password where flow8 made that too.
pub(super) fn tell(to: &mut dyn Write, bootstrap: &Bootstrap) -> io::Result<()> {
    let Some((email, password)) = &bootstrap.made else { return Ok(()) };
    writeln!(to, "  administrator   {email}")?;
    if let Some(password) = password {
        let once = "shown this once; change it with PUT /api/auth/password";
        writeln!(to, "  password        {}   ({once})", password.reveal())?;
    }
    Ok(())
}

/// The same, beside the results of a command.
pub(super) fn tell_apart(
    session: &mut Session<'_, '_>,
    config: &Config,
    bootstrap: &Bootstrap,
) -> Result<(), CommandError> {
    if bootstrap.made.is_none() {
        return Ok(());
    }
    let place = match &config.mongodb.uri {
        Some(_) => "MongoDB".to_owned(),
        None => config.data_dir.display().to_string(),
    };
    let err = &mut session.console.err;
    writeln!(err, "a new installation begins in {place}")?;
    tell(err, bootstrap)?;
    Ok(err.flush()?)
}
