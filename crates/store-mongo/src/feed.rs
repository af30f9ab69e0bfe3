//! The order of all commits.
//!
//! A place in the feed is taken before the transaction that fills it commits, so that replicas do
//! not wait for each other. For a moment there may therefore be a gap, and whoever reads must not
//! read past it: what fills it later would never be seen. A gap that stays is closed by whoever
//! finds it, with an entry that holds nothing; a transaction that still wanted the place then fails,
//! and takes another.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::Database;
use mongodb::bson::{Document, doc};
use mongodb::options::{ReturnDocument, WriteConcern};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::rows::{Row, number};
use crate::schema::{CHUNKS, COUNTERS};

/// The one document of [`COUNTERS`] that numbers commits.
pub(crate) const COMMITS: &str = "commits";

/// A gap that is older is closed. A transaction that takes longer loses its places.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long after a look at a gap the next one comes.
const LOOK: Duration = Duration::from_millis(100);

/// Places that are looked through at once, and before the newest one at the start.
const WINDOW: i64 = 10_000;

/// Places in the feed and numbers of audit rows that a transaction may use.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    feed: Range<u64>,
    audit: Range<u64>,
    taken: (Range<u64>, Range<u64>),
}

impl Numbers {
    /// The next place. There are as many as were asked for.
    pub(crate) fn feed(&mut self) -> u64 {
        self.feed.next().unwrap_or(self.feed.end)
    }

    /// Whether all places are filled.
    pub(crate) fn is_last(&self) -> bool {
        self.feed.is_empty()
    }

    pub(crate) fn audit(&mut self) -> u64 {
        self.audit.next().unwrap_or(self.audit.end)
    }

    /// Takes so many for nobody else to have. With audit rows there is always a place in the feed: as soon
    /// as it is filled, the rows are there.
    pub(crate) async fn take(db: &Database, feed: u64, audit: u64) -> Result<Self, Fault> {
        if (feed, audit) == (0, 0) {
            return Ok(Self { feed: 0..0, audit: 0..0, taken: (0..0, 0..0) });
        }
        let feed = feed.max(1);
        let change = doc! { "$inc": { "feed": number(feed), "audit": number(audit) } };
        let after = db
            .collection::<Document>(COUNTERS)
            .find_one_and_update(doc! { "_id": COMMITS }, change)
            // The commit that uses them waits for the disks of most members, and for all that was written
            // before it. Were this write lost, that one would be, too.
            .write_concern(WriteConcern::nodes(1))
            .upsert(true)
            .return_document(ReturnDocument::After)
            .await?
            .ok_or_else(|| Fault::damaged("the counter of commits is gone"))?;
        let range = |name: &str, wanted: u64| -> Result<Range<u64>, Fault> {
            let last = Row(&after).count(name)?;
            Ok(last + 1 - wanted..last + 1)
        };
        let (feed, audit) = (range("feed", feed)?, range("audit", audit)?);
        Ok(Self { taken: (feed.clone(), audit.clone()), feed, audit })
    }

    /// Gives them back after a transaction that did not happen: for others to take, if nobody took
    /// any meanwhile; else closed for good.
    pub(crate) async fn give_back(self, db: &Database) {
        let (feed, audit) = self.taken;
        if feed.is_empty() && audit.is_empty() {
            return;
        }
        let length = |range: &Range<u64>| i64::try_from(range.end - range.start).unwrap_or(0);
        let newest = doc! { "_id": COMMITS, "feed": number(feed.end - 1), "audit": number(audit.end - 1) };
        let back = doc! { "$inc": { "feed": -length(&feed), "audit": -length(&audit) } };
        let given = db.collection::<Document>(COUNTERS).update_one(newest, back).await;
        if given.is_ok_and(|given| given.modified_count == 1) {
            return;
        }
        for place in feed {
            if let Err(fault) = close(db, place).await {
                tracing::debug!(?fault, place, "a gap in the feed stays for a while");
                return;
            }
        }
    }
}

/// Closes a gap, unless it was filled meanwhile.
async fn close(db: &Database, place: u64) -> Result<(), Fault> {
    let nothing = doc! { "$setOnInsert": { "v": true } };
    db.collection::<Document>(CHUNKS).update_one(doc! { "_id": number(place) }, nothing).upsert(true).await?;
    Ok(())
}

/// Closes every gap that somebody may still wait for, where nothing is under way.
pub(crate) async fn close_gaps(db: &Database, newest: u64) -> Result<(), Fault> {
    let start = newest.saturating_sub(WINDOW as u64);
    let filter = doc! { "_id": { "$gt": number(start) } };
    let chunks = db.collection::<Document>(CHUNKS);
    let mut gaps: BTreeSet<u64> = (start + 1..=newest).collect();
    let mut places = chunks.find(filter).projection(doc! { "_id": 1 }).await?;
    while let Some(row) = places.try_next().await? {
        gaps.remove(&Row(&row).count("_id")?);
    }
    if !gaps.is_empty() {
        let nothing = gaps.into_iter().map(|place| doc! { "_id": number(place), "v": true });
        chunks.insert_many(nothing).ordered(false).await?;
    }
    Ok(())
}

/// The newest place and the newest number of an audit row that were taken.
async fn newest(db: &Database) -> Result<(u64, u64), Fault> {
    let counter = db.collection::<Document>(COUNTERS).find_one(doc! { "_id": COMMITS }).await?;
    counter.map_or(Ok((0, 0)), |counter| Ok((Row(&counter).count("feed")?, Row(&counter).count("audit")?)))
}

/// Up to where the feed has no gap that may still be filled.
#[derive(Default)]
pub(crate) struct Settled {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    upto: Option<u64>,
    /// When it was seen how far places were taken.
    seen: VecDeque<(Instant, u64)>,
}

impl Settled {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks how far it goes by now.
    pub(crate) async fn advance(&self, db: &Database) -> Result<u64, Fault> {
        let (newest, _) = newest(db).await?;
        // Before the window nothing is under way any more: what is missing there was forgotten.
        let start = newest.saturating_sub(WINDOW as u64);
        let (upto, old) = {
            let mut state = self.state();
            let now = Instant::now();
            state.seen.push_back((now, newest));
            while state.seen.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= PATIENCE) {
                state.seen.pop_front();
            }
            let old = state.seen.front().filter(|(at, _)| now.duration_since(*at) >= PATIENCE).map(|(_, seen)| *seen);
            // A counter that went back was given back.
            (state.upto.unwrap_or(0).max(start).min(newest), old.unwrap_or(0))
        };
        let upto = walk(db, upto, old).await?;
        let mut state = self.state();
        if state.seen.len() > 64 {
            // Samples this close together say nothing more.
            let keep = state.seen.len() / 2;
            state.seen.remove(keep);
        }
        state.upto = Some(upto);
        Ok(upto)
    }

    /// The number of an audit row below which no other will appear any more. It is taken with a place in the
    /// feed: once there is no gap up to that one, there is none up to the number either.
    pub(crate) async fn audit_end(&self, db: &Database) -> Result<u64, Fault> {
        let (mut place, mut number) = newest(db).await?;
        while self.advance(db).await? < place {
            tokio::time::sleep(LOOK).await;
            let (newest_place, newest_number) = newest(db).await?;
            if newest_place < place {
                // It was given back, and is another's as soon as somebody takes it again.
                (place, number) = (newest_place, newest_number);
            }
        }
        Ok(number)
    }
}

/// Goes on from a settled place as far as there is no gap; gaps up to `old` are closed.
async fn walk(db: &Database, from: u64, old: u64) -> Result<u64, Fault> {
    let filter = doc! { "_id": { "$gt": number(from) } };
    let chunks = db.collection::<Document>(CHUNKS);
    let mut places = chunks.find(filter).projection(doc! { "_id": 1 }).sort(doc! { "_id": 1 }).limit(WINDOW).await?;
    let mut upto = from;
    while let Some(row) = places.try_next().await? {
        let place = Row(&row).count("_id")?;
        while upto + 1 < place && upto < old {
            close(db, upto + 1).await?;
            upto += 1;
        }
        if upto + 1 != place {
            return Ok(upto);
        }
        upto = place;
    }
    while upto < old {
        close(db, upto + 1).await?;
        upto += 1;
    }
    Ok(upto)
}
