//! Reads. Each sees what most members have; what needs several reads is read again where it changed meanwhile.

use futures::TryStreamExt as _;
use model::audit::AuditRow;
use model::batch::{Chunk, Message, Wait};
use model::doc::{Doc, DocKey, UniqueKey};
use model::ids::{CompanyId, FlowId, Id, PlayId};
use model::limits::EXACT_TOTAL;
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey, PlayState};
use model::time::Timestamp;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use store::limit::limit_key_bytes;
use store::turns::fair_share;
use store::{
    AuditEntry, AuditKey, AuditPage, AuditQuery, AuditSpan, DocQuery, FeedChunk, LimitCount, Loaded, PlayPage,
    PlayQuery, Snapshot, StoreSize, WaitQuery,
};

use crate::fault::Fault;
use crate::keys;
use crate::rows::{Row, number};
use crate::schema::{AUDIT, CHUNKS, DOCS, LIMITS, MESSAGES, PLAYS, QUEUED, SNAPSHOTS, VALUES, WAITS};

/// One document, or none.
async fn one(db: &Database, collection: &str, filter: Document) -> Result<Option<Document>, Fault> {
    Ok(db.collection::<Document>(collection).find_one(filter).await?)
}

/// How a list is read.
struct List {
    fields: Document,
    sort: Document,
    skip: u64,
    limit: u64,
}

impl List {
    fn by(sort: Document) -> Self {
        Self { fields: doc! {}, sort, skip: 0, limit: 0 }
    }

    fn limit(self, limit: usize) -> Self {
        Self { limit: limit as u64, ..self }
    }
}

async fn list<T>(
    db: &Database,
    collection: &str,
    filter: Document,
    how: List,
    each: impl Fn(Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let collection = db.collection::<Document>(collection);
    let found = collection.find(filter).projection(how.fields).sort(how.sort);
    let mut rows = found.skip(how.skip).limit(i64::try_from(how.limit).unwrap_or(i64::MAX)).await?;
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await? {
        all.push(each(Row(&row))?);
    }
    Ok(all)
}

/// How many there are, counted as far as lists count.
async fn total(db: &Database, collection: &str, filter: Document) -> Result<u64, Fault> {
    Ok(db.collection::<Document>(collection).count_documents(filter).limit(EXACT_TOTAL + 1).await?)
}

pub(crate) async fn header(db: &Database, play: PlayKey) -> Result<Option<PlayHeader>, Fault> {
    one(db, PLAYS, doc! { "_id": keys::play(play) }).await?.map(|row| Row(&row).header()).transpose()
}

pub(crate) async fn load(db: &Database, play: PlayKey) -> Result<Option<Loaded>, Fault> {
    loop {
        let Some(header) = header(db, play).await? else { return Ok(None) };
        let snapshot = one(db, SNAPSHOTS, doc! { "_id": keys::play(play) }).await?;
        let snapshot = match &snapshot {
            Some(row) => Some(Snapshot { records: Row(row).count("r")?, bytes: Row(row).shared("b")? }),
            None => None,
        };
        let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.records);
        let after = doc! { "k": keys::play(play), "a": { "$gte": number(from) } };
        let tail = list(db, CHUNKS, after, List::by(doc! { "a": 1 }), |row| row.chunk()).await?;
        let messages = messages(db, play).await?;
        let is_one_state = doc! { "_id": keys::play(play), "r": number(header.revision) };
        if one(db, PLAYS, is_one_state).await?.is_some() {
            return Ok(Some(Loaded { header, snapshot, tail, messages }));
        }
    }
}

pub(crate) async fn messages(db: &Database, play: PlayKey) -> Result<Vec<Message>, Fault> {
    let filter = doc! { "k": keys::play(play) };
    list(db, MESSAGES, filter, List::by(doc! { "at": 1, "_id": 1 }), |row| row.message()).await
}

pub(crate) async fn headers(db: &Database, query: &PlayQuery) -> Result<PlayPage, Fault> {
    let at = |ms: Timestamp| {
        let play = PlayId(Id::from_parts(u64::try_from(ms.0).unwrap_or(0), 0));
        keys::play(PlayKey { company: query.company, play })
    };
    let mut bounds = vec![doc! { "_id": {
        "$gte": query.from.map_or_else(|| keys::first_play(query.company), at),
        "$lte": keys::last_play(query.company),
    }}];
    bounds.extend(query.to.map(|to| doc! { "_id": { "$lt": at(to) } }));
    bounds.extend(
        query.after.map(|play| doc! { "_id": { "$lt": keys::play(PlayKey { company: query.company, play }) } }),
    );
    let mut filter = doc! { "$and": bounds };
    if let Some(flows) = query.flows() {
        let flows: Vec<Bson> = flows.into_iter().map(|flow| keys::id(flow.0)).collect();
        filter.insert("f", doc! { "$in": flows });
    }
    if !query.states.is_empty() {
        // All but those that are done are few, and have an index of their own.
        let field = if query.states.contains(&PlayState::Done) { "s" } else { "n" };
        let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
        filter.insert(field, doc! { "$in": states });
    }
    if query.limit == 0 {
        return Ok(PlayPage { plays: Vec::new(), total: total(db, PLAYS, filter).await? });
    }
    let how = List { skip: query.skip, limit: query.limit.into(), ..List::by(doc! { "_id": -1 }) };
    let plays = list(db, PLAYS, filter.clone(), how, |row| row.header()).await?;
    Ok(PlayPage { plays, total: total(db, PLAYS, filter).await? })
}

pub(crate) async fn chunks(db: &Database, play: PlayKey, from: u64, limit: usize) -> Result<Vec<Chunk>, Fault> {
    let before = doc! { "k": keys::play(play), "a": { "$lte": number(from) } };
    let how = List { fields: doc! { "a": 1 }, ..List::by(doc! { "a": -1 }).limit(1) };
    let first = list(db, CHUNKS, before, how, |row| row.count("a")).await?.first().copied().unwrap_or(from);
    let filter = doc! { "k": keys::play(play), "a": { "$gte": number(first) } };
    let chunks = list(db, CHUNKS, filter, List::by(doc! { "a": 1 }).limit(limit), |row| row.chunk()).await?;
    Ok(chunks.into_iter().filter(|chunk| chunk.from + u64::from(chunk.count) > from).collect())
}

pub(crate) async fn value(db: &Database, play: PlayKey, digest: Digest) -> Result<Option<std::sync::Arc<[u8]>>, Fault> {
    let found = one(db, VALUES, doc! { "_id": keys::value(play, digest) }).await?;
    found.map(|row| Row(&row).shared("b")).transpose()
}

/// The companies that have a due play at all, and when their first one is; one seek for each.
async fn due_companies(db: &Database) -> Result<Vec<(CompanyId, Timestamp)>, Fault> {
    let mut found: Vec<(CompanyId, Timestamp)> = Vec::new();
    loop {
        let mut filter = doc! { "d": { "$exists": true } };
        if let Some((last, _)) = found.last() {
            filter.insert("c", doc! { "$gt": keys::company(*last) });
        }
        let how = List { fields: doc! { "c": 1, "d": 1 }, ..List::by(doc! { "c": 1, "d": 1 }).limit(1) };
        let next = list(db, PLAYS, filter, how, |row| Ok((CompanyId(row.id("c")?), Timestamp(row.number("d")?))));
        match next.await?.pop() {
            Some(next) => found.push(next),
            None => return Ok(found),
        }
    }
}

pub(crate) async fn due(db: &Database, now: Timestamp, limit: usize) -> Result<Vec<PlayKey>, Fault> {
    let mut plays = Vec::new();
    for (company, first) in due_companies(db).await? {
        if first > now {
            continue;
        }
        let filter = doc! { "c": keys::company(company), "d": { "$lte": now.0 } };
        let how = List { fields: doc! { "_id": 1 }, ..List::by(doc! { "d": 1, "_id": 1 }).limit(limit) };
        plays.extend(list(db, PLAYS, filter, how, |row| row.play("_id")).await?);
    }
    Ok(fair_share(plays, limit))
}

pub(crate) async fn next_due(db: &Database) -> Result<Option<Timestamp>, Fault> {
    Ok(due_companies(db).await?.into_iter().map(|(_, first)| first).min())
}

pub(crate) async fn queue_heads(db: &Database, company: CompanyId, flow: FlowId) -> Result<Vec<PlayKey>, Fault> {
    let bound = |byte: u8| {
        let mut key = [byte; 44];
        key[..12].copy_from_slice(flow.0.as_bytes());
        keys::binary(key)
    };
    let queued = doc! {
        "k": { "$gte": bound(0), "$lte": bound(0xff) },
        "q": QUEUED,
        "_id": { "$gte": keys::first_play(company), "$lte": keys::last_play(company) },
    };
    let first = doc! { "$group": { "_id": "$k", "play": { "$min": "$_id" } } };
    let pipeline = [doc! { "$match": queued }, first, doc! { "$sort": { "_id": 1 } }];
    let mut rows = db.collection::<Document>(PLAYS).aggregate(pipeline).await?;
    let mut heads = Vec::new();
    while let Some(row) = rows.try_next().await? {
        heads.push(Row(&row).play("play")?);
    }
    Ok(heads)
}

pub(crate) async fn limit(db: &Database, company: CompanyId, key: LimitKey) -> Result<LimitCount, Fault> {
    let found = one(db, LIMITS, doc! { "_id": keys::limit(company, &limit_key_bytes(&key)) }).await?;
    let Some(row) = found else { return Ok(LimitCount::default()) };
    Ok(LimitCount { held: Row(&row).count("held")?, queued: Row(&row).count("queued")? })
}

pub(crate) async fn waits(db: &Database, query: &WaitQuery) -> Result<Vec<Wait>, Fault> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    let mut filter = doc! { "c": keys::company(query.company), "w": query.kind.as_str() };
    if let Some(play) = query.play {
        filter.insert("k", keys::play(PlayKey { company: query.company, play }));
    }
    let how =
        List { skip: query.skip, limit: query.limit.into(), ..List::by(doc! { "at": 1, "k": 1, "l": 1, "e": 1 }) };
    list(db, WAITS, filter, how, |row| row.wait(query.kind)).await
}

pub(crate) async fn feed(
    db: &Database,
    company: Option<CompanyId>,
    after: u64,
    upto: u64,
    limit: usize,
) -> Result<Vec<FeedChunk>, Fault> {
    if limit == 0 || after >= upto {
        return Ok(Vec::new());
    }
    let mut filter = doc! { "_id": { "$gt": number(after), "$lte": number(upto) } };
    match company {
        Some(company) => filter.insert("c", keys::company(company)),
        None => filter.insert("c", doc! { "$exists": true }),
    };
    list(db, CHUNKS, filter, List::by(doc! { "_id": 1 }).limit(limit), |row| {
        Ok(FeedChunk { feed: row.count("_id")?, play: row.play("k")?, chunk: row.chunk()? })
    })
    .await
}

pub(crate) async fn doc(db: &Database, key: &DocKey) -> Result<Option<Doc>, Fault> {
    let found = one(db, DOCS, doc! { "_id": keys::document(key) }).await?;
    found.map(|row| Row(&row).doc(key.clone())).transpose()
}

pub(crate) async fn doc_by(db: &Database, unique: &UniqueKey) -> Result<Option<Doc>, Fault> {
    let found = one(db, DOCS, doc! { "u": keys::unique(unique) }).await?;
    found.map(|row| Row(&row).doc(keys::read_document(Row(&row).text("_id")?)?)).transpose()
}

pub(crate) async fn docs(db: &Database, query: &DocQuery) -> Result<Vec<Doc>, Fault> {
    if query.limit == 0 {
        return Ok(Vec::new());
    }
    let all = keys::documents(query.company, query.kind);
    let mut from = doc! { "$gte": format!("{all}{}", query.prefix) };
    if let Some(after) = &query.after {
        from.insert("$gt", format!("{all}{after}"));
    }
    // Whatever begins so stands together; the first that does not is the end.
    let prefix = format!("{all}{}", query.prefix);
    let collection = db.collection::<Document>(DOCS);
    let found = collection.find(doc! { "_id": from }).sort(doc! { "_id": 1 });
    let mut rows = found.limit(i64::try_from(query.limit).unwrap_or(i64::MAX)).await?;
    let mut docs = Vec::new();
    while let Some(row) = rows.try_next().await? {
        let id = Row(&row).text("_id")?;
        if !id.starts_with(&prefix) {
            break;
        }
        docs.push(Row(&row).doc(DocKey::new(query.company, query.kind, &id[all.len()..]))?);
    }
    Ok(docs)
}

pub(crate) async fn expired(db: &Database, now: Timestamp, limit: usize) -> Result<Vec<Doc>, Fault> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let how = List::by(doc! { "x": 1 }).limit(limit);
    list(db, DOCS, doc! { "x": { "$lte": now.0 } }, how, |row| row.doc(keys::read_document(row.text("_id")?)?)).await
}

pub(crate) async fn audit(db: &Database, query: &AuditQuery) -> Result<AuditPage, Fault> {
    let mut filter = doc! { "c": keys::company(query.company) };
    let wanted = [("e", &query.entity), ("i", &query.entity_id), ("a", &query.action)];
    for (field, text) in wanted {
        if let Some(text) = text {
            filter.insert(field, text);
        }
    }
    if query.limit == 0 {
        return Ok(AuditPage { rows: Vec::new(), total: total(db, AUDIT, filter).await? });
    }
    let how = List { skip: query.skip, limit: query.limit.into(), ..List::by(doc! { "_id": -1 }) };
    let rows =
        list(db, AUDIT, filter.clone(), how, |row| Ok((row.count("_id")?, AuditRow::from_text(row.bytes("b")?)?)));
    Ok(AuditPage { rows: rows.await?, total: total(db, AUDIT, filter).await? })
}

pub(crate) async fn audit_log(db: &Database, span: &AuditSpan) -> Result<Vec<AuditEntry>, Fault> {
    if span.limit == 0 {
        return Ok(Vec::new());
    }
    let mut filter = doc! { "_id": { "$gt": number(span.after), "$lte": number(span.upto) } };
    if let Some(company) = span.company {
        filter.insert("c", keys::company(company));
    }
    list(db, AUDIT, filter, List::by(doc! { "_id": 1 }).limit(span.limit), |row| {
        let company = CompanyId(keys::read_id(row.bytes("c")?)?);
        let text = |field: &str| row.text(field).map(str::to_owned).unwrap_or_default();
        let key = AuditKey { action: text("a"), entity: text("e"), entity_id: text("i") };
        // Whoever verifies the log names what was altered, of whatever type it is now.
        let bytes = row.bytes("b").unwrap_or_default();
        Ok(AuditEntry { number: row.count("_id")?, company, text: bytes.into(), key })
    })
    .await
}

pub(crate) async fn size(db: &Database) -> Result<StoreSize, Fault> {
    let stats = db.run_command(doc! { "dbStats": 1, "freeStorage": 1 }).await?;
    let bytes = |field: &str| match stats.get(field) {
        Some(Bson::Double(number)) => *number as u64,
        _ => Row(&stats).count(field).unwrap_or(0),
    };
    Ok(StoreSize { bytes: bytes("totalSize"), unused: bytes("totalFreeStorageSize") })
}
