//! `flow8-bench`: prints the benchmark table. Every row that has a reference is measured beside
//! it in the same run: reference and subject take turns on the same machine and the same disk,
//! and of their rounds the medians count.
//!
//! The load generator shares the machine with what it loads, and nothing is turned off: every
//! commit is synced, every play keeps its full history.
#![allow(clippy::disallowed_methods, reason = "it measures time; nothing here is replayed")]

mod bare;
mod company;
mod load;
mod machine;
mod peer;
mod process;
mod rows;
mod server;
mod table;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use self::rows::{ROWS, Stage};
use self::table::Line;

/// What can go wrong here is told and ends the run; nobody tells one from the other.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures flow8 beside references, and prints a table.
#[derive(Debug, Parser)]
#[command(name = "flow8-bench")]
struct Cli {
    /// The flow8 binary to measure: a release build
    #[arg(long, value_name = "PATH", required = true)]
    flow8: Option<PathBuf>,
    /// Only this row; may be given more than once
    #[arg(long, value_name = "ROW", value_parser = clap::builder::PossibleValuesParser::new(ROWS.map(|row| row.0)))]
    only: Vec<String>,
    /// Seconds of load in each round
    #[arg(long, value_name = "N", default_value_t = 8)]
    seconds: u32,
    /// Rounds of flow8 and of its reference, by turns
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// The folder under which data is kept meanwhile; should be on a disk
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Write the table to this file, too, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this binary starts itself for.
#[derive(Debug, Subcommand)]
#[command(subcommand_negates_reqs = true)]
enum Part {
    /// The reference: a handler that commits what a play commits, and does nothing else
    #[command(hide = true)]
    Bare(bare::Bare),
    /// An HTTP server to be called
    #[command(hide = true)]
    Peer,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where even that cannot be written, the exit code is left.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Outcome<()> {
    match &cli.part {
        Some(Part::Bare(bare)) => return bare.run(),
        Some(Part::Peer) => return peer::run(),
        None => {}
    }
    let flow8 = cli.flow8.unwrap_or_default();
    let flow8 = flow8.canonicalize().map_err(|error| format!("--flow8 {}: {error}", flow8.display()))?;
    let dir = machine::folder(cli.dir)?;
    let stage = Stage {
        flow8,
        me: std::env::current_exe()?,
        seconds: Duration::from_secs(u64::from(cli.seconds.max(1))),
        rounds: cli.rounds.max(1),
        dir: dir.path().to_owned(),
    };
    let about = machine::about(&stage.dir)?;
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    for (name, row) in ROWS {
        if cli.only.is_empty() || cli.only.iter().any(|only| only == name) {
            writeln!(std::io::stderr(), "{name} …")?;
            // A row that cannot be measured does not take the others with it.
            lines.extend(row(&stage).unwrap_or_else(|error| {
                failed.push(name);
                vec![Line::failed(name, &error.to_string())]
            }));
        }
    }
    let table = table::markdown(&about, &lines);
    std::io::stdout().write_all(table.as_bytes())?;
    if let Some(file) = cli.json {
        std::fs::write(&file, table::json(&about, &lines)).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("could not be measured: {}", failed.join(", ")).into()) }
}
