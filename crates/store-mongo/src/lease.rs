//! Who is alive: each replica has a lease, and says again and again that it still wants it. Once
//! others have given it up, its id is never used again.
//!
//! Times are the server's own, so the clocks of replicas may differ as they like.

use std::time::Duration;

use model::ids::ReplicaId;
use model::play::PlayKey;
use model::time::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{Client, Database};
use store::Lease;

use crate::fault::Fault;
use crate::keys;
use crate::schema::{PLAYS, REPLICAS};

/// How long a replica has what it has without a word.
const LEASE: Duration = Duration::from_secs(3);

/// How often it says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long a play that somebody took up is given to nobody else, until its first commit.
const CLAIM: Duration = Duration::from_secs(5);

/// Makes a replica known. `sessions` are those in which it writes: whoever takes over from it ends them.
pub(crate) async fn join(db: &Database, replica: ReplicaId, sessions: Vec<Bson>) -> Result<Option<Lease>, Fault> {
    renew(db, doc! { "_id": keys::id(replica.0) }, sessions, true).await
}

/// Renews a lease, unless the replica was given up meanwhile.
pub(crate) async fn beat(db: &Database, replica: ReplicaId, sessions: Vec<Bson>) -> Result<Option<Lease>, Fault> {
    renew(db, doc! { "_id": keys::id(replica.0), "gone": { "$ne": true } }, sessions, false).await
}

async fn renew(db: &Database, which: Document, sessions: Vec<Bson>, new: bool) -> Result<Option<Lease>, Fault> {
    let until = doc! { "$add": ["$$NOW", LEASE.as_millis() as i64] };
    let renewed = vec![doc! { "$set": { "until": until, "sessions": { "$literal": sessions } } }];
    let replicas = db.collection::<Document>(REPLICAS);
    let after = replicas.find_one_and_update(which, renewed).upsert(new).return_document(ReturnDocument::After).await?;
    let Some(after) = after else { return Ok(None) };
    let until = after.get_datetime("until").map_err(|_| Fault::damaged("a lease without an end"))?;
    let now = Timestamp(until.timestamp_millis() - LEASE.as_millis() as i64);
    Ok(Some(Lease { lasts: LEASE, renew: BEAT, now }))
}

/// Gives a replica up, with what it still has.
pub(crate) async fn leave(db: &Database, replica: ReplicaId) -> Result<(), Fault> {
    let over = vec![doc! { "$set": { "until": "$$NOW", "gone": true } }];
    db.collection::<Document>(REPLICAS).update_one(doc! { "_id": keys::id(replica.0) }, over).await?;
    Ok(())
}

/// Lets go of the plays of all but `me` whose lease is over, or who never had one.
pub(crate) async fn adopt(client: &Client, db: &Database, me: ReplicaId) -> Result<u64, Fault> {
    let plays = db.collection::<Document>(PLAYS);
    let owners = plays.distinct("o", doc! { "o": { "$exists": true } }).await?;
    let mut adopted = 0;
    for owner in owners.into_iter().filter(|owner| *owner != keys::id(me.0)) {
        let Some(gone) = give_up(db, &owner).await? else { continue };
        end_sessions(client, &gone).await;
        let change = doc! { "$unset": { "o": "" }, "$set": { "d": Timestamp::MIN.0 }, "$inc": { "r": 1_i64 } };
        adopted += plays.update_many(doc! { "o": &owner }, change).await?.modified_count;
    }
    Ok(adopted)
}

/// Gives a replica up if its lease is over. From then on it cannot renew it: what it had is for others, and
/// it learns so before it does anything more. The mark stays for a day, so that nobody comes back between.
async fn give_up(db: &Database, owner: &Bson) -> Result<Option<Document>, Fault> {
    let until = doc! { "$ifNull": ["$until", "$$NOW"] };
    let over = doc! { "$cond": [{ "$lte": [&until, "$$NOW"] }, true, "$gone"] };
    let marked = vec![doc! { "$set": { "until": &until, "gone": over } }];
    let replicas = db.collection::<Document>(REPLICAS);
    let which = doc! { "_id": owner };
    let after = replicas.find_one_and_update(which, marked).upsert(true).return_document(ReturnDocument::After).await?;
    Ok(after.filter(|after| after.get_bool("gone").unwrap_or_default()))
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
