//! A server for a test, and small things to store in it.

use std::sync::Arc;
use std::time::Duration;

use model::batch::{Batch, Chunk, PlayWrite};
use model::ids::{CompanyId, FlowId, Id, PlayId, ReplicaId};
use model::play::{PlayHeader, PlayKey};
use store::{CommitError, Store as _};
use store_mongo::{MongoOptions, MongoStore};
use store_suite::mongod::Mongod;

pub(crate) const COMPANY: CompanyId = CompanyId(Id::from_bytes([1; 12]));

/// The flow whose limits are tried.
pub(crate) const FLOW: FlowId = FlowId(Id::from_bytes([9; 12]));

/// A replica set of one.
pub(crate) struct Stage {
    pub(crate) server: Mongod,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let server = Mongod::start();
        server.initiate().await;
        Self { server }
    }

    pub(crate) fn options(&self) -> MongoOptions {
        MongoOptions { uri: self.server.uri(), migrates: true, ..MongoOptions::default() }
    }

    /// Another replica's way to the one database.
    pub(crate) async fn store(&self) -> Arc<MongoStore> {
        Arc::new(MongoStore::open(&self.options()).await.expect("opens"))
    }

    /// The database itself.
    pub(crate) async fn raw(&self) -> mongodb::Client {
        mongodb::Client::with_uri_str(self.server.uri()).await.expect("connects")
    }
}

pub(crate) fn replica(number: u8) -> ReplicaId {
    ReplicaId(Id::from_bytes([number; 12]))
}

pub(crate) fn play(number: u64) -> PlayKey {
    PlayKey { company: COMPANY, play: PlayId(Id::from_parts(number, 0)) }
}

/// The first header of a play that a replica has.
pub(crate) fn header(key: PlayKey, owner: Option<ReplicaId>) -> PlayHeader {
    PlayHeader { owner, ..store_suite::header(key) }
}

/// The header that follows.
pub(crate) fn next(header: &PlayHeader) -> PlayHeader {
    PlayHeader { revision: header.revision + 1, records: header.records + 1, ..header.clone() }
}

/// Writes a header with one record.
pub(crate) fn batch(header: &PlayHeader) -> Batch {
    let bytes = format!("{} {}", header.key.play, header.records).into_bytes().into();
    let write = PlayWrite {
        header: header.clone(),
        chunk: Some(Chunk { from: header.records - 1, count: 1, bytes }),
        snapshot: None,
        values: Vec::new(),
        waits: Vec::new(),
        waited: Vec::new(),
        read: Vec::new(),
    };
    Batch { plays: vec![write], ..Batch::default() }
}

pub(crate) async fn commit(store: &MongoStore, header: &PlayHeader) -> Result<(), CommitError> {
    store.commit(batch(header)).await.map(drop)
}

/// What is said where the store does not open.
pub(crate) async fn refused_by(options: &MongoOptions) -> String {
    match tokio::time::timeout(Duration::from_secs(60), MongoStore::open(options)).await.expect("in time") {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    }
}
