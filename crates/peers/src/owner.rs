//! [`Owner`]: whom a server runs as that does not run as root.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;

/// Whom a server runs as: whoever runs the tests, and nobody where that is root.
pub(crate) struct Owner(Option<(u32, u32)>);

impl Owner {
    pub(crate) fn find() -> Self {
        let id = |args: &[&str]| {
            let text = said(args);
            text.parse::<u32>().unwrap_or_else(|_| panic!("id {args:?} says {text:?}"))
        };
        Self((id(&["-u"]) == 0).then(|| (id(&["-u", "nobody"]), id(&["-g", "nobody"]))))
    }

    /// The names of the user and of their group.
    pub(crate) fn names(&self) -> (String, String) {
        match self.0 {
            Some(_) => (said(&["-un", "nobody"]), said(&["-gn", "nobody"])),
            None => (said(&["-un"]), said(&["-gn"])),
        }
    }

    /// Gives files to them.
    pub(crate) fn take(&self, files: &[&Path]) {
        if let Some((user, group)) = self.0 {
            files.iter().for_each(|file| chown(file, Some(user), Some(group)).expect("is root"));
        }
    }

    /// A program that runs as them.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Some((user, group)) = self.0 else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]).arg(program);
        command
    }
}

fn said(args: &[&str]) -> String {
    let said = Command::new("id").args(args).output().expect("id runs");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}
