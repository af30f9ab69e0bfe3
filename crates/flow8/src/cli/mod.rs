//! The command line: one file for each command, [`run`] for all of them.
//!
//! To add a command: write its file (`pub(super) struct Name` that derives [`clap::Args`], whose
//! doc comment is its help, with `fn run(&self, &mut Session) -> Answer`), and add its `mod` and
//! its line in `commands!`. A command reads no environment, prints only through its console, and
//! ends by returning an [`Exit`].

mod administrator;
mod archived;
mod audit;
mod backup;
mod check;
mod cleanup;
mod completions;
mod components;
mod config;
mod console;
mod exit;
mod export;
mod import;
mod keys;
mod links;
mod migrate;
mod modules;
mod part;
mod plays;
mod restore;
mod run;
mod serve;
mod session;
mod settings;
mod verify_backup;

use std::ffi::OsString;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::Runtime;

pub use console::{Console, Paint};
pub use exit::{Answer, CommandError, Exit};
pub use session::{Globals, Remote, Session};
pub use settings::SettingFlags;

use crate::client::Api;
use crate::config::{Environment, Whole};

/// Declares the commands: the variants of `Command`, and what each of them runs.
macro_rules! commands {
    ($($name:ident($command:path)),+ $(,)?) => {
        #[derive(Debug, Subcommand)]
        enum Command { $($name($command)),+ }

        impl Command {
            fn run(&self, session: &mut Session<'_, '_>) -> Answer {
                match self { $(Self::$name(command) => command.run(session)),+ }
            }
        }
    };
}

commands! {
    Audit(audit::Audit),
    Backup(backup::Backup),
    Check(check::Check),
    Cleanup(cleanup::Cleanup),
    Completions(completions::Completions),
    Components(components::Components),
    Config(config::ConfigCommand),
    Export(export::Export),
    Import(import::Import),
    Keys(keys::Keys),
    Links(links::Links),
    Migrate(migrate::Migrate),
    Modules(modules::Modules),
    Plays(plays::Plays),
    Restore(restore::Restore),
    Run(run::Run),
    Serve(serve::Serve),
    VerifyBackup(verify_backup::VerifyBackup),
}

/// Durable workflow automation.
#[derive(Debug, Parser)]
#[command(name = "flow8", version, after_help = exit::help(), arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// The command line, as a description of itself.
fn description() -> clap::Command {
    Cli::command()
}

/// What plays in this process may still do when a command ends.
const REST: Duration = Duration::from_secs(5);

/// A runtime with so many threads, or as many as there are processors to use.
fn runtime(threads: Option<Whole<1, 1024>>) -> Result<Runtime, CommandError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(usize::try_from(threads.get()).unwrap_or(1));
    }
    builder
        .enable_all()
        .build()
        .map_err(|error| CommandError { exit: Exit::Fault, message: format!("no threads can be started: {error}") })
}

/// What a command does where there is no installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// It makes nothing, and says so.
    Refused,
    /// It begins one.
    Begun,
}

/// Does something with the API of an installation that is there: at the server that is named, or on the data folder.
fn with_api<'s, 'c>(
    session: &mut Session<'s, 'c>,
    work: impl AsyncFnOnce(&mut Session<'s, 'c>, &Api) -> Answer,
) -> Answer {
    with_api_where(session, Missing::Refused, work)
}

/// The same, where a command may begin an installation.
fn with_api_where<'s, 'c>(
    session: &mut Session<'s, 'c>,
    missing: Missing,
    work: impl AsyncFnOnce(&mut Session<'s, 'c>, &Api) -> Answer,
) -> Answer {
    let remote = session.remote()?;
    let config = session.config(&SettingFlags::default())?.config;
    let runtime = runtime(config.server.worker_threads)?;
    runtime.block_on(async {
        let api = match remote {
            Some(remote) => Api::at(remote)?,
            None => {
                if missing == Missing::Refused {
                    administrator::expect_begun(&config).await?;
                }
                Api::on_folder(&config).await?
            }
        };
        // Before anything else can go wrong: nobody is told again.
        if let Some(bootstrap) = api.bootstrap() {
            administrator::tell_apart(session, &config, bootstrap)?;
        }
        api.start().await?;
        let answer = work(session, &api).await;
        api.close(REST).await;
        answer
    })
}

/// Runs a command line; the first of the arguments is the program's own name.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Environment, console: &mut Console<'_>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(told) => {
            let (to, exit): (&mut dyn std::io::Write, Exit) =
                if told.use_stderr() { (console.err, Exit::Usage) } else { (console.out, Exit::Ok) };
            return if write!(to, "{}", told.render()).is_ok() { exit } else { Exit::Fault };
        }
    };
    let mut session = Session { globals: cli.globals, environment, console };
    let error = match cli.command.run(&mut session) {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    if !error.message.is_empty() {
        let paint = console.paint_err();
        for line in error.message.lines() {
            // Where stderr is gone, too, the exit code is all that is left to tell.
            let _gone = writeln!(console.err, "{} {line}", paint.bad("error:"));
        }
    }
    error.exit
}
