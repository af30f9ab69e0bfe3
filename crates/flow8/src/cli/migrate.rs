//! `flow8 migrate`: brings the store's schema up to date.

use serde_json::json;
use store::StoreError;
use store::sqlite::{SqliteOptions, SqliteStore};
use store_mongo::MongoOptions;

use super::{Answer, CommandError, Exit, Session, SettingFlags};
use crate::config::Config;
use crate::installation::mongo_options;

/// Bring the store's schema up to date, or say what would be done
#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// Change nothing; say what would be done, and end with 1 where there is anything
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// One version of a schema.
struct Row {
    version: u32,
    name: String,
    pending: bool,
    missing: Vec<String>,
}

impl Migrate {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let config = session.config(&self.settings)?.config;
        let rows = match mongo_options(&config) {
            Some(options) => super::runtime(config.server.worker_threads)?.block_on(self.on_mongodb(&options)),
            None => self.on_folder(&config),
        };
        let rows = rows.map_err(|error| CommandError { exit: Exit::Unreachable, message: error.to_string() })?;
        self.report(session, &rows)?;
        Ok(if self.dry_run && rows.iter().any(|row| row.pending) { Exit::Negative } else { Exit::Ok })
    }

    async fn on_mongodb(&self, options: &MongoOptions) -> Result<Vec<Row>, StoreError> {
        let steps =
            if self.dry_run { store_mongo::steps(options).await? } else { store_mongo::migrate(options).await? };
        let rows = steps.into_iter().map(|step| Row {
            version: step.version,
            name: step.name.to_owned(),
            pending: step.is_pending(),
            missing: step.missing,
        });
        Ok(rows.collect())
    }

    fn on_folder(&self, config: &Config) -> Result<Vec<Row>, StoreError> {
        let options = SqliteOptions::in_folder(&config.data_dir);
        let (found, known) = SqliteStore::versions(&options)?;
        if !self.dry_run && found < known {
            // It brings itself up to date.
            drop(SqliteStore::open(&options)?);
        }
        let row = |version| Row {
            version,
            name: "the embedded store".to_owned(),
            pending: version > found,
            missing: Vec::new(),
        };
        Ok((1..=known).map(row).collect())
    }

    fn report(&self, session: &mut Session<'_, '_>, rows: &[Row]) -> Result<(), CommandError> {
        let (todo, verb) = (rows.iter().filter(|row| row.pending).count(), if self.dry_run { "to do" } else { "done" });
        if session.globals.json {
            let steps = rows.iter().map(
                |row| json!({"version": row.version, "name": row.name, "pending": row.pending, "missing": row.missing}),
            );
            let steps: Vec<_> = steps.collect();
            session.console.json(&json!({"dryRun": self.dry_run, "steps": steps}))?;
            return Ok(());
        }
        let paint = session.console.paint_out();
        let out = &mut session.console.out;
        for row in rows {
            let state = if row.pending { verb } else { "there" };
            writeln!(out, "{} {:<6} {}", paint.strong(&format!("{:>3}", row.version)), state, row.name)?;
            for missing in &row.missing {
                writeln!(out, "           {}", paint.faint(missing))?;
            }
        }
        match (todo, self.dry_run) {
            (0, _) => writeln!(out, "the schema is up to date")?,
            (_, true) => writeln!(out, "nothing was changed; run flow8 migrate")?,
            (_, false) => writeln!(out, "the schema is up to date now")?,
        }
        Ok(())
    }
}
