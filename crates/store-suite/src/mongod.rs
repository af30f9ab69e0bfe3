//! [`Mongod`]: a real MongoDB server, for as long as a test needs it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;
use mongodb::options::ReadPreference;

use crate::port::Port;

/// Where the script lies that says where `mongod` is, and fetches one where there is none.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/mongod");

/// How long a server may take to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, a replica set of one unless it stands alone. It ends, and what it kept goes, when this is dropped.
pub struct Mongod {
    process: Child,
    port: Port,
    /// What clients add to its URI.
    options: String,
    _folder: tempfile::TempDir,
}

/// Where the program is.
///
/// # Panics
/// Where there is none, with what the script says.
pub fn program() -> PathBuf {
    let found = Command::new(SCRIPT).stderr(Stdio::inherit()).output().expect("scripts/mongod runs");
    assert!(found.status.success(), "there is no mongod; scripts/mongod says above how to get one");
    PathBuf::from(String::from_utf8_lossy(&found.stdout).trim())
}

impl Mongod {
    /// Starts a server. It does not wait until it answers: whoever connects does.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&["--replSet", "rs0"])
    }

    /// Starts a server that is no replica set.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_alone() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that is not like the usual one. Clients add `options` to its URI.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start_as(words: &[&str], options: &str) -> Self {
        let mut server = Self::start_with(&[&["--replSet", "rs0"], words].concat());
        options.clone_into(&mut server.options);
        server
    }

    fn start_with(words: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = Port::find();
        let process = Command::new(program())
            .args(words)
            .args(["--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.5", "--quiet", "--nounixsocket"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .arg("--port")
            .arg(port.number().to_string())
            .arg("--dbpath")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("mongod starts");
        Self { process, port, options: String::new(), _folder: folder }
    }

    /// Makes it a replica set, and returns when it takes writes.
    ///
    /// # Panics
    /// Where it does not within [`PATIENCE`].
    pub async fn initiate(&self) {
        let client = Client::with_uri_str(self.direct_uri()).await.expect("a URI");
        let admin = client.database("admin");
        let host = format!("127.0.0.1:{}", self.port());
        let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": host }] };
        let become_primary = async {
            // The driver waits until the server answers.
            admin.run_command(doc! { "replSetInitiate": set }).await.expect("becomes a replica set");
            let client = Client::with_uri_str(self.uri()).await.expect("a URI");
            // A write waits for a primary.
            let admin = client.database("admin");
            let first = admin.run_command(doc! { "ping": 1 });
            first.selection_criteria(ReadPreference::Primary.into()).await.expect("has a primary");
        };
        tokio::time::timeout(PATIENCE, become_primary).await.expect("in time");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// Where it has ended.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").arg(format!("-{name}")).arg(self.process.id().to_string()).status();
        assert!(told.expect("kill runs").success(), "kill -{name}");
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its URI, once it is a replica set.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?replicaSet=rs0{}", self.port(), self.options)
    }

    /// Its URI before.
    pub fn direct_uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true{}", self.port(), self.options)
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
