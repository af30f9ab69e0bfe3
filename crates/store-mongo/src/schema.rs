//! Collections and their indexes.

use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use store::StoreError;

use crate::fault::Fault;
use crate::files::{FILES, VALUES as LARGE_VALUES};

/// The schema that this version reads and writes.
pub(crate) const VERSION: u32 = 1;

/// A play's header, and the fields it is found by: `c` company, `r` revision, `f` flow, `s` state,
/// `n` the state where it is not `DONE`, `d` due, `o` owner, `k` limit key, `q` place under it.
/// For `d`, `o` and `r` the fields are the truth, for all else the header `h`.
pub(crate) const PLAYS: &str = "plays";
/// Records in the order of their commits: `_id` is the place in the feed, `k` the play, `c` its
/// company, `a` and `n` the first and how many, `b` the bytes. One with `v` holds nothing: its commit failed.
pub(crate) const CHUNKS: &str = "chunks";
/// The newest state of a play: `r` records in it, `b` the bytes.
pub(crate) const SNAPSHOTS: &str = "snapshots";
/// Large values of plays: `b` the bytes.
pub(crate) const VALUES: &str = "values";
/// Unread messages: `k` the play, `at`, `b` the body.
pub(crate) const MESSAGES: &str = "messages";
/// What is waited for: `c` company, `w` kind, `e` key, `k` play, `l` layer, `at`.
pub(crate) const WAITS: &str = "waits";
/// Where waits for an event and events meet: see [`crate::keys::gate`].
pub(crate) const GATES: &str = "gates";
/// Small things: `r` revision, `b` body, `x` when it expires, `u` unique keys.
pub(crate) const DOCS: &str = "docs";
/// Counts under a concurrency key: `held`, `queued`.
pub(crate) const LIMITS: &str = "limits";
/// The audit log: `_id` number, `c` company, `a` action, `e` entity, `i` its id, `b` the row.
pub(crate) const AUDIT: &str = "audit";
/// Numbers that only rise.
pub(crate) const COUNTERS: &str = "counters";
/// Replicas that are alive: `until` when at least, by the server's clock; `sessions` in which they write.
pub(crate) const REPLICAS: &str = "replicas";
/// The schema's version.
pub(crate) const META: &str = "meta";

/// The collections of GridFS, which hold what names lead to, are made by the driver.
const COLLECTIONS: [&str; 15] = [
    AUDIT,
    CHUNKS,
    COUNTERS,
    DOCS,
    FILES.names,
    GATES,
    LARGE_VALUES.names,
    LIMITS,
    MESSAGES,
    META,
    PLAYS,
    REPLICAS,
    SNAPSHOTS,
    VALUES,
    WAITS,
];

/// The number of a place in the queue, as `q` has it.
pub(crate) const QUEUED: i64 = 1;

/// The one document of [`META`].
const SCHEMA: &str = "schema";

/// The server's code where a collection is there already.
const NAMESPACE_EXISTS: i32 = 48;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// An index of the documents alone that have this field.
fn partial(name: &str, keys: Document, field: &str) -> IndexModel {
    filtered(name, keys, doc! { field: { "$exists": true } })
}

fn filtered(name: &str, keys: Document, filter: Document) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).partial_filter_expression(filter).build();
    IndexModel::builder().keys(keys).options(options).build()
}

fn unique(mut index: IndexModel) -> IndexModel {
    if let Some(options) = &mut index.options {
        options.unique = Some(true);
    }
    index
}

fn indexes(collection: &str) -> Vec<IndexModel> {
    match collection {
        PLAYS => vec![
            index("by_flow", doc! { "f": 1, "_id": 1 }),
            partial("by_state", doc! { "n": 1, "_id": 1 }, "n"),
            partial("by_due", doc! { "c": 1, "d": 1, "_id": 1 }, "d"),
            partial("by_owner", doc! { "o": 1 }, "o"),
            filtered("queued", doc! { "k": 1, "_id": 1 }, doc! { "q": QUEUED }),
        ],
        CHUNKS => vec![
            partial("by_play", doc! { "k": 1, "a": 1 }, "k"),
            partial("by_company", doc! { "c": 1, "_id": 1 }, "c"),
        ],
        MESSAGES => vec![index("by_play", doc! { "k": 1, "at": 1, "_id": 1 })],
        WAITS => vec![
            index("by_event", doc! { "c": 1, "w": 1, "e": 1 }),
            index("by_since", doc! { "c": 1, "w": 1, "at": 1, "k": 1, "l": 1, "e": 1 }),
            index("by_play", doc! { "k": 1 }),
        ],
        DOCS => {
            vec![unique(partial("by_unique_key", doc! { "u": 1 }, "u")), partial("by_expiry", doc! { "x": 1 }, "x")]
        }
        AUDIT => vec![
            index("by_company", doc! { "c": 1, "_id": -1 }),
            index("by_entity", doc! { "c": 1, "e": 1, "i": 1, "_id": -1 }),
        ],
        _ if [FILES.names, LARGE_VALUES.names].contains(&collection) => vec![index("by_object", doc! { "f": 1 })],
        _ => Vec::new(),
    }
}

/// Makes what is missing. Safe to run twice, and twice at once.
pub(crate) async fn migrate(db: &Database) -> Result<(), Fault> {
    for name in COLLECTIONS {
        match db.create_collection(name).await {
            Ok(()) => {}
            Err(error) if code_of(&error) == Some(NAMESPACE_EXISTS) => {}
            Err(error) => return Err(error.into()),
        }
        let indexes = indexes(name);
        if !indexes.is_empty() {
            db.collection::<Document>(name).create_indexes(indexes).await?;
        }
    }
    let meta = db.collection::<Document>(META);
    meta.update_one(doc! { "_id": SCHEMA }, doc! { "$setOnInsert": { "version": VERSION } }).upsert(true).await?;
    Ok(())
}

fn code_of(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        mongodb::error::ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// Refuses a store that a newer version made.
///
/// # Errors
/// With what it is; or none, where there is no store yet.
pub(crate) async fn found(db: &Database) -> Result<Option<u32>, Fault> {
    let meta = db.collection::<Document>(META).find_one(doc! { "_id": SCHEMA }).await?;
    let Some(version) = meta.as_ref().and_then(|meta| meta.get("version")) else { return Ok(None) };
    let version = match version {
        Bson::Int32(number) => u32::try_from(*number).ok(),
        Bson::Int64(number) => u32::try_from(*number).ok(),
        _ => None,
    };
    version.map(Some).ok_or_else(|| Fault::damaged("the schema's version is no number"))
}

/// Refuses a server on which several writes cannot happen together.
pub(crate) async fn refuse_standalone(db: &Database) -> Result<(), StoreError> {
    let hello = db.run_command(doc! { "hello": 1 }).await.map_err(|error| crate::fault::meaning(&error))?;
    if hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid") {
        return Err(StoreError::Failed(
            "this is a sharded MongoDB cluster, which flow8 does not support; use a replica set".into(),
        ));
    }
    if !hello.contains_key("setName") {
        return Err(StoreError::Failed(
            "this MongoDB server stands alone, and flow8 needs a replica set; start it with --replSet rs0, then run \
             once: mongosh --eval 'rs.initiate()'"
                .into(),
        ));
    }
    Ok(())
}
