//! [`Exit`]: every exit code of flow8, in one place. [`CommandError`]: why a command did not end well.

use std::io;
use std::process::ExitCode;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It went well.
    Ok,
    /// It was done, and the answer is no: a flow has problems, a play failed, there is no such thing.
    Negative,
    /// The command line, the configuration or a file that was given cannot be used.
    Usage,
    /// The server or the store cannot be reached.
    Unreachable,
    /// flow8 itself failed.
    Fault,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Negative, Self::Usage, Self::Unreachable, Self::Fault];

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Fault => 70,
        }
    }

    /// What it means.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "it went well",
            Self::Negative => "the answer is no: a flow has problems, a play failed, there is no such thing",
            Self::Usage => "the command line, the configuration or a file that was given cannot be used",
            Self::Unreachable => "the server or the store cannot be reached",
            Self::Fault => "flow8 itself failed",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// The exit codes, for the end of the help.
pub(super) fn help() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:<3} {}", exit.code(), exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// Why a command did not end well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// How the process ends.
    pub exit: Exit,
    /// What went wrong and what to do, a line each; nothing is printed where it is empty.
    pub message: String,
}

/// What a command answers.
pub type Answer = Result<Exit, CommandError>;

impl CommandError {
    /// The command line, the configuration or a file that was given cannot be used.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// It was done, and the answer is no.
    pub fn negative(message: impl Into<String>) -> Self {
        Self { exit: Exit::Negative, message: message.into() }
    }
}

/// Writing failed. Where whoever reads has seen enough, as `head` has, that is no failure.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { exit: Exit::Ok, message: String::new() },
            _ => Self { exit: Exit::Fault, message: format!("the output cannot be written: {error}") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own() {
        let mut codes = Exit::ALL.map(Exit::code).to_vec();
        codes.dedup();
        assert_eq!(codes, [0, 1, 2, 3, 70]);
    }

    #[test]
    fn a_reader_who_left_is_no_failure() {
        assert_eq!(CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit, Exit::Ok);
        assert_eq!(CommandError::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Fault);
    }
}
