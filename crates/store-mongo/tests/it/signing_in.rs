//! Who may reach the store: passwords, certificates of the server and of flow8.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mongodb::Client;
use mongodb::bson::doc;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

use crate::stage::refused_by;

fn options(uri: String) -> MongoOptions {
    MongoOptions { uri, migrates: true, ..MongoOptions::default() }
}

#[tokio::test]
async fn a_wrong_password_is_told_and_the_right_one_is_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, "of the members among themselves").expect("writes");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("is its own");
    let server = Mongod::start_as(&["--auth", "--keyFile", &key.to_string_lossy()], "");
    server.initiate().await;
    // The first user may be made from the same machine by whoever asks.
    let admin = Client::with_uri_str(server.uri()).await.expect("a URI").database("admin");
    let user = doc! { "createUser": "flow8", "pwd": "hunter2", "roles": ["readWriteAnyDatabase"] };
    admin.run_command(user).await.expect("makes a user");

    let with = |word: &str| options(server.uri().replace("//", &format!("//{word}")));
    let said = refused_by(&with("flow8:hunter3@")).await;
    assert!(said.contains("refuses to sign flow8 in") && !said.contains("hunter"), "{said}");
    let said = refused_by(&with("")).await;
    assert!(said.contains("requires authentication"), "{said}");
    MongoStore::open(&with("flow8:hunter2@")).await.map(drop).expect("opens");
}

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut about = CertificateParams::new(Vec::new()).expect("names");
        about.distinguished_name.push(DnType::CommonName, name);
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(about, key).expect("signs itself"))
    }

    /// Writes its own certificate down.
    fn write(&self, file: PathBuf) -> PathBuf {
        fs::write(&file, self.0.pem()).expect("writes");
        file
    }

    /// Writes down a certificate that it signed, with its key.
    fn signs(&self, file: PathBuf) -> PathBuf {
        let key = KeyPair::generate().expect("a key");
        let about = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
        let certificate = about.signed_by(&key, &self.0).expect("signs");
        fs::write(&file, certificate.pem() + &key.serialize_pem()).expect("writes");
        file
    }
}

fn word(file: &Path) -> &str {
    file.to_str().expect("UTF-8")
}

#[tokio::test]
async fn both_sides_show_certificates_where_the_server_wants_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let at = |name: &str| folder.path().join(name);
    let ca = ours.write(at("ca.pem"));
    let (servers, clients) = (ours.signs(at("server.pem")), ours.signs(at("client.pem")));
    let tls = ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", word(&servers), "--tlsCAFile", word(&ca)];
    let known = format!("&tls=true&tlsCAFile={}&tlsCertificateKeyFile={}", word(&ca), word(&clients));
    let server = Mongod::start_as(&tls, &known);
    server.initiate().await;

    let plain =
        || options(format!("mongodb://127.0.0.1:{}/?replicaSet=rs0&serverSelectionTimeoutMS=2000", server.port()));
    let shown = |ca: &Path, clients: Option<&Path>| MongoOptions {
        tls_ca_file: Some(ca.to_owned()),
        tls_cert_key_file: clients.map(Path::to_owned),
        ..plain()
    };
    MongoStore::open(&shown(&ca, Some(&clients))).await.map(drop).expect("opens");
    let strange = other.write(at("other.pem"));
    for (which, wrong) in
        [("no TLS", plain()), ("no certificate", shown(&ca, None)), ("not trusted", shown(&strange, Some(&clients)))]
    {
        let said = refused_by(&wrong).await;
        assert!(said.contains("no MongoDB server that takes writes can be reached"), "{which}: {said}");
    }
    let missing = refused_by(&shown(&at("missing.pem"), None)).await;
    assert!(missing.contains("No such file"), "{missing}");
}
