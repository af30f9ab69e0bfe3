//! `flow8 restore`: a backup into an empty installation.

use std::path::{Path, PathBuf};

use archive::{Checked, Target};

use super::archived::{self, Meter, Report};
use super::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::config::Config;
use crate::installation::moving;

/// Restore a backup into an empty installation: the data folder, or MongoDB where it is configured
///
/// The backup is read twice. Unless all of it is sound, and sealed with the master key that is
/// configured, nothing is written. At the end what was restored is read again and compared.
#[derive(Debug, clap::Args)]
pub(super) struct Restore {
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Check the backup, and that it could be restored; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Begin anew where a restore has not finished
    #[arg(long)]
    over_unfinished: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Restore {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let config = session.config(&self.settings)?.config;
        // Whatever is wrong with the file is told before anything is looked at.
        let bytes = archived::open(&self.file)?.get_ref().metadata().map_or(0, |metadata| metadata.len());
        let master = archived::master(&config)?;
        let checked = archived::check(&self.file, &master)?;
        let runtime = super::runtime(config.server.worker_threads)?;
        let done = if self.dry_run {
            runtime.block_on(self.could(&config, &checked))?;
            "is sound and could be restored"
        } else {
            runtime.block_on(self.restore(&config, &checked, &master))?;
            "is restored, and the same was read back"
        };
        let Checked { about, totals, .. } = &checked;
        Report { file: &self.file, bytes, about, totals }.tell(session, done)?;
        Ok(Exit::Ok)
    }

    async fn could(&self, config: &Config, checked: &Checked) -> Result<(), CommandError> {
        moving::is_vacant(config, self.over_unfinished).await.map_err(|error| archived::of_store(&error))?;
        // Opening a folder of objects makes it.
        if self.over_unfinished || !config.objects_dir().exists() {
            return Ok(());
        }
        let objects =
            moving::objects(config, self.over_unfinished).await.map_err(|error| archived::unusable(&error))?;
        let refused = archive::refuse_other_objects(checked, &objects).await;
        refused.map_err(|error| archived::wrong(&self.file, &error))
    }

    async fn restore(&self, config: &Config, checked: &Checked, master: &vault::MasterKey) -> Result<(), CommandError> {
        let store = moving::target(config, self.over_unfinished).await.map_err(|error| archived::of_store(&error))?;
        let objects =
            moving::objects(config, self.over_unfinished).await.map_err(|error| archived::unusable(&error))?;
        let target = Target { store: &*store, objects: &objects, over_objects: self.over_unfinished };
        into(&self.file, checked, master, &target).await
    }
}

/// Restores a file that was found sound.
pub(super) async fn into(
    file: &Path,
    checked: &Checked,
    master: &vault::MasterKey,
    target: &Target<'_>,
) -> Result<(), CommandError> {
    let mut meter = Meter::new();
    let input = archived::open(file)?;
    let restored = archive::restore(input, checked, master, target, &mut |progress| meter.tell(progress)).await;
    restored.map(drop).map_err(|error| archived::wrong(file, &error))
}
