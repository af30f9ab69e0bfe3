//! What stands in the way of a start is said.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use store::StoreError;
use store_mongo::{DATABASE, MongoOptions, MongoStore};
use store_suite::mongod::{Mongod, free_port};

use crate::stage::Stage;

async fn refused(uri: String) -> String {
    let options = MongoOptions { uri, ..MongoOptions::default() };
    match tokio::time::timeout(Duration::from_secs(60), MongoStore::open(&options)).await.expect("in time") {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
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
    let said = refused(format!("mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=300", free_port())).await;
    assert!(said.contains("can be reached"), "{said}");
}

#[tokio::test]
async fn a_uri_that_is_none_is_told_without_its_password() {
    let said = refused("mongodb://ada:hunter2@host:port:9/x".into()).await;
    assert!(said.contains("URI") && !said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_the_same_one_opened_again() {
    let stage = Stage::new().await;
    drop(stage.store().await);
    drop(stage.store().await);
    let meta = stage.raw().await.database(DATABASE).collection::<Document>("meta");
    meta.update_one(doc! {}, doc! { "$set": { "version": 99 } }).await.expect("writes");
    match MongoStore::open(&stage.options()).await {
        Err(StoreError::Newer { found: 99, .. }) => {}
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it opened"),
    }
}
