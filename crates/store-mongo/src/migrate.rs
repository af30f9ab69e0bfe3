//! Brings the schema up to date, one replica at a time, and tells what it lacks.
//!
//! What was done is written down with a checksum, so that two flow8s that mean different things
//! by one version do not share a store.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::TryStreamExt as _;
use model::payload::Digest;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::{Database, IndexModel};
use store::StoreError;

use crate::fault::{Fault, again};
use crate::lock;
use crate::schema::{Change, META, MIGRATIONS, Migration, VERSION};

/// The document of [`META`] that says what the store is.
const SCHEMA: &str = "schema";

/// The server's code where a collection is there already.
const NAMESPACE_EXISTS: i32 = 48;

/// Its code where a collection that was to be listed is not there.
const NAMESPACE_NOT_FOUND: i32 = 26;

/// Its codes where an index of that name, or with these keys, is another.
const INDEX_CONFLICTS: [i32; 2] = [85, 86];

/// One version of the schema, and whether the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The version that it brings the store to.
    pub version: u32,
    /// What it is for.
    pub name: &'static str,
    /// Whether it was done.
    pub is_done: bool,
    /// What of it the store lacks, as people read it.
    pub missing: Vec<String>,
}

impl Step {
    /// Whether there is something to do.
    pub fn is_pending(&self) -> bool {
        !self.is_done || !self.missing.is_empty()
    }
}

/// What there is of each version, and what is missing. Nothing is changed.
pub(crate) async fn steps(db: &Database) -> Result<Vec<Step>, StoreError> {
    inspect(db, MIGRATIONS).await
}

/// Does what is missing. Returns what there was before. Whoever comes second waits for the first.
pub(crate) async fn migrate(db: &Database) -> Result<Vec<Step>, StoreError> {
    lock::while_held(db, "migrate", async {
        let before = inspect(db, MIGRATIONS).await?;
        for (step, migration) in before.iter().zip(MIGRATIONS).filter(|(step, _)| step.is_pending()) {
            apply(db, step.version, migration).await?;
        }
        Ok(before)
    })
    .await
}

async fn inspect(db: &Database, migrations: &[Migration]) -> Result<Vec<Step>, StoreError> {
    let (done, indexes) = (done(db).await?, Indexes::of(db).await?);
    let mut steps = Vec::new();
    for (version, migration) in (1..).zip(migrations) {
        let recorded = done.get(&version);
        if recorded.is_some_and(|recorded| *recorded != checksum(migration)) {
            return Err(StoreError::Damaged(format!(
                "version {version} of the schema ({}) was made by a flow8 that means something else by it",
                migration.name
            )));
        }
        let missing = (migration.changes)().iter().filter_map(|change| indexes.lacks(change)).collect();
        steps.push(Step { version, name: migration.name, is_done: recorded.is_some(), missing });
    }
    Ok(steps)
}

/// A store that a newer flow8 made is left alone, unless that one left it such that this one can use it.
pub(crate) async fn refuse_newer(db: &Database) -> Result<(), StoreError> {
    let Some(meta) = schema_of(db).await? else { return Ok(()) };
    let found = number(meta.get("version"))?;
    let oldest = if meta.contains_key("oldest") { number(meta.get("oldest"))? } else { found };
    if found > VERSION && oldest > VERSION {
        return Err(StoreError::Newer { store: crate::name_of(db), found, known: VERSION });
    }
    Ok(())
}

/// Whether there is a store.
pub(crate) async fn is_made(db: &Database) -> Result<bool, StoreError> {
    Ok(schema_of(db).await?.is_some())
}

async fn schema_of(db: &Database) -> Result<Option<Document>, StoreError> {
    db.collection::<Document>(META).find_one(doc! { "_id": SCHEMA }).await.map_err(into_store)
}

fn number(field: Option<&Bson>) -> Result<u32, StoreError> {
    let number = match field {
        Some(Bson::Int32(number)) => u32::try_from(*number).ok(),
        Some(Bson::Int64(number)) => u32::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| StoreError::Damaged("the schema's version is no number".into()))
}

fn into_store(error: Error) -> StoreError {
    Fault::from(error).into_store()
}

/// The checksums of the versions that the store has.
async fn done(db: &Database) -> Result<BTreeMap<u32, String>, StoreError> {
    let meta = db.collection::<Document>(META);
    let rows = meta.find(doc! { "checksum": { "$exists": true } }).await.map_err(into_store)?;
    let rows: Vec<Document> = rows.try_collect().await.map_err(into_store)?;
    let entry =
        |row: &Document| Ok((number(row.get("version"))?, row.get_str("checksum").unwrap_or_default().to_owned()));
    rows.iter().map(entry).collect()
}

/// What a migration does, as a number that another one does not have.
fn checksum(migration: &Migration) -> String {
    let changes = (migration.changes)();
    let lines: Vec<String> = changes.iter().map(describe_all).collect();
    Digest::of(lines.join("\n").as_bytes()).to_string()
}

/// All of a change, always in the same words.
fn describe_all(change: &Change) -> String {
    match change {
        Change::Collection(name) => format!("collection {name}"),
        Change::Index(collection, index) => format!("index {collection} {}", Shape::wanted(index).0),
    }
}

async fn apply(db: &Database, version: u32, migration: &Migration) -> Result<(), StoreError> {
    for change in (migration.changes)() {
        make(db, &change).await?;
    }
    let meta = db.collection::<Document>(META);
    let row = doc! {
        "version": version,
        "name": migration.name,
        "checksum": checksum(migration),
        "flow8": env!("CARGO_PKG_VERSION"),
    };
    let row = vec![doc! { "$set": row }, doc! { "$set": { "at": "$$NOW" } }];
    meta.update_one(doc! { "_id": format!("migration/{version}") }, row).upsert(true).await.map_err(into_store)?;
    let is = doc! { "$max": { "version": version, "oldest": migration.oldest } };
    meta.update_one(doc! { "_id": SCHEMA }, is).upsert(true).await.map_err(into_store)?;
    Ok(())
}

async fn make(db: &Database, change: &Change) -> Result<(), StoreError> {
    let (collection, index) = match change {
        Change::Collection(name) => match again(async || db.create_collection(*name).await).await {
            Err(error) if code_of(&error) != Some(NAMESPACE_EXISTS) => return Err(into_store(error)),
            _ => return Ok(()),
        },
        Change::Index(collection, index) => (*collection, index),
    };
    let collections = db.collection::<Document>(collection);
    match again(async || collections.create_index(index.clone()).await).await {
        Ok(_) => Ok(()),
        Err(error) if code_of(&error).is_some_and(|code| INDEX_CONFLICTS.contains(&code)) => {
            let wanted = Shape::wanted(index);
            let name = wanted.name();
            Err(StoreError::Failed(format!(
                "the index {name} of {collection} is not the one that flow8 makes; drop it with mongosh --eval \
                 'db.{collection}.dropIndex(\"{name}\")', then run flow8 migrate"
            )))
        }
        Err(error) => Err(into_store(error)),
    }
}

fn code_of(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// The indexes that a database has, by collection.
struct Indexes(BTreeMap<String, Vec<Shape>>);

impl Indexes {
    async fn of(db: &Database) -> Result<Self, StoreError> {
        let mut all = BTreeMap::new();
        for name in db.list_collection_names().await.map_err(into_store)? {
            let listed = match db.collection::<Document>(&name).list_indexes().await {
                Ok(listed) => listed.try_collect::<Vec<IndexModel>>().await.map_err(into_store)?,
                // It went between the two looks.
                Err(error) if code_of(&error) == Some(NAMESPACE_NOT_FOUND) => continue,
                Err(error) => return Err(into_store(error)),
            };
            all.insert(name, listed.iter().map(Shape::wanted).collect());
        }
        Ok(Self(all))
    }

    /// What the database lacks of a change, as people read it.
    fn lacks(&self, change: &Change) -> Option<String> {
        match change {
            Change::Collection(name) => (!self.0.contains_key(*name)).then(|| format!("the collection {name}")),
            Change::Index(collection, index) => {
                let wanted = Shape::wanted(index);
                let has = self.0.get(*collection).is_some_and(|indexes| indexes.contains(&wanted));
                (!has).then(|| format!("the index {} of {collection}", wanted.name()))
            }
        }
    }
}

/// What makes an index what it is.
#[derive(PartialEq, Eq)]
struct Shape(String);

impl Shape {
    fn wanted(index: &IndexModel) -> Self {
        let options = index.options.clone().unwrap_or_default();
        let filter = options.partial_filter_expression.map(|filter| filter.to_string()).unwrap_or_default();
        let expires = options.expire_after.map(|after: Duration| after.as_secs().to_string()).unwrap_or_default();
        let (name, unique) = (options.name.unwrap_or_default(), options.unique.unwrap_or_default());
        Self(format!("{name} {} unique={unique} filter={filter} expires={expires}", index.keys))
    }

    fn name(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

/// A flow8 that must not change the schema itself says what to run.
pub(crate) fn refuse_pending(steps: &[Step]) -> Result<(), StoreError> {
    let Some(step) = steps.iter().find(|step| step.is_pending()) else { return Ok(()) };
    let what = step.missing.first().map_or_else(|| format!("version {} of the schema", step.version), Clone::clone);
    Err(StoreError::Failed(format!("the database lacks {what}; run flow8 migrate, once, before replicas start")))
}
