//! Who is alive: each replica has a lease, and says again and again that it still wants it.
//!
//! Times are the server's own, so the clocks of replicas may differ as they like.

use std::time::Duration;

use model::ids::ReplicaId;
use model::play::PlayKey;
use model::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};

use crate::fault::Fault;
use crate::keys;
use crate::schema::{PLAYS, REPLICAS};

/// How long a replica has what it has without a word.
const LEASE: Duration = Duration::from_secs(3);

/// How often it says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long a play that somebody took up is given to nobody else, until its first commit.
const CLAIM: Duration = Duration::from_secs(5);

/// Renews a lease. `sessions` are those in which the replica writes: whoever takes over from it ends them.
pub(crate) async fn beat(db: &Database, replica: ReplicaId, sessions: Vec<Bson>) -> Result<Duration, Fault> {
    let until = doc! { "$add": ["$$NOW", LEASE.as_millis() as i64] };
    let renewed = vec![doc! { "$set": { "until": until, "sessions": { "$literal": sessions } } }];
    let replicas = db.collection::<Document>(REPLICAS);
    replicas.update_one(doc! { "_id": keys::id(replica.0) }, renewed).upsert(true).await?;
    Ok(BEAT)
}

/// Gives a lease up, with what is still held by it.
pub(crate) async fn leave(db: &Database, replica: ReplicaId) -> Result<(), Fault> {
    let over = vec![doc! { "$set": { "until": "$$NOW" } }];
    db.collection::<Document>(REPLICAS).update_one(doc! { "_id": keys::id(replica.0) }, over).await?;
    Ok(())
}

/// Lets go of the plays of all but `me` whose lease is over, or who never had one.
pub(crate) async fn adopt(client: &Client, db: &Database, me: ReplicaId) -> Result<u64, Fault> {
    let (replicas, plays) = (db.collection::<Document>(REPLICAS), db.collection::<Document>(PLAYS));
    let owners = plays.distinct("o", doc! { "o": { "$exists": true } }).await?;
    let mut adopted = 0;
    for owner in owners.into_iter().filter(|owner| *owner != keys::id(me.0)) {
        let alive = doc! { "_id": &owner, "$expr": { "$gt": ["$until", "$$NOW"] } };
        if replicas.find_one(alive).await?.is_some() {
            continue;
        }
        if let Some(gone) = replicas.find_one(doc! { "_id": &owner }).await? {
            end_sessions(client, &gone).await;
        }
        let change = doc! { "$unset": { "o": "" }, "$set": { "d": Timestamp::MIN.0 }, "$inc": { "r": 1_i64 } };
        adopted += plays.update_many(doc! { "o": &owner }, change).await?.modified_count;
        replicas.delete_one(doc! { "_id": &owner, "$expr": { "$lte": ["$until", "$$NOW"] } }).await?;
    }
    Ok(adopted)
}

/// A transaction that a dead process left open would keep its plays from everybody for a minute.
async fn end_sessions(client: &Client, gone: &Document) {
    let Ok(sessions) = gone.get_array("sessions") else { return };
    if sessions.is_empty() {
        return;
    }
    let ended = client.database("admin").run_command(doc! { "killSessions": sessions.clone() }).await;
    if let Err(error) = ended {
        tracing::warn!(%error, "the sessions of a replica that is gone could not be ended; its last plays may wait");
    }
}

/// The plays among these that nobody else has claimed. They are given to nobody else for [`CLAIM`].
pub(crate) async fn claim(db: &Database, plays: Vec<PlayKey>, now: Timestamp) -> Result<Vec<PlayKey>, Fault> {
    let collection = db.collection::<Document>(PLAYS);
    let later = doc! { "$set": { "d": now.plus(CLAIM).0 } };
    let claims = plays.into_iter().map(|play| {
        let due = doc! { "_id": keys::play(play), "d": { "$lte": now.0 }, "o": { "$exists": false } };
        let (collection, later) = (collection.clone(), later.clone());
        async move {
            let claimed = collection.update_one(due, later).await?;
            Ok::<_, Fault>((claimed.modified_count == 1).then_some(play))
        }
    });
    Ok(futures::future::try_join_all(claims).await?.into_iter().flatten().collect())
}

/// A session as `killSessions` wants it.
pub(crate) fn session(id: &Document) -> Option<Bson> {
    Some(Bson::Document(doc! { "id": id.get("id")?.clone() }))
}
