//! [`MailServer`]: a real SMTP server that receives, for as long as a test needs it.

use std::fs;
use std::process::Command;

use crate::program::{Process, place};

/// What it runs.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/mail.py");

/// A server. It refuses `refused@…`, has no room for `full@…`, and hangs up on `lost@…` after it took the mail.
pub struct MailServer {
    _process: Process,
    starttls: u16,
    implicit: u16,
    ca: String,
    folder: tempfile::TempDir,
}

impl MailServer {
    /// The only user.
    pub const USER: &'static str = "flow8";
    /// Its password.
    pub const PASSWORD: &'static str = "mail-hush-hush";

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
        fs::write(&cert, made.cert.pem()).expect("writes");
        fs::write(&key, made.signing_key.serialize_pem()).expect("writes");
        let mut command = Command::new(place("aiosmtpd"));
        command.arg(SCRIPT).arg(folder.path()).arg(cert).arg(key).arg(Self::PASSWORD);
        let (process, line) = Process::start(command, "receiving ", "TERM");
        let mut ports = line.split_whitespace().skip(1).map(|port| port.parse().expect("a port"));
        let (starttls, implicit) = (ports.next().expect("a port"), ports.next().expect("a port"));
        Self { _process: process, starttls, implicit, ca: made.cert.pem(), folder }
    }

    /// The port where it is encrypted after a greeting in the open.
    pub fn starttls(&self) -> u16 {
        self.starttls
    }

    /// The port where it is encrypted from the beginning.
    pub fn implicit(&self) -> u16 {
        self.implicit
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// The mails that it took, each as JSON: `from`, `to`, `data`, `encrypted`.
    ///
    /// # Panics
    /// Where they cannot be read.
    pub fn taken(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("a folder");
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.retain(|path| path.extension().is_some_and(|is| is == "json"));
        files.sort();
        files.iter().map(|path| fs::read_to_string(path).expect("text")).collect()
    }
}
