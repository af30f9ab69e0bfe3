//! Settings that change while flow8 serves: what is taken over, what is not, and what is said.

use std::fs;
use std::path::Path;

use crate::Flow8;
use crate::server::{Client, Server, Start, json, part, until};

/// How often a stranger is answered in a row before it is one too many; at most so often.
const MANY: usize = 40;

/// Whether a stranger is slowed down.
fn is_limited(stranger: &Client) -> bool {
    (0..MANY).any(|_| stranger.send("GET", "/api/flows", &[], Vec::new()).expect("an answer").status() == 429)
}

/// Values of a setting before and after, by the audit log, the newest first.
fn audited(server: &Server, setting: &str) -> Vec<(String, String)> {
    let rows = server.client.granted("GET", "/audit?action=setting.reload&size=100", "");
    let rows = rows.pointer("/data").and_then(|data| Some(data.as_list()?.to_vec())).expect("rows");
    let of = rows.iter().filter(|row| part(row, "/entityId") == setting);
    of.map(|row| (part(row, "/before"), part(row, "/after"))).collect()
}

#[test]
fn settings_are_read_again_at_a_signal_and_when_a_file_has_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.yml");
    let write = |text: &str| fs::write(&file, text).expect("written");
    write("limits: {requests_per_address: 0}\n");
    let config = ["--config", file.to_str().expect("UTF-8")];
    let server = Start::on(&folder.path().join("data")).args(&config).serves();
    let stranger = server.client.with("");
    assert!(!is_limited(&stranger));

    write("limits: {requests_per_address: 1}\n");
    server.signal("HUP");
    until("strangers are slowed down", || is_limited(&stranger).then_some(()));
    let row = until("the audit log tells", || audited(&server, "limits.requests_per_address").pop());
    assert_eq!(row, ("0".to_owned(), "1".to_owned()));
    server.client.granted("GET", "/flows", "");

    // What is wrong changes nothing.
    write("limits: {requests_per_address: many}\n");
    until("it says what is wrong", || server.log().contains("not \\\"many\\\"").then_some(()));
    assert!(is_limited(&stranger));

    // What cannot be taken over is said, and the rest is taken over all the same, without a signal.
    write("limits: {requests_per_address: 0}\nengine: {max_effects: 7}\n");
    until("strangers go on", || (!is_limited(&stranger)).then_some(()));
    until("it tells", || server.log().contains("needs a restart").then_some(()));
    assert!(server.log().contains("engine.max_effects"), "{}", server.log());
    until("the audit log tells", || (audited(&server, "limits.requests_per_address").len() == 2).then_some(()));
    assert_eq!(audited(&server, "engine.max_effects"), []);
    server.stop();
}

/// A certificate for another name than this machine's, and its key.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["flow8.example.com".to_owned()]).expect("a certificate");
    fs::write(folder.join("cert.pem"), made.cert.pem()).expect("written");
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
}

#[test]
fn a_certificate_is_shown_and_exchanged_and_a_bad_one_changes_nothing() {
    let flow8 = Flow8::new();
    let folder = flow8.folder.path();
    certificate(folder);
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let start = Start::on(&folder.join("data"));
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let server = start.variable("TLS_CERT_FILE", &cert).variable("TLS_KEY_FILE", &key).serves();
    assert!(server.client.url.starts_with("https://"), "{}", server.client.url);
    assert!(server.greeting[0].contains("https://"), "{:?}", server.greeting);
    // The command line on this machine trusts the certificate that it is told of.
    let lists = || flow8.run(&["plays", "list"]);
    lists().code(0);
    let told = || part(&json(&fs::read_to_string(folder.join("data/server.json")).expect("told")), "/certificate");
    let first = told();

    fs::write(&cert, "nonsense").expect("written");
    until("it says what is wrong", || server.log().contains("there is no certificate in PEM").then_some(()));
    lists().code(0);
    assert_eq!(told(), first);

    certificate(folder);
    server.signal("HUP");
    until("another one is shown", || (told() != first).then_some(()));
    lists().code(0);
    server.stop();
}

#[test]
fn bad_files_stop_the_start() {
    let flow8 = Flow8::new();
    certificate(flow8.folder.path());
    let flow8 = flow8.variable("TLS_CERT_FILE", "cert.pem").file("empty.pem", "");
    for (key, expected) in
        [("empty.pem", "no private key"), ("missing.pem", "missing.pem"), ("cert.pem", "no private key")]
    {
        let ended = flow8.run(&["serve", "--port", "0", "--set", &format!("server.tls.key={key}")]).code(2);
        assert!(ended.err.contains("server.tls") && ended.err.contains(expected), "{}", ended.err);
    }
    assert!(!flow8.folder.path().join("data").exists(), "nothing was made");
}
