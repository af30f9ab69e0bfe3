//! [`Server`]: a flow8 of its own, with a fresh data folder.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::Outcome;
use crate::company::Company;
use crate::load::{call, request};
use crate::process::Process;

/// How long a start may take at most.
const START: Duration = Duration::from_secs(60);

/// How often it is looked whether it is ready.
const LOOK: Duration = Duration::from_millis(1);

/// A flow8 that runs.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// Where channels answer.
    pub(crate) channels: SocketAddr,
    /// From the start of the process to the first good answer of `/health/ready`.
    pub(crate) ready_after: Duration,
    /// The first company, in the hands of whoever may read the data folder.
    pub(crate) home: Company,
    data: PathBuf,
}

/// What one play left in the store.
pub(crate) struct Rows {
    pub(crate) header: usize,
    pub(crate) chunk: usize,
    pub(crate) audit: usize,
}

impl Server {
    /// Starts it on a data folder, which may be new.
    pub(crate) fn start(flow8: &Path, folder: &Path) -> Outcome<Self> {
        Self::start_by(Command::new(flow8), folder)
    }

    /// Starts it on a data folder, with more variables.
    pub(crate) fn start_with(flow8: &Path, folder: &Path, variables: &[(&str, String)]) -> Outcome<Self> {
        // Whatever starts it clears the environment; `env` sets it again.
        let mut command = Command::new("env");
        command.args(variables.iter().map(|(name, value)| format!("{name}={value}"))).arg(flow8);
        Self::start_by(command, folder)
    }

    /// Starts it by a command that ends where flow8's own arguments begin.
    pub(crate) fn start_by(mut command: Command, folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let (ready, log, data) = (folder.join("ready.json"), folder.join("flow8.log"), folder.join("data"));
        // Nothing of the environment counts, and no configuration that lies about.
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH")).current_dir(folder);
        command.env("FLOW8_BOOTSTRAP_ADMIN_EMAIL", "bench@example.com");
        command.env("FLOW8_BOOTSTRAP_ADMIN_PASSWORD", "long-enough-to-be-taken-0");
        command
            .args([
                "serve",
                "--port",
                "0",
                "--set",
                "channels.port=0",
                "--set",
                "mcp.port=0",
                "--set",
                "egress.allow=127.0.0.0/8",
                "--ready-file",
            ])
            .arg(&ready);
        command.arg("--data-dir").arg(&data).stdout(Stdio::null()).stderr(File::create(&log)?);
        let begun = Instant::now();
        let mut process = Process::start(&mut command)?;
        while !ready.exists() {
            if process.has_ended() || begun.elapsed() > START {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("flow8 did not start; it said: {said}").into());
            }
            std::thread::sleep(LOOK);
        }
        let place: Value = serde_json::from_slice(&fs::read(data.join("server.json"))?)?;
        let text = |key: &str| place[key].as_str().unwrap_or_default().to_owned();
        let address: SocketAddr = text("url").trim_start_matches("http://").parse()?;
        let places: Value = serde_json::from_slice(&fs::read(&ready)?)?;
        let channels = places["channels"].as_str().unwrap_or_default().trim_start_matches("http://").parse()?;
        while call(address, &request("GET", "/health/ready", "accept: */*", b""))?.status != 200 {
            std::thread::sleep(LOOK);
        }
        let home = Company::of(address, &text("token"));
        Ok(Self { process, address, channels, ready_after: begun.elapsed(), home, data })
    }

    /// Plays that have not ended, as the store itself says.
    pub(crate) fn open_plays(&self) -> Outcome<u64> {
        Ok(self.store()?.query_row("SELECT COUNT(*) FROM plays WHERE state <> 'DONE'", (), |row| row.get(0))?)
    }

    /// Plays that are kept.
    pub(crate) fn all_plays(&self) -> Outcome<u64> {
        Ok(self.store()?.query_row("SELECT COUNT(*) FROM plays", (), |row| row.get(0))?)
    }

    /// Waits until every play has ended; gives how long that took.
    pub(crate) fn settle(&self, patience: Duration) -> Outcome<Duration> {
        let since = Instant::now();
        loop {
            match self.open_plays()? {
                0 => return Ok(since.elapsed()),
                left if since.elapsed() > patience => return Err(format!("{left} plays have not ended").into()),
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The sizes of what the newest play left.
    pub(crate) fn rows_of_newest(&self) -> Outcome<Rows> {
        let sizes = "SELECT length(plays.header), length(chunks.bytes), length(audit.row) FROM plays \
                     JOIN chunks USING (company, play) JOIN audit ON entity_id = lower(hex(plays.play)) \
                     WHERE feed = (SELECT MAX(feed) FROM chunks)";
        let rows = |row: &rusqlite::Row<'_>| Ok(Rows { header: row.get(0)?, chunk: row.get(1)?, audit: row.get(2)? });
        Ok(self.store()?.query_row(sizes, (), rows)?)
    }

    fn store(&self) -> Outcome<Connection> {
        let store = Connection::open_with_flags(self.data.join("flow8.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        store.busy_timeout(Duration::from_secs(10))?;
        Ok(store)
    }

    /// Stops it; the data folder stays.
    pub(crate) fn stop(self) -> Outcome<()> {
        self.process.stop()
    }
}
