//! What is said of a bucket that cannot be used, by a real S3 endpoint; and that no secret is in it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;

use bytes::Bytes;
use model::ids::{CompanyId, Id};
use modules::provider::{ProxyOptions, service_client};
use objects::{AzureOptions, Bucket, BucketError, BucketOptions, GcsOptions, Place, S3Options};
use sdk::storage::{Storage as _, StorageError};
use storage_suite::moto::Moto;

const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));

/// Wherever this is shown, a secret is.
const SECRET: &str = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

fn s3(endpoint: &str, bucket: &str) -> S3Options {
    S3Options {
        bucket: bucket.into(),
        endpoint: Some(endpoint.parse().expect("a URL")),
        key: Some(("AKIDEXAMPLE".into(), SECRET.into())),
        ..S3Options::default()
    }
}

fn options(place: Place) -> BucketOptions {
    BucketOptions { place, prefix: String::new(), identity: BTreeMap::new() }
}

async fn open(options: &BucketOptions) -> Result<Bucket, BucketError> {
    let opened = Bucket::open(options, service_client(&ProxyOptions::default(), None).expect("a client")).await;
    if let Err(error) = &opened {
        let told = format!("{error} {error:?}");
        assert!(!told.contains(SECRET) && !told.contains("Signature="), "{told}");
    }
    opened
}

async fn refused(options: &BucketOptions) -> BucketError {
    open(options).await.err().expect("refused")
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_said_to_be_missing() {
    let moto = Moto::start();
    moto.make_bucket("there");
    assert!(open(&options(Place::S3(s3(&moto.url(), "there")))).await.is_ok());
    let error = refused(&options(Place::S3(s3(&moto.url(), "not-there")))).await;
    assert_eq!(error, BucketError::Missing { place: format!("bucket not-there at {}", moto.url()) });
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_said_to_be_refused() {
    let moto = Moto::start_strict(1);
    moto.make_bucket("there");
    let error = refused(&options(Place::S3(s3(&moto.url(), "there")))).await;
    assert!(matches!(&error, BucketError::Refused { why, .. } if why.starts_with("InvalidAccessKeyId: ")), "{error}");
}

#[tokio::test]
async fn an_endpoint_at_which_nobody_answers_is_named() {
    let at = nobody();
    let error = refused(&options(Place::S3(s3(&at, "b")))).await;
    assert!(matches!(error, BucketError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("the bucket b at {at} cannot be reached: ")), "{error}");
    let azure = AzureOptions {
        account: "devstoreaccount1".into(),
        container: "c".into(),
        endpoint: Some(format!("{at}/devstoreaccount1").parse().expect("a URL")),
        access_key: Some(SECRET.into()),
    };
    let error = refused(&options(Place::Azure(azure))).await;
    assert!(matches!(&error, BucketError::Unreachable { place, .. } if place.contains(&at)), "{error:?}");
}

#[tokio::test]
async fn what_is_no_key_is_told_before_anything_is_asked() {
    let file = PathBuf::from("/nonexistent/key.json");
    let gcs = GcsOptions { bucket: "b".into(), service_account_file: Some(file), ..GcsOptions::default() };
    let error = refused(&options(Place::Gcs(gcs))).await.to_string();
    assert!(error.contains("bucket b at Google Cloud Storage") && error.contains("/nonexistent/key.json"), "{error}");
    let (account, container) = ("a".into(), "c".into());
    let broken = AzureOptions { account, container, access_key: Some("%".into()), endpoint: None };
    let error = refused(&options(Place::Azure(broken))).await.to_string();
    assert!(error.contains("container c of the account a at Azure cannot be used"), "{error}");
    let odd = BucketOptions { prefix: "a/../b".into(), ..options(Place::S3(s3(&nobody(), "b"))) };
    assert!(matches!(refused(&odd).await, BucketError::Prefix { .. }));
}

#[tokio::test]
async fn a_store_that_goes_away_is_no_missing_file() {
    let moto = Moto::start();
    moto.make_bucket("there");
    let bucket = open(&options(Place::S3(s3(&moto.url(), "there")))).await.expect("opens");
    let files = bucket.files("files");
    files.write(COMPANY, "a", Bytes::from_static(b"x")).await.expect("writes");
    drop(moto);
    for error in [
        files.read(COMPANY, "a", 9).await.map(drop).expect_err("gone"),
        files.head(COMPANY, "a").await.map(drop).expect_err("gone"),
        files.write(COMPANY, "a", Bytes::new()).await.expect_err("gone"),
        files.list(COMPANY, "", None, 9).await.map(drop).expect_err("gone"),
    ] {
        assert!(matches!(&error, StorageError::Failed(why) if why.contains("cannot be reached")), "{error:?}");
    }
}

#[tokio::test]
async fn kinds_and_prefixes_are_kept_apart() {
    let moto = Moto::start();
    moto.make_bucket("there");
    let at = |prefix: &str| BucketOptions { prefix: prefix.into(), ..options(Place::S3(s3(&moto.url(), "there"))) };
    let (one, two) = (open(&at("one")).await.expect("opens"), open(&at("/two/three/")).await.expect("opens"));
    one.files("files").write(COMPANY, "a", Bytes::from_static(b"one")).await.expect("writes");
    one.files("values").write(COMPANY, "a", Bytes::from_static(b"value")).await.expect("writes");
    two.files("files").write(COMPANY, "b", Bytes::from_static(b"two")).await.expect("writes");
    let paths = |bucket: &Bucket, kind: &str| {
        let files = bucket.files(kind);
        async move {
            let found = files.list(COMPANY, "", None, 9).await.expect("lists");
            found.into_iter().map(|file| file.path).collect::<Vec<_>>()
        }
    };
    assert_eq!((paths(&one, "files").await, paths(&two, "files").await), (vec!["a".into()], vec!["b".into()]));
    assert_eq!(one.files("values").read(COMPANY, "a", 9).await, Ok("value".into()));
    // The same bucket without a prefix: names are prefix, kind, company, path.
    let whole = open(&at("")).await.expect("opens");
    assert_eq!(whole.files("two/three/files").read(COMPANY, "b", 9).await, Ok("two".into()));
    let path = ["l".repeat(250).as_str(); 4].join("/");
    assert!(matches!(two.files("files").write(COMPANY, &path, Bytes::new()).await, Err(StorageError::BadPath(_))));
}
