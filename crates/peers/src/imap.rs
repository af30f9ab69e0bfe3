//! [`ImapServer`]: a real IMAP server with one mailbox, for as long as a test needs it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use store_suite::port::Port;

use crate::owner::Owner;
use crate::program::{Process, place};

/// A Dovecot with a folder of its own. What a test is not told of, it may look up in the files: each mail is one.
pub struct ImapServer {
    process: Option<Process>,
    owner: Owner,
    port: Port,
    implicit: Port,
    ca: String,
    delivered: AtomicU64,
    folder: tempfile::TempDir,
}

/// A mail as it lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lying {
    /// The letters of its flags: `S` seen, `F` flagged, `T` deleted, `a` to `z` keywords.
    pub flags: String,
    /// What it says.
    pub text: Vec<u8>,
}

impl ImapServer {
    /// The only user.
    pub const USER: &'static str = "flow8";
    /// Its password.
    pub const PASSWORD: &'static str = "imap-hush-hush";

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts one that says that it can do this, and nothing else: `IMAP4rev1 IDLE`.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn able_to(capabilities: &str) -> Self {
        Self::start_with(&format!("imap_capability = {capabilities}\n"))
    }

    fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (owner, port, implicit) = (Owner::find(), Port::find(), Port::find());
        let config = config(folder.path(), &owner.names(), port.number(), implicit.number()) + more;
        let files = [
            ("dovecot.conf", config),
            ("server.crt", made.cert.pem()),
            ("server.key", made.signing_key.serialize_pem()),
            ("users", format!("{}:{{plain}}{}\n", Self::USER, Self::PASSWORD)),
        ];
        for (name, text) in files {
            fs::write(at(name), text).expect("writes");
            owner.take(&[&at(name)]);
        }
        for name in ["mail", "mail/cur", "mail/new", "mail/tmp"] {
            fs::create_dir(at(name)).expect("makes");
            owner.take(&[&at(name)]);
        }
        owner.take(&[folder.path()]);
        let ca = made.cert.pem();
        let delivered = AtomicU64::new(0);
        let mut server = Self { process: None, owner, port, implicit, ca, delivered, folder };
        server.restart();
        server
    }

    /// The port where it speaks in the open, or encrypted after a greeting in the open.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port where it is encrypted from the beginning.
    pub fn implicit(&self) -> u16 {
        self.implicit.number()
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Delivers a mail, as a mail server does: into a folder that is there (`INBOX`, or one of [`make`](Self::make)).
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn deliver(&self, folder: &str, mail: impl AsRef<[u8]>) {
        let (maildir, count) = (self.maildir(folder), self.delivered.fetch_add(1, Ordering::Relaxed));
        // Mails that lie there are numbered in the order of their names.
        let name = format!("{}.M{count:06}.test", 1_700_000_000 + count);
        let (before, after) = (maildir.join("tmp").join(&name), maildir.join("new").join(&name));
        fs::write(&before, mail).expect("writes");
        self.owner.take(&[&before]);
        fs::rename(before, after).expect("delivers");
    }

    /// Makes a folder.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn make(&self, folder: &str) {
        let maildir = self.maildir(folder);
        for path in [maildir.clone(), maildir.join("cur"), maildir.join("new"), maildir.join("tmp")] {
            fs::create_dir(&path).expect("makes");
            self.owner.take(&[&path]);
        }
    }

    /// The mails of a folder, in the order in which they were delivered.
    ///
    /// # Panics
    /// Where they cannot be read, but for one that is being renamed: it is looked at again.
    pub fn lying(&self, folder: &str) -> Vec<Lying> {
        let maildir = self.maildir(folder);
        'again: loop {
            let entries = ["new", "cur"].map(|part| fs::read_dir(maildir.join(part)).expect("a folder"));
            let mut files: Vec<_> = entries.into_iter().flatten().map(|entry| entry.expect("an entry")).collect();
            files.sort_by_key(fs::DirEntry::file_name);
            let mut lying = Vec::new();
            for file in files {
                let name = file.file_name().to_string_lossy().into_owned();
                let flags = name.split_once(":2,").map(|(_, flags)| flags.to_owned()).unwrap_or_default();
                let Ok(text) = fs::read(file.path()) else { continue 'again };
                lying.push(Lying { flags, text });
            }
            return lying;
        }
    }

    /// Gives all mails of the inbox other numbers, under this UIDVALIDITY: what the server knows of them is forgotten.
    ///
    /// # Panics
    /// Where it still runs, or its files cannot be removed.
    pub fn renumber(&self, validity: u32) {
        assert!(self.process.is_none(), "it is killed first");
        for entry in fs::read_dir(self.maildir("INBOX")).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                fs::remove_file(path).expect("removes");
            }
        }
        let list = self.maildir("INBOX").join("dovecot-uidlist");
        fs::write(&list, format!("3 V{validity} N1\n")).expect("writes");
        self.owner.take(&[&list]);
    }

    /// Ends all of it at once, as where the machine goes down.
    ///
    /// # Panics
    /// Where it cannot be ended.
    pub fn kill(&mut self) {
        self.signal("KILL");
        self.process = None;
        // It is in nobody's way: the process is gone.
        let _ = fs::remove_file(self.folder.path().join("run/master.pid"));
    }

    /// Starts it again after it was killed, at the same ports with the same mails.
    ///
    /// # Panics
    /// Where it cannot be started.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        let mut command = self.owner.command(&place("dovecot"));
        // A group of its own: the master's children are signalled with it.
        command.arg("-F").arg("-c").arg(self.folder.path().join("dovecot.conf")).process_group(0);
        self.process = Some(Process::start(command, "starting up", "TERM").0);
    }

    /// Lets it answer nothing from now on, while its connections stay open.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Panics
    /// Where it does not run.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id();
        let told = Command::new("kill").args([format!("-{name}"), "--".to_owned(), format!("-{id}")]).status();
        assert!(told.expect("kill runs").success(), "kill -{name}");
    }

    fn maildir(&self, folder: &str) -> PathBuf {
        let mail = self.folder.path().join("mail");
        if folder == "INBOX" { mail } else { mail.join(format!(".{folder}")) }
    }
}

impl Drop for ImapServer {
    fn drop(&mut self) {
        // What is paused would not hear that it is to end.
        if self.process.is_some() {
            self.resume();
        }
    }
}

/// All of it runs as one user who is not root, and listens on loopback alone.
fn config(folder: &Path, (user, group): &(String, String), port: u16, implicit: u16) -> String {
    let at = folder.display();
    format!(
        "protocols = imap
base_dir = {at}/run
state_dir = {at}/run
log_path = /dev/stderr
listen = 127.0.0.1
ssl = yes
ssl_cert = <{at}/server.crt
ssl_key = <{at}/server.key
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
mail_max_userip_connections = 100
mail_location = maildir:{at}/mail
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = passwd-file
  args = scheme=plain username_format=%u {at}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={at}/home
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {implicit}
    ssl = yes
  }}
}}
"
    )
}
