//! `flow8 verify-backup`: proves that a backup can be restored, by restoring it.

use std::path::PathBuf;

use archive::{Checked, Target};

use super::archived::{self, Report};
use super::{Answer, CommandError, Exit, Session, SettingFlags, restore};
use crate::installation::moving;

/// Prove that a backup is sound, by restoring it into a store that is thrown away
///
/// Exits with 0 where what was restored is what the backup holds, and with 1 where the backup is cut
/// off, altered, or does not restore to what it holds. Nothing of the installation is touched; its
/// master key is needed.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyBackup {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The folder in which it is restored for a moment, and which has room for it; else the system's for such things
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl VerifyBackup {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let config = session.config(&self.settings)?.config;
        let input = archived::open(&self.file)?;
        let bytes = input.get_ref().metadata().map_or(0, |metadata| metadata.len());
        let master = archived::master(&config)?;
        let mut meter = archived::Meter::new();
        let checked = archive::check(input, &master, &mut |progress| meter.tell(progress));
        drop(meter);
        let checked = checked.map_err(|error| archived::unsound(&self.file, &error))?;
        let runtime = super::runtime(config.server.worker_threads)?;
        runtime.block_on(self.restore(&checked, &master))?;
        let Checked { about, totals, .. } = &checked;
        Report { file: &self.file, bytes, about, totals }.tell(session, "is sound, and restores to what it holds")?;
        Ok(Exit::Ok)
    }

    async fn restore(&self, checked: &Checked, master: &vault::MasterKey) -> Result<(), CommandError> {
        let folder = match &self.scratch {
            Some(folder) => tempfile::tempdir_in(folder),
            None => tempfile::tempdir(),
        };
        let folder = folder.map_err(|error| CommandError::usage(format!("a folder to restore into: {error}")))?;
        let store = moving::scratch(folder.path(), false).map_err(|error| archived::of_store(&error))?;
        let objects = moving::objects_in(folder.path()).map_err(|error| archived::unusable(&error))?;
        let target = Target { store: &*store, objects: &objects, over_objects: false };
        let restored = restore::into(&self.file, checked, master, &target).await;
        restored.map_err(|error| match error.exit {
            // It was done, and the answer is no.
            Exit::Fault => CommandError { exit: Exit::Negative, ..error },
            _ => error,
        })
    }
}
