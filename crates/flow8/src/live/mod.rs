//! [`Live`]: settings that change while flow8 runs. At SIGHUP, and when a file that settings come
//! from has changed, all of them are read again. What can be taken over is, and leaves a row in the
//! audit log; of the rest it is said that it needs a restart. What is wrong changes nothing.

mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gateway::Tls;
use model::actor::Actor;
use model::audit::AuditRow;
use model::batch::Batch;
use model::value::Value;
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Config, Inputs, Loaded, Setting, changes, load};
use crate::installation::{Installation, tls};
use crate::telemetry;
use files::Files;

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What follows the settings of a server that runs.
pub(crate) struct Live<'s> {
    pub(crate) inputs: Inputs<'s>,
    pub(crate) loaded: Loaded,
    pub(crate) installation: &'s Installation,
    /// What the server shows; none where it does not speak TLS.
    pub(crate) tls: Option<Arc<Tls>>,
    /// What seals the audit log and clears away. It ends with this.
    pub(crate) chores: JoinSet<()>,
    /// Where the command line on this machine finds the server.
    pub(crate) url: String,
}

impl Live<'_> {
    /// Follows the settings, for as long as somebody waits for it.
    pub(crate) async fn follow(&mut self, hangup: &mut Signal) -> std::convert::Infallible {
        let mut seen = self.look();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_told = tokio::select! {
                told = hangup.recv() => told.is_some(),
                _ = looks.tick() => false,
            };
            // A few questions to the system, which answers them from memory.
            let now = self.look();
            if is_told || now != seen {
                self.reload(&now, &seen).await;
                seen = self.look_again(now);
            }
        }
    }

    /// The files that settings are in.
    fn look(&self) -> Files {
        let default = self.inputs.default_files.iter().map(PathBuf::as_path);
        let config = &self.loaded.config;
        let named = [&config.server.tls.cert, &config.server.tls.key, &config.egress.ca_file];
        let named = named.into_iter().flatten().map(PathBuf::as_path);
        let credentials = self.inputs.environment.given("CREDENTIALS_DIRECTORY").map(Path::new);
        let folders = credentials.into_iter().chain([config.integrations.dir.as_path()]);
        Files::look(self.inputs.file.as_deref().into_iter().chain(default).chain(named), folders)
    }

    /// The same files, unless other ones are named now.
    fn look_again(&self, seen: Files) -> Files {
        let now = self.look();
        if now.has_the_files_of(&seen) { seen } else { now }
    }

    async fn reload(&mut self, now: &Files, seen: &Files) {
        let loaded = match load(&self.inputs) {
            Ok(loaded) => loaded,
            Err(problems) => {
                for problem in &problems.0 {
                    tracing::error!(%problem, "the settings that were changed are not taken over");
                }
                return;
            }
        };
        let before = std::mem::replace(&mut self.loaded, loaded);
        for warning in self.loaded.warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
            tracing::warn!("{warning}");
        }
        let (from, to) = (before.config, &self.loaded.config);
        let changed: Vec<&'static Setting> = changes(&from, to).collect();
        let files = FilesOf { config: to, now, seen };
        let mut audit = Vec::new();
        for part in Part::ALL {
            let settings: Vec<&Setting> = changed.iter().copied().filter(|setting| part.holds(setting)).collect();
            let file = part.file(&files);
            let is_declared_anew = part == Part::Integrations && from.integrations.declared != to.integrations.declared;
            if settings.is_empty() && file.is_none() && !is_declared_anew {
                continue;
            }
            match part.take_over(self.installation, self.tls.as_deref(), to) {
                Ok(()) => {
                    audit.extend(self.told(&settings, file, &from));
                    audit.extend(is_declared_anew.then(|| self.declared_anew(&from)));
                }
                Err(error) => tracing::error!(%error, "what was changed is not taken over; what was before holds"),
            }
        }
        if audit.iter().any(|row: &AuditRow| row.entity_id.starts_with("retention.")) {
            self.chores = self.installation.tend(to);
        }
        if audit.iter().any(|row| row.entity_id.starts_with("server.tls")) {
            let certificate = self.tls.as_ref().map(|tls| tls.certificate());
            if let Err(error) = self.installation.guide.tell(&self.url, certificate) {
                tracing::warn!(%error, "the command line on this machine does not find this server any more");
            }
        }
        for setting in changed.iter().filter(|setting| !setting.live) {
            tracing::warn!(setting = setting.key, "was changed; it needs a restart");
        }
        if changed.is_empty() && audit.is_empty() {
            tracing::info!("the settings were read again; nothing has changed");
        }
        self.write(audit).await;
    }

    /// Rows of the audit log for what is taken over; the log says the same.
    fn told(&self, settings: &[&Setting], file: Option<&Path>, from: &Config) -> Vec<AuditRow> {
        let to = &self.loaded.config;
        let row = |setting: &&Setting| self.row(setting.key, setting.shown(from), setting.shown(to));
        let mut rows: Vec<AuditRow> = settings.iter().map(row).collect();
        if let (Some(file), []) = (file, settings) {
            let key = if to.egress.ca_file.as_deref() == Some(file) { "egress.ca_file" } else { "server.tls" };
            rows.push(self.row(key, Value::Null, format!("the file {} was changed", file.display()).into()));
        }
        rows
    }

    /// The same for components that are declared in another way. Their names are enough: what else is said of them
    /// may be what is not to be read.
    fn declared_anew(&self, from: &Config) -> AuditRow {
        let names = |config: &Config| {
            Value::list(config.integrations.declared.iter().map(|one| format!("{}:{}", one.kind, one.name)))
        };
        self.row("integrations", names(from), names(&self.loaded.config))
    }

    fn row(&self, key: &str, before: Value, after: Value) -> AuditRow {
        tracing::info!(setting = key, before = %before.to_json(), after = %after.to_json(), "taken over");
        AuditRow {
            company: self.installation.company(),
            at: self.installation.engine.now(),
            actor: Actor::system(),
            action: "setting.reload".into(),
            entity: "setting".into(),
            entity_id: key.into(),
            before,
            after,
            request_id: None,
            ip: None,
        }
    }

    async fn write(&self, audit: Vec<AuditRow>) {
        if audit.is_empty() {
            return;
        }
        // The change is in this process alone, and has been made: the row follows it.
        let batch = Batch { audit, ..Batch::default() };
        if let Err(error) = self.installation.engine.store().commit(batch).await {
            tracing::error!(%error, "what was taken over is not in the audit log");
        }
    }
}

/// Settings that are taken over together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Log,
    Limits,
    Egress,
    Integrations,
    Retention,
    Tls,
}

/// Which files are named now, and what was seen of them.
struct FilesOf<'f> {
    config: &'f Config,
    now: &'f Files,
    seen: &'f Files,
}

impl Part {
    const ALL: [Self; 6] = [Self::Log, Self::Limits, Self::Egress, Self::Integrations, Self::Retention, Self::Tls];

    fn holds(self, setting: &Setting) -> bool {
        let prefix = match self {
            Self::Log => "log.",
            Self::Limits => "limits.",
            Self::Egress => "egress.",
            Self::Integrations => "integrations.",
            Self::Retention => "retention.",
            Self::Tls => "server.tls.",
        };
        setting.live && setting.key.starts_with(prefix)
    }

    /// A file that it reads, and that is another one than before.
    fn file<'f>(self, files: &FilesOf<'f>) -> Option<&'f Path> {
        let tls = &files.config.server.tls;
        let named = match self {
            Self::Egress => [files.config.egress.ca_file.as_deref(), None],
            Self::Tls => [tls.cert.as_deref(), tls.key.as_deref()],
            // What its files say is part of the configuration.
            Self::Log | Self::Limits | Self::Integrations | Self::Retention => [None, None],
        };
        named.into_iter().flatten().find(|file| files.now.differ_at(files.seen, file))
    }

    fn take_over(self, installation: &Installation, tls: Option<&Tls>, config: &Config) -> Result<(), String> {
        match self {
            Self::Log => telemetry::set_level(config.log.level),
            Self::Limits => installation.set_rates(config),
            Self::Egress => installation.set_egress(config).map_err(|error| error.to_string())?,
            Self::Integrations => installation.set_declared(config).map_err(|error| error.to_string())?,
            // Whoever looks after it begins anew.
            Self::Retention => {}
            Self::Tls => match tls {
                Some(tls) if config.server.tls.cert.is_some() => {
                    tls::replace(tls, config).map_err(|error| error.to_string())?;
                }
                _ => return Err("server.tls: to begin with TLS, or to end it, needs a restart".into()),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn what_is_said_to_be_taken_over_is() {
        for setting in SETTINGS {
            let parts = Part::ALL.iter().filter(|part| part.holds(setting)).count();
            assert_eq!(parts, usize::from(setting.live), "{}", setting.key);
        }
    }
}
