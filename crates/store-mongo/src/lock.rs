//! Locks: what only one process may do at a time, and goes on without one that died at it.

use std::time::Duration;

use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use store::StoreError;

use crate::fault::Fault;
use crate::schema::META;

/// How long a lock is held without another word.
const LOCK: Duration = Duration::from_secs(10);

/// How often its holder says that it still wants it.
const RENEWAL: Duration = Duration::from_secs(3);

/// How often one that waits looks again.
const LOOK: Duration = Duration::from_millis(200);

/// How long somebody waits for it: an index of a large collection takes its time.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Works while nobody else does anything under that name.
///
/// # Errors
/// Where the lock is not to be had, or is lost meanwhile: then the work is broken off; or those of the work.
pub(crate) async fn while_held<T>(
    db: &Database,
    name: &str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let holder = ObjectId::new();
    take(db, name, holder).await?;
    let outcome = tokio::select! {
        outcome = work => outcome,
        lost = keep(db, name, holder) => Err(lost),
    };
    let locks = db.collection::<Document>(META);
    if let Err(error) = locks.delete_one(doc! { "_id": id(name), "holder": holder }).await {
        tracing::warn!(%error, lock = name, "a lock could not be given back; it runs out by itself");
    }
    outcome
}

/// Whether whoever asks is the one to do something; for so long, nobody else is. It need not be given back.
pub(crate) async fn take_turn(db: &Database, chore: &str, lasts: Duration) -> Result<bool, StoreError> {
    hold_for(db, &format!("turn/{chore}"), ObjectId::new(), true, lasts).await
}

fn id(name: &str) -> String {
    format!("lock/{name}")
}

async fn take(db: &Database, name: &str, holder: ObjectId) -> Result<(), StoreError> {
    let taken = async {
        loop {
            if hold(db, name, holder, true).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| StoreError::Failed(format!("another flow8 has held the lock {name} for {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, taken).await.map_err(late)?
}

/// Ends only with why the lock is lost.
async fn keep(db: &Database, name: &str, holder: ObjectId) -> StoreError {
    loop {
        tokio::time::sleep(RENEWAL).await;
        match hold(db, name, holder, false).await {
            Ok(true) => {}
            Ok(false) => return StoreError::Failed(format!("another flow8 has taken the lock {name}; run it again")),
            Err(error) => return error,
        }
    }
}

async fn hold(db: &Database, name: &str, holder: ObjectId, free: bool) -> Result<bool, StoreError> {
    hold_for(db, &id(name), holder, free, LOCK).await
}

/// Takes a lock that nobody holds any more, or goes on holding it. Says whether it is held.
async fn hold_for(db: &Database, id: &str, holder: ObjectId, free: bool, lasts: Duration) -> Result<bool, StoreError> {
    let locks = db.collection::<Document>(META);
    let lasts = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    let until = vec![doc! { "$set": { "until": { "$add": ["$$NOW", lasts] }, "holder": holder } }];
    let own = doc! { "_id": id, "holder": holder };
    let which = if free {
        doc! { "_id": id, "$expr": { "$lte": ["$until", "$$NOW"] } }
    } else {
        own.clone()
    };
    let held = locks.update_one(which, until.clone()).await.map_err(|error| Fault::from(error).into_store())?;
    if held.matched_count == 1 || !free {
        return Ok(held.matched_count == 1);
    }
    // Nobody has ever held it, or it was given back; else somebody holds it.
    match locks.update_one(own, until).upsert(true).await {
        Ok(_) => Ok(true),
        Err(error) if Fault::is_duplicate(&error) => Ok(false),
        Err(error) => Err(Fault::from(error).into_store()),
    }
}
