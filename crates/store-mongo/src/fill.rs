//! The store filled with rows: each page is one insertion for each collection.
//!
//! A mark beside the schema's version says that it has begun. It goes with the last step, and whoever
//! opens the store before that is refused.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::batch::{Chunk, Message, Wait};
use model::codec;
use model::doc::{DocKey, UniqueKey};
use model::ids::CompanyId;
use model::play::{PlayHeader, SlotPlace};
use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use store::StoreError;
use store::dump::Fill;
use store::limit::{Move, limit_key_bytes};
use store::row::Row as Neutral;

use crate::fault::Fault;
use crate::feed::{COMMITS, close_gaps};
use crate::rows::{self, number};
use crate::schema::{
    AUDIT, CHUNKS, COUNTERS, DOCS, GATES, LIMITS, MESSAGES, META, PLAYS, REPLICAS, SNAPSHOTS, VALUES, WAITS,
};
use crate::{keys, name_of};

/// What makes a store one that is not empty.
const CONTENT: [&str; 9] = [PLAYS, DOCS, CHUNKS, AUDIT, SNAPSHOTS, VALUES, MESSAGES, WAITS, LIMITS];

/// The document of [`META`] that is there for as long as a restore has not finished.
const UNFINISHED: &str = "unfinished";

/// Whether a restore into the store has begun and not finished.
pub(crate) async fn is_unfinished(db: &Database) -> Result<bool, Fault> {
    Ok(db.collection::<Document>(META).find_one(doc! { "_id": UNFINISHED }).await?.is_some())
}

/// Whether the store holds nothing.
pub(crate) async fn is_vacant(db: &Database) -> Result<bool, Fault> {
    for collection in CONTENT {
        if db.collection::<Document>(collection).find_one(doc! {}).await?.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The store while it is being filled.
pub(crate) struct Filling<'s> {
    db: &'s Database,
    /// Tells this filling from another that goes over it.
    token: ObjectId,
    /// What follows from the plays: counts under each concurrency key, and of each flow.
    limits: BTreeMap<(CompanyId, Vec<u8>), Move>,
    /// The place of the newest records.
    feed: u64,
}

impl<'s> Filling<'s> {
    /// Marks the store; one that an earlier filling has marked is emptied first.
    pub(crate) async fn begin(db: &'s Database) -> Result<Self, StoreError> {
        let filling = Self { db, token: ObjectId::new(), limits: BTreeMap::new(), feed: 0 };
        if filling.mark().await.map_err(Fault::into_store)? {
            Ok(filling)
        } else {
            Err(StoreError::NotEmpty(name_of(db)))
        }
    }

    /// Says whether the store was empty.
    async fn mark(&self) -> Result<bool, Fault> {
        let meta = self.db.collection::<Document>(META);
        let mark = doc! { "$set": { "by": self.token } };
        if meta.update_one(doc! { "_id": UNFINISHED }, mark).await?.matched_count == 1 {
            for collection in CONTENT.iter().chain(&[COUNTERS, GATES, REPLICAS]) {
                self.db.collection::<Document>(collection).delete_many(doc! {}).await?;
            }
            return Ok(true);
        }
        if !is_vacant(self.db).await? {
            return Ok(false);
        }
        meta.insert_one(doc! { "_id": UNFINISHED, "by": self.token }).await?;
        Ok(true)
    }

    async fn insert(&self, rows: Vec<Neutral>, limits: &mut Vec<PlayHeader>) -> Result<Option<u64>, Fault> {
        let (mut gathered, mut feed) = (BTreeMap::<&str, Vec<Document>>::new(), None);
        for row in rows {
            match row {
                Neutral::Counters { feed: newest, audit } => {
                    feed = Some(newest);
                    let counters = doc! { "_id": COMMITS, "feed": number(newest), "audit": number(audit) };
                    gathered.entry(COUNTERS).or_default().push(counters);
                }
                Neutral::Play(header) => {
                    gathered.entry(PLAYS).or_default().push(rows::play(&header, codec::encode(&header)?, header.due));
                    if header.slot.is_some() {
                        limits.push(*header);
                    }
                }
                other => {
                    let (collection, document) = document_of(other)?;
                    gathered.entry(collection).or_default().push(document);
                }
            }
        }
        for (collection, documents) in gathered {
            // The driver splits what is too much for one message.
            self.db.collection::<Document>(collection).insert_many(documents).ordered(false).await?;
        }
        Ok(feed)
    }

    fn count(&mut self, header: &PlayHeader) {
        let Some(slot) = &header.slot else { return };
        if !matches!(slot.place, SlotPlace::Held | SlotPlace::Queued) {
            return;
        }
        let (key, step) = (limit_key_bytes(&slot.key), Move::between(None, Some(slot.place)));
        for limit_key in [&key[..], &key[..12]] {
            let count = self.limits.entry((header.key.company, limit_key.to_vec())).or_default();
            count.held += step.held;
            count.queued += step.queued;
        }
    }

    async fn complete(&self) -> Result<(), Fault> {
        let limits: Vec<Document> = self
            .limits
            .iter()
            .map(|((company, key), count)| {
                doc! { "_id": keys::limit(*company, key), "held": count.held, "queued": count.queued }
            })
            .collect();
        if !limits.is_empty() {
            self.db.collection::<Document>(LIMITS).insert_many(limits).await?;
        }
        // Whoever follows the feed would else wait for what was forgotten long ago.
        close_gaps(self.db, self.feed).await?;
        let ours = doc! { "_id": UNFINISHED, "by": self.token };
        if self.db.collection::<Document>(META).delete_one(ours).await?.deleted_count == 1 {
            return Ok(());
        }
        Err(Fault::damaged("another restore went over this one"))
    }
}

#[async_trait]
impl Fill for Filling<'_> {
    async fn put(&mut self, rows: Vec<Neutral>) -> Result<(), StoreError> {
        let mut limited = Vec::new();
        let feed = self.insert(rows, &mut limited).await.map_err(Fault::into_store)?;
        self.feed = feed.unwrap_or(self.feed);
        limited.iter().for_each(|header| self.count(header));
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.complete().await.map_err(Fault::into_store)
    }
}

/// The collection and the document of a row that stands for itself.
fn document_of(row: Neutral) -> Result<(&'static str, Document), Fault> {
    Ok(match row {
        Neutral::Doc { company, kind, id, revision, body, expires_at, unique } => {
            let key = DocKey { company, kind, id };
            let unique = unique.into_iter().map(|(scope, text)| UniqueKey { scope, kind, text });
            (DOCS, rows::kept(&key, revision, &body, expires_at, &unique.collect::<Vec<_>>()))
        }
        Neutral::Chunk { feed, play, from, count, bytes } => {
            (CHUNKS, rows::chunk(feed, play, &Chunk { from, count, bytes }))
        }
        Neutral::Snapshot { play, records, bytes } => {
            (SNAPSHOTS, doc! { "_id": keys::play(play), "r": number(records), "b": keys::binary(bytes.to_vec()) })
        }
        Neutral::Value { play, digest, bytes } => {
            (VALUES, doc! { "_id": keys::value(play, digest), "b": keys::binary(bytes.to_vec()) })
        }
        Neutral::Message { to, id, at, body } => (MESSAGES, rows::message(&Message { id, to, at, body: *body })?),
        Neutral::Wait { play, kind, key, layer, since } => (WAITS, rows::wait(&Wait { play, kind, key, layer, since })),
        Neutral::Audit { number, row } => (AUDIT, rows::audit(number, &row)?),
        Neutral::Counters { .. } | Neutral::Play(_) => {
            return Err(Fault::damaged("this row does not stand for itself"));
        }
    })
}
