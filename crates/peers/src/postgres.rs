//! [`Postgres`]: a real PostgreSQL server, with TLS, for as long as a test needs it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use store_suite::port::Port;

use crate::owner::Owner;
use crate::program::{Process, place};

/// A server with a data folder of its own.
pub struct Postgres {
    _process: Process,
    port: Port,
    ca: String,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// The only user; it may do everything.
    pub const USER: &'static str = "flow8";
    /// Its password.
    pub const PASSWORD: &'static str = "pg-hush-hush";
    /// The database.
    pub const DATABASE: &'static str = "postgres";

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let programs = place("postgres");
        let folder = tempfile::tempdir().expect("a folder");
        let (data, port) = (folder.path().join("data"), Port::find());
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        let (cert, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
        let password = folder.path().join("password");
        for (file, text) in
            [(&cert, made.cert.pem()), (&key, made.signing_key.serialize_pem()), (&password, Self::PASSWORD.to_owned())]
        {
            fs::write(file, text).expect("writes");
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("sets");
        }
        let owner = Owner::find();
        owner.take(&[folder.path(), &cert, &key, &password]);
        let made_folder = owner
            .command(&programs.join("initdb"))
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .args([format!("--username={}", Self::USER), format!("--pwfile={}", password.display())])
            .arg("-D")
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made_folder.expect("initdb runs").success(), "initdb");
        let mut command = owner.command(&programs.join("postgres"));
        command.arg("-D").arg(&data).args(["-p", &port.number().to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            "fsync=off".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", cert.display()),
            format!("ssl_key_file={}", key.display()),
        ] {
            command.args(["-c", &setting]);
        }
        let (process, _) = Process::start(command, "ready to accept connections", "QUIT");
        Self { _process: process, port, ca: made.cert.pem(), _folder: folder }
    }

    /// The port that it listens on, at 127.0.0.1 and localhost.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The certificate by which it is known as `localhost`, as PEM.
    pub fn ca(&self) -> &str {
        &self.ca
    }
}
