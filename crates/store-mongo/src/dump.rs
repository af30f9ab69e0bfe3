//! All of the store as rows, as it was at one instant: snapshot reads in one session.
//!
//! The server keeps what is overwritten for a while only, so a store that takes longer to read than
//! that cannot be read to its end; the error says what to raise.

use model::audit::AuditRow;
use model::batch::WaitKind;
use model::ids::CompanyId;
use model::payload::Digest;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use mongodb::{Client, ClientSession, Database};
use store::StoreError;
use store::dump::{Abandoned, Giver, Rows};
use store::row::Row as Neutral;

use crate::fault::Fault;
use crate::feed::COMMITS;
use crate::keys;
use crate::rows::Row;
use crate::schema::{AUDIT, CHUNKS, COUNTERS, DOCS, MESSAGES, PLAYS, SNAPSHOTS, VALUES, WAITS};

/// Rows that the server sends at once, at most; it sends no more than 16 MB anyway.
const PAGE: u32 = 1_000;

/// Begins to give everything. The instant is before this returns.
pub(crate) async fn begin(client: &Client, db: &Database) -> Result<Rows, Fault> {
    let mut session = client.start_session().snapshot(true).await?;
    // The first read settles the instant for all that follow. The driver takes each read's own concern
    // before the session's, and the client has another one: so each of them says it again.
    let counters = db.collection::<Document>(COUNTERS);
    let first = counters.find_one(doc! { "_id": COMMITS });
    let counters = first.read_concern(ReadConcern::snapshot()).session(&mut session).await?;
    if session.snapshot_time().is_none() {
        return Err(Fault::damaged("the server does not say of which instant it tells"));
    }
    let count = |name: &str| counters.as_ref().map_or(Ok(0), |counters| Row(counters).count(name));
    let first = Neutral::Counters { feed: count("feed")?, audit: count("audit")? };
    let (mut giver, rows) = Giver::new();
    let db = db.clone();
    tokio::spawn(async move {
        let mut reading = Reading { db, session, giver: &mut giver };
        match reading.give_all(first).await {
            Ok(()) => giver.end(Ok(())).await,
            Err(Stopped::Failed(fault)) => giver.end(Err(told(fault))).await,
            Err(Stopped::Abandoned) => {}
        }
    });
    Ok(rows)
}

fn told(fault: Fault) -> StoreError {
    if fault.is_snapshot_gone() {
        return StoreError::Failed(
            "MongoDB no longer knows what the store held when the backup began; let it remember for longer, such as \
             an hour: db.adminCommand({setParameter: 1, minSnapshotHistoryWindowInSeconds: 3600})"
                .into(),
        );
    }
    fault.into_store()
}

/// Why it went no further.
enum Stopped {
    Failed(Fault),
    Abandoned,
}

impl<F: Into<Fault>> From<F> for Stopped {
    fn from(fault: F) -> Self {
        Self::Failed(fault.into())
    }
}

struct Reading<'g> {
    db: Database,
    session: ClientSession,
    giver: &'g mut Giver,
}

impl Reading<'_> {
    async fn give_all(&mut self, first: Neutral) -> Result<(), Stopped> {
        self.give(first).await?;
        self.each(DOCS, doc! {}, |row| {
            let unique = match row.0.get_array("u") {
                Ok(keys) => keys.iter().map(unique).collect::<Result<_, _>>()?,
                Err(_) => Vec::new(),
            };
            Ok(Neutral::of_doc(row.doc(keys::read_document(row.text("_id")?)?)?, unique))
        })
        .await?;
        self.each(PLAYS, doc! {}, |row| Ok(Neutral::Play(Box::new(row.header()?)))).await?;
        // An entry without a company closes a gap and holds nothing.
        self.each(CHUNKS, doc! { "c": { "$exists": true } }, |row| {
            let chunk = row.chunk()?;
            let (feed, play) = (row.count("_id")?, row.play("k")?);
            Ok(Neutral::Chunk { feed, play, from: chunk.from, count: chunk.count, bytes: chunk.bytes })
        })
        .await?;
        self.each(SNAPSHOTS, doc! {}, |row| {
            Ok(Neutral::Snapshot { play: row.play("_id")?, records: row.count("r")?, bytes: row.shared("b")? })
        })
        .await?;
        self.each(VALUES, doc! {}, |row| {
            let (play, digest) = keys::read_value(row.bytes("_id")?)?;
            Ok(Neutral::Value { play, digest: Digest(digest), bytes: row.shared("b")? })
        })
        .await?;
        self.each(MESSAGES, doc! {}, |row| Ok(Neutral::of_message(row.message()?))).await?;
        self.each(WAITS, doc! {}, |row| {
            let word = row.text("w")?;
            let kind =
                WaitKind::from_name(word).ok_or_else(|| Fault::damaged(format!("{word:?} is no kind of waits")))?;
            Ok(Neutral::of_wait(row.wait(kind)?))
        })
        .await?;
        self.each(AUDIT, doc! {}, |row| {
            let audit = AuditRow::from_text(row.bytes("b")?)?;
            Ok(Neutral::Audit { number: row.count("_id")?, row: Box::new(audit) })
        })
        .await
    }

    async fn give(&mut self, row: Neutral) -> Result<(), Stopped> {
        self.giver.give(row).await.map_err(|Abandoned| Stopped::Abandoned)
    }

    /// Gives a collection by its keys, which sort as rows do.
    async fn each(
        &mut self,
        collection: &str,
        filter: Document,
        read: impl Fn(Row<'_>) -> Result<Neutral, Fault>,
    ) -> Result<(), Stopped> {
        let collection = self.db.collection::<Document>(collection);
        let found = collection.find(filter).sort(doc! { "_id": 1 }).batch_size(PAGE);
        let mut rows = found.read_concern(ReadConcern::snapshot()).session(&mut self.session).await?;
        while let Some(row) = rows.next(&mut self.session).await {
            let row = read(Row(&row?))?;
            self.giver.give(row).await.map_err(|Abandoned| Stopped::Abandoned)?;
        }
        Ok(())
    }
}

fn unique(key: &mongodb::bson::Bson) -> Result<(CompanyId, String), Fault> {
    let text = key.as_str().ok_or_else(|| Fault::damaged("a second key is no text"))?;
    let key = keys::read_document(text)?;
    Ok((key.company, key.id))
}
