//! The suite against every storage: a local folder, a real MongoDB, a real S3 endpoint, and Azure.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Arguments, Trial};
use modules::provider::{LocalFiles, ProxyOptions, service_client};
use objects::{AzureOptions, Bucket, BucketOptions, Place, S3Options};
use sdk::storage::Storage;
use storage_suite::CASES;
use storage_suite::azurite::{self, Azurite};
use storage_suite::moto::Moto;
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;
use tokio::runtime::Runtime;

/// The bucket of all storages, each of which has a prefix of its own.
const BUCKET: &str = "flow8";

/// What Azure does not promise: it counts in UTF-16.
const NOT_OF_AZURE: &[&str] = &["names_beyond_the_first_plane_are_in_the_order_of_bytes_too"];

/// A storage, and what must live as long as it does.
type Fresh = (Arc<dyn Storage>, Option<tempfile::TempDir>);

/// Makes an empty storage.
type Maker = Arc<dyn Fn(&Runtime) -> Fresh + Send + Sync>;

fn local(_: &Runtime) -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    (Arc::new(LocalFiles::open(folder.path()).expect("opens")), Some(folder))
}

/// A database of its own on one server for each storage.
fn gridfs(server: &Mongod) -> Maker {
    let (uri, made) = (server.uri(), AtomicU32::new(0));
    Arc::new(move |runtime| {
        let database = Some(format!("storage{}", made.fetch_add(1, Ordering::Relaxed)));
        let options = MongoOptions { uri: uri.clone(), database, migrates: true, ..MongoOptions::default() };
        (Arc::new(runtime.block_on(MongoStore::open(&options)).expect("opens").files()), None)
    })
}

/// A prefix of its own in one bucket for each storage.
fn s3(server: &Moto) -> Maker {
    let (url, made) = (server.url(), AtomicU32::new(0));
    Arc::new(move |runtime| {
        let s3 = S3Options {
            bucket: BUCKET.into(),
            endpoint: Some(url.parse().expect("a URL")),
            key: Some(("id".into(), "secret".into())),
            ..S3Options::default()
        };
        open(runtime, Place::S3(s3), &made)
    })
}

/// Likewise in one container.
fn azure(server: &Azurite) -> Maker {
    let (url, made) = (server.url(), AtomicU32::new(0));
    Arc::new(move |runtime| {
        let azure = AzureOptions {
            account: azurite::ACCOUNT.into(),
            container: azurite::CONTAINER.into(),
            endpoint: Some(url.parse().expect("a URL")),
            access_key: Some(azurite::KEY.into()),
        };
        open(runtime, Place::Azure(azure), &made)
    })
}

fn open(runtime: &Runtime, place: Place, made: &AtomicU32) -> Fresh {
    let prefix = format!("p{}", made.fetch_add(1, Ordering::Relaxed));
    let options = BucketOptions { place, prefix, identity: BTreeMap::new() };
    let http = service_client(&ProxyOptions::default(), None).expect("a client");
    let bucket = runtime.block_on(Bucket::open(&options, http)).expect("opens");
    (Arc::new(bucket.files("files")), None)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn main() {
    let (mongod, moto, azurite) = (Mongod::start(), Moto::start(), Azurite::start());
    runtime().block_on(mongod.initiate());
    moto.make_bucket(BUCKET);
    let storages: [(&str, Maker); 4] =
        [("azure", azure(&azurite)), ("gridfs", gridfs(&mongod)), ("local", Arc::new(local)), ("s3", s3(&moto))];
    let mut trials = Vec::new();
    for (name, make) in &storages {
        for case in CASES.iter().filter(|case| *name != "azure" || !NOT_OF_AZURE.contains(&case.name)) {
            let make = make.clone();
            trials.push(Trial::test(format!("{name}::{}", case.name), move || {
                let runtime = runtime();
                let (files, _folder) = make(&runtime);
                runtime.block_on((case.run)(files));
                Ok(())
            }));
        }
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    // `exit` runs no destructors.
    drop((mongod, moto, azurite));
    conclusion.exit();
}
