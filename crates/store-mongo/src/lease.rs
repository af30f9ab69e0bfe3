//! Who is alive: each replica has a lease, and says again and again that it still wants it. Once
//! others have given it up, its id is never used again.
//!
//! Times are the server's own, so the clocks of replicas may differ as they like.

use std::future::IntoFuture as _;
use std::time::Duration;

use futures::TryStreamExt as _;
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

/// How long a replica that said that it goes may still finish what it writes: a transaction whose session is ended fails.
const LEAVING: Duration = Duration::from_secs(10);

/// How long letting go of one replica's plays is waited for: whoever waits must say in time that it is alive. The server
/// goes on with it.
const LOCKED: Duration = Duration::from_secs(1);

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
    let over = vec![doc! { "$set": { "until": "$$NOW", "gone": true, "left": "$$NOW" } }];
    db.collection::<Document>(REPLICAS).update_one(doc! { "_id": keys::id(replica.0) }, over).await?;
    Ok(())
}

/// Lets go of the plays of all but `me` whose lease is over, or who never had one.
pub(crate) async fn adopt(client: &Client, db: &Database, me: ReplicaId) -> Result<u64, Fault> {
    end_sessions(client, db, me).await?;
    let plays = db.collection::<Document>(PLAYS);
    let owners = plays.distinct("o", doc! { "o": { "$exists": true } }).await?;
    let mut adopted = 0;
    for owner in owners.into_iter().filter(|owner| *owner != keys::id(me.0)) {
        if !give_up(db, &owner).await? {
            continue;
        }
        let change = doc! { "$unset": { "o": "" }, "$set": { "d": Timestamp::MIN.0 }, "$inc": { "r": 1_i64 } };
        let let_go = plays.update_many(doc! { "o": &owner }, change).into_future();
        match tokio::time::timeout(LOCKED, let_go).await {
            Ok(let_go) => adopted += let_go?.modified_count,
            Err(_) => tracing::warn!(%owner, "letting go of the plays of a replica that is gone takes long"),
        }
    }
    Ok(adopted)
}

/// Gives a replica up if its lease is over; says whether it was. From then on it cannot renew it: what it had is for
/// others, and it learns so before it does anything more. The mark stays for a day, so that nobody comes back between.
async fn give_up(db: &Database, owner: &Bson) -> Result<bool, Fault> {
    let until = doc! { "$ifNull": ["$until", "$$NOW"] };
    let over = doc! { "$cond": [{ "$lte": [&until, "$$NOW"] }, true, "$gone"] };
    let marked = vec![doc! { "$set": { "until": &until, "gone": over } }];
    let replicas = db.collection::<Document>(REPLICAS);
    let which = doc! { "_id": owner };
    let after = replicas.find_one_and_update(which, marked).upsert(true).return_document(ReturnDocument::After).await?;
    Ok(after.is_some_and(|after| after.get_bool("gone").unwrap_or_default()))
}

/// Ends what the dead were writing, whether they have plays or not. A transaction that is left open would keep plays,
/// and a place in the feed that all others wait for, from everybody for a minute and more.
async fn end_sessions(client: &Client, db: &Database, me: ReplicaId) -> Result<(), Fault> {
    let replicas = db.collection::<Document>(REPLICAS);
    // Whoever left had its time, counted from when it said so.
    let ends = doc! { "$ifNull": [{ "$add": ["$left", LEAVING.as_millis() as i64] }, "$until"] };
    let dead = doc! {
        "_id": { "$ne": keys::id(me.0) },
        "sessions": { "$exists": true },
        "$expr": { "$lte": [ends, "$$NOW"] },
    };
    // Marked before their sessions are read: whoever is marked cannot renew its lease any more.
    let marked = replicas.update_many(dead.clone(), doc! { "$set": { "gone": true } }).await?;
    if marked.matched_count == 0 {
        return Ok(());
    }
    let mut gone = replicas.find(doc! { "gone": true, "$and": [dead] }).await?;
    while let Some(replica) = gone.try_next().await? {
        let sessions = replica.get_array("sessions").cloned().unwrap_or_default();
        // Named none, the server ends those of everybody.
        if !sessions.is_empty()
            && let Err(error) = client.database("admin").run_command(doc! { "killSessions": sessions }).await
        {
            tracing::warn!(%error, "the sessions of a replica that is gone could not be ended; what it wrote last may wait");
        }
        let which = doc! { "_id": replica.get("_id").cloned() };
        replicas.update_one(which, doc! { "$unset": { "sessions": "" } }).await?;
    }
    Ok(())
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
