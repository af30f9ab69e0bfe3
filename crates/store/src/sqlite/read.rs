//! Reads, each one statement or one consistent transaction.

use std::sync::Arc;

use model::audit::AuditRow;
use model::batch::{Chunk, Message, Wait};
use model::codec;
use model::doc::{Doc, DocKey, DocKind, UniqueKey};
use model::ids::{CompanyId, FlowId, Id, LayerId, MessageId, PlayId, ReplicaId};
use model::limits::EXACT_TOTAL;
use model::payload::Digest;
use model::play::{LimitKey, PlayHeader, PlayKey, PlayState};
use model::time::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};

use super::apply::{id, read_id};
use crate::limit::limit_key_bytes;
use crate::turns::fair_share;
use crate::{
    AuditEntry, AuditKey, AuditPage, AuditQuery, AuditSpan, DocQuery, FeedChunk, LimitCount, Loaded, PlayPage,
    PlayQuery, Snapshot, StoreSize, WaitQuery,
};

/// The columns that make a header.
pub(super) const HEADER: &str = "header, due, owner, revision";

/// Whether a state, as its column holds it, is an end.
pub(super) fn is_ended(state: &str) -> bool {
    const ENDED: [PlayState; 5] =
        [PlayState::Done, PlayState::Fail, PlayState::Skip, PlayState::Filtered, PlayState::Canceled];
    ENDED.iter().any(|ended| ended.as_str() == state)
}

pub(super) fn undecodable(error: codec::CodecError) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
}

pub(super) fn header_of(row: &Row<'_>) -> rusqlite::Result<PlayHeader> {
    let mut header: PlayHeader = codec::decode(row.get_ref(0)?.as_blob()?).map_err(undecodable)?;
    header.due = row.get::<_, Option<i64>>(1)?.map(Timestamp);
    header.owner =
        row.get_ref(2)?.as_blob_or_null()?.is_some().then(|| read_id(row.get_ref(2)?)).transpose()?.map(ReplicaId);
    header.revision = row.get(3)?;
    Ok(header)
}

pub(super) fn bytes_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<[u8]>> {
    Ok(row.get_ref(column)?.as_blob()?.into())
}

fn chunk_of(row: &Row<'_>) -> rusqlite::Result<Chunk> {
    Ok(Chunk { from: row.get(0)?, count: row.get(1)?, bytes: bytes_of(row, 2)? })
}

pub(super) fn header(connection: &mut Connection, play: PlayKey) -> rusqlite::Result<Option<PlayHeader>> {
    connection
        .prepare_cached(&format!("SELECT {HEADER} FROM plays WHERE company = ? AND play = ?"))?
        .query_row(params![id(play.company.0), id(play.play.0)], header_of)
        .optional()
}

pub(super) fn load(connection: &mut Connection, play: PlayKey) -> rusqlite::Result<Option<Loaded>> {
    // One transaction, so that header, snapshot and records belong together.
    let connection = connection.transaction()?;
    let key = params![id(play.company.0), id(play.play.0)];
    let header = connection
        .prepare_cached(&format!("SELECT {HEADER} FROM plays WHERE company = ? AND play = ?"))?
        .query_row(key, header_of)
        .optional()?;
    let Some(header) = header else { return Ok(None) };
    let snapshot = connection
        .prepare_cached("SELECT records, bytes FROM snapshots WHERE company = ? AND play = ?")?
        .query_row(key, |row| Ok(Snapshot { records: row.get(0)?, bytes: bytes_of(row, 1)? }))
        .optional()?;
    let from = snapshot.as_ref().map_or(0, |snapshot| snapshot.records);
    let tail = connection
        .prepare_cached(
            "SELECT first, count, bytes FROM chunks WHERE company = ? AND play = ? AND first >= ? ORDER BY first",
        )?
        .query_map(params![id(play.company.0), id(play.play.0), from], chunk_of)?
        .collect::<Result<_, _>>()?;
    let messages = messages_in(&connection, play)?;
    Ok(Some(Loaded { header, snapshot, tail, messages }))
}

pub(super) fn messages(connection: &mut Connection, play: PlayKey) -> rusqlite::Result<Vec<Message>> {
    messages_in(connection, play)
}

fn messages_in(connection: &Connection, play: PlayKey) -> rusqlite::Result<Vec<Message>> {
    connection
        .prepare_cached("SELECT id, at, body FROM messages WHERE company = ? AND play = ? ORDER BY at, id")?
        .query_map(params![id(play.company.0), id(play.play.0)], |row| {
            Ok(Message {
                id: MessageId(read_id(row.get_ref(0)?)?),
                to: play,
                at: Timestamp(row.get(1)?),
                body: codec::decode(row.get_ref(2)?.as_blob()?).map_err(undecodable)?,
            })
        })?
        .collect()
}

/// The part of a list query that both the page and the count share.
struct Selection {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

/// The plays of one selection are of these flows.
#[derive(Clone)]
enum Flows {
    Any,
    One(FlowId),
    /// A JSON list of ids, in hex.
    Among(String),
}

/// Selections that one list is put together from; more flows than that are not asked for one by one.
const SELECTIONS: usize = 64;

impl Flows {
    /// What a query asks for, in selections: those of one flow each have an index that knows their order.
    fn of(query: &PlayQuery, states: usize) -> Vec<Self> {
        match query.flows() {
            None => vec![Self::Any],
            Some(flows) if flows.len() * states <= SELECTIONS => flows.into_iter().map(Self::One).collect(),
            Some(flows) => {
                let ids: Vec<String> = flows.iter().map(|flow| format!("\"{flow}\"")).collect();
                vec![Self::Among(format!("[{}]", ids.join(",")))]
            }
        }
    }
}

/// Plays of one state, or of any, as a query over the index that serves it.
fn select(query: &PlayQuery, state: Option<PlayState>, flows: &Flows, columns: &str) -> Selection {
    let mut sql = format!("SELECT {columns} FROM plays WHERE company = ?");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(id(query.company.0))];
    let mut and = |condition: &str, value: Option<Box<dyn ToSql>>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(value);
    };
    match flows {
        Flows::Any => {}
        Flows::One(flow) => and("flow = ?", Some(Box::new(id(flow.0)))),
        Flows::Among(ids) => and("flow IN (SELECT unhex(value) FROM json_each(?))", Some(Box::new(ids.clone()))),
    }
    if let Some(state) = state {
        and("state = ?", Some(Box::new(state.as_str())));
        if state != PlayState::Done {
            // Says to SQLite that the partial index serves.
            and("state <> 'DONE'", None);
        }
    }
    let first_of = |at: Timestamp| Box::new(id(Id::from_parts(u64::try_from(at.0).unwrap_or(0), 0)));
    if let Some(from) = query.from {
        and("play >= ?", Some(first_of(from)));
    }
    if let Some(to) = query.to {
        and("play < ?", Some(first_of(to)));
    }
    if let Some(after) = query.after {
        and("play < ?", Some(Box::new(id(after.0))));
    }
    Selection { sql, values }
}

pub(super) fn headers(connection: &mut Connection, query: &PlayQuery) -> rusqlite::Result<PlayPage> {
    let states: Vec<Option<PlayState>> = match query.states.as_slice() {
        [] => vec![None],
        states => states.iter().copied().map(Some).collect(),
    };
    let flows = Flows::of(query, states.len());
    if flows.is_empty() {
        return Ok(PlayPage { plays: Vec::new(), total: 0 });
    }
    // Each state and each flow by its own index, newest first; then the newest of them all.
    let wanted = query.skip + u64::from(query.limit);
    let union = |columns: &str, order: &str, limit: u64| {
        let each = states.iter().flat_map(|state| flows.iter().map(move |flow| (state, flow)));
        let parts: Vec<Selection> = each.map(|(state, flow)| select(query, *state, flow, columns)).collect();
        let sql: Vec<String> =
            parts.iter().map(|part| format!("SELECT * FROM ({} {order} LIMIT {limit})", part.sql)).collect();
        (sql.join(" UNION ALL "), parts.into_iter().flat_map(|part| part.values).collect::<Vec<_>>())
    };
    let (sql, values) = union(&format!("{HEADER}, play"), "ORDER BY play DESC", wanted);
    let plays = connection
        .prepare_cached(&format!(
            "SELECT * FROM ({sql}) ORDER BY play DESC LIMIT {} OFFSET {}",
            query.limit, query.skip
        ))?
        .query_map(params_from_iter(values.iter()), header_of)?
        .collect::<Result<_, _>>()?;
    let (sql, values) = union("1", "", EXACT_TOTAL + 1);
    let total: u64 = connection
        .prepare_cached(&format!("SELECT COUNT(*) FROM ({sql} LIMIT {})", EXACT_TOTAL + 1))?
        .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
    Ok(PlayPage { plays, total })
}

pub(super) fn chunks(
    connection: &mut Connection,
    play: PlayKey,
    from: u64,
    limit: usize,
) -> rusqlite::Result<Vec<Chunk>> {
    let (company, play) = (id(play.company.0), id(play.play.0));
    let first: Option<u64> = connection
        .prepare_cached(
            "SELECT first FROM chunks WHERE company = ? AND play = ? AND first <= ? ORDER BY first DESC LIMIT 1",
        )?
        .query_row(params![company, play, from], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached("SELECT first, count, bytes FROM chunks WHERE company = ? AND play = ? AND first >= ? ORDER BY first LIMIT ?")?
        .query_map(params![company, play, first.unwrap_or(from), limit], chunk_of)?
        .filter(|chunk| chunk.as_ref().map_or(true, |chunk| chunk.from + u64::from(chunk.count) > from))
        .collect()
}

pub(super) fn value(connection: &mut Connection, play: PlayKey, digest: Digest) -> rusqlite::Result<Option<Arc<[u8]>>> {
    connection
        .prepare_cached("SELECT bytes FROM play_values WHERE company = ? AND play = ? AND digest = ?")?
        .query_row(params![id(play.company.0), id(play.play.0), digest.0.as_slice()], |row| bytes_of(row, 0))
        .optional()
}

/// Calls `each` with every company that has a due play at all; one seek for each.
fn each_due_company(
    connection: &Connection,
    mut each: impl FnMut(CompanyId) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut next = connection
        .prepare_cached("SELECT company FROM plays WHERE due IS NOT NULL AND company > ? ORDER BY company LIMIT 1")?;
    let mut last: Option<CompanyId> = None;
    loop {
        let after: &[u8] = last.as_ref().map_or(&[], |company| company.0.as_bytes());
        let Some(company) = next.query_row([after], |row| read_id(row.get_ref(0)?)).optional()? else { return Ok(()) };
        let company = CompanyId(company);
        each(company)?;
        last = Some(company);
    }
}

pub(super) fn due(connection: &mut Connection, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<PlayKey>> {
    let connection = connection.transaction()?;
    let mut plays = Vec::new();
    each_due_company(&connection, |company| {
        let of_company = connection
            .prepare_cached("SELECT play FROM plays WHERE company = ? AND due <= ? ORDER BY due, play LIMIT ?")?
            .query_map(params![id(company.0), now.0, limit], |row| {
                Ok(PlayKey { company, play: PlayId(read_id(row.get_ref(0)?)?) })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        plays.extend(of_company);
        Ok(())
    })?;
    Ok(fair_share(plays, limit))
}

pub(super) fn next_due(connection: &mut Connection) -> rusqlite::Result<Option<Timestamp>> {
    let connection = connection.transaction()?;
    let mut earliest: Option<i64> = None;
    each_due_company(&connection, |company| {
        let of_company: Option<i64> = connection
            .prepare_cached("SELECT MIN(due) FROM plays WHERE company = ? AND due IS NOT NULL")?
            .query_row([id(company.0)], |row| row.get(0))?;
        earliest = earliest.into_iter().chain(of_company).min();
        Ok(())
    })?;
    Ok(earliest.map(Timestamp))
}

pub(super) fn queue_heads(
    connection: &mut Connection,
    company: CompanyId,
    flow: FlowId,
) -> rusqlite::Result<Vec<PlayKey>> {
    let mut end = [0xff; 44];
    end[..12].copy_from_slice(flow.0.as_bytes());
    connection
        .prepare_cached(
            "SELECT MIN(play) FROM plays WHERE company = ? AND limit_key >= ? AND limit_key <= ? AND place = 1 GROUP BY limit_key",
        )?
        .query_map(params![id(company.0), id(flow.0), end], |row| {
            Ok(PlayKey { company, play: PlayId(read_id(row.get_ref(0)?)?) })
        })?
        .collect()
}

pub(super) fn limit(connection: &mut Connection, company: CompanyId, key: LimitKey) -> rusqlite::Result<LimitCount> {
    let count = connection
        .prepare_cached("SELECT held, queued FROM limits WHERE company = ? AND limit_key = ?")?
        .query_row(params![id(company.0), limit_key_bytes(&key)], |row| {
            Ok(LimitCount { held: row.get(0)?, queued: row.get(1)? })
        })
        .optional()?;
    Ok(count.unwrap_or_default())
}

pub(super) fn waits(connection: &mut Connection, query: &WaitQuery) -> rusqlite::Result<Vec<Wait>> {
    let of_play = if query.play.is_some() { "AND play = ?5" } else { "AND ?5 IS NULL" };
    connection
        .prepare_cached(&format!(
            "SELECT key, play, layer, since FROM waits WHERE company = ?1 AND kind = ?2 {of_play}
             ORDER BY since, play, layer LIMIT ?3 OFFSET ?4"
        ))?
        .query_map(
            params![
                id(query.company.0),
                query.kind.as_str(),
                query.limit,
                query.skip,
                query.play.map(|play| id(play.0))
            ],
            |row| {
                Ok(Wait {
                    key: row.get(0)?,
                    play: PlayKey { company: query.company, play: PlayId(read_id(row.get_ref(1)?)?) },
                    layer: LayerId(read_id(row.get_ref(2)?)?),
                    since: Timestamp(row.get(3)?),
                    kind: query.kind,
                })
            },
        )?
        .collect()
}

pub(super) fn feed(
    connection: &mut Connection,
    company: Option<CompanyId>,
    after: u64,
    limit: usize,
) -> rusqlite::Result<Vec<FeedChunk>> {
    connection
        .prepare_cached(
            "SELECT first, count, bytes, feed, company, play FROM chunks
             WHERE feed > ?1 AND (?2 IS NULL OR company = ?2) ORDER BY feed LIMIT ?3",
        )?
        .query_map(params![after, company.map(|company| id(company.0)), limit], |row| {
            Ok(FeedChunk {
                feed: row.get(3)?,
                play: PlayKey {
                    company: CompanyId(read_id(row.get_ref(4)?)?),
                    play: PlayId(read_id(row.get_ref(5)?)?),
                },
                chunk: chunk_of(row)?,
            })
        })?
        .collect()
}

fn doc_of(row: &Row<'_>, company: CompanyId, kind: DocKind) -> rusqlite::Result<Doc> {
    Ok(Doc {
        key: DocKey { company, kind, id: row.get(0)? },
        revision: row.get(1)?,
        body: bytes_of(row, 2)?,
        expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
    })
}

pub(super) fn doc(connection: &mut Connection, key: &DocKey) -> rusqlite::Result<Option<Doc>> {
    connection
        .prepare_cached("SELECT id, revision, body, expires FROM docs WHERE company = ? AND kind = ? AND id = ?")?
        .query_row(params![id(key.company.0), key.kind.as_str(), key.id], |row| doc_of(row, key.company, key.kind))
        .optional()
}

pub(super) fn doc_by(connection: &mut Connection, unique: &UniqueKey) -> rusqlite::Result<Option<Doc>> {
    connection
        .prepare_cached(
            "SELECT docs.id, revision, body, expires, docs.company FROM doc_keys
             JOIN docs ON docs.company = doc_keys.company AND docs.kind = doc_keys.kind AND docs.id = doc_keys.id
             WHERE scope = ? AND doc_keys.kind = ? AND text = ?",
        )?
        .query_row(params![id(unique.scope.0), unique.kind.as_str(), unique.text], |row| {
            doc_of(row, CompanyId(read_id(row.get_ref(4)?)?), unique.kind)
        })
        .optional()
}

pub(super) fn docs(connection: &mut Connection, query: &DocQuery) -> rusqlite::Result<Vec<Doc>> {
    let after = query.after.as_deref().filter(|after| *after >= query.prefix.as_str());
    connection
        .prepare_cached(
            "SELECT id, revision, body, expires FROM docs
             WHERE company = ?1 AND kind = ?2 AND id >= ?3 AND (?4 IS NULL OR id > ?4) AND substr(id, 1, ?5) = ?3
             ORDER BY id LIMIT ?6",
        )?
        .query_map(
            params![
                id(query.company.0),
                query.kind.as_str(),
                query.prefix,
                after,
                query.prefix.chars().count(),
                query.limit
            ],
            |row| doc_of(row, query.company, query.kind),
        )?
        .collect()
}

pub(super) fn expired(connection: &mut Connection, now: Timestamp, limit: usize) -> rusqlite::Result<Vec<Doc>> {
    connection
        .prepare_cached(
            "SELECT id, revision, body, expires, company, kind FROM docs WHERE expires <= ? ORDER BY expires LIMIT ?",
        )?
        .query_map(params![now.0, limit], |row| {
            let kind: String = row.get(5)?;
            let kind = DocKind::from_name(&kind).ok_or_else(|| {
                rusqlite::Error::FromSqlConversionFailure(5, Type::Text, format!("unknown kind {kind}").into())
            })?;
            doc_of(row, CompanyId(read_id(row.get_ref(4)?)?), kind)
        })?
        .collect()
}

pub(super) fn audit(connection: &mut Connection, query: &AuditQuery) -> rusqlite::Result<AuditPage> {
    let mut conditions = String::from("company = ?");
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(id(query.company.0))];
    for (column, wanted) in [("entity", &query.entity), ("entity_id", &query.entity_id), ("action", &query.action)] {
        if let Some(wanted) = wanted {
            conditions.push_str(&format!(" AND {column} = ?"));
            values.push(Box::new(wanted.clone()));
        }
    }
    let rows = connection
        .prepare_cached(&format!(
            "SELECT number, row FROM audit WHERE {conditions} ORDER BY number DESC LIMIT {} OFFSET {}",
            query.limit, query.skip
        ))?
        .query_map(params_from_iter(values.iter()), |row| {
            Ok((row.get(0)?, AuditRow::from_text(row.get_ref(1)?.as_bytes()?).map_err(undecodable)?))
        })?
        .collect::<Result<_, _>>()?;
    let total = connection
        .prepare_cached(&format!(
            "SELECT COUNT(*) FROM (SELECT 1 FROM audit WHERE {conditions} LIMIT {})",
            EXACT_TOTAL + 1
        ))?
        .query_row(params_from_iter(values.iter()), |row| row.get(0))?;
    Ok(AuditPage { rows, total })
}

pub(super) fn audit_log(connection: &mut Connection, span: &AuditSpan) -> rusqlite::Result<Vec<AuditEntry>> {
    let (of_company, company) = match span.company {
        Some(company) => ("company = ? AND", Some(id(company.0))),
        None => ("", None),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT number, company, row, action, entity, entity_id FROM audit \
         WHERE {of_company} number > ? AND number <= ? ORDER BY number LIMIT ?"
    ))?;
    let (upto, limit) = (i64::try_from(span.upto).unwrap_or(i64::MAX), i64::try_from(span.limit).unwrap_or(i64::MAX));
    let mut values: Vec<&dyn ToSql> = company.iter().map(|company| company as &dyn ToSql).collect();
    values.extend([&span.after as &dyn ToSql, &upto, &limit]);
    statement
        .query_map(&*values, |row| {
            let company = CompanyId(read_id(row.get_ref(1)?)?);
            // Whoever verifies the log names what was altered, of whatever type it is now.
            let bytes = |at: usize| -> rusqlite::Result<Vec<u8>> {
                Ok(row.get_ref(at)?.as_bytes().unwrap_or_default().to_vec())
            };
            let text = |at: usize| bytes(at).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let key = AuditKey { action: text(3)?, entity: text(4)?, entity_id: text(5)? };
            Ok(AuditEntry { number: row.get(0)?, company, text: bytes(2)?.into(), key })
        })?
        .collect()
}

pub(super) fn size(connection: &Connection) -> rusqlite::Result<StoreSize> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let page = number("page_size")?;
    // The log lies on the disk as well; there is none before the first commit.
    let log = connection.path().and_then(|path| std::fs::metadata(format!("{path}-wal")).ok());
    let log = log.map_or(0, |file| file.len());
    Ok(StoreSize { bytes: number("page_count")? * page + log, unused: number("freelist_count")? * page })
}
