//! All of the in-memory model as rows, and the model filled with them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use model::batch::{Chunk, Message, Wait};
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::CompanyId;
use model::play::{PlayKey, Slot, SlotPlace};

use super::{MemoryStore, Play, StoredDoc, World};
use crate::dump::{Fill, Giver, Rows};
use crate::row::Row;
use crate::{Snapshot, StoreError};

/// What it is called in errors.
const NAME: &str = "the store in memory";

/// Gives everything as it is now.
pub(super) fn dump(world: &World) -> Rows {
    let rows = rows(world);
    let (mut giver, taker) = Giver::new();
    tokio::spawn(async move {
        for row in rows {
            if giver.give(row).await.is_err() {
                return;
            }
        }
        giver.end(Ok(())).await;
    });
    taker
}

fn rows(world: &World) -> Vec<Row> {
    let mut rows = vec![Row::Counters { feed: world.last_feed, audit: world.last_audit }];
    let of_doc = |stored: &StoredDoc| {
        let unique = stored.unique.iter().map(|unique| (unique.scope, unique.text.clone()));
        Row::of_doc(stored.doc.clone(), unique.collect())
    };
    rows.extend(world.docs.values().map(of_doc));
    rows.extend(world.plays.values().map(|play| Row::Play(Box::new(play.header.clone()))));
    rows.extend(world.feed.iter().map(|(feed, (play, chunk))| {
        let Chunk { from, count, bytes } = chunk.clone();
        Row::Chunk { feed: *feed, play: *play, from, count, bytes }
    }));
    for (key, play) in &world.plays {
        let of_snapshot = |snapshot: &Snapshot| {
            let Snapshot { records, bytes } = snapshot.clone();
            Row::Snapshot { play: *key, records, bytes }
        };
        rows.extend(play.snapshot.as_ref().map(of_snapshot));
    }
    for (key, play) in &world.plays {
        let values = play.values.iter();
        rows.extend(values.map(|(digest, bytes)| Row::Value { play: *key, digest: *digest, bytes: bytes.clone() }));
    }
    rows.extend(world.plays.values().flat_map(|play| play.messages.values().cloned()).map(Row::of_message));
    rows.extend(world.waits.iter().cloned().map(Row::of_wait));
    rows.extend(world.audit.iter().map(|(number, row)| Row::Audit { number: *number, row: Box::new(row.clone()) }));
    rows
}

/// The model while it is being filled.
pub(super) struct Filling<'s> {
    store: &'s MemoryStore,
}

impl<'s> Filling<'s> {
    /// Begins.
    ///
    /// # Errors
    /// Where something is there already.
    pub(super) fn of(store: &'s MemoryStore) -> Result<Self, StoreError> {
        let mut world = store.world();
        if world.is_filling {
            *world = World::default();
        }
        if !world.plays.is_empty() || !world.docs.is_empty() || !world.audit.is_empty() {
            return Err(StoreError::NotEmpty(NAME.into()));
        }
        world.is_filling = true;
        drop(world);
        Ok(Self { store })
    }
}

#[async_trait]
impl Fill for Filling<'_> {
    async fn put(&mut self, rows: Vec<Row>) -> Result<(), StoreError> {
        let mut world = self.store.world();
        rows.into_iter().try_for_each(|row| put(&mut world, row))
    }

    async fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.store.world().is_filling = false;
        Ok(())
    }
}

fn put(world: &mut World, row: Row) -> Result<(), StoreError> {
    match row {
        Row::Counters { feed, audit } => (world.last_feed, world.last_audit) = (feed, audit),
        Row::Doc { company, kind, id, revision, body, expires_at, unique } => {
            let key = DocKey { company, kind, id };
            let as_key = |(scope, text): (CompanyId, String)| UniqueKey { scope, kind, text };
            let unique: Vec<UniqueKey> = unique.into_iter().map(as_key).collect();
            world.unique.extend(unique.iter().map(|unique| (unique.clone(), key.clone())));
            let doc = Doc { key: key.clone(), revision, body, expires_at };
            world.docs.insert(key, StoredDoc { doc, unique });
        }
        Row::Play(header) => {
            let key = header.key;
            if let Some(Slot { key: limit_key, place, .. }) = &header.slot
                && matches!(place, SlotPlace::Held | SlotPlace::Queued)
            {
                let limit = world.limits.entry((key.company, *limit_key)).or_default();
                let set = if *place == SlotPlace::Held { &mut limit.held } else { &mut limit.queued };
                set.insert(key.play);
            }
            let (chunks, values, messages) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
            world.plays.insert(key, Play { header: *header, chunks, snapshot: None, values, messages });
            world.index(key);
        }
        Row::Chunk { feed, play, from, count, bytes } => {
            let chunk = Chunk { from, count, bytes };
            play_of(world, play)?.chunks.push((feed, chunk.clone()));
            world.feed.insert(feed, (play, chunk));
        }
        Row::Snapshot { play, records, bytes } => {
            play_of(world, play)?.snapshot = Some(Snapshot { records, bytes });
        }
        Row::Value { play, digest, bytes } => {
            play_of(world, play)?.values.insert(digest, bytes);
        }
        Row::Message { to, id, at, body } => {
            play_of(world, to)?.messages.insert(id, Message { id, to, at, body: *body });
        }
        Row::Wait { play, kind, key, layer, since } => {
            world.waits.insert(Wait { play, kind, key, layer, since });
        }
        Row::Audit { number, row } => {
            world.audit.insert(number, *row);
        }
    }
    Ok(())
}

fn play_of(world: &mut World, play: PlayKey) -> Result<&mut Play, StoreError> {
    let missing = || StoreError::Failed(format!("a row of the play {} came without the play", play.play));
    world.plays.get_mut(&play).ok_or_else(missing)
}
