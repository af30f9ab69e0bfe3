//! [`Sweep`]: finds what writers that ended too early have left of files: objects that no name
//! leads to, and chunks of no object.
//!
//! Both are found by their ids, which begin with the time at which they were made. A round looks
//! at a bounded number and the next one goes on behind them; after the last it begins anew. Any
//! number of replicas may sweep: what one has removed is gone for the other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::time::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};

use crate::fault::Fault;
use crate::files::{MongoFiles, is_gone};

/// Objects, and owners of chunks, that one round looks at.
const LOOKED_AT: usize = 1_000;

/// How far a sweep has come.
#[derive(Default)]
pub(crate) struct Sweep {
    objects: Mutex<Option<ObjectId>>,
    chunks: Mutex<Option<ObjectId>>,
}

fn take(at: &Mutex<Option<ObjectId>>) -> ObjectId {
    at.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| ObjectId::from_bytes([0; 12]))
}

fn put(at: &Mutex<Option<ObjectId>>, last: Option<ObjectId>) {
    *at.lock().unwrap_or_else(PoisonError::into_inner) = last;
}

impl Sweep {
    /// One round; says how much was removed.
    pub(crate) async fn run(&self, files: &MongoFiles, before: Timestamp) -> Result<u64, Fault> {
        let seconds = Duration::from_millis(u64::try_from(before.0).unwrap_or_default()).as_secs();
        let before = ObjectId::from_parts(u32::try_from(seconds).unwrap_or(u32::MAX), [0; 5], [0; 3]);
        Ok(self.nameless(files, before).await? + self.ownerless(files, before).await?)
    }

    /// Removes objects that no name leads to: whose writer ended before it turned the name to
    /// them, or after it turned it to another.
    async fn nameless(&self, files: &MongoFiles, before: ObjectId) -> Result<u64, Fault> {
        let range = doc! { "_id": { "$gt": take(&self.objects), "$lt": before } };
        let objects = files.db.collection::<Document>(&format!("{}.files", files.kind.bucket));
        let found = objects.find(range).projection(doc! { "_id": 1 }).sort(doc! { "_id": 1 });
        let mut found = found.limit(LOOKED_AT as i64).await?;
        let (mut looked_at, mut last, mut removed) = (0, None, 0);
        while found.advance().await? {
            let object = found.deserialize_current()?;
            // What is not of this kind was put there by somebody else.
            let Ok(id) = object.get_object_id("_id") else { continue };
            (looked_at, last) = (looked_at + 1, Some(id));
            // By the object, not by the name that it was made under: it may have got another since.
            if files.names().find_one(doc! { "f": id }).await?.is_none() {
                removed += Self::remove(files, id).await?;
            }
        }
        put(&self.objects, last.filter(|_| looked_at == LOOKED_AT));
        Ok(removed)
    }

    async fn remove(files: &MongoFiles, object: ObjectId) -> Result<u64, Fault> {
        match files.bucket.delete(Bson::ObjectId(object)).await {
            Ok(()) => Ok(1),
            Err(error) if is_gone(&error) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes chunks of no object: whose writer ended before the last one, or whose remover did.
    async fn ownerless(&self, files: &MongoFiles, before: ObjectId) -> Result<u64, Fault> {
        let objects = files.db.collection::<Document>(&format!("{}.files", files.kind.bucket));
        let chunks = files.db.collection::<Document>(&format!("{}.chunks", files.kind.bucket));
        let mut last = take(&self.chunks);
        let mut removed = 0;
        for _ in 0..LOOKED_AT {
            // From one owner to the next, by the index, however many chunks each has.
            let next = chunks.find_one(doc! { "files_id": { "$gt": last, "$lt": before } });
            let next = next.projection(doc! { "files_id": 1 }).sort(doc! { "files_id": 1, "n": 1 }).await?;
            let Some(owner) = next.as_ref().and_then(|chunk| chunk.get_object_id("files_id").ok()) else {
                return Ok(removed);
            };
            last = owner;
            if objects.find_one(doc! { "_id": owner }).projection(doc! { "_id": 1 }).await?.is_none() {
                chunks.delete_many(doc! { "files_id": owner }).await?;
                removed += 1;
            }
        }
        put(&self.chunks, Some(last));
        Ok(removed)
    }
}
