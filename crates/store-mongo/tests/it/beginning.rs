//! What stands in the way of a start is said.

use std::time::Duration;

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use store::StoreError;
use store_mongo::{DATABASE, MongoOptions, MongoStore, Step, migrate, steps};
use store_suite::mongod::Mongod;
use store_suite::port::Port;

use crate::stage::{Stage, refused_by};

async fn refused(uri: String) -> String {
    refused_by(&MongoOptions { uri, migrates: true, ..MongoOptions::default() }).await
}

#[tokio::test]
async fn a_server_that_stands_alone_is_refused_with_the_way_out() {
    let server = Mongod::start_alone();
    let said = refused(server.direct_uri()).await;
    assert!(
        said.contains("stands alone") && said.contains("--replSet rs0") && said.contains("rs.initiate()"),
        "{said}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_waited_for_for_ever() {
    let nobody = Port::find();
    let said = refused(format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=300", nobody.number())).await;
    assert!(said.contains("can be reached"), "{said}");
}

#[tokio::test]
async fn a_name_that_no_server_has_is_told() {
    let said = refused("mongodb+srv://flow8.invalid/flow8".into()).await;
    assert!(said.contains("URI of MongoDB is not right"), "{said}");
}

#[tokio::test]
async fn a_uri_that_is_none_is_told_without_its_password() {
    let said = refused("mongodb://ada:hunter2@host:port:9/x".into()).await;
    assert!(said.contains("URI") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_unless_it_can_be_used() {
    let stage = Stage::new().await;
    drop(stage.store().await);
    drop(stage.store().await);
    let meta = stage.raw().await.database(DATABASE).collection::<Document>("meta");
    let is = async |version: i32, oldest: i32| {
        let newer = doc! { "$set": { "version": version, "oldest": oldest } };
        meta.update_one(doc! { "_id": "schema" }, newer).await.expect("writes");
    };
    // The next version has come, while replicas of this one still serve.
    is(99, 2).await;
    drop(stage.store().await);
    is(99, 99).await;
    match MongoStore::open(&stage.options()).await {
        Err(StoreError::Newer { found: 99, .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}

#[tokio::test]
async fn many_that_start_at_once_make_one_schema() {
    let stage = Stage::new().await;
    let before = steps(&stage.options()).await.expect("reads");
    assert!(before.iter().all(Step::is_pending), "{before:?}");
    assert!(before[0].missing.contains(&"the collection plays".to_owned()), "{before:?}");
    let options = stage.options();
    futures::future::try_join_all((0..5).map(|_| MongoStore::open(&options))).await.expect("all open");
    let after = steps(&stage.options()).await.expect("reads");
    assert!(!after.iter().any(Step::is_pending), "{after:?}");
    let meta = stage.raw().await.database(DATABASE).collection::<Document>("meta");
    let is = meta.find_one(doc! { "_id": "schema" }).await.expect("reads").expect("is there");
    assert_eq!(is.get_i32("version").expect("a number"), after.len() as i32);
    assert_eq!(meta.find_one(doc! { "_id": "lock/migrate" }).await.expect("reads"), None, "the lock was given back");
}

#[tokio::test]
async fn what_is_missing_is_told_and_made_again() {
    let stage = Stage::new().await;
    drop(stage.store().await);
    let plays = stage.raw().await.database(DATABASE).collection::<Document>("plays");
    plays.drop_index("by_due").await.expect("drops");
    let careful = MongoOptions { migrates: false, ..stage.options() };
    let said = refused_by(&careful).await;
    assert!(said.contains("the index by_due of plays") && said.contains("flow8 migrate"), "{said}");
    let index =
        IndexModel::builder().keys(doc! { "c": 1 }).options(IndexOptions::builder().name("by_due".to_owned()).build());
    plays.create_index(index.build()).await.expect("makes");
    let said = refused_by(&stage.options()).await;
    assert!(said.contains("not the one that flow8 makes") && said.contains("dropIndex(\"by_due\")"), "{said}");
    plays.drop_index("by_due").await.expect("drops");
    migrate(&stage.options()).await.expect("migrates");
    MongoStore::open(&careful).await.map(drop).expect("opens");
}

#[tokio::test]
async fn a_schema_that_was_made_otherwise_is_refused() {
    let stage = Stage::new().await;
    drop(stage.store().await);
    let meta = stage.raw().await.database(DATABASE).collection::<Document>("meta");
    let altered = doc! { "$set": { "checksum": "0000" } };
    meta.update_one(doc! { "_id": "migration/1" }, altered).await.expect("writes");
    let said = refused_by(&stage.options()).await;
    assert!(said.contains("version 1 of the schema"), "{said}");
}

#[tokio::test]
async fn whoever_dies_at_it_holds_the_others_up_for_a_moment_only() {
    let stage = Stage::new().await;
    let meta = stage.raw().await.database(DATABASE).collection::<Document>("meta");
    let held = vec![doc! { "$set": { "until": { "$add": ["$$NOW", 1_000] }, "holder": "dead" } }];
    meta.update_one(doc! { "_id": "lock/migrate" }, held).upsert(true).await.expect("writes");
    let options = stage.options();
    let opened = tokio::time::timeout(Duration::from_secs(60), MongoStore::open(&options));
    opened.await.expect("in time").map(drop).expect("opens");
}
