//! Where objects are: replicas on a real MongoDB, with GridFS and with a real S3 endpoint.

use std::path::Path;
use std::process::{Command, Stdio};

use storage_suite::moto::Moto;

use crate::Flow8;
use crate::mongo::{database, digits, replica_with};
use crate::server::{Client, RUNTIME, Server, json, part};

const SECRET: &str = "hunter2-hunter2";

/// A text that is kept as an object: more than 256 KiB, even when it is compressed.
const FLOW: &str = "apiVersion: flow8/v1\nkind: Flow\nname: Large\nlayers:\n\
    \x20 - {ref: read, appId: storage-read, args: {path: in/noise.txt}}\n\
    \x20 - {ref: copy, appId: storage-write, index: 1, args: {path: out/copy.txt, content: \"{{ $prev.read.content }}\"}}\n\
    \x20 - {ref: gives, appId: var, index: 2, args: {value: \"{{ $prev.read.content }}\"}}\n";

/// A text in which nothing comes twice.
fn noise(count: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    std::iter::repeat_with(&mut next).take(count).collect()
}

fn put(client: &Client, path: &str, bytes: &str) {
    let sent = client.send("POST", &format!("/api/files?path={path}"), &[], bytes.as_bytes().to_vec());
    assert_eq!(sent.expect("answers").status().as_u16(), 201, "{path}");
}

fn get(client: &Client, path: &str) -> Option<String> {
    let sent = client.send("GET", &format!("/api/files/content?path={path}"), &[], Vec::new()).expect("answers");
    let is_there = sent.status().as_u16() == 200;
    is_there.then(|| RUNTIME.block_on(sent.text()).expect("text"))
}

/// What one replica writes, another reads, whether it was there or came later.
fn shares(replica: impl Fn(&str) -> Server) {
    let (first, second) = (replica("first"), replica("second"));
    let text = noise(1_000_000);
    put(&first.client, "in/noise.txt", &text);
    first.client.import(FLOW);
    let play = second.client.start("large", "{}");
    second.client.play_in(&play, "DONE");
    first.kill();
    second.stop();

    let third = replica("third");
    assert_eq!(part(&third.client.play(&play), "/out/value").len(), text.len());
    assert_eq!(part(&third.client.play(&play), "/out/value"), text);
    assert!(get(&third.client, "out/copy.txt").as_ref() == Some(&text));
    let listed = third.client.granted("GET", "/files", "");
    assert_eq!(
        (part(&listed, "/data/0/path"), part(&listed, "/data/1/path")),
        ("in/noise.txt".into(), "out/copy.txt".into())
    );
    third.client.granted("DELETE", "/files?path=out/copy.txt", "");
    assert_eq!(get(&third.client, "out/copy.txt"), None);
    third.stop();
}

/// No replica has kept an object in its folder.
fn has_none(folder: &Path) {
    for name in ["first", "second", "third"] {
        assert!(!folder.join(name).join("objects").exists(), "{name}");
    }
}

#[test]
fn replicas_share_objects_in_mongodb_where_nothing_else_is_said() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    shares(|name| replica_with(&database, folder.path(), name, &[]));
    has_none(folder.path());
}

#[test]
fn replicas_share_objects_in_a_bucket() {
    let (database, moto) = (database(), Moto::start());
    moto.make_bucket("flow8");
    let folder = tempfile::tempdir().expect("a folder");
    let variables = bucket(&moto, "flow8");
    shares(|name| replica_with(&database, folder.path(), name, &variables));
    has_none(folder.path());
}

#[test]
fn replicas_share_a_folder_that_is_said_to_be_shared() {
    let (database, folder) = (database(), tempfile::tempdir().expect("a folder"));
    let shared = folder.path().join("shared").display().to_string();
    let variables = [("STORAGE_DIR", shared), ("STORAGE_SHARED", "true".to_owned())];
    shares(|name| replica_with(&database, folder.path(), name, &variables));
    has_none(folder.path());
}

fn bucket(moto: &Moto, name: &str) -> [(&'static str, String); 4] {
    [
        ("S3_BUCKET", name.to_owned()),
        ("S3_ENDPOINT", moto.url()),
        ("S3_ACCESS_KEY_ID", "AKIDEXAMPLE".to_owned()),
        ("S3_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ]
}

/// A start that is refused: its exit code, and what it says.
fn refused(folder: &Path, variables: &[(&str, String)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flow8"));
    command
        .env_clear()
        .args(["serve", "--port", "0", "--set", "channels.port=0", "--set", "mcp.port=0", "--data-dir"])
        .arg(folder.join("data"));
    command.envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
    let ended = command.output().expect("the binary runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!said.contains(SECRET) && ended.stdout.is_empty(), "{said}");
    (ended.status.code(), said)
}

#[test]
fn a_bucket_that_cannot_be_used_stops_the_start_and_says_what_to_do() {
    let (moto, folder) = (Moto::start(), tempfile::tempdir().expect("a folder"));
    moto.make_bucket("flow8");
    let (code, said) = refused(folder.path(), &bucket(&moto, "flow9"));
    let expected = format!("storage.s3: there is no bucket flow9 at {}; make it, or set S3_BUCKET", moto.url());
    assert!(code == Some(2) && said.contains(&expected), "{code:?} {said}");

    let strict = Moto::start_strict(1);
    strict.make_bucket("flow8");
    let (code, said) = refused(folder.path(), &bucket(&strict, "flow8"));
    assert!(code == Some(2) && said.contains("InvalidAccessKeyId") && said.contains("S3_ACCESS_KEY_ID"), "{said}");

    let gone = bucket(&moto, "flow8");
    drop(moto);
    let (code, said) = refused(folder.path(), &gone);
    assert!(code == Some(3) && said.contains("cannot be reached") && said.contains("S3_ENDPOINT"), "{code:?} {said}");
}

#[test]
fn a_flow_that_is_run_from_a_file_needs_no_bucket() {
    let flow = "apiVersion: flow8/v1\nkind: Flow\nname: One\nlayers:\n  - {ref: one, appId: var, args: {value: 1}}\n";
    let flow8 =
        Flow8::new().file("flow.yaml", flow).variable("S3_BUCKET", "b").variable("S3_ENDPOINT", "http://127.0.0.1:9");
    let ended = flow8.run(&["run", "flow.yaml", "--json"]).code(0);
    assert_eq!(part(&json(&ended.out), "/out/value"), "1");
}

#[test]
fn objects_are_in_one_place_that_every_replica_sees() {
    let mongodb = [
        ("MONGODB_URI", "mongodb://127.0.0.1:1".to_owned()),
        ("ENCRYPTION_KEY", digits(256)),
        ("ENCRYPTION_KEY_SALT", digits(64)),
    ];
    let check = |variables: &[(&str, &str)]| {
        let flow8 = mongodb.iter().fold(Flow8::new(), |flow8, (name, value)| flow8.variable(name, value));
        let flow8 = variables.iter().fold(flow8, |flow8, (name, value)| flow8.variable(name, value));
        flow8.run(&["config", "check"])
    };
    for (variables, expected) in [
        (
            vec![("STORAGE_DIR", "/srv")],
            "storage.dir: is a folder, and with mongodb.uri other replicas have to see it; set storage.shared: true",
        ),
        (vec![("STORAGE_SHARED", "true")], "storage.shared: needs storage.dir with mongodb.uri"),
        (vec![("S3_BUCKET", "b"), ("STORAGE_DIR", "/srv")], "storage.s3.bucket: is set, and so is storage.dir"),
        (vec![("S3_BUCKET", "b"), ("GCS_BUCKET", "b")], "storage.gcs.bucket: is set, and so is storage.s3.bucket"),
        (
            vec![("GCS_BUCKET", "b"), ("AZURE_BLOB_CONTAINER", "c"), ("AZURE_BLOB_ACCOUNT", "a")],
            "storage.azure.container: is set, and so is storage.gcs.bucket",
        ),
        (
            vec![("S3_BUCKET", "b"), ("STORAGE_SHARED", "true")],
            "storage.shared: is about a folder, and objects are in storage.s3.bucket",
        ),
        (vec![("AZURE_BLOB_CONTAINER", "c")], "storage.azure.container: goes together with storage.azure.account"),
        (
            vec![("GCS_SERVICE_ACCOUNT_FILE", "f")],
            "storage.gcs.service_account_file: goes together with storage.gcs.bucket",
        ),
        (
            vec![("S3_BUCKET", "b"), ("S3_ENDPOINT", "127.0.0.1:9000")],
            "storage.s3.endpoint: expects a URL of http or https",
        ),
    ] {
        let said = check(&variables).code(2).err;
        assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
    }
    check(&[("S3_BUCKET", "b")]).code(0);
    check(&[("STORAGE_DIR", "/srv"), ("STORAGE_SHARED", "true")]).code(0);
    Flow8::new().variable("STORAGE_DIR", "/srv").run(&["config", "check"]).code(0);
}

#[test]
fn keys_of_buckets_are_masked() {
    let s3 = [("S3_BUCKET", "b"), ("S3_ACCESS_KEY_ID", "id"), ("S3_SECRET_ACCESS_KEY", SECRET)];
    let azure = [("AZURE_BLOB_CONTAINER", "c"), ("AZURE_BLOB_ACCOUNT", "a"), ("AZURE_BLOB_ACCESS_KEY", SECRET)];
    for variables in [s3, azure] {
        let flow8 = variables.iter().fold(Flow8::new(), |flow8, (name, value)| flow8.variable(name, value));
        for args in [["config", "print"].as_slice(), &["config", "print", "--json"]] {
            let printed = flow8.run(args).code(0).out;
            assert!(printed.contains("***") && !printed.contains(SECRET), "{printed}");
        }
    }
}
