//! Collections and their indexes, and the versions of both.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use store::StoreError;

use crate::fault::{again, meaning};
use crate::files::{FILES, VALUES as LARGE_VALUES};

/// A play's header, and the fields it is found by: `c` company, `r` revision, `f` flow, `s` state,
/// `n` the state where it is not `DONE`, `d` due, `o` owner, `k` limit key, `q` place under it.
/// For `d`, `o` and `r` the fields are the truth, for all else the header `h`.
pub(crate) const PLAYS: &str = "plays";
/// Records in the order of their commits: `_id` is the place in the feed, `k` the play, `c` its
/// company, `a` and `n` the first and how many, `b` the bytes; [`LAST`] where it is the last of its
/// transaction. One with `v` holds nothing: its commit failed.
pub(crate) const CHUNKS: &str = "chunks";
/// The field of the last records that a transaction writes: other replicas are told of these.
pub(crate) const LAST: &str = "l";
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
/// Replicas: `until` when they are alive at least, by the server's clock; `sessions` in which they
/// write; `gone` where others have given them up.
pub(crate) const REPLICAS: &str = "replicas";
/// The schema's version, and what was done to reach it: see [`crate::migrate`].
pub(crate) const META: &str = "meta";

/// The collections of the first version.
const COLLECTIONS: [&str; 13] =
    [AUDIT, CHUNKS, COUNTERS, DOCS, GATES, LIMITS, MESSAGES, META, PLAYS, REPLICAS, SNAPSHOTS, VALUES, WAITS];

/// How long it is remembered that a replica is gone.
const REPLICA_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// The number of a place in the queue, as `q` has it.
pub(crate) const QUEUED: i64 = 1;

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

/// An index that removes documents, so long after the time that they have there.
fn expiring(name: &str, keys: Document, after: Duration) -> IndexModel {
    let options = IndexOptions::builder().name(name.to_owned()).expire_after(after).build();
    IndexModel::builder().keys(keys).options(options).build()
}

fn unique(mut index: IndexModel) -> IndexModel {
    if let Some(options) = &mut index.options {
        options.unique = Some(true);
    }
    index
}

/// A step from one version of the schema to the next. Never change one that was released: add another.
pub(crate) struct Migration {
    /// What it is for.
    pub(crate) name: &'static str,
    /// The oldest version whose flow8 works with the store after it, so that replicas can be replaced one by one.
    pub(crate) oldest: u32,
    pub(crate) changes: fn() -> Vec<Change>,
}

/// Something that a store must have. Making it twice does no harm.
#[expect(clippy::large_enum_variant, reason = "there are a few dozen, made at the start")]
pub(crate) enum Change {
    Collection(&'static str),
    Index(&'static str, IndexModel),
}

/// The first brings an empty database to version 1, and so on.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { name: "collections and indexes", oldest: 1, changes: first },
    Migration { name: "replicas that are gone are forgotten after a day", oldest: 1, changes: forgotten_replicas },
    Migration { name: "files and large values", oldest: 1, changes: files },
];

/// The schema that this version reads and writes.
pub(crate) const VERSION: u32 = MIGRATIONS.len() as u32;

fn first() -> Vec<Change> {
    let of =
        |collection, indexes: Vec<IndexModel>| indexes.into_iter().map(move |index| Change::Index(collection, index));
    let plays = vec![
        index("by_flow", doc! { "f": 1, "_id": 1 }),
        partial("by_state", doc! { "n": 1, "_id": 1 }, "n"),
        partial("by_due", doc! { "c": 1, "d": 1, "_id": 1 }, "d"),
        partial("by_owner", doc! { "o": 1 }, "o"),
        filtered("queued", doc! { "k": 1, "_id": 1 }, doc! { "q": QUEUED }),
    ];
    let chunks =
        vec![partial("by_play", doc! { "k": 1, "a": 1 }, "k"), partial("by_company", doc! { "c": 1, "_id": 1 }, "c")];
    let waits = vec![
        index("by_event", doc! { "c": 1, "w": 1, "e": 1 }),
        index("by_since", doc! { "c": 1, "w": 1, "at": 1, "k": 1, "l": 1, "e": 1 }),
        index("by_play", doc! { "k": 1 }),
    ];
    let docs = vec![unique(partial("by_unique_key", doc! { "u": 1 }, "u")), partial("by_expiry", doc! { "x": 1 }, "x")];
    let audit = vec![
        index("by_company", doc! { "c": 1, "_id": -1 }),
        index("by_entity", doc! { "c": 1, "e": 1, "i": 1, "_id": -1 }),
    ];
    let messages = vec![index("by_play", doc! { "k": 1, "at": 1, "_id": 1 })];
    let indexes =
        [(PLAYS, plays), (CHUNKS, chunks), (MESSAGES, messages), (WAITS, waits), (DOCS, docs), (AUDIT, audit)];
    let collections = COLLECTIONS.into_iter().map(Change::Collection);
    collections.chain(indexes.into_iter().flat_map(|(collection, indexes)| of(collection, indexes))).collect()
}

fn forgotten_replicas() -> Vec<Change> {
    vec![Change::Index(REPLICAS, expiring("forgotten", doc! { "until": 1 }, REPLICA_KEPT))]
}

/// The names of files. What they lead to is in collections of GridFS, which the driver makes.
fn files() -> Vec<Change> {
    let of = |names| [Change::Collection(names), Change::Index(names, index("by_object", doc! { "f": 1 }))];
    [FILES.names, LARGE_VALUES.names].into_iter().flat_map(of).collect()
}

/// Refuses a server on which several writes cannot happen together.
pub(crate) async fn refuse_standalone(db: &Database) -> Result<(), StoreError> {
    let hello = again(async || db.run_command(doc! { "hello": 1 }).await).await.map_err(|error| meaning(&error))?;
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
