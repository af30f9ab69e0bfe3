//! `flow8 completions`: what a shell needs to complete a command line.

use clap_complete::{Shell, generate};

use super::{Answer, Exit, Session, description};

/// Print what a shell needs to complete command lines of flow8
///
/// For bash, put it where bash-completion looks:
/// flow8 completions bash > ~/.local/share/bash-completion/completions/flow8
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, session: &mut Session<'_, '_>) -> Answer {
        let mut script = Vec::new();
        generate(self.shell, &mut description(), "flow8", &mut script);
        session.console.out.write_all(&script)?;
        Ok(Exit::Ok)
    }
}
