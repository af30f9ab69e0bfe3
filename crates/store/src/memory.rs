//! The in-memory model: what every store must do, as simply as it can be said.
//!
//! It is the reference that other stores are compared with, the store of simulations, and the
//! store of `flow8 run FILE`. It keeps nothing when the process ends.

mod filling;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use model::audit::AuditRow;
use model::batch::{Batch, Chunk, Committed, Message, PlayWrite, Wait};
use model::doc::{Doc, DocKey, DocWrite, Expect, UniqueKey};
use model::ids::{CompanyId, FlowId, Id, MessageId, PlayId, ReplicaId};
use model::limits::EXACT_TOTAL;
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey, Slot, SlotPlace};
use model::time::Timestamp;

use self::filling::Filling;
use crate::dump::{Fill, Rows};
use crate::limit::{self, Move, Standing};
use crate::turns::fair_share;
use crate::{
    AuditEntry, AuditKey, AuditPage, AuditQuery, AuditSpan, CommitError, Conflict, DocQuery, FeedChunk, LimitCount,
    Loaded, PlayPage, PlayQuery, Snapshot, Store, StoreError, StoreSize, WaitQuery,
};

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    plays: BTreeMap<PlayKey, Play>,
    due: BTreeSet<(CompanyId, Timestamp, PlayId)>,
    limits: BTreeMap<(CompanyId, LimitKey), Limit>,
    feed: BTreeMap<u64, (PlayKey, Chunk)>,
    last_feed: u64,
    waits: BTreeSet<Wait>,
    docs: BTreeMap<DocKey, StoredDoc>,
    unique: BTreeMap<UniqueKey, DocKey>,
    audit: BTreeMap<u64, AuditRow>,
    last_audit: u64,
    /// A filling has begun and not finished.
    is_filling: bool,
}

struct Play {
    header: PlayHeader,
    chunks: Vec<(u64, Chunk)>,
    snapshot: Option<Snapshot>,
    values: BTreeMap<Digest, Arc<[u8]>>,
    messages: BTreeMap<MessageId, Message>,
}

impl Play {
    fn unread(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = self.messages.values().cloned().collect();
        messages.sort_by_key(|message| (message.at, message.id));
        messages
    }
}

/// A queue whose first should look whether a slot is free.
struct LookAt {
    company: CompanyId,
    key: LimitKey,
    /// Not where so many slots are held.
    unless_held: Option<u32>,
}

#[derive(Default)]
struct Limit {
    held: BTreeSet<PlayId>,
    queued: BTreeSet<PlayId>,
}

struct StoredDoc {
    doc: Doc,
    unique: Vec<UniqueKey>,
}

impl MemoryStore {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn check(&self, batch: &Batch) -> Result<(), Conflict> {
        let mut moves: Vec<(CompanyId, LimitKey, Move)> = Vec::new();
        for write in &batch.plays {
            self.check_play(&write.header, &mut moves)?;
        }
        let removed: BTreeSet<&DocKey> =
            batch.docs.iter().filter(|write| write.put.is_none()).map(|write| &write.key).collect();
        for write in &batch.docs {
            self.check_doc(write, &removed)?;
        }
        for play in &batch.forget {
            match self.plays.get(play) {
                Some(stored) if !stored.header.state.is_ended() => return Err(Conflict::Play(*play)),
                _ => {}
            }
        }
        Ok(())
    }

    fn check_play(&self, header: &PlayHeader, moves: &mut Vec<(CompanyId, LimitKey, Move)>) -> Result<(), Conflict> {
        let before = self.plays.get(&header.key).map(|play| &play.header);
        if before.map_or(0, |before| before.revision) + 1 != header.revision {
            return Err(Conflict::Play(header.key));
        }
        let Some(slot) = &header.slot else { return Ok(()) };
        let company = header.key.company;
        let step = Move::between(place(before), Some(slot.place));
        let in_batch = |wanted: &dyn Fn(&LimitKey) -> bool| {
            moves.iter().filter(|(of, key, _)| *of == company && wanted(key)).fold(
                Move::default(),
                |sum, (_, _, step)| Move { held: sum.held + step.held, queued: sum.queued + step.queued },
            )
        };
        let (of_key, of_flow) = (in_batch(&|key| *key == slot.key), in_batch(&|key| key.flow == slot.key.flow));
        let limit = self.limits.get(&(company, slot.key));
        let standing = Standing {
            held: limit.map_or(0, |limit| limit.held.len() as u64).saturating_add_signed(of_key.held),
            queued: limit.map_or(0, |limit| limit.queued.len() as u64).saturating_add_signed(of_key.queued),
            queued_in_flow: self
                .limits_of(company, slot.key.flow)
                .map(|(_, limit)| limit.queued.len() as u64)
                .sum::<u64>()
                .saturating_add_signed(of_flow.queued),
            is_first: limit.and_then(|limit| limit.queued.first()).is_none_or(|first| *first >= header.key.play),
        };
        limit::check(step, slot, standing)?;
        moves.push((company, slot.key, step));
        Ok(())
    }

    fn limits_of(&self, company: CompanyId, flow: FlowId) -> impl Iterator<Item = (&(CompanyId, LimitKey), &Limit)> {
        let from = (company, LimitKey { flow, key: Digest([0; 32]) });
        self.limits.range(from..).take_while(move |((of, key), _)| *of == company && key.flow == flow)
    }

    fn check_doc(&self, write: &DocWrite, removed: &BTreeSet<&DocKey>) -> Result<(), Conflict> {
        let revision = self.docs.get(&write.key).map(|stored| stored.doc.revision);
        let is_as_expected = match write.expect {
            Expect::Anything => true,
            Expect::Absent => revision.is_none(),
            Expect::Revision(expected) => revision == Some(expected),
        };
        if !is_as_expected {
            return Err(Conflict::Doc(write.key.clone()));
        }
        for unique in write.put.iter().flat_map(|put| &put.unique) {
            match self.unique.get(unique) {
                Some(taken) if *taken != write.key && !removed.contains(taken) => {
                    return Err(Conflict::Key(unique.clone()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: Batch) -> Committed {
        let mut committed = Committed::default();
        let mut wakes_next = Vec::new();
        for write in batch.plays {
            self.apply_play(write, &mut committed, &mut wakes_next);
        }
        // Removals first: a key may pass from one document to another in one batch.
        let (puts, removals): (Vec<_>, Vec<_>) = batch.docs.into_iter().partition(|write| write.put.is_some());
        for write in removals.into_iter().chain(puts) {
            self.apply_doc(write);
        }
        for message in batch.messages {
            self.deliver(message, &mut committed);
        }
        for event in batch.events {
            let waiting: Vec<Wait> = self
                .waits
                .iter()
                .filter(|wait| {
                    wait.play.company == event.company
                        && wait.kind == model::batch::WaitKind::Event
                        && wait.key == event.key
                })
                .cloned()
                .collect();
            if waiting.is_empty() {
                self.apply_doc(event.as_doc());
            }
            for wait in waiting {
                self.waits.remove(&wait);
                self.deliver(event.as_message(wait.play), &mut committed);
            }
        }
        for queue in wakes_next {
            self.wake_first(queue, &mut committed);
        }
        for row in batch.audit {
            self.last_audit += 1;
            self.audit.insert(self.last_audit, row);
        }
        if let Some((company, upto)) = batch.drop_audit {
            self.audit.retain(|number, row| row.company != company || *number > upto);
        }
        for play in batch.forget {
            self.forget(play);
        }
        committed
    }

    fn apply_play(&mut self, write: PlayWrite, committed: &mut Committed, wakes_next: &mut Vec<LookAt>) {
        let PlayWrite { mut header, chunk, snapshot, values, waits, waited, read } = write;
        let key = header.key;
        self.unindex(key);
        let before = self.plays.get(&key).map(|play| &play.header);
        if let Some(Slot { key: limit_key, place: after, limit: max }) = &header.slot {
            let step = Move::between(place(before), Some(*after));
            let limit = self.limits.entry((key.company, *limit_key)).or_default();
            let mark = |set: &mut BTreeSet<PlayId>, wanted| {
                if *after == wanted {
                    set.insert(key.play)
                } else {
                    set.remove(&key.play)
                };
            };
            mark(&mut limit.held, SlotPlace::Held);
            mark(&mut limit.queued, SlotPlace::Queued);
            if step.wakes_next() || *after == SlotPlace::Queued {
                let unless_held = (!step.wakes_next()).then_some(*max);
                wakes_next.push(LookAt { company: key.company, key: *limit_key, unless_held });
            }
        }
        let play = self.plays.entry(key).or_insert_with(|| Play {
            header: header.clone(),
            chunks: Vec::new(),
            snapshot: None,
            values: BTreeMap::new(),
            messages: BTreeMap::new(),
        });
        for id in read {
            play.messages.remove(&id);
        }
        play.values.extend(values);
        if let Some(bytes) = snapshot {
            play.snapshot = Some(Snapshot { records: header.records, bytes });
        }
        if let Some(chunk) = chunk {
            self.last_feed += 1;
            committed.feed = self.last_feed;
            self.feed.insert(self.last_feed, (key, chunk.clone()));
            play.chunks.push((self.last_feed, chunk));
        }
        if header.state.is_ended() {
            play.snapshot = None;
            play.messages.clear();
            self.waits.retain(|wait| wait.play != key);
        } else if header.owner.is_none()
            && let Some(at) = play.messages.values().map(|message| message.at).min()
        {
            header.due = Some(header.due.map_or(at, |due| due.min(at)));
        }
        if !header.state.is_ended() {
            self.waits.retain(|wait| {
                wait.play != key
                    || !waited
                        .iter()
                        .any(|(kind, name, layer)| *kind == wait.kind && *name == wait.key && *layer == wait.layer)
            });
            self.waits.extend(waits);
        }
        play.header = header;
        self.index(key);
    }

    fn index(&mut self, key: PlayKey) {
        if let Some(due) = self.plays.get(&key).and_then(|play| play.header.due) {
            self.due.insert((key.company, due, key.play));
        }
    }

    fn unindex(&mut self, key: PlayKey) {
        if let Some(due) = self.plays.get(&key).and_then(|play| play.header.due) {
            self.due.remove(&(key.company, due, key.play));
        }
    }

    fn apply_doc(&mut self, write: DocWrite) {
        let before = self.docs.remove(&write.key);
        let revision = before.as_ref().map_or(0, |stored| stored.doc.revision) + 1;
        for unique in before.into_iter().flat_map(|stored| stored.unique) {
            self.unique.remove(&unique);
        }
        if let Some(put) = write.put {
            for unique in &put.unique {
                self.unique.insert(unique.clone(), write.key.clone());
            }
            let doc = Doc { key: write.key.clone(), revision, body: put.body, expires_at: put.expires_at };
            self.docs.insert(write.key, StoredDoc { doc, unique: put.unique });
        }
    }

    fn deliver(&mut self, message: Message, committed: &mut Committed) {
        let (to, at) = (message.to, message.at);
        let Some(play) = self.plays.get_mut(&to).filter(|play| !play.header.state.is_ended()) else { return };
        play.messages.entry(message.id).or_insert(message);
        self.wake(to, at, committed);
    }

    fn wake(&mut self, key: PlayKey, at: Timestamp, committed: &mut Committed) {
        self.unindex(key);
        if let Some(play) = self.plays.get_mut(&key) {
            if play.header.owner.is_none() {
                play.header.due = Some(play.header.due.map_or(at, |due| due.min(at)));
            }
            committed.woken.push((key, play.header.owner));
        }
        self.index(key);
    }

    fn wake_first(&mut self, queue: LookAt, committed: &mut Committed) {
        let LookAt { company, key, unless_held } = queue;
        let Some(limit) = self.limits.get(&(company, key)) else { return };
        if unless_held.is_some_and(|max| !limit::finds_room(limit.held.len() as u64, max)) {
            return;
        }
        if let Some(first) = limit.queued.first() {
            self.wake(PlayKey { company, play: *first }, Timestamp::MIN, committed);
        } else if limit.held.is_empty() {
            self.limits.remove(&(company, key));
        }
    }

    fn forget(&mut self, key: PlayKey) {
        self.unindex(key);
        for (feed, _) in self.plays.remove(&key).into_iter().flat_map(|play| play.chunks) {
            self.feed.remove(&feed);
        }
    }
}

fn place(header: Option<&PlayHeader>) -> Option<SlotPlace> {
    header?.slot.as_ref().map(|slot| slot.place)
}

/// One page of an iterator, and its length as far as lists count it.
fn page<T>(rows: impl Iterator<Item = T>, skip: u64, limit: u32) -> (Vec<T>, u64) {
    let mut total = 0;
    let mut page = Vec::new();
    for row in rows {
        if total >= skip && page.len() < limit as usize {
            page.push(row);
        }
        total += 1;
    }
    (page, total.min(EXACT_TOTAL + 1))
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Committed, CommitError> {
        let mut world = self.world();
        world.check(&batch)?;
        Ok(world.apply(batch))
    }

    async fn adopt(&self, me: ReplicaId) -> Result<u64, StoreError> {
        let mut world = self.world();
        let is_orphan = |play: &Play| play.header.owner.is_some_and(|owner| owner != me);
        let orphans: Vec<PlayKey> =
            world.plays.iter().filter(|(_, play)| is_orphan(play)).map(|(key, _)| *key).collect();
        for key in &orphans {
            world.unindex(*key);
            if let Some(play) = world.plays.get_mut(key) {
                play.header.revision += 1;
                play.header.owner = None;
                play.header.due = Some(Timestamp::MIN);
            }
            world.index(*key);
        }
        Ok(orphans.len() as u64)
    }

    async fn header(&self, play: PlayKey) -> Result<Option<PlayHeader>, StoreError> {
        Ok(self.world().plays.get(&play).map(|play| play.header.clone()))
    }

    async fn load(&self, play: PlayKey) -> Result<Option<Loaded>, StoreError> {
        Ok(self.world().plays.get(&play).map(|play| {
            let from = play.snapshot.as_ref().map_or(0, |snapshot| snapshot.records);
            Loaded {
                header: play.header.clone(),
                snapshot: play.snapshot.clone(),
                tail: play.chunks.iter().map(|(_, chunk)| chunk).filter(|chunk| chunk.from >= from).cloned().collect(),
                messages: play.unread(),
            }
        }))
    }

    async fn messages(&self, play: PlayKey) -> Result<Vec<Message>, StoreError> {
        Ok(self.world().plays.get(&play).map(Play::unread).unwrap_or_default())
    }

    async fn headers(&self, query: &PlayQuery) -> Result<PlayPage, StoreError> {
        let world = self.world();
        let from = query.from.map_or(0, |from| u64::try_from(from.0).unwrap_or(0));
        let first = PlayKey { company: query.company, play: PlayId(Id::from_parts(from, 0)) };
        let found = world
            .plays
            .range(first..)
            .take_while(|(key, _)| key.company == query.company)
            .map(|(_, play)| &play.header)
            .filter(|header| query.flow.is_none_or(|flow| header.flow.id == flow))
            .filter(|header| query.among.as_ref().is_none_or(|among| among.contains(&header.flow.id)))
            .filter(|header| query.states.is_empty() || query.states.contains(&header.state))
            .filter(|header| {
                query.to.is_none_or(|to| header.key.play.0 < Id::from_parts(u64::try_from(to.0).unwrap_or(0), 0))
            })
            .filter(|header| query.after.is_none_or(|after| header.key.play < after));
        let newest_first: Vec<_> = found.collect();
        let (rows, total) = page(newest_first.into_iter().rev(), query.skip, query.limit);
        Ok(PlayPage { plays: rows.into_iter().cloned().collect(), total })
    }

    async fn chunks(&self, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, StoreError> {
        let world = self.world();
        let chunks = world.plays.get(&play).into_iter().flat_map(|play| &play.chunks);
        Ok(chunks
            .map(|(_, chunk)| chunk)
            .filter(|chunk| chunk.from + u64::from(chunk.count) > from)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn value(&self, play: PlayKey, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.world().plays.get(&play).and_then(|play| play.values.get(&digest)).cloned())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, StoreError> {
        let world = self.world();
        let mut by_company: BTreeMap<CompanyId, Vec<PlayKey>> = BTreeMap::new();
        for (company, due, play) in &world.due {
            let of_company = by_company.entry(*company).or_default();
            if *due <= now && of_company.len() < limit {
                of_company.push(PlayKey { company: *company, play: *play });
            }
        }
        Ok(fair_share(by_company.into_values().flatten(), limit))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.world().due.iter().map(|(_, due, _)| *due).min())
    }

    async fn queue_heads(&self, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, StoreError> {
        let world = self.world();
        let heads = world.limits_of(company, flow).filter_map(|(_, limit)| limit.queued.first());
        Ok(heads.map(|play| PlayKey { company, play: *play }).collect())
    }

    async fn limit(&self, company: CompanyId, key: LimitKey) -> Result<LimitCount, StoreError> {
        let world = self.world();
        Ok(world.limits.get(&(company, key)).map_or(LimitCount::default(), |limit| LimitCount {
            held: limit.held.len() as u64,
            queued: limit.queued.len() as u64,
        }))
    }

    async fn waits(&self, query: &WaitQuery) -> Result<Vec<Wait>, StoreError> {
        let world = self.world();
        let mut found: Vec<Wait> = world
            .waits
            .iter()
            .filter(|wait| wait.play.company == query.company && wait.kind == query.kind)
            .filter(|wait| query.play.is_none_or(|play| wait.play.play == play))
            .cloned()
            .collect();
        found.sort_by_key(|wait| (wait.since, wait.play, wait.layer));
        Ok(page(found.into_iter(), query.skip, query.limit).0)
    }

    async fn feed(&self, company: Option<CompanyId>, after: u64, limit: usize) -> Result<Vec<FeedChunk>, StoreError> {
        let world = self.world();
        let rows = world.feed.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(rows
            .filter(|(_, (play, _))| company.is_none_or(|company| play.company == company))
            .take(limit)
            .map(|(feed, (play, chunk))| FeedChunk { feed: *feed, play: *play, chunk: chunk.clone() })
            .collect())
    }

    async fn feed_end(&self) -> Result<u64, StoreError> {
        Ok(self.world().last_feed)
    }

    async fn doc(&self, key: &DocKey) -> Result<Option<Doc>, StoreError> {
        Ok(self.world().docs.get(key).map(|stored| stored.doc.clone()))
    }

    async fn doc_by(&self, unique: &UniqueKey) -> Result<Option<Doc>, StoreError> {
        let world = self.world();
        Ok(world.unique.get(unique).and_then(|key| world.docs.get(key)).map(|stored| stored.doc.clone()))
    }

    async fn docs(&self, query: &DocQuery) -> Result<Vec<Doc>, StoreError> {
        let world = self.world();
        let first = DocKey::new(query.company, query.kind, &query.prefix);
        Ok(world
            .docs
            .range(first..)
            .take_while(|(key, _)| {
                key.company == query.company && key.kind == query.kind && key.id.starts_with(&query.prefix)
            })
            .filter(|(key, _)| query.after.as_ref().is_none_or(|after| key.id > *after))
            .take(query.limit)
            .map(|(_, stored)| stored.doc.clone())
            .collect())
    }

    async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<Doc>, StoreError> {
        let world = self.world();
        let docs = world.docs.values().map(|stored| &stored.doc);
        Ok(docs.filter(|doc| doc.expires_at.is_some_and(|at| at <= now)).take(limit).cloned().collect())
    }

    async fn audit(&self, query: &AuditQuery) -> Result<AuditPage, StoreError> {
        let world = self.world();
        let wanted = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        let found = world.audit.iter().rev().filter(|(_, row)| {
            row.company == query.company
                && wanted(&query.entity, &row.entity)
                && wanted(&query.entity_id, &row.entity_id)
                && wanted(&query.action, &row.action)
        });
        let (rows, total) = page(found, query.skip, query.limit);
        Ok(AuditPage { rows: rows.into_iter().map(|(number, row)| (*number, row.clone())).collect(), total })
    }

    async fn audit_log(&self, span: &AuditSpan) -> Result<Vec<AuditEntry>, StoreError> {
        let world = self.world();
        let rows = world.audit.range((Bound::Excluded(span.after), Bound::Unbounded));
        rows.take_while(|(number, _)| **number <= span.upto)
            .filter(|(_, row)| span.company.is_none_or(|company| row.company == company))
            .take(span.limit)
            .map(|(number, row)| {
                let text = row.to_text().map_err(|error| StoreError::Failed(error.to_string()))?;
                let key = AuditKey::of(row);
                Ok(AuditEntry { number: *number, company: row.company, text: text.into(), key })
            })
            .collect()
    }

    async fn audit_end(&self) -> Result<u64, StoreError> {
        Ok(self.world().last_audit)
    }

    async fn shrink(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn size(&self) -> Result<StoreSize, StoreError> {
        Ok(StoreSize::default())
    }

    async fn dump(&self) -> Result<Rows, StoreError> {
        Ok(filling::dump(&self.world()))
    }

    async fn fill<'s>(&'s self) -> Result<Box<dyn Fill + 's>, StoreError> {
        Ok(Box::new(Filling::of(self)?))
    }
}
