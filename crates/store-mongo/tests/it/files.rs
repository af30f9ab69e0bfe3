//! Files in MongoDB, and what writers that ended too early leave of them.

use bytes::Bytes;
use model::time::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::GridFsBucketOptions;
use mongodb::{Client, Database};
use sdk::storage::Storage as _;
use store_mongo::{DATABASE, MongoFiles};

use crate::stage::{COMPANY, Stage};

/// Before anything that a test writes, and after.
const LONG_AGO: Timestamp = Timestamp(1_577_836_800_000);
const ONE_DAY: Timestamp = Timestamp(4_000_000_000_000);

async fn count(db: &Database, collection: &str, filter: Document) -> u64 {
    db.collection::<Document>(collection).count_documents(filter).await.expect("counts")
}

/// Objects, chunks and names.
async fn counts(db: &Database) -> [u64; 3] {
    [
        count(db, "fs_files.files", doc! {}).await,
        count(db, "fs_files.chunks", doc! {}).await,
        count(db, "fs_files.names", doc! {}).await,
    ]
}

/// Puts an object there that has no name yet, as a writer does first.
async fn put_alone(client: &Client, path: &str, bytes: &[u8]) -> ObjectId {
    use futures::AsyncWriteExt as _;
    let options = GridFsBucketOptions::builder().bucket_name("fs_files".to_owned()).build();
    let bucket = client.database(DATABASE).gridfs_bucket(options);
    let id = ObjectId::new();
    let name = format!("{COMPANY}/{path}");
    let mut upload = bucket.open_upload_stream(&name).id(Bson::ObjectId(id)).await.expect("begins");
    upload.write_all(bytes).await.expect("writes");
    upload.close().await.expect("ends");
    id
}

async fn read(files: &MongoFiles, path: &str) -> Bytes {
    files.read(COMPANY, path, 1 << 20).await.expect("reads")
}

#[tokio::test]
async fn nothing_is_left_of_what_is_replaced_moved_or_removed() {
    let stage = Stage::new().await;
    let (store, raw) = (stage.store().await, stage.raw().await.database(DATABASE));
    let files = store.files();
    let large = Bytes::from(vec![7; 600_000]);
    for path in ["a", "b", "c"] {
        files.write(COMPANY, path, large.clone()).await.expect("writes");
    }
    assert_eq!(counts(&raw).await, [3, 9, 3]);
    files.write(COMPANY, "a", "small".into()).await.expect("replaces");
    assert_eq!(counts(&raw).await, [3, 7, 3]);
    files.rename(COMPANY, "a", "b").await.expect("moves");
    assert_eq!(counts(&raw).await, [2, 4, 2]);
    files.delete(COMPANY, "c").await.expect("removes");
    assert_eq!(counts(&raw).await, [1, 1, 1]);
    assert_eq!(read(&files, "b").await, "small");
    // The two kinds share nothing.
    assert!(store.values().read(COMPANY, "b", 9).await.is_err());
}

#[tokio::test]
async fn what_a_writer_left_is_swept_once_it_is_old() {
    let stage = Stage::new().await;
    let (store, client) = (stage.store().await, stage.raw().await);
    let (files, raw) = (store.files(), client.database(DATABASE));
    files.write(COMPANY, "a", "old".into()).await.expect("writes");
    files.write(COMPANY, "moved", "moved".into()).await.expect("writes");
    files.rename(COMPANY, "moved", "b").await.expect("moves");
    // One ended before it turned the name; one before its last chunk; one while it removed.
    put_alone(&client, "a", b"newer").await;
    put_alone(&client, "never", b"").await;
    let half = put_alone(&client, "half", &vec![1; 600_000]).await;
    raw.collection::<Document>("fs_files.files").delete_one(doc! { "_id": half }).await.expect("cut");
    let cut = doc! { "files_id": half, "n": 0 };
    raw.collection::<Document>("fs_files.chunks").delete_one(cut).await.expect("cut");
    assert_eq!((counts(&raw).await, read(&files, "a").await), ([4, 5, 2], "old".into()));

    assert_eq!(files.sweep(LONG_AGO).await, Ok(0));
    assert_eq!(counts(&raw).await, [4, 5, 2]);
    // Two replicas at once, and again: each thing is removed, and nothing else.
    let other = stage.store().await.files();
    let (one, two) = tokio::join!(files.sweep(ONE_DAY), other.sweep(ONE_DAY));
    assert!(one.expect("sweeps") + two.expect("sweeps") >= 3);
    assert_eq!(files.sweep(ONE_DAY).await, Ok(0));
    assert_eq!(counts(&raw).await, [2, 2, 2]);
    assert_eq!((read(&files, "a").await, read(&files, "b").await), ("old".into(), "moved".into()));
}

#[tokio::test]
async fn a_file_whose_content_is_gone_is_no_missing_file() {
    let stage = Stage::new().await;
    let (store, raw) = (stage.store().await, stage.raw().await.database(DATABASE));
    let files = store.files();
    files.write(COMPANY, "a", Bytes::from(vec![7; 600_000])).await.expect("writes");
    raw.collection::<Document>("fs_files.chunks").delete_one(doc! { "n": 1 }).await.expect("damaged");
    let error = files.read(COMPANY, "a", 1 << 20).await.expect_err("is damaged");
    assert!(matches!(error, sdk::storage::StorageError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_clock_that_is_behind_loses_no_write() {
    let stage = Stage::new().await;
    let (store, raw) = (stage.store().await, stage.raw().await.database(DATABASE));
    let files = store.files();
    files.write(COMPANY, "a", "first".into()).await.expect("writes");
    // Written by a replica whose clock was far ahead.
    let ahead = doc! { "$set": { "uploadDate": mongodb::bson::DateTime::from_millis(ONE_DAY.0) } };
    raw.collection::<Document>("fs_files.files").update_one(doc! {}, ahead).await.expect("dated");
    files.write(COMPANY, "a", "second".into()).await.expect("writes");
    assert_eq!(read(&files, "a").await, "second");
}
