//! Processes that are measured: started, watched through `/proc`, and stopped by their id.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

/// Ticks of the kernel's clock in a second; Linux says 100 to every program.
const TICKS: f64 = 100.0;

/// How long a process has to end by itself.
const PATIENCE: Duration = Duration::from_secs(40);

/// A process of ours. It ends with this value.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Outcome<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| format!("{program}: {error}"))?;
        Ok(Self { child })
    }

    /// Starts a part of this binary, which prints the address that it listens at.
    pub(crate) fn part(me: &Path, words: &[String]) -> Outcome<(Self, SocketAddr)> {
        let mut process = Self::start(Command::new(me).args(words).stdout(Stdio::piped()))?;
        let out = process.child.stdout.take().ok_or("no output to read")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().parse().map_err(|error| format!("{words:?} said {line:?}: {error}"))?;
        Ok((process, address))
    }

    /// Seconds of processor time that all its threads took so far.
    pub(crate) fn cpu(&self) -> Outcome<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name stands in parentheses and may hold anything; user and system time are the
        // 12th and 13th field behind it.
        let fields = stat.rsplit_once(')').ok_or("a strange /proc/PID/stat")?.1;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        Ok(ticks / TICKS)
    }

    /// Megabytes of memory that it holds.
    pub(crate) fn rss(&self) -> Outcome<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kibibytes * 1_024.0 / 1e6)
    }

    /// Whether it has ended, which it should not have.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().map_or(true, |status| status.is_some())
    }

    /// Tells it to stop, and waits for that.
    pub(crate) fn stop(self) -> Outcome<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        self.ended(PATIENCE).map(drop)
    }

    /// Waits until it has ended; says whether all was well with it.
    pub(crate) fn ended(mut self, patience: Duration) -> Outcome<bool> {
        let since = Instant::now();
        while since.elapsed() < patience {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("a process did not end in time".into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
