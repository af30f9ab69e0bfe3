//! `flow8 backup`: all of an installation as one file.

use std::path::PathBuf;

use archive::{About, Totals};

use super::archived::{self, Meter, Report};
use super::part::Part;
use super::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::config::Config;
use crate::installation::moving;

/// Write all of an installation to a file, sealed with its master key
///
/// It shows the store as it is at one instant, and may be made while flow8 serves. Whoever wants to
/// move an installation stops it first: what happens after that instant is not in the backup.
#[derive(Debug, clap::Args)]
pub(super) struct Backup {
    /// Where to write it; else to flow8-TIME.backup in this folder. A file that is there is not replaced
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingFlags,
}

impl Backup {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let config = session.config(&self.settings)?.config;
        let master = archived::master(&config)?;
        let about = About::new(env!("CARGO_PKG_VERSION"), moving::now(), &master)
            .map_err(|error| CommandError { exit: Exit::Fault, message: error.to_string() })?;
        let file = self.to.clone().unwrap_or_else(|| name_of(&about).into());
        let runtime = super::runtime(config.server.worker_threads)?;
        let (totals, bytes) = runtime.block_on(write(&config, &file, &about, &master))?;
        Report { file: &file, bytes, about: &about, totals: &totals }.tell(session, "is written")?;
        Ok(Exit::Ok)
    }
}

/// The time without what some file systems do not take.
fn name_of(about: &About) -> String {
    let time = about.created_at.to_string();
    let seconds = time.split('.').next().unwrap_or_default();
    format!("flow8-{}Z.backup", seconds.replace([':', '-'], ""))
}

async fn write(
    config: &Config,
    file: &std::path::Path,
    about: &About,
    master: &vault::MasterKey,
) -> Result<(Totals, u64), CommandError> {
    let refused = |error: std::io::Error| CommandError::usage(format!("{}: {error}", file.display()));
    let rows = moving::rows(config).await.map_err(|error| archived::of_store(&error))?;
    let objects = moving::objects(config, false).await.map_err(|error| archived::unusable(&error))?;
    let part = Part::begin(file).map_err(refused)?;
    let mut meter = Meter::new();
    let written =
        archive::write(part.file(), about, master, rows, &objects, &mut |progress| meter.tell(progress)).await;
    let written = written.map_err(|error| archived::wrong(file, &error))?;
    part.finish().map_err(refused)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use vault::MasterKey;

    use super::*;

    #[test]
    fn a_backup_is_called_by_its_time() {
        let master = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
        let about = About::new("1.2.3", Timestamp(1_700_000_000_120), &master).expect("random");
        assert_eq!(name_of(&about), "flow8-20231114T221320Z.backup");
    }
}
